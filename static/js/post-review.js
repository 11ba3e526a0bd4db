// Looking afterwards: f finds the focused one fine, o opens what is wrong with it; after an answer the hand stays there.
import { all, find } from "./page.js";
import { onKey, typing } from "./keys.js";
import { focusRow } from "./list.js";
import { rows } from "./rows.js";

const labels = () => find("[data-list-words]")?.dataset ?? {};
const current = () => document.activeElement?.closest?.("[data-row]");
let focusedIndex = null;
let picked = [];

function object(event) {
  const box = current() && find("details", current());
  if (!box) return;
  event.preventDefault(); // or the key would be the first letter
  box.open = true;
  find("textarea", box).focus();
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

if (find("#post-review")) {
  onKey("f", () => labels().wordFine ?? "", () => current() && find("[data-fine]", current())?.click());
  onKey("o", () => labels().wordOpen ?? "", object);
  onKey("Escape", () => "", away);
  onKey("u", () => "", () => {});
}

// While one writes what is wrong nothing is put in its place; what came meanwhile is there after the answer.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "post-review" && find(".look-object[open]")) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== "post-review") return;
  picked = all("[name=pick]:checked", find("#post-review")).map((box) => box.value);
  focusedIndex = current() && !typing(document.activeElement) ? rows().indexOf(current()) : null;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (!find("#post-review") || event.detail.target?.id !== "post-review") return;
  for (const box of all(".row-pick [name=pick]")) box.checked = picked.includes(box.value);
  const error = find("[aria-invalid]", find("#post-review"));
  if (error) error.focus();
  else if (focusedIndex !== null && !current()) focusRow(rows()[Math.min(focusedIndex, all("[data-row]").length - 1)]);
  document.dispatchEvent(new CustomEvent("rows:changed"));
});
