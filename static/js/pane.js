// The open card hears of its own changes: who claims it, and when somebody settles or revises it.
import { all, one } from "./page.js";

// A change that this page caused itself arrives with the answer; the socket's echo of it is older or the same.
export function changed(message) {
  const card = one("[data-card]");
  if (!card || card.dataset.card !== message.id || Number(card.dataset.seq) >= message.seq) return;
  card.dataset.seq = message.seq;
  const busy = one("#actions form[data-sent]");
  if (busy) return;
  const same = message.status === card.dataset.status && message.revision === Number(card.dataset.revision) &&
    message.round === Number(card.dataset.round) && message.tier === Number(card.dataset.tier) &&
    message.stage === Number(card.dataset.stage);
  if (same) {
    claimed(card, message.claim);
    if (card.dataset.thread && one("#thread")) window.htmx.ajax("GET", card.dataset.thread, { target: "#thread", swap: "innerHTML" });
    return;
  }
  lock(card);
}

function claimed(card, claimant) {
  const url = card.dataset.claimed;
  window.htmx.ajax("GET", url, { target: "#card-claim", swap: "innerHTML" });
  const me = one("[data-split]").dataset.me;
  const was = card.dataset.claim;
  card.dataset.claim = claimant;
  // A colleague took it over, or gave it back: the buttons change, unless one is writing in a panel.
  if ((claimant && claimant !== me) || (was && was !== me)) {
    if (!one("#actions .sheet") || (claimant && claimant !== me)) {
      window.htmx.ajax("GET", card.dataset.actions, { target: "#actions", swap: "innerHTML" });
    }
  }
}

// Settled or revised: nothing that is shown may be decided any more.
function lock(card) {
  card.setAttribute("data-locked", "");
  for (const control of all("#actions button, #actions a, .alternatives button")) {
    control.setAttribute("aria-disabled", "true");
    control.setAttribute("tabindex", "-1");
    if ("disabled" in control) control.disabled = true;
    control.removeAttribute("data-key");
  }
  // What changed stands at the top.
  window.htmx.ajax("GET", card.dataset.changed, { target: "#pane", swap: "innerHTML" }).then(() => one("#card")?.scrollIntoView());
}
