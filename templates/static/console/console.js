// What a page cannot do without script; without it every page still works.
document.documentElement.dataset.scripted = "";
document.addEventListener("click", event => {
  if (event.target.closest("[data-print]")) window.print();
});

// Ctrl K, or Command K: to the search box of the navigation.
document.addEventListener("keydown", event => {
  const box = document.querySelector(".find input");
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || !box) return;
  event.preventDefault();
  if (!box.checkVisibility()) document.querySelector(".crumbs-bar .narrow-only")?.click();
  requestAnimationFrame(() => box.focus());
});

// Figures that were drawn a while ago say so; what is looked at again by itself starts anew.
setInterval(() => {
  for (const note of document.querySelectorAll("[data-shows-after]")) {
    note.since ??= performance.now();
    if (performance.now() - note.since > note.dataset.showsAfter * 1000) note.hidden = false;
  }
}, 5000);

// Charts: unfold resolves var() when a page is loaded, so what it resolved is remembered and resolved again with the theme.
const coloursOf = root => {
  const style = getComputedStyle(root), value = name => style.getPropertyValue(name).trim();
  return {ink: value("--ink"), of: text => text.replace(/^var\((--[\w-]+)\)$/, (_, name) => value(name))};
};
const recolour = chart => {
  const {ink, of} = coloursOf(document.body), given = JSON.parse(chart.canvas.dataset.value).datasets;
  chart.data.datasets.forEach((set, at) => {
    for (const name of ["backgroundColor", "borderColor"]) if (given[at][name]) set[name] = of(given[at][name]);
  });
  Chart.defaults.color = ink;
  for (const scale of Object.values(chart.options.scales)) scale.ticks.color = ink;
  chart.update();
};
const recolourAll = () => { for (const chart of Object.values(Chart.instances)) if (chart.canvas.dataset.value) recolour(chart); };
// A task of its own: the page's class changes before unfold's own look at it.
new MutationObserver(() => setTimeout(recolourAll)).observe(document.documentElement, {attributeFilter: ["class"]});
addEventListener("load", () => setTimeout(recolourAll));
// A part of the page that was fetched anew brings its chart as an empty canvas.
document.addEventListener("htmx:afterSettle", () => {
  for (const canvas of document.querySelectorAll("canvas.chart")) {
    if (!Chart.getChart(canvas)) recolour(new Chart(canvas, {type: canvas.dataset.type, data: JSON.parse(canvas.dataset.value), options: JSON.parse(canvas.dataset.options)}));
  }
});

// Before a form is sent from a page that has been open for a while: is somebody still signed in? If not, the page stays as
// it is, with everything that was typed, and says what to do. After a sign-in in another tab the form gets the mark of the
// new session and goes.
const YOUNG_MILLISECONDS = 60000;
document.addEventListener("submit", async event => {
  const form = event.target, passed = "passed" in form.dataset;
  if (event.defaultPrevented || form.method !== "post" || passed || !document.querySelector(".person")) return;
  if (performance.now() < YOUNG_MILLISECONDS) return;
  event.preventDefault();
  if ("asking" in form.dataset) return;
  form.dataset.asking = "";
  let state = null;
  try {
    const answer = await fetch("/account/session/", {headers: {Accept: "application/json"}});
    if (answer.ok) state = await answer.json();
  } catch { /* said below: the server does not answer */ }
  delete form.dataset.asking;
  form.querySelector(":scope > .session-said")?.remove();
  if (state?.signed_in) {
    for (const mark of form.querySelectorAll("[name=csrfmiddlewaretoken]")) mark.value = state.csrf;
    form.dataset.passed = "";
    form.requestSubmit(event.submitter);
    return;
  }
  const said = document.createElement("div"), words = document.createElement("div");
  said.className = "banner banner-stop session-said";
  said.setAttribute("role", "alert");
  said.append(words);
  if (state) {
    const way = document.createElement("a");
    way.href = "/account/login/?next=/account/back/";
    way.target = "_blank";
    way.rel = "opener";
    way.textContent = "Sign in again in a new tab";
    words.append("Your session ended. Nothing was sent, and what you typed is still here. ", way, ", then press the button once more.");
  } else {
    words.append("The server does not answer. Nothing was sent, and what you typed is still here. Press the button again in a moment.");
  }
  form.prepend(said);
  said.scrollIntoView({block: "center"});
});
