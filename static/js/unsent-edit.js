// The unsent state of an edit whose fields are made by the server: what was pressed stands in hidden fields (the
// operations of an edit, the wish of a plan), what was typed since in its controls. Put back, the server draws it again.
import { all, find } from "./page.js";
import { redraw } from "./redraw.js";

const EMPTY = "[]";
const begun = new Map(); // card version → its plan as it stood before anything was pressed
const planOf = (form) => (form.hasAttribute("data-unsent-on") ? find("[name=plan]", form).value : "");
const versionOf = (form) => form.closest("[data-card]")?.dataset.card + form.closest("[data-version]")?.dataset.version;

export const begin = (form) => planOf(form) && begun.set(versionOf(form), planOf(form));

// An edit that nobody touched is no text.
export function stateOf(form) {
  const state = {};
  const box = find("[data-controls]", form);
  const touched = box && (find("[data-edited]", box)?.value ?? EMPTY);
  const edits = box && (find("[name=edits]", box)?.value ?? EMPTY);
  if (box && (touched !== EMPTY || edits !== EMPTY)) {
    Object.assign(state, { "edit-made": [edits], "edit-touched": [touched], "edit-mode": [find("[name=mode]", box)?.value ?? ""] });
  }
  if (planOf(form) !== (begun.get(versionOf(form)) ?? planOf(form))) state["edit-plan"] = [planOf(form)];
  if (planOf(form) && touched && touched !== EMPTY) {
    Object.assign(state, { "edit-plan": [planOf(form)], "edit-op": [box.dataset.op ?? ""] });
  }
  return state;
}

export const isState = (name) => name.startsWith("edit-");

// The same in words that a person can read: where, and what was typed there.
export const spokenState = (fields) => [
  ...JSON.parse(fields["edit-made"]?.[0] || EMPTY).map(({ op, path, value }) => [path, value === undefined ? op : JSON.stringify(value)]),
  ...JSON.parse(fields["edit-touched"]?.[0] || EMPTY).map(([at, , text]) => [at, text]),
];

export function sameState(form, fields) {
  const now = stateOf(form);
  return Object.keys(fields).filter(isState).every((name) => String(now[name] ?? "") === String(fields[name]));
}

// Answers whether it stands there again: what was typed while the server drew it goes before it.
export async function restore(form, fields) {
  const [made, touched, mode, plan, op] = ["made", "touched", "mode", "plan", "op"].map((name) => fields[`edit-${name}`]?.[0] ?? "");
  if (plan) {
    const values = { plan, op: op || "again", touched: EMPTY };
    if (!(await redraw(form, form.getAttribute("hx-post"), "#plan", values))) return false;
    type(find("#plan [data-controls]"), JSON.parse(touched || EMPTY));
    return true;
  }
  const box = find("[data-controls]", form);
  if (!box) return true;
  if ((made && made !== find("[name=edits]", box)?.value) || (mode && mode !== find("[name=mode]", box)?.value)) {
    const values = { edits: made || EMPTY, mode, to: mode, touched: EMPTY };
    if (!(await redraw(box, box.dataset.controls, box.dataset.target, values))) return false;
  }
  type(find("[data-controls]", form), JSON.parse(touched || EMPTY));
  return true;
}

function type(box, entries) {
  for (const [at, reading, text, name] of entries) {
    const control = all("[data-control]", box ?? document.createElement("p")).find((each) => each.dataset.control === at);
    if (!control) continue;
    const [field, how, named] = ["[data-text]", "[data-reading]", "[data-name]"].map((selector) => find(selector, control));
    for (let group = control.closest("details"); group; group = group.parentElement.closest("details")) group.open = true;
    if (named && name) named.value = name;
    if (field) field.value = text;
    field?.dispatchEvent(new Event("input", { bubbles: true }));
    if (how && how.value !== reading) {
      how.value = reading;
      how.dispatchEvent(new Event("input", { bubbles: true }));
    }
  }
}
