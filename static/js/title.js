// Tab title, favicon and the counts on the page say how many wait.
import { all, find } from "./page.js";

let shown = null;

const capped = (count) => (count > 1000 ? "1,000+" : String(count));

export function waiting(count) {
  if (count === shown) return;
  shown = count;
  for (const counter of all("[data-count]")) counter.textContent = capped(count);
  const icon = find("link[rel=icon]");
  icon.href = icon.dataset.favicon.replace(/\d+(?=\.svg)/, Math.min(count, 100));
  retitle();
}

// An open card names the tab; without one the tab counts.
export function retitle() {
  const title = find("[data-split]")?.dataset.title;
  if (!title || find("[data-card]")) return;
  document.title = shown ? `(${capped(shown)}) ${title}` : title;
}
