// An answer belongs to the card that asked. If another stands there by now, or was asked for since, it updates the row
// and says what happened, and leaves the card, its address, the focus and what is typed alone.
import { all, find } from "./page.js";

let turn = 0; // counts what the person asked to see in the pane: only the newest of it may come
const flights = new Set();

const content = () => find("#pane > article, #pane > .overview");

export function turned() {
  turn += 1;
  land();
}

document.addEventListener("htmx:configRequest", (event) => {
  const { elt, target, triggeringEvent } = event.detail;
  if (triggeringEvent && target?.id === "pane") turn += 1;
  const from = content();
  event.detail.origin = { turn, from: from?.contains(elt) ? from : null };
});

const stands = ({ turn: then, from }) => then === turn && (!from || from.isConnected);

// What only reads for a card that is gone is not waited for: its place is gone as well.
function land() {
  for (const flight of flights) {
    const { origin, target } = flight.config;
    if (target?.id !== "pane" && origin.from && !origin.from.isConnected) flight.xhr.abort();
  }
}

document.addEventListener("htmx:beforeSend", (event) => {
  const flight = { xhr: event.detail.xhr, config: event.detail.requestConfig };
  flights.add(flight);
  flight.xhr.addEventListener("loadend", () => flights.delete(flight));
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { origin } = event.detail.requestConfig;
  const pane = find("#pane");
  if (!origin || !pane?.contains(event.detail.target) || stands(origin)) return;
  event.detail.shouldSwap = false;
  aside(event.detail.xhr.responseText, event.detail.xhr.status);
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "pane") land();
});

// Of a whole answer only what is for the list and the corner of the page.
export function aside(html, status = 200) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const root = holder.content;
  document.dispatchEvent(new CustomEvent("row:update", { detail: find("[data-row-update]", root) }));
  const toasts = all("[data-toast]", root);
  for (const toast of toasts) document.dispatchEvent(new CustomEvent("toast", { detail: toast }));
  const refused = status >= 400 && find("[role=alert]", root)?.textContent.trim();
  if (refused) {
    const title = find("#card-title", root)?.textContent.trim().replace(/\s+/g, " ");
    note(`${title ? `${title}: ` : ""}${refused}`);
  }
  document.dispatchEvent(new Event("reread"));
}

// A sentence in the corner, of something that is not in sight any more.
export function note(text) {
  const toast = document.createElement("div");
  toast.className = "toast";
  toast.dataset.toast = "";
  toast.setAttribute("role", "status");
  toast.textContent = text;
  document.dispatchEvent(new CustomEvent("toast", { detail: toast }));
}
