// The banner of queues at their limits, kept true on a page that stays open: at a word of the socket, else by looking.
import { one } from "./page.js";
import { ask } from "./session.js";

const EVERY = 10000;
let looking = false;

async function look() {
  const place = one("[data-scarcity]");
  if (!place || looking || document.hidden) return;
  looking = true;
  try {
    const response = await ask(place.dataset.scarcity);
    if (!response.ok) return;
    const html = (await response.text()).trim();
    if (html === place.dataset.said) return; // nothing is read out twice
    place.dataset.said = html;
    place.innerHTML = html;
  } catch {
    // Out of reach; the next round looks again.
  } finally {
    looking = false;
  }
}

document.addEventListener("scarcity", look);
document.addEventListener("visibilitychange", look);
if (one("[data-scarcity]")) setInterval(look, EVERY);
