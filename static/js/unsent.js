// Unsent text: what is typed in a form with data-unsent is kept as it is typed, and put back when the form is there
// again. data-unsent names the slot; a typed confirmation, a password and whatever is data-never-kept stay out.
import { all, find } from "./page.js";
import { discard, forget, forsake, put, sending, texts } from "./unsent-store.js";
import { clear, older, restored } from "./unsent-note.js";
import { written } from "./redraw.js";
import { mark } from "./unsent-mark.js";
import { begin, isState, restore, sameState, stateOf } from "./unsent-edit.js";

const KEPT = "textarea, select, input:not([type=hidden]):not([type=password]):not([type=file]):not([type=submit])";
const kept = new Map(); // form → { names: what is kept of it, insteadOf: the text it goes on with }
const sent = new WeakMap(); // request → what its form said when it left
let answered = null; // a form that the server draws again with what it sent: { at: which one, kept }

export const objectOf = (element) => ({
  approval: element?.dataset.unsentApproval ?? element?.closest("[data-card]")?.dataset.card ?? "",
  run: element?.closest("[data-unsent-run]")?.dataset.unsentRun ?? "",
});

const versionOf = (form) => form.dataset.unsentVersion ?? form.closest("[data-version]")?.dataset.version ?? "";
const of = (form) => ({ ...objectOf(form), slot: form.dataset.unsent, version: versionOf(form) });
const state = (form) => kept.get(form) ?? kept.set(form, { names: new Set(), insteadOf: "" }).get(form);

const controls = (form) => [...form.elements].filter(
  (field) => field.name && field.matches(KEPT) && !field.closest("[data-never-kept]") && field.name !== "typed");

function touched(field) {
  if (field.matches("[type=checkbox], [type=radio]")) return field.checked !== field.defaultChecked;
  if (field.matches("select")) return [...field.options].some((option) => option.selected !== option.defaultSelected);
  return field.value !== field.defaultValue;
}

function values(form, name) {
  const fields = controls(form).filter((field) => field.name === name);
  return fields.flatMap((field) => {
    if (field.matches("[type=checkbox], [type=radio]")) return field.checked ? [field.value] : [];
    return field.matches("select[multiple]") ? [...field.selectedOptions].map((option) => option.value) : [field.value];
  });
}

// All that was touched, and all that is kept already: a form that comes back with a fault has it as its own value.
function keep(form) {
  const { names, insteadOf } = state(form);
  for (const field of controls(form)) if (touched(field)) names.add(field.name);
  const fields = Object.fromEntries([...names].map((name) => [name, values(form, name)]));
  put(of(form), { ...fields, ...stateOf(form) }, insteadOf);
}

function fill(form, fields) {
  const left = {};
  for (const [name, given] of Object.entries(fields)) {
    if (isState(name)) continue;
    const targets = controls(form).filter((field) => field.name === name);
    const rest = [...given];
    for (const field of targets) {
      if (field.matches("[type=checkbox], [type=radio]")) field.checked = given.includes(field.value);
      else if (field.matches("select")) for (const option of field.options) option.selected = given.includes(option.value);
      else if (rest.length) field.value = rest.shift();
      if (given.length && field.closest("details")) field.closest("details").open = true;
    }
    if (targets.length) state(form).names.add(name);
    else if (given.some(Boolean)) left[name] = given;
  }
  const first = controls(form).find((field) => fields[field.name] && field.matches("textarea, input"));
  first?.dispatchEvent(new Event("input", { bubbles: true })); // whoever follows the fields follows this, too
  return left;
}

const same = (form, fields) => sameState(form, fields) && Object.entries(fields).every(
  ([name, given]) => isState(name) || String(values(form, name)) === String(given));

// Answers with the form that has it, which is another one where the server drew it again, with the fields it lacks, and
// whether it is in: what was typed meanwhile goes before it.
async function use(form, text) {
  const left = fill(form, text.fields);
  // The state of another version is no edit of this one: it is only shown, with the text.
  const whole = text.version !== versionOf(form) || sameState(form, text.fields) || (await restore(form, text.fields));
  const now = form.isConnected ? form : find(`form[data-unsent="${form.dataset.unsent}"]`);
  if (!now) return { now: form, left, whole };
  if (whole && text.id) state(now).insteadOf = `${text.id}:${text.turn}`;
  keep(now);
  return { now, left, whole };
}

