// After a panel opens its first field has the focus; after a verdict the next card has it.
import { one } from "./page.js";

document.addEventListener("htmx:afterSettle", (event) => {
  const target = event.detail.target;
  if (!target?.id) return;
  if (target.id === "actions") {
    const wanted = one("[data-focus], [aria-invalid=true]", target) ?? one("a, button", target);
    wanted?.focus({ preventScroll: true });
  } else if (target.id === "pane") {
    const invalid = one("[aria-invalid=true]", target);
    if (invalid) invalid.focus();
    else target.focus({ preventScroll: true });
  }
});
