// Looking afterwards: f finds the focused one fine, o opens what is wrong with it; after an answer the hand stays there.
import { all, one } from "./page.js";
import { onKey, typing } from "./keys.js";
import { focusRow } from "./list.js";
import { rows } from "./rows.js";

const words = () => one("[data-list-words]")?.dataset ?? {};
const current = () => document.activeElement?.closest?.("[data-row]");
let place = null;
let picked = [];

function object(event) {
  const box = current() && one("details", current());
  if (!box) return;
  event.preventDefault(); // or the key would be the first letter
  box.open = true;
  one("textarea", box).focus();
}

function away(event) {
  const box = event.target.closest?.("details[open]");
  if (box?.closest("[data-row]")) {
    box.open = false;
    focusRow(box.closest("[data-row]"));
  } else if (typing(event.target)) {
    event.target.blur();
  }
}

onKey("f", () => words().wordFine ?? "", () => current() && one("[data-fine]", current())?.click());
onKey("o", () => words().wordOpen ?? "", object);
onKey("Escape", () => "", away);
onKey("u", () => "", () => {});

// While one writes what is wrong nothing is put in its place; what came meanwhile is there after the answer.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "afterwards" && one(".look-object[open]")) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "afterwards") return;
  picked = all("[name=pick]:checked", one("#afterwards")).map((box) => box.value);
  place = current() && !typing(document.activeElement) ? rows().indexOf(current()) : null;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (!one("#afterwards") || event.detail.target?.id !== "afterwards") return;
  for (const box of all(".row-pick [name=pick]")) box.checked = picked.includes(box.value);
  const error = one("[aria-invalid]", one("#afterwards"));
  if (error) error.focus();
  else if (place !== null && !current()) focusRow(rows()[Math.min(place, all("[data-row]").length - 1)]);
  document.dispatchEvent(new CustomEvent("rows:changed"));
});
