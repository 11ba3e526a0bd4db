// The seconds left to take a verdict back, by the server's clock.
import { all, one, say } from "./page.js";
import { now } from "./clock.js";

const LINGER = 4000;

function count() {
  for (const toast of all("[data-toast]")) {
    const seconds = one("[data-until]", toast);
    if (!seconds) {
      toast.gone ??= setTimeout(() => toast.remove(), LINGER);
      continue;
    }
    const left = Date.parse(seconds.dataset.until) - now();
    if (left > 0) seconds.textContent = say("s", Math.ceil(left / 1000));
    else toast.remove();
  }
}

setInterval(count, 200);
document.addEventListener("htmx:oobAfterSwap", count);
