// The card as a whole has one version. Every request to its address says which, whatever was fetched since; and
// whenever the list is re-read, the server says in X-Card how the open card stands by now.
import { find } from "./page.js";
import { changed } from "./pane.js";

const card = () => find("#pane [data-card]");

document.addEventListener("htmx:configRequest", (event) => {
  const { elt, headers, parameters, path } = event.detail;
  const open = card();
  if (!open) return;
  headers["X-Card"] = open.dataset.card;
  const url = new URL(path, location);
  // A toast takes back what was settled: that is its own version, also of the card that still stands here.
  if (!url.pathname.startsWith(open.dataset.address) || elt.closest("[data-toast]")) return;
  url.searchParams.delete("version");
  event.detail.path = url.pathname + url.search;
  parameters.version = open.dataset.version;
});

// `stated` is what an answer, to htmx or to fetch, says of the open card; null where it says nothing.
export function compare(stated) {
  if (stated) changed(JSON.parse(stated));
}

document.addEventListener("htmx:afterRequest", (event) => compare(event.detail.xhr?.getResponseHeader("X-Card")));
