// Ties the buttons of a page to the passkey dialog of the browser, and says in words when it does not come to an end.
document.addEventListener("DOMContentLoaded", () => {
  const facts = document.querySelector("script[data-call]").dataset;
  const ids = {login: facts.action, authenticate: facts.action, add: facts.action, credential: facts.credential};
  if (facts.options) ids.data = facts.options;
  if (facts.passwordless) ids.passwordless = facts.passwordless;
  window.allauth.webauthn.forms[facts.call]({ids});
});
document.addEventListener("allauth.error", event => {
  event.preventDefault();
  const banner = document.createElement("div");
  banner.className = "banner banner-stop";
  banner.setAttribute("role", "alert");
  banner.textContent = "No passkey was used: the browser's dialog was closed, or this device has no key for this address. Try again, or use another way.";
  document.querySelector("#passkey-said")?.remove();
  banner.id = "passkey-said";
  document.querySelector("main h1").after(banner);
});
