// The list's rows: put in place, replaced and taken away without moving the row under review.
import { all, announce, find, say } from "./page.js";
import { tick } from "./clock.js";

export const list = () => find("[data-rows]");
export const rows = () => all("[data-row]", list() ?? document.createElement("ol"));
export const row = (id) => find(`#row-${CSS.escape(id)}`);

function scroller() {
  const body = find("[data-list]");
  return body && body.scrollHeight > body.clientHeight && getComputedStyle(body).overflowY !== "visible"
    ? body
    : document.scrollingElement;
}

// The row that must stay where it is: the open one, the focused one, else the first in view.
function anchor() {
  const top = find("[data-list]")?.getBoundingClientRect().top ?? 0;
  const steady = find("[data-row][data-open]") ?? document.activeElement?.closest?.("[data-row]");
  if (steady?.isConnected) return steady;
  return scroller().scrollTop > 0 ? rows().find((element) => element.getBoundingClientRect().bottom > Math.max(top, 0)) : null;
}

// Rows are the same for everybody; the page says which claim, and what came back, is the viewer's own.
export function own() {
  const me = find("[data-split]")?.dataset.me;
  for (const mark of all("[data-claimant]")) {
    const who = find("[data-who]", mark);
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
  const pick = find("[name=pick]", old);
  if (pick?.checked && fresh.dataset.status === "pending") find("[name=pick]", fresh).checked = true;
  old.replaceWith(fresh);
  move(fresh); // before it is focused: what is moved loses the focus
  window.htmx.process(fresh);
  if (focused) find(`.${focused.split(" ")[0]}`, fresh)?.focus({ preventScroll: true });
}

// The order of the server's list: by the time to the microsecond, which Date.parse cuts off, then by id.
const orderOf = (element) => [element.dataset.at || "9999", element.dataset.row];
// The agent answered what the viewer asked: that is the viewer's next work, whatever the time left.
const answered = (element) => (element.dataset.answered ?? "").split(" ").includes(find("[data-split]")?.dataset.me ?? "-");
const before = (a, b) => {
  if (answered(a) !== answered(b)) return answered(a);
  const [at, id] = orderOf(a);
  const [other, otherId] = orderOf(b);
  if (Date.parse(at) !== Date.parse(other)) return Date.parse(at) < Date.parse(other);
  return at === other ? id < otherId : at < other;
};
const after = (fresh) => rows().find((element) => element !== fresh && before(fresh, element));

// Its time moved: a claim stopped its tier's clock and was given back, or it was revised. Past what is loaded it stays.
function move(fresh) {
  const next = after(fresh);
  const more = find("[data-more]", list());
  if (next || !more) list().insertBefore(fresh, next ?? null);
}

function insert(fresh) {
  const next = after(fresh);
  const more = find("[data-more]", list());
  if (!next && more) return; // beyond what is loaded
  fresh.classList.add("arrived");
  fresh.toggleAttribute("data-new", true);
  list().insertBefore(fresh, next ?? more ?? null);
  window.htmx.process(fresh);
  announce(say("arrived", find(".row-title", fresh).textContent));
}

// It went to another tier, or to another stage: it stays in its place, greyed, and says where it is.
function leave(fresh, tier, staged) {
  fresh.toggleAttribute("data-settled", true);
  find("[name=pick]", fresh).disabled = true;
  const label = document.createElement("span");
  label.className = "row-settled";
  label.textContent = say(staged ? "staged" : "gone", tier);
  find("[data-left]", fresh)?.replaceWith(label);
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
  const freshIds = new Set(fresh.map((freshRow) => freshRow.dataset.row));
  steadily(() => {
    for (const old of rows()) if (!freshIds.has(old.dataset.row)) old.remove();
    let last = null;
    for (const freshRow of fresh) {
      const old = row(freshRow.dataset.row);
      if (!old) {
        freshRow.classList.add("arrived");
        freshRow.toggleAttribute("data-new", true);
        (last ?? { after: (element) => list().prepend(element) }).after(freshRow);
        window.htmx.process(freshRow);
      } else if (old.dataset.seq !== freshRow.dataset.seq || old.dataset.claim !== freshRow.dataset.claim) {
        replace(old, freshRow);
      }
      const current = row(freshRow.dataset.row);
      const wrong = last ? last.nextElementSibling !== current : list().firstElementChild !== current;
      if (wrong) (last ? last.after(current) : list().prepend(current));
      last = current;
    }
    find("[data-more]", list())?.remove();
    const more = find("[data-more]", holder.content);
    if (more) {
      list().append(more);
      window.htmx.process(more);
    }
  });
  document.dispatchEvent(new CustomEvent("rows:changed"));
}

own();
document.addEventListener("htmx:afterSwap", own);
