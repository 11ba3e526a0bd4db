// Tab title, favicon and the counts on the page say how many wait.
import { all, one } from "./page.js";

let shown = null;

const words = (count) => (count > 1000 ? "1,000+" : String(count));

export function waiting(count) {
  if (count === shown) return;
  shown = count;
  for (const place of all("[data-count]")) place.textContent = words(count);
  const icon = one("link[rel=icon]");
  icon.href = icon.dataset.favicon.replace(/\d+(?=\.svg)/, Math.min(count, 100));
  retitle();
}

// An open card names the tab; without one the tab counts.
export function retitle() {
  const title = one("[data-split]")?.dataset.title;
  if (!title || one("[data-card]")) return;
  document.title = shown ? `(${words(shown)}) ${title}` : title;
}
