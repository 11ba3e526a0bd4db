// The open card hears of its own changes: who claims it, and when somebody settles or revises it. Only another
// version, status or tier changes what stands there; of the same one nothing that is being typed is touched.
import { all, find } from "./page.js";

const get = (url, target) => window.htmx.ajax("GET", url, { source: target, target, swap: "innerHTML" });

// `state` is the server's: of the socket, or of a list that was read again. Without a sequence it is out of sight.
export function changed(state) {
  const card = find("#pane [data-card]");
  if (!card || card.dataset.card !== state.id || Number(card.dataset.seq) >= state.seq) return;
  if (find("[data-sent]", card)) return; // what was sent is answered first, and then looked at again
  const same = state.status === card.dataset.status && state.version === card.dataset.version &&
    state.tier === Number(card.dataset.tier);
  if (!same) {
    lock(card);
    return;
  }
  card.dataset.seq = state.seq;
  claimed(card, state.claim);
  if (find("#thread")) get(card.dataset.thread, "#thread");
}

function claimed(card, claimant) {
  get(card.dataset.claimed, "#card-claim");
  const me = find("[data-split]").dataset.me;
  const was = card.dataset.claim;
  card.dataset.claim = claimant;
  // What must be read again first has no buttons that could come back with a claim.
  if (card.hasAttribute("data-locked")) return;
  // A colleague took it over, or gave it back: the buttons change, unless one is writing in a panel.
  if ((claimant && claimant !== me) || (was && was !== me)) {
    if (!find("#actions .sheet") || (claimant && claimant !== me)) get(card.dataset.actions, "#actions");
  }
}

// Settled or revised: nothing that is shown may be decided any more. Out of reach, it stays so until it was read again.
function lock(card) {
  card.setAttribute("data-locked", "");
  for (const part of all("#actions, .alternatives", card)) part.inert = true;
  // What changed stands at the top.
  window.htmx.ajax("GET", card.dataset.changed, { source: card, target: "#pane", swap: "innerHTML" })
    .then(() => find("#card")?.scrollIntoView());
}

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, successful, target } = event.detail;
  const stays = !successful || target?.id !== "pane"; // refused, or not answered: what came meanwhile is looked at now
  if (stays && elt.matches?.("form[data-verdict]")) document.dispatchEvent(new Event("reread"));
});
