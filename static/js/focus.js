// After a panel opens its first field has the focus; after it closes, the buttons as a whole, so that no Enter presses
// the first of them; after a verdict the next card has it.
import { find } from "./page.js";

document.addEventListener("htmx:afterSettle", (event) => {
  const target = event.detail.target;
  if (!target?.id) return;
  if (target.id === "actions") {
    (find("[data-focus], [aria-invalid=true]", target) ?? target).focus({ preventScroll: true });
  } else if (target.id === "pane") {
    const invalid = find("[aria-invalid=true]", target);
    if (invalid) invalid.focus();
    else target.focus({ preventScroll: true });
  }
});

// A fold that is a panel, like the one of a batch.
document.addEventListener("toggle", (event) => {
  const panel = event.target;
  if (!panel.matches?.("details[data-panel]")) return;
  const at = document.activeElement;
  if (panel.open) find("[data-focus]", panel)?.focus();
  else if (at === document.body || at.closest("details[data-panel] > form")) {
    panel.closest("#actions")?.focus({ preventScroll: true });
  }
}, true);
