// Keys. An element names its key in data-key; the overlay lists the keys of this page. Nothing happens while one
// types, with Ctrl, Alt or Meta, or when a held key repeats.
import { all, body, find } from "./page.js";
import { armed, elsewhere } from "./arm.js";

const moves = new Map(); // keys of behaviours without a button: j, k, x …
let prefix = "";

export function onKey(key, label, run, shown = key) {
  moves.set(key, { label, run, shown });
}

export const typing = (target) =>
  target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") != null;

// What lies in a closed menu has its key all the same.
const visible = (element) => (element.closest("[data-menu]") ?? element).checkVisibility() && !element.closest("[inert]");
export const buttons = () => all("[data-key]").filter((element) => visible(element) && !element.disabled);

// On the card, a key is for what has stood still there, and for the card that has the focus.
const reaches = (element) => !element.closest("#pane") || (armed() && !elsewhere());

export function press(element) {
  if (!reaches(element)) return;
  if (element.dataset.focuses) find("input:not([type=hidden]), textarea, select", find(element.dataset.focuses))?.focus();
  else if (element.matches("input:not([type=radio], [type=checkbox]), textarea, select")) element.focus();
  else element.click();
}

document.addEventListener("keydown", (event) => {
  if (find("dialog[open]") || event.defaultPrevented || event.repeat) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const send = buttons().find((element) => element.dataset.key === "Ctrl+Enter");
    if (send) {
      event.preventDefault();
      press(send);
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    moves.get("Escape")?.run(event);
    return;
  }
  if (body.dataset.singleKeys !== "on" || typing(event.target)) return;
  const stay = event.shiftKey && /^[A-Z]$/.test(event.key);
  const key = stay ? event.key.toLowerCase() : event.key;
  const sequence = prefix ? `${prefix} ${key}` : key;
  prefix = "";
  const move = moves.get(stay ? `Shift+${key}` : key) ?? moves.get(key);
  if (sequence === "g") {
    prefix = "g";
    return;
  }
  const matches = buttons().filter((button) => button.dataset.key === sequence);
  const element = matches.find((button) => button.closest("#toasts")) ?? matches[0]; // the newest verdict goes back first
  if (element) {
    event.preventDefault();
    element.closest("form")?.toggleAttribute("data-stay", stay);
    press(element);
  } else if (move) {
    move.run(event);
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-keys]")) show();
});

// A key as it is drawn: "g i" is two caps.
export function caps(key) {
  return key.split(" ").map((part) => {
    const cap = document.createElement("kbd");
    cap.textContent = part.length === 1 ? part.toUpperCase() : part;
    return cap;
  });
}

function show() {
  const dialog = find("#keys");
  const list = find("dl", dialog);
  list.replaceChildren();
  const lines = [...moves.values()].filter((move) => move.label() && move.label() !== "").map((m) => [m.shown, m.label()]);
  const seen = new Set();
  for (const element of buttons()) {
    if (seen.has(element.dataset.key)) continue;
    seen.add(element.dataset.key);
    lines.push([element.dataset.key, element.dataset.keyLabel]);
  }
  for (const [key, label] of lines) {
    const line = find("#key-line").content.cloneNode(true);
    find("dt", line).append(...caps(key).flatMap((cap) => [cap, " "]));
    find("dd", line).textContent = label;
    list.append(line);
  }
  find("[data-keys-off]", dialog).hidden = body.dataset.singleKeys === "on";
  dialog.showModal();
}
