// Selecting several rows: x and Shift, the groups above the list, and the bar that says what is selected.
import { all, find, say } from "./page.js";
import { rows } from "./rows.js";

let last = null;
const picks = () => all("[data-rows] [name=pick]:checked");

function bar() {
  const picked = picks();
  const element = find("[data-batch-bar]");
  if (!element) return;
  element.hidden = picked.length === 0;
  find("[data-batch-count]").textContent = say("selected", picked.length);
  const form = find("[data-batch-form]");
  for (const old of all("[name=pick]", form)) old.remove();
  for (const box of picked) {
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
    const shownRows = rows();
    const here = shownRows.indexOf(box.closest("[data-row]"));
    if (event.shiftKey && last?.isConnected) {
      const there = shownRows.indexOf(last);
      for (const selected of shownRows.slice(Math.min(here, there), Math.max(here, there) + 1)) {
        const other = find("[name=pick]", selected);
        if (!other.disabled) other.checked = box.checked;
      }
      bar();
    }
    last = shownRows[here];
  }
  const group = event.target.closest?.("[data-select-group]");
  if (group) {
    for (const element of rows()) {
      const other = find("[name=pick]", element);
      other.checked = !other.disabled && element.dataset.alike === group.dataset.selectGroup;
    }
    bar();
    find("[data-batch-form]").requestSubmit();
  }
  if (event.target.closest?.("[data-batch-clear]")) clear();
});

export function clear() {
  for (const box of picks()) box.checked = false;
  bar();
}

document.addEventListener("htmx:afterSwap", (event) => {
  if (find("[data-batch-page][data-results]")) clear();
  if (event.detail.target?.id === "list") bar();
});
document.addEventListener("rows:changed", bar);
