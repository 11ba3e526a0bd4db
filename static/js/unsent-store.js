// Unsent text on its way to the server. Until it has arrived there it stands in this tab's own storage, by person; a
// copy of what arrived stays in the tab as well, for a card that a colleague settles while one writes.
import { body } from "./page.js";
import { ask, check, me } from "./session.js";

const PREFIX = `unsent:${me}:`;
const DISCARDED = `unsent-discarded:${me}`;
const PAUSE = 400;
const RETRY = 5000;
const LARGE = 60000; // beyond it a browser sends nothing from a page that goes away
const entries = new Map(); // key → what was typed in this tab; `arrived` where the server has it
const busy = new Set();
const discarded = new Set(); // ids: not offered again in this tab, whenever the server hears of it
const tab = crypto.getRandomValues(new Uint32Array(3)).join("-"); // each opening of a page writes for itself
let turn = Date.now();
let timer = null;
let last = {}; // what was read last, of which object: good until something is typed, sent or discarded

const key = (form) => [form.tab ?? tab, form.approval, form.run, form.slot, form.version].join("|");

function store(name, entry) {
  try {
    if (entry) sessionStorage.setItem(PREFIX + name, JSON.stringify(entry));
    else sessionStorage.removeItem(PREFIX + name);
  } catch {
    // Storage is off or full: the server is the only keeper then.
  }
}

function read() {
  try {
    const mine = Object.keys(sessionStorage).filter((name) => name.startsWith(PREFIX));
    for (const name of mine) entries.set(name.slice(PREFIX.length), JSON.parse(sessionStorage.getItem(name)));
    for (const id of JSON.parse(sessionStorage.getItem(DISCARDED) ?? "[]")) discarded.add(id);
  } catch {
    // as above
  }
}

// `form` says which one it is (approval, run, slot, version); an empty `fields` deletes what is kept of it.
export function put(form, fields, insteadOf = "") {
  const entry = { ...form, fields, tab, turn: ++turn, instead_of: insteadOf, person: me, at: new Date().toISOString() };
  const held = entries.get(key(entry));
  if (held && JSON.stringify(held.fields) === JSON.stringify(fields) && (!insteadOf || held.instead_of === insteadOf)) return;
  last = {};
  entry.instead_of ||= held?.instead_of ?? "";
  entries.set(key(entry), entry);
  store(key(entry), entry);
  clearTimeout(timer);
  timer = setTimeout(flush, PAUSE);
}

export function flush() {
  clearTimeout(timer);
  timer = null;
  return Promise.all([...entries.keys()].map(send));
}

async function send(name) {
  const entry = entries.get(name);
  if (!entry || entry.arrived || busy.has(name)) return;
  busy.add(name);
  try {
    const text = JSON.stringify(entry);
    const keepalive = text.length < LARGE;
    const headers = { "Content-Type": "application/json" };
    const response = await ask(body.dataset.unsent, { method: "POST", body: text, headers, keepalive });
    arrived(name, entry, response);
  } catch {
    // Out of reach: it stays here, and the next round tries again.
  } finally {
    busy.delete(name);
  }
  if (entries.has(name) && entries.get(name) !== entry) await send(name);
}

function arrived(name, entry, response) {
  if (response.headers.get("X-Session") === "changed") check();
  // 410: it is settled; 400, 404: nothing of the kind is kept there. None of them is sent again.
  if (!response.ok && ![400, 404, 410, 413].includes(response.status)) return;
  entry.arrived = Date.now();
  if (entries.get(name) !== entry) return;
  if (Object.keys(entry.fields).length) store(name, entry);
  else drop(name);
}

function drop(name) {
  last = {};
  entries.delete(name);
  store(name, null);
}

// It was sent: a message that is still under way must not bring it back.
export function forget(form) {
  const late = busy.has(key(form));
  drop(key(form));
  if (late) put(form, {});
}

// The form is empty again, and so is what is kept of it.
export function forsake(form) {
  drop(key(form));
  put(form, {});
}

export async function discard(text) {
  drop(key(text));
  if (!text.id) return;
  discarded.add(text.id);
  try {
    sessionStorage.setItem(DISCARDED, JSON.stringify([...discarded]));
  } catch {
    // as above
  }
  await ask(`${body.dataset.unsent}${text.id}/discard/`, { method: "POST", keepalive: true }).catch(() => {});
}

const here = ({ approval, run }) =>
  [...entries.values()].filter((entry) =>
    entry.approval === approval && entry.run === run && Object.keys(entry.fields).length);

// What was typed there, newest first, from the server and from here.
export function texts(object) {
  const name = JSON.stringify(object);
  if (last.name !== name) last = { name, texts: lookUp(object) };
  return last.texts;
}

async function lookUp(object) {
  const askedAt = Date.now();
  try {
    const response = await ask(`${body.dataset.unsent}?${new URLSearchParams(object)}`);
    const answer = response.ok ? await response.json() : null;
    if (answer?.person && answer.person !== me) check();
    // What arrived while that was under way is newer than what was read.
    else if (answer) return merged(answer.texts, object, (entry) => !entry.arrived || entry.arrived >= askedAt);
  } catch {
    // Out of reach: what this tab has is all there is for now.
  }
  return merged([], object, () => true);
}

function merged(kept, object, counts) {
  const mine = here(object).filter(counts);
  // What this tab has later: other words, or none any more, which the server may not have heard of yet.
  const emptied = [...entries.values()].filter((entry) => !Object.keys(entry.fields).length);
  const later = new Set(mine.map(key));
  const offered = kept.filter((text) => !discarded.has(text.id) && !later.has(key({ ...text, ...object })));
  return [...mine, ...offered].sort(
    (a, b) => Date.parse(b.at) - Date.parse(a.at));
}

// What this tab still has of a card that was settled before it was sent.
export const left = (object) => here(object).filter((entry) => entry.arrived);

export function sending(form, slots, insteadOf) {
  return JSON.stringify({ ...form, slots, tab, instead_of: insteadOf });
}

read();
setInterval(() => timer === null && flush(), RETRY);
for (const name of ["pagehide", "online"]) addEventListener(name, flush);
document.addEventListener("visibilitychange", () => document.hidden && flush());
document.addEventListener("focusout", (event) => event.target.form?.dataset.unsent && flush());
document.addEventListener("session:back", flush);

// Signing out leaves nothing of it in the browser but what nobody else has.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-sign-out]")) return;
  for (const [name, entry] of entries) if (entry.arrived) drop(name);
});
