// Moving through the list: j and k, Enter and o, u and Esc back to the same row. While a card is open, moving opens
// the next one: the one that has the focus is the one that is open.
import { all, announce, find, isPhone } from "./page.js";
import { onKey, typing } from "./keys.js";
import { list, row, rows } from "./rows.js";
import { turned } from "./standing.js";
import { retitle } from "./title.js";

let heading = null; // the row whose card is on its way

const labels = () => find("[data-list-words]")?.dataset ?? {};
const current = () => document.activeElement?.closest?.("[data-row]") ?? find("[data-row][data-open]");

export function focusRow(target) {
  if (!target) return;
  find(".row-link", target).focus({ preventScroll: true });
  target.scrollIntoView({ block: "nearest" });
}

function step(by, extend) {
  if (!list()) return;
  const shownRows = rows();
  const open = find("#pane [data-card]") && (shownRows.includes(heading) ? heading : find("[data-row][data-open]"));
  const at = shownRows.indexOf(open || current());
  const next = shownRows[at < 0 ? (by > 0 ? 0 : shownRows.length - 1) : at + by];
  if (extend) for (const selected of [shownRows[at], next]) pick(selected, true);
  focusRow(next);
  if (!next || !find("#pane [data-card]")) return;
  heading = next;
  find(".row-link", next).click();
}

export function pick(target, on) {
  const box = target && find("[name=pick]", target);
  if (!box || box.disabled) return;
  box.checked = on ?? !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

export function closeCard() {
  const split = find("[data-split]");
  const card = find("[data-card]");
  const id = card?.dataset.card;
  const query = find("[data-list]")?.dataset.query ?? "";
  if (!split || split.dataset.view === "list") return false;
  split.dataset.view = "list";
  find("#pane").replaceChildren(find("#overview").content.cloneNode(true));
  turned();
  document.dispatchEvent(new Event("pane:closed"));
  for (const open of all("[data-row][data-open]")) open.removeAttribute("data-open");
  history.pushState({ htmx: true }, "", split.dataset.home + query);
  retitle();
  focusRow(id ? row(id) : rows()[0]);
  return true;
}

function escape(event) {
  const panel = find("#actions [data-cancel]") ?? find("[data-batch-page] details[open][data-panel] > summary");
  if (typing(event.target) && !panel) event.target.blur();
  else if (panel) panel.click();
  else closeCard();
}

const label = (name) => () => (list() ? (labels()["word" + name] ?? name) : "");
onKey("j", label("Next"), () => step(1, false));
onKey("k", label("Previous"), () => step(-1, false));
onKey("Shift+j", label("Extend"), () => step(1, true), "Shift J");
onKey("Shift+k", () => "", () => step(-1, true));
onKey("ArrowDown", () => "", (event) => arrow(event, 1));
onKey("ArrowUp", () => "", (event) => arrow(event, -1));
onKey("o", label("Open"), () => find(".row-link", current() ?? document.createElement("p"))?.click(), "Enter");
onKey("u", label("Back"), () => closeCard());
onKey("Escape", () => "", escape);
onKey("x", label("Select"), () => pick(current()));

function arrow(event, by) {
  if (!event.target.closest("[data-row]")) return;
  event.preventDefault();
  step(by, false);
}

document.addEventListener("click", (event) => {
  const back = event.target.closest("[data-back]");
  if (back && find("[data-split]") && !event.ctrlKey && !event.metaKey && closeCard()) event.preventDefault();
});

// The row of the open card is marked, wherever the card came from.
function mark() {
  const id = find("[data-card]")?.dataset.card;
  for (const element of rows()) element.toggleAttribute("data-open", element.dataset.row === id);
  if (id && !isPhone()) row(id)?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "pane") return;
  heading = null;
  const split = find("[data-split]");
  if (split) split.dataset.view = find("[data-card], [data-batch-page]") ? "card" : "list";
  if (isPhone()) scrollTo(0, 0);
  mark();
  const title = find("#card-title");
  if (title) announce(title.textContent.trim());
});
mark();