// Asked for by a press, it is put in as often as it takes.
async function take(form, text) {
  const { now, whole } = await use(form, text);
  if (!whole && now.isConnected) await take(now, text);
}

function empty(form, text) {
  clear(form);
  form.reset();
  kept.delete(form);
  forsake(of(form));
  discard(text);
  form.dispatchEvent(new Event("input", { bubbles: true }));
  if (form.hasAttribute("data-unsent-on")) find("[name=op][value=reset]")?.click(); // it is the server's to draw
}

// What was typed on this version is put back; what was typed on an earlier one, or besides, is only offered.
async function offer(form) {
  if ("unsentReady" in form.dataset) return;
  form.dataset.unsentReady = "";
  const mine = of(form);
  const again = answered?.at === JSON.stringify(mine);
  if (again) {
    kept.set(form, answered.kept);
    keep(form);
  } else begin(form);
  const drawn = written(form);
  const candidates = (await texts(objectOf(form))).filter((text) => text.slot === mine.slot);
  if (!form.isConnected) return;
  const free = !again && !controls(form).some(touched) && written(form) === drawn;
  const newest = candidates.find((text) => text.version === mine.version && (free || same(form, text.fields)));
  const already = newest && same(form, newest.fields);
  const { now, left, whole } = newest ? await use(form, newest) : { now: form };
  if (whole && !already) restored(now, newest, left, () => empty(now, newest));
  for (const text of candidates) {
    if ((text === newest && whole) || same(now, text.fields)) continue;
    older(now, text, text.version === mine.version, () => take(now, text), () => discard(text));
  }
}

function look() {
  for (const form of kept.keys()) if (!form.isConnected) kept.delete(form);
  for (const form of all("form[data-unsent]")) offer(form);
  answered = null;
  mark();
}

for (const name of ["input", "change"]) {
  document.addEventListener(name, (event) => {
    const form = event.target.form;
    if (form?.dataset.unsent && (controls(form).includes(event.target) || event.target.closest("[data-control]"))) keep(form);
  });
}
document.addEventListener("unsent:changed", (event) => keep(event.target));
document.addEventListener("htmx:afterSettle", look);

// The form says what it sends; once it was taken there is nothing unsent of it.
document.addEventListener("htmx:configRequest", (event) => {
  const form = event.detail.elt.closest?.("form[data-unsent]");
  if (!form || event.detail.verb !== "post" || !ends(form, event.detail)) return;
  event.detail.parameters.unsent = sending(of(form), slots(form), state(form).insteadOf);
});
const slots = (form) => (form.dataset.unsentEnds ?? form.dataset.unsent).split(" ");
const ends = (form, { elt }) => (elt === form && !form.hasAttribute("data-unsent-on")) || elt.matches("button[formaction]");

document.addEventListener("htmx:beforeSend", ({ detail: { xhr, requestConfig } }) => {
  const form = requestConfig.verb === "post" && requestConfig.elt.closest?.("form[data-unsent]");
  if (form) sent.set(xhr, written(form));
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const form = requestConfig.elt.closest?.("form[data-unsent]"); // the event's own elt is where the answer goes
  if (sent.has(xhr) && form?.isConnected && sent.get(xhr) === written(form)) {
    if (form.hasAttribute("data-unsent-on") || xhr.status >= 400) answered = { at: JSON.stringify(of(form)), kept: state(form) };
  }
  if (!form || !requestConfig.parameters.unsent || xhr.status >= 400) return;
  for (const slot of slots(form)) forget({ ...of(form), slot });
});

// Its answer was lost, and the server says that it was recorded all the same.
document.addEventListener("attempt:recorded", (event) => {
  const form = event.detail;
  if (form.dataset.unsent) for (const slot of slots(form)) forget({ ...of(form), slot });
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.unsent || form.hasAttribute("hx-post")) return;
  const field = Object.assign(document.createElement("input"), { type: "hidden", name: "unsent" });
  field.value = sending(of(form), slots(form), state(form).insteadOf);
  form.append(field);
});

look();
