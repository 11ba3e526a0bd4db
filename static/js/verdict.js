// A verdict leaves once: the button says "Sending" until the server has answered, and carries the time in view. Enter
// in a field sends none: what a field changes is drawn before anything is decided.
import { all, find } from "./page.js";
import { viewed } from "./dwell.js";

const formOf = (event) => event.detail.elt?.matches?.("form[data-verdict]") && event.detail.elt;

document.addEventListener("htmx:configRequest", (event) => {
  const form = formOf(event);
  if (!form) return;
  if (find("[data-viewed]", form)) event.detail.parameters.viewed = viewed();
  if (form.hasAttribute("data-stay")) event.detail.parameters.stay = "1";
});

// A second press while the first is under way is dropped, not queued.
document.addEventListener("htmx:beforeRequest", (event) => {
  const form = formOf(event);
  if (!form) return;
  if (form.hasAttribute("data-sent")) {
    event.preventDefault();
    return;
  }
  form.setAttribute("data-sent", "");
  event.detail.requestConfig.triggeringEvent?.submitter?.setAttribute("data-pressed", "");
  for (const button of all("button", form)) button.setAttribute("aria-disabled", "true");
});

// It may be sent once more: what was sent before is known not to have been recorded.
export function free(form) {
  form.removeAttribute("data-sent");
  for (const button of all("button", form)) {
    button.removeAttribute("aria-disabled");
    button.removeAttribute("data-pressed");
  }
}

document.addEventListener("session:refused", (event) => event.target.matches("form[data-verdict]") && free(event.target));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
  if (event.target.matches?.("form[data-verdict] input:not([type=submit]):not([type=button])")) event.preventDefault();
});
