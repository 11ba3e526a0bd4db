// What a form says of unsent text: that it was put back, or that there is some of an earlier version.
import { body, find, say } from "./page.js";
import { isState, spokenState } from "./unsent-edit.js";

const HOURS = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const time = (text) => new Date(text.at).toLocaleTimeString(document.documentElement.lang, HOURS);

function line(sentence, actions, inside = []) {
  const note = document.createElement("div");
  note.className = "unsent-note";
  note.dataset.unsentNote = "";
  const head = document.createElement("p");
  head.append(sentence);
  for (const [label, run] of actions) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
    button.className = "link-button";
    button.addEventListener("click", () => {
      note.remove();
      run();
    });
    head.append(" · ", button);
  }
  note.append(head, ...inside);
  return note;
}

const labelOf = (form, name) => {
  const field = form?.elements[name];
  const label = (field?.labels ?? field?.[0]?.closest("fieldset")?.querySelectorAll("legend"))?.[0];
  return label?.textContent.trim() ?? "";
};

const spoken = (form, name, value) => {
  const option = [...(form?.elements[name]?.[Symbol.iterator] ? form.elements[name] : [])].find((each) => each.value === value);
  return option?.labels?.[0]?.textContent.trim() || option?.textContent?.trim() || value;
};

// The words themselves, to read and to copy; whoever typed them, they are plain text.
function quote(form, fields) {
  const named = Object.entries(fields).filter(([name]) => !isState(name)).flatMap(([name, values]) =>
    values.filter(Boolean).map((value) => [labelOf(form, name), spoken(form, name, value)]));
  return [...named, ...spokenState(fields)].map(([label, value]) => {
    const block = document.createElement("blockquote");
    if (label) block.append(Object.assign(document.createElement("b"), { textContent: label }));
    block.append(Object.assign(document.createElement("span"), { textContent: value }));
    return block;
  });
}

function put(form, note) {
  const head = find(".sheet-head", form);
  if (head) head.after(note);
  else form.prepend(note);
}

// `left` are the fields that the form does not have any more.
export function restored(form, text, left, drop) {
  put(form, line(say("restored", time(text)), [[body.dataset.sayDiscard, drop]], quote(null, left)));
}

export function older(form, text, besides, take, drop) {
  const sentence = say(besides ? "besides" : "earlier", time(text));
  put(form, line(sentence, [[body.dataset.sayUse, take], [body.dataset.sayDiscard, drop]], quote(form, text.fields)));
}

export function unsendable(container, text, drop) {
  container.append(line(say("unsendable", time(text)), [[body.dataset.sayDiscard, drop]], quote(null, text.fields)));
}

export function clear(root) {
  for (const note of root.querySelectorAll("[data-unsent-note]")) note.remove();
}
