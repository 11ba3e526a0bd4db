// The list's rows: put in place, replaced and taken away without moving the row under review.
import { all, announce, one, say } from "./page.js";
import { tick } from "./clock.js";

export const list = () => one("[data-rows]");
export const rows = () => all("[data-row]", list() ?? document.createElement("ol"));
export const row = (id) => one(`#row-${CSS.escape(id)}`);

function scroller() {
  const body = one("[data-list]");
  return body && body.scrollHeight > body.clientHeight && getComputedStyle(body).overflowY !== "visible"
    ? body
    : document.scrollingElement;
}

// The row that must stay where it is: the open one, the focused one, else the first in view.
function anchor() {
  const top = one("[data-list]")?.getBoundingClientRect().top ?? 0;
  const steady = one("[data-row][data-open]") ?? document.activeElement?.closest?.("[data-row]");
  if (steady?.isConnected) return steady;
  return scroller().scrollTop > 0 ? rows().find((found) => found.getBoundingClientRect().bottom > Math.max(top, 0)) : null;
}

// Rows are the same for everybody; the page says which claim, and what came back, is the viewer's own.
export function own() {
  const me = one("[data-split]")?.dataset.me;
  for (const mark of all("[data-claimant]")) {
    const who = one("[data-who]", mark);
    if (mark.dataset.claimant === me) who.textContent = who.dataset.who || say("you");
  }
}

export function steadily(change) {
  const held = anchor();
  const id = held?.dataset.row;
  const before = held?.getBoundingClientRect().top;
  change();
  const after = id && row(id)?.getBoundingClientRect().top;
  if (after != null) scroller().scrollTop += after - before;
  own();
  tick();
}

const parsed = (html) => {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  return holder.content.querySelector("[data-row]");
};

function replace(old, fresh, move = () => {}) {
  const focused = old.contains(document.activeElement) ? document.activeElement.className : "";
  if (old.hasAttribute("data-open")) fresh.setAttribute("data-open", "");
  const pick = one("[name=pick]", old);
  if (pick?.checked && fresh.dataset.status === "pending") one("[name=pick]", fresh).checked = true;
  old.replaceWith(fresh);
  move(fresh); // before it is focused: what is moved loses the focus
  window.htmx.process(fresh);
  if (focused) one(`.${focused.split(" ")[0]}`, fresh)?.focus({ preventScroll: true });
}

// The order of the server's list: by the time to the microsecond, which Date.parse cuts off, then by id.
const place = (element) => [element.dataset.at || "9999", element.dataset.row];
// The agent answered what the viewer asked: that is the viewer's next work, whatever the time left.
const answered = (element) => (element.dataset.answered ?? "").split(" ").includes(one("[data-split]")?.dataset.me ?? "-");
const before = (a, b) => {
  if (answered(a) !== answered(b)) return answered(a);
  const [at, id] = place(a);
  const [other, otherId] = place(b);
  if (Date.parse(at) !== Date.parse(other)) return Date.parse(at) < Date.parse(other);
  return at === other ? id < otherId : at < other;
};
const after = (fresh) => rows().find((found) => found !== fresh && before(fresh, found));

// Its time moved: a claim stopped its tier's clock and was given back, or it was revised. Past what is loaded it stays.
function move(fresh) {
  const next = after(fresh);
  const more = one("[data-more]", list());
  if (next || !more) list().insertBefore(fresh, next ?? null);
}

function insert(fresh) {
  const next = after(fresh);
  const more = one("[data-more]", list());
  if (!next && more) return; // beyond what is loaded
  fresh.classList.add("arrived");
  fresh.toggleAttribute("data-new", true);
  list().insertBefore(fresh, next ?? more ?? null);
  window.htmx.process(fresh);
  announce(say("arrived", one(".row-title", fresh).textContent));
}

// It went to another tier, or to another stage: it stays in its place, greyed, and says where it is.
function leave(fresh, tier, staged) {
  fresh.toggleAttribute("data-settled", true);
  one("[name=pick]", fresh).disabled = true;
  const words = document.createElement("span");
  words.className = "row-settled";
  words.textContent = say(staged ? "staged" : "gone", tier);
  one("[data-left]", fresh)?.replaceWith(words);
}

// One row as the server has it now. An older state than the one shown is ignored.
export function put(html, { add = true, gone = "", staged = false } = {}) {
  const fresh = parsed(html);
  if (fresh && gone) leave(fresh, gone, staged);
  if (!fresh || !list()) return;
  const old = row(fresh.dataset.row);
  if (old && Number(old.dataset.seq) >= Number(fresh.dataset.seq)) return;
  const risen = answered(fresh) && !(old && answered(old));
  const moved = fresh.dataset.status === "pending" && !gone && old?.dataset.at !== fresh.dataset.at;
  if (old) replace(old, fresh, risen ? (element) => list().prepend(element) : moved ? move : undefined);
  else if (add && !gone && fresh.dataset.status === "pending" && !fresh.hasAttribute("data-snoozed")) insert(fresh);
}

// The server's list is the truth: afterwards the rows are the same, in the same order, each once.
export function reconcile(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const fresh = all("[data-row]", holder.content);
  const wanted = new Set(fresh.map((found) => found.dataset.row));
  steadily(() => {
    for (const old of rows()) if (!wanted.has(old.dataset.row)) old.remove();
    let last = null;
    for (const found of fresh) {
      const old = row(found.dataset.row);
      if (!old) {
        found.classList.add("arrived");
        found.toggleAttribute("data-new", true);
        (last ?? { after: (element) => list().prepend(element) }).after(found);
        window.htmx.process(found);
      } else if (old.dataset.seq !== found.dataset.seq || old.dataset.claim !== found.dataset.claim) {
        replace(old, found);
      }
      const current = row(found.dataset.row);
      const wrong = last ? last.nextElementSibling !== current : list().firstElementChild !== current;
      if (wrong) (last ? last.after(current) : list().prepend(current));
      last = current;
    }
    one("[data-more]", list())?.remove();
    const more = one("[data-more]", holder.content);
    if (more) {
      list().append(more);
      window.htmx.process(more);
    }
  });
  document.dispatchEvent(new CustomEvent("rows:changed"));
}

own();
document.addEventListener("htmx:afterSwap", own);
