// A claim that is about to end says so in its last minute, and one key keeps it.
import { announce, find, say } from "./page.js";
import { now } from "./clock.js";

const WARN = 60000;

function tick() {
  const warning = find("[data-claim-ends]");
  if (!warning) return;
  const left = Date.parse(warning.dataset.claimEnds) - now();
  const soon = left > 0 && left <= WARN;
  if (soon) find("[data-seconds]", warning).textContent = say("s", Math.ceil(left / 1000));
  if (soon && warning.hidden) announce(find("[data-words]", warning).textContent);
  warning.hidden = !soon;
}

setInterval(tick, 1000);
document.addEventListener("htmx:afterSwap", tick);
