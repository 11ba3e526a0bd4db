// Moving through the list: j and k, Enter and o, u and Esc back to the same row. While a card is open, moving opens
// the next one: the one that has the focus is the one that is open.
import { all, announce, isPhone, one } from "./page.js";
import { onKey, typing } from "./keys.js";
import { list, row, rows } from "./rows.js";
import { turned } from "./standing.js";
import { retitle } from "./title.js";

let heading = null; // the row whose card is on its way

const words = () => one("[data-list-words]")?.dataset ?? {};
const current = () => document.activeElement?.closest?.("[data-row]") ?? one("[data-row][data-open]");

export function focusRow(found) {
  if (!found) return;
  one(".row-link", found).focus({ preventScroll: true });
  found.scrollIntoView({ block: "nearest" });
}

function step(by, extend) {
  if (!list()) return;
  const found = rows();
  const open = one("#pane [data-card]") && (found.includes(heading) ? heading : one("[data-row][data-open]"));
  const at = found.indexOf(open || current());
  const next = found[at < 0 ? (by > 0 ? 0 : found.length - 1) : at + by];
  if (extend) for (const one_ of [found[at], next]) pick(one_, true);
  focusRow(next);
  if (!next || !one("#pane [data-card]")) return;
  heading = next;
  one(".row-link", next).click();
}

export function pick(found, on) {
  const box = found && one("[name=pick]", found);
  if (!box || box.disabled) return;
  box.checked = on ?? !box.checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

export function closeCard() {
  const split = one("[data-split]");
  const card = one("[data-card]");
  const id = card?.dataset.card;
  const query = one("[data-list]")?.dataset.query ?? "";
  if (!split || split.dataset.view === "list") return false;
  split.dataset.view = "list";
  one("#pane").replaceChildren(one("#overview").content.cloneNode(true));
  turned();
  document.dispatchEvent(new Event("pane:closed"));
  for (const open of all("[data-row][data-open]")) open.removeAttribute("data-open");
  history.pushState({ htmx: true }, "", split.dataset.home + query);
  retitle();
  focusRow(id ? row(id) : rows()[0]);
  return true;
}

function escape(event) {
  const panel = one("#actions [data-cancel]") ?? one("[data-batch-page] details[open][data-panel] > summary");
  if (typing(event.target) && !panel) event.target.blur();
  else if (panel) panel.click();
  else closeCard();
}

const label = (name) => () => (list() ? (words()["word" + name] ?? name) : "");
onKey("j", label("Next"), () => step(1, false));
onKey("k", label("Previous"), () => step(-1, false));
onKey("Shift+j", label("Extend"), () => step(1, true), "Shift J");
onKey("Shift+k", () => "", () => step(-1, true));
onKey("ArrowDown", () => "", (event) => arrow(event, 1));
onKey("ArrowUp", () => "", (event) => arrow(event, -1));
onKey("o", label("Open"), () => one(".row-link", current() ?? document.createElement("p"))?.click(), "Enter");
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
  if (back && one("[data-split]") && !event.ctrlKey && !event.metaKey && closeCard()) event.preventDefault();
});

// The row of the open card is marked, wherever the card came from.
function mark() {
  const id = one("[data-card]")?.dataset.card;
  for (const found of rows()) found.toggleAttribute("data-open", found.dataset.row === id);
  if (id && !isPhone()) row(id)?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "pane") return;
  heading = null;
  const split = one("[data-split]");
  if (split) split.dataset.view = one("[data-card], [data-batch-page]") ? "card" : "list";
  if (isPhone()) scrollTo(0, 0);
  mark();
  const title = one("#card-title");
  if (title) announce(title.textContent.trim());
});
mark();
