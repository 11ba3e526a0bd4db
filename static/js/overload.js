// The banner of queues at their limits, kept true on a page that stays open: at a word of the socket, else by looking.
import { find } from "./page.js";
import { ask } from "./session.js";

const EVERY = 10000;
let looking = false;

async function look() {
  const banner = find("[data-overload]");
  if (!banner || looking || document.hidden) return;
  looking = true;
  try {
    const response = await ask(banner.dataset.overload);
    if (!response.ok) return;
    const html = (await response.text()).trim();
    if (html === banner.dataset.said) return; // nothing is read out twice
    banner.dataset.said = html;
    banner.innerHTML = html;
  } catch {
    // Out of reach; the next round looks again.
  } finally {
    looking = false;
  }
}

document.addEventListener("overload", look);
document.addEventListener("visibilitychange", look);
if (find("[data-overload]")) setInterval(look, EVERY);
