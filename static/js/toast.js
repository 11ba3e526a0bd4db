// What was decided, newest first: each with the seconds left to take it back, by the server's clock.
import { all, find, say } from "./page.js";
import { now } from "./clock.js";

const LINGER = 4000;

function count() {
  for (const toast of all("[data-toast]")) {
    const seconds = find("[data-until]", toast);
    if (!seconds) {
      toast.gone ??= setTimeout(() => toast.remove(), LINGER);
      continue;
    }
    const left = Date.parse(seconds.dataset.until) - now();
    if (left > 0) seconds.textContent = say("s", Math.ceil(left / 1000));
    else if (!find("[data-sent]", toast)) toast.remove();
  }
}

// What is said again of the same thing takes the place of what was said before.
function settle() {
  const seen = new Set();
  for (const toast of all("#toasts > [data-toast]")) {
    if (toast.id && seen.has(toast.id)) toast.remove();
    seen.add(toast.id);
  }
  count();
}

document.addEventListener("toast", (event) => {
  find("#toasts").prepend(event.detail);
  window.htmx.process(event.detail);
  settle();
});
setInterval(count, 200);
document.addEventListener("htmx:oobAfterSwap", settle);
count();
