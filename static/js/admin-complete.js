// Completion of paths and functions in a text box: a list below the caret, by keys alone or by pointer.
const MOST = 60;

// The word that ends at the caret, without what is inside a string.
export function word(box) {
  const before = box.value.slice(0, box.selectionStart);
  const open = before.replace(/"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*'/g, "");
  return /["']/.test(open) ? "" : (/[A-Za-z_][\w.]*$/.exec(before)?.[0] ?? "");
}

// What fits a word: beginnings first, then what has it in its last part or title; methods of what stands before a dot.
export function fitting(names, typed) {
  if (!typed) return [];
  const small = typed.toLowerCase();
  const plain = names.filter((name) => !name.of);
  const begins = plain.filter((name) => name.insert.toLowerCase().startsWith(small));
  const rest = plain.filter((name) => !begins.includes(name) && small.length > 1 && !small.includes("."));
  const within = rest.filter((name) => `${name.insert} ${name.title}`.toLowerCase().includes(small));
  const dot = typed.lastIndexOf(".");
  const kind = plain.find((name) => name.insert === typed.slice(0, dot))?.kind;
  const methods = names
    .filter((name) => dot > 0 && name.of && name.of === kind && name.insert.startsWith(typed.slice(dot + 1)))
    .map((name) => ({ ...name, shown: `.${name.insert}`, insert: typed.slice(0, dot + 1) + name.insert }));
  const found = [...begins, ...methods, ...within].slice(0, MOST);
  return found.length === 1 && found[0].insert === typed ? [] : found;
}

// Where the caret is, below its line: the box's text is laid out once more, unseen.
function below(box, length) {
  const twin = document.createElement("div");
  const style = getComputedStyle(box);
  for (const name of ["font", "lineHeight", "padding", "borderWidth", "letterSpacing", "tabSize"]) {
    twin.style[name] = style[name];
  }
  Object.assign(twin.style, { position: "absolute", visibility: "hidden", whiteSpace: "pre-wrap" });
  Object.assign(twin.style, { overflowWrap: "break-word", width: `${box.clientWidth}px`, boxSizing: "border-box" });
  twin.textContent = box.value.slice(0, box.selectionStart - length);
  const mark = twin.appendChild(document.createElement("span"));
  mark.textContent = "\u200b";
  box.parentElement.append(twin);
  const place = { left: mark.offsetLeft, top: mark.offsetTop + mark.offsetHeight - box.scrollTop + 4 };
  twin.remove();
  return place;
}

export function completes(box, names) {
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
  let found = [];
  let at = 0;

  function close() {
    list.hidden = true;
    box.removeAttribute("aria-activedescendant");
  }

  function mark(place) {
    at = (place + found.length) % found.length;
    for (const [index, row] of [...list.children].entries()) row.setAttribute("aria-selected", String(index === at));
    list.children[at].scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", list.children[at].id);
  }

  function take(place) {
    const { insert } = found[place];
    const end = box.selectionStart;
    close();
    box.focus();
    box.setRangeText(insert, end - word(box).length, end, "end");
    box.dispatchEvent(new InputEvent("input", { bubbles: true, data: null }));
  }

  function offer(all = false) {
    const typed = word(box);
    found = typed ? fitting(names(), typed) : all ? names().filter((name) => !name.of).slice(0, MOST) : [];
    list.replaceChildren(...found.map((name, index) => row(name, index, `${list.id}-${index}`, take)));
    if (!found.length || document.activeElement !== box) return close();
    list.hidden = false;
    const place = below(box, typed.length);
    list.style.left = `${Math.max(0, Math.min(place.left, frame.clientWidth - list.offsetWidth))}px`;
    list.style.top = `${place.top}px`;
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
}

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
