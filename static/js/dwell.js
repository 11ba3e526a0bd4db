// Moving over cards only reads. The claim, the first opening and the time in view begin after two seconds of standing
// there, or with the first thing one does to it; a card that is left goes back to the queue.
import { find } from "./page.js";

const DWELL = 2000;
let id = "";
let begun = 0; // when the time in view began; 0 while one only passes by
let away = 0;
let hiddenAt = 0;
let timer = 0;
let claimed = null; // what this page claimed: its address to return it, and the page's token

export const viewed = () => (begun ? Math.round(performance.now() - begun - away) : 0);

// `deciding`: what is pressed settles it, and needs no claim before it.
export function begin({ deciding = false } = {}) {
  const form = find("#pane [data-claims]");
  if (!id || document.hidden) return;
  clearTimeout(timer);
  begun ||= performance.now();
  if (deciding || !form || form.hasAttribute("data-asked")) return;
  form.setAttribute("data-asked", "");
  claimed = { id, release: find("#pane [data-leave]").action, token: find("[name=csrfmiddlewaretoken]", form).value };
  window.htmx.trigger(form, "claim");
}

export function leave() {
  if (!claimed || claimed.id === id) return;
  const { release, token } = claimed;
  claimed = null;
  window.htmx.ajax("POST", release, { swap: "none", values: { csrfmiddlewaretoken: token } });
}

function watch() {
  const now = find("#pane [data-card]")?.dataset.card ?? "";
  if (now === id) {
    if (begun) begin(); // drawn anew: its claim goes on
    return;
  }
  id = now;
  begun = away = 0;
  leave();
  wait();
}

function wait() {
  clearTimeout(timer);
  if (id && !begun && !document.hidden) timer = setTimeout(begin, DWELL);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else if (hiddenAt && begun) away += performance.now() - hiddenAt;
  wait();
});

// What settled it ended the claim as well.
document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, successful, requestConfig } = event.detail;
  const from = requestConfig?.origin?.from?.dataset.card;
  if (successful && from && from === claimed?.id && elt.matches?.("form[data-verdict]") && from !== id) claimed = null;
});

for (const name of ["click", "input"]) {
  document.addEventListener(name, (event) => {
    const control = event.target.closest?.("#pane [data-card] :is(button, input, textarea, select, .actions a, summary)");
    if (!control) return;
    begin({ deciding: name === "click" && control.matches("form[data-verdict] button[type=submit]") });
  }, true);
}

document.addEventListener("htmx:afterSwap", watch);
document.addEventListener("pane:closed", watch);
watch();
