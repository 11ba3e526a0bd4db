// The command bar (Ctrl+K or ⌘K): every page, every action of this page, every view and help page, each with its key.
import { all, find } from "./page.js";
import { buttons, caps, onKey, press } from "./keys.js";

const MOST = 9;
let commands = [];
let matches = [];
let at = 0;
let help = null; // titles and addresses of the help pages, fetched once

const dialog = () => find("#command");
const box = () => find("input", dialog());
const text = (element) => (element.dataset.keyLabel ?? element.textContent).replace(/\s+/g, " ").trim();

function gather() {
  const say = dialog().dataset;
  const pages = all(".bar nav a, .bar [data-menu] a, [data-tabs] a").map((link) => ({
    label: text(link), group: say.sayPage, key: link.dataset.key, run: () => link.click(),
  }));
  const views = all("[data-views] a").map((link) => ({ label: text(link), group: say.sayView, run: () => link.click() }));
  const actions = buttons()
    .filter((element) => !element.closest(".bar"))
    .map((element) => ({ label: text(element), group: say.sayAction, key: element.dataset.key, run: () => press(element) }));
  const looks = all(".bar [data-menu] button").map((button) => ({
    label: text(button), group: say.sayAccount, run: () => button.click(),
  }));
  return [...actions, ...pages, ...views, ...looks];
}

function fitting(typed) {
  const parts = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = [...commands, ...(help ?? [])].filter(({ label }) => parts.every((part) => label.toLowerCase().includes(part)));
  const begins = ({ label }) => (label.toLowerCase().startsWith(typed.toLowerCase()) ? 0 : 1);
  const best = shown.sort((left, right) => begins(left) - begins(right)).slice(0, MOST);
  if (!typed.trim()) return best;
  const { saySearch, inbox } = dialog().dataset;
  const search = () => location.assign(`${inbox}?${new URLSearchParams({ q: typed.trim() })}`);
  return [...best, { label: saySearch.replace("%s", typed.trim()), group: "", run: search }];
}

function line(command, index) {
  const item = find("#command-line").content.firstElementChild.cloneNode(true);
  item.id = `command-${index}`;
  find("span", item).textContent = command.label;
  find("small", item).textContent = command.group;
  if (command.key) item.append(...caps(command.key));
  item.addEventListener("click", () => run(index));
  return item;
}

function mark(index) {
  at = (index + matches.length) % matches.length;
  const lines = all("[role=option]", dialog());
  for (const [number, item] of lines.entries()) item.setAttribute("aria-selected", String(number === at));
  lines[at]?.scrollIntoView({ block: "nearest" });
  box().setAttribute("aria-activedescendant", `command-${at}`);
}

function offer() {
  matches = fitting(box().value);
  find("ul", dialog()).replaceChildren(...matches.map(line));
  find("[data-none]", dialog()).hidden = matches.length > 0;
  if (matches.length) mark(0);
}

function run(index) {
  const command = matches[index];
  dialog().close(); // the focus goes back to where it was, which says what an action is for
  command?.run();
}

async function learn() {
  const group = dialog().dataset.sayHelp;
  const answer = await fetch(dialog().dataset.help).catch(() => null);
  if (!answer?.ok) return;
  help = (await answer.json()).pages.map(({ title, url }) => ({ label: title, group, run: () => location.assign(url) }));
  offer();
}

function open() {
  if (!dialog() || find("dialog[open]")) return;
  commands = gather();
  box().value = "";
  dialog().showModal();
  offer();
  if (!help) learn();
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    if (!dialog()) return;
    event.preventDefault();
    if (dialog().open) dialog().close();
    else open();
    return;
  }
  if (!dialog()?.open || event.isComposing) return;
  const moves = { ArrowDown: () => mark(at + 1), ArrowUp: () => mark(at - 1), Enter: () => run(at) };
  if (!moves[event.key] || !matches.length) return;
  event.preventDefault();
  moves[event.key]();
});
document.addEventListener("input", (event) => event.target.closest("#command") && offer());
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-command]")) open();
  else if (event.target === dialog()) dialog().close(); // beside it
});
onKey("Ctrl+K", () => dialog()?.dataset.sayTitle ?? "", () => {});
