// Completion in a text box: a list below the caret, by keys alone or by pointer. `offers(all)` says what may follow: the
// typed beginning and what matches it, or with `all` everything there is.
import { below } from "./caret.js";

function row(name, index, id, take) {
  const item = document.createElement("li");
  Object.assign(item, { id, role: "option" });
  item.setAttribute("aria-selected", "false");
  for (const [kind, text] of [["code", name.shown ?? name.insert], ["small", name.title], ["i", name.words]]) {
    item.appendChild(document.createElement(kind)).textContent = text;
  }
  item.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the box keeps the focus
    take(index);
  });
  return item;
}

export function completes(box, offers) {
  const list = document.createElement("ul");
  Object.assign(list, { className: "rc-list", id: `${box.id}-list`, role: "listbox", hidden: true });
  list.setAttribute("aria-label", box.dataset.sayList);
  const frame = document.createElement("div");
  frame.className = "rc-frame";
  box.replaceWith(frame);
  frame.append(box, list);
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-haspopup", "listbox");
  box.setAttribute("aria-controls", list.id);
  let matches = [];
  let typed = "";
  let at = 0;

  function close() {
    list.hidden = true;
    box.removeAttribute("aria-activedescendant");
  }

  function mark(position) {
    at = (position + matches.length) % matches.length;
    for (const [index, row] of [...list.children].entries()) row.setAttribute("aria-selected", String(index === at));
    list.children[at].scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", list.children[at].id);
  }

  function take(position) {
    const { insert } = matches[position];
    const end = box.selectionStart;
    close();
    box.focus();
    box.setRangeText(insert, end - typed.length, end, "end");
    box.dispatchEvent(new InputEvent("input", { bubbles: true, data: null }));
  }

  function offer(all = false) {
    ({ typed, matches } = offers(all));
    list.replaceChildren(...matches.map((name, index) => row(name, index, `${list.id}-${index}`, take)));
    if (!matches.length || document.activeElement !== box) return close();
    list.hidden = false;
    const caret = below(box, typed.length);
    list.style.left = `${Math.max(0, Math.min(caret.left, frame.clientWidth - list.offsetWidth))}px`;
    list.style.top = `${caret.top}px`;
    mark(0);
  }

  box.addEventListener("input", (event) => (event.data === null && !event.inputType ? close() : offer()));
  box.addEventListener("blur", close);
  box.addEventListener("click", close);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.code === "Space") {
      event.preventDefault();
      return offer(true);
    }
    if (list.hidden || event.isComposing) return;
    const moves = { ArrowDown: () => mark(at + 1), ArrowUp: () => mark(at - 1), Escape: close };
    const act = moves[event.key] ?? (["Enter", "Tab"].includes(event.key) && !event.shiftKey ? () => take(at) : null);
    if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) close();
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  return offer;
}
