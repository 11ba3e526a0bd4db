// A verdict leaves once: the button says "Sending" until the server has answered, and carries the time in view.
import { all, announce, one, say } from "./page.js";

let opened = performance.now();
let away = 0;
let hiddenAt = 0;
let card = "";
let claimed = ""; // the card this page claimed last: it goes back when another one is opened

function watch() {
  const id = one("[data-card]")?.dataset.card ?? "";
  if (id === card) return;
  card = id;
  opened = performance.now();
  away = 0;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else if (hiddenAt) away += performance.now() - hiddenAt;
});
document.addEventListener("htmx:afterSwap", watch);
watch();

document.addEventListener("htmx:configRequest", (event) => {
  const leaving = event.detail.elt.matches?.("[data-claims]");
  if (leaving && claimed && claimed !== card) event.detail.parameters.leave = claimed;
  if (leaving) claimed = card;
  const form = event.detail.elt.matches?.("form[data-verdict]") && event.detail.elt;
  if (!form) return;
  if (one("[data-viewed]", form)) event.detail.parameters.viewed = Math.round(performance.now() - opened - away);
  if (form.hasAttribute("data-stay")) event.detail.parameters.stay = "1";
});

// A second press while the first is under way is dropped, not queued.
document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt.matches?.("form[data-verdict]") && event.detail.elt;
  if (!form) return;
  if (form.hasAttribute("data-sent")) {
    event.preventDefault();
    return;
  }
  form.setAttribute("data-sent", "");
  event.detail.requestConfig.triggeringEvent?.submitter?.setAttribute("data-pressed", "");
  for (const button of all("button", form)) button.setAttribute("aria-disabled", "true");
});

function failed(event) {
  const form = event.detail.elt?.matches?.("form[data-verdict]") && event.detail.elt;
  if (!form) return;
  form.removeAttribute("data-sent");
  for (const button of all("button", form)) {
    button.removeAttribute("aria-disabled");
    button.removeAttribute("data-pressed");
  }
  const notice = one("#card-notice");
  if (notice) {
    const line = document.createElement("p");
    line.className = "notice notice-danger";
    line.textContent = say("failed");
    notice.replaceChildren(line);
  }
  announce(say("failed"));
}

for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) document.addEventListener(name, failed);
