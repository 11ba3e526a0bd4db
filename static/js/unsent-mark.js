// Where unsent text waits: on the button that opens its panel, and on the card's row. Of a card that was settled, what
// this tab still has of it stands above the card.
import { all, body, find } from "./page.js";
import { ask, me } from "./session.js";
import { discard, left, texts } from "./unsent-store.js";
import { clear, unsendable } from "./unsent-note.js";

const OPEN = ["pending", "held"];

export async function mark() {
  const card = find("[data-card]");
  if (!card || !me) return;
  const object = { approval: card.dataset.card, run: "" };
  if (!OPEN.includes(card.dataset.status)) {
    settled(card, object);
    return;
  }
  const openers = all("[data-unsent-opens]", card);
  if (!openers.length) return;
  const slots = new Set((await texts(object)).map((text) => text.slot));
  for (const opener of openers) {
    const unsent = slots.has(opener.dataset.unsentOpens);
    opener.toggleAttribute("data-unsent-here", unsent);
    if (unsent) opener.title = body.dataset.sayUnsent;
    else opener.removeAttribute("title");
  }
}

function settled(card, object) {
  const notices = find("#card-notice", card);
  if (!notices) return;
  clear(notices);
  const forms = new Set(all("form[data-unsent]", card).map((form) => form.dataset.unsent));
  for (const text of left(object)) if (!forms.has(text.slot)) unsendable(notices, text, () => discard(text));
}

// The rows are the same for everybody; the page marks those on which its person typed something.
export async function markRows() {
  const rows = all("[data-row]");
  if (!rows.length || !me) return;
  try {
    const response = await ask(body.dataset.unsent);
    if (!response.ok) return;
    const { approvals } = await response.json();
    for (const row of rows) row.toggleAttribute("data-unsent-here", approvals.includes(row.dataset.row));
  } catch {
    // Out of reach; the marks come with the next card.
  }
}

document.addEventListener("rows:changed", markRows);
markRows();
