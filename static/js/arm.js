// A card takes keys and presses only after it has stood still for half a second: what was meant for the card before,
// or for the buttons before, must not fall on what has just come. While another card is on its way it takes none.
import { find } from "./page.js";

const STILL = 500;
const QUIET = ["card-claim", "modify-diff"]; // change while one reads or types, and move no button
let timer = 0;
let thread = "";

export const armed = () => !find("#pane")?.hasAttribute("data-fresh");

// The ring may stand on a row whose card is not the open one: then no key acts on the card.
export const elsewhere = () => document.activeElement?.closest?.("[data-row]:not([data-open])") != null;

function hold() {
  clearTimeout(timer);
  find("#pane")?.setAttribute("data-fresh", "");
}

export function settle() {
  hold();
  timer = setTimeout(() => find("#pane")?.removeAttribute("data-fresh"), STILL);
}

document.addEventListener("htmx:beforeSend", (event) => {
  const { target, xhr, requestConfig } = event.detail;
  if (target?.id !== "pane" || !requestConfig.triggeringEvent || requestConfig.elt.closest("#pane")) return;
  hold();
  xhr.addEventListener("loadend", settle);
});

document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (!target || !find("#pane")?.contains(target) || QUIET.includes(target.id)) return;
  const text = find("#thread")?.textContent ?? "";
  const same = target.id === "thread" && text === thread;
  thread = text;
  if (!same) settle();
});

// A press that began before the card did, or a second press of two, hits nothing. Our own click() is asked in keys.js.
document.addEventListener("click", (event) => {
  if (armed() || !event.isTrusted || !event.target.closest?.("#pane button, #pane .actions :is(a, summary)")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

thread = find("#thread")?.textContent ?? "";
if (find("#pane article")) settle();
