// The controls of an edit. The page alone knows which were touched: those whose state is not the one that the browser
// itself showed at load. Only they are sent, in the field "touched"; what HTML cannot hold is never mistaken for an edit.
import { all, find } from "./page.js";
import { redraw } from "./redraw.js";

const shown = new WeakMap(); // control: its state at load, null for what was typed before and not taken in yet
const typed = new WeakMap(); // box of controls: those that are touched, each with what is sent of it

const FIXED = ["null", "absent", "true", "false"]; // ways to read a box that take no text

const boxOf = (element) => element.closest("[data-controls]");
const readingOf = (control) => find("[data-reading]", control);

function stateOf(control) {
  const text = find("[data-text]", control)?.value ?? "";
  const name = find("[data-name]", control)?.value;
  const how = readingOf(control)?.value ?? control.dataset.how;
  const reading = control.matches(".control-choice") && text === "" ? "absent" : how;
  return [control.dataset.control, reading, text, ...(name === undefined ? [] : [name])];
}

function look(control) {
  const state = stateOf(control);
  const touched = typed.get(boxOf(control));
  if (JSON.stringify(state) === shown.get(control)) touched.delete(control);
  else touched.set(control, state);
}

function write(box) {
  const entries = [...typed.get(box)].filter(([control]) => control.isConnected).map(([, state]) => state);
  find("[data-edited]", box).value = JSON.stringify(entries);
}

function begin(root) {
  for (const box of [...(root.matches?.("[data-controls]") ? [root] : []), ...all("[data-controls]", root)]) {
    if (typed.has(box) || !find("[data-edited]", box)) continue; // a box that could not be drawn has no edit
    typed.set(box, new Map());
    for (const control of all("[data-control]", box)) {
      shown.set(control, control.hasAttribute("data-touched") ? null : JSON.stringify(stateOf(control)));
      look(control);
    }
    write(box);
    find("[data-focus]", box)?.focus({ preventScroll: false });
  }
}

// What was typed up to this moment, also where no event told of it.
function gather(box) {
  for (const control of all("[data-control]", box)) look(control);
  write(box);
}

// Typing in a box that stands for nothing makes it a text; a number that is deleted is not set any more.
function follow(control, changed) {
  const reading = readingOf(control);
  if (!reading || changed === reading) return;
  const text = find("[data-text]", control).value;
  const [, before, at] = JSON.parse(shown.get(control) ?? "[]");
  const offers = [...reading.options].map((option) => option.value);
  if (text === at) reading.value = before;
  else if (text !== "" && FIXED.includes(reading.value)) reading.value = offers.find((how) => !FIXED.includes(how)) ?? reading.value;
  else if (text === "" && ["number", "integer"].includes(reading.value)) {
    reading.value = ["absent", "null"].find((how) => offers.includes(how)) ?? reading.value;
  }
}

// Before anything else hears of it: the live difference and the kept draft read the field.
document.addEventListener("input", (event) => {
  const control = event.target.closest?.("[data-control]");
  if (!control || !boxOf(control)) return;
  follow(control, event.target);
  look(control);
  write(boxOf(control));
}, true);

document.addEventListener("submit", (event) => all("[data-controls]", event.target).forEach(gather), true);

document.addEventListener("htmx:configRequest", (event) => {
  const form = event.detail.elt.closest?.("form");
  const box = form && find("[data-controls]", form);
  if (!box || event.detail.parameters.touched === undefined) return;
  if (event.detail.elt.hasAttribute("data-given")) return; // what was kept, not what stands there
  gather(box);
  event.detail.parameters.touched = find("[data-edited]", box).value;
});

async function press(box, values) {
  gather(box);
  const open = all("details[data-group]", box).filter((group) => group.open).map((group) => group.dataset.group);
  const to = box.dataset.target;
  if (!(await redraw(box, box.dataset.controls, to, values))) {
    if (box.isConnected) press(box, values);
    return;
  }
  for (const group of all(`${to} details[data-group]`)) if (open.includes(group.dataset.group)) group.open = true;
  // Whoever keeps unsent text learns that there is something else to keep.
  find(to)?.closest("form")?.dispatchEvent(new CustomEvent("unsent:changed", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act], [data-to]");
  const box = button && boxOf(button);
  if (!box) return;
  const { act: name, actAt, to } = button.dataset;
  press(box, { ...(to ? { to } : { act: name, act_at: actAt }), ...(box.dataset.op ? { op: box.dataset.op } : {}) });
});

// Enter in the place of a new entry takes it in and offers the next.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey || !event.target.matches?.("[data-new] input")) return;
  event.preventDefault();
  find("[data-act]", event.target.closest("[data-new]"))?.click();
});

document.addEventListener("htmx:load", (event) => begin(event.detail.elt));
begin(document);
