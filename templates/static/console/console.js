// What a page cannot do without script; without it every page still works.
document.documentElement.dataset.scripted = "";
document.addEventListener("click", event => {
  if (event.target.closest("[data-print]")) window.print();
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
