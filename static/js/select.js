// Selecting several rows: x and Shift, the groups above the list, and the bar that says what is selected.
import { all, one, say } from "./page.js";
import { rows } from "./rows.js";

let last = null;
const picks = () => all("[data-rows] [name=pick]:checked");

function bar() {
  const found = picks();
  const element = one("[data-batch-bar]");
  if (!element) return;
  element.hidden = found.length === 0;
  one("[data-batch-count]").textContent = say("selected", found.length);
  const form = one("[data-batch-form]");
  for (const old of all("[name=pick]", form)) old.remove();
  for (const box of found) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "pick";
    field.value = box.value;
    form.append(field);
  }
}

document.addEventListener("change", (event) => {
  if (event.target.name === "pick") bar();
});

// Shift and click select everything between.
document.addEventListener("click", (event) => {
  const box = event.target.closest?.("[data-rows] [name=pick]");
  if (box) {
    const found = rows();
    const here = found.indexOf(box.closest("[data-row]"));
    if (event.shiftKey && last?.isConnected) {
      const there = found.indexOf(last);
      for (const one_ of found.slice(Math.min(here, there), Math.max(here, there) + 1)) {
        const other = one("[name=pick]", one_);
        if (!other.disabled) other.checked = box.checked;
      }
      bar();
    }
    last = found[here];
  }
  const group = event.target.closest?.("[data-select-group]");
  if (group) {
    for (const found of rows()) {
      const other = one("[name=pick]", found);
      other.checked = !other.disabled && found.dataset.alike === group.dataset.selectGroup;
    }
    bar();
    one("[data-batch-form]").requestSubmit();
  }
  if (event.target.closest?.("[data-batch-clear]")) clear();
});

export function clear() {
  for (const box of picks()) box.checked = false;
  bar();
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (one("[data-batch-page][data-results]")) clear();
  if (event.detail.target?.id === "list") bar();
});
document.addEventListener("rows:changed", bar);
