// A choice among buttons: what is chosen stands as JSON in the hidden field that the control is read from.
import { all, find } from "./page.js";

function chosen(picks) {
  const boxes = all("input:checked", picks);
  if (boxes.some((box) => box.hasAttribute("data-none"))) return "[]";
  if (!find("input[type=checkbox]", picks)) return boxes[0]?.value ?? "";
  return boxes.length ? `[${boxes.map((box) => box.value).join(", ")}]` : "";
}

document.addEventListener("change", (event) => {
  const picks = event.target.closest?.("[data-picks]");
  if (!picks || !event.target.matches("[type=radio], [type=checkbox]")) return;
  const none = find("[data-none]", picks);
  if (none?.checked) {
    for (const box of all("input:checked", picks)) if ((box === none) !== (event.target === none)) box.checked = false;
  }
  const text = find("[data-text]", picks);
  text.value = chosen(picks);
  text.dispatchEvent(new Event("input", { bubbles: true }));
});
