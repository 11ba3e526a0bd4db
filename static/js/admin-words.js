// What may follow the caret in a rule's condition.
const MOST = 60;

// The word that ends at the caret, without what is inside a string.
function word(box) {
  const before = box.value.slice(0, box.selectionStart);
  const open = before.replace(/"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])*'/g, "");
  return /["']/.test(open) ? "" : (/[A-Za-z_][\w.]*$/.exec(before)?.[0] ?? "");
}

// What fits a word: beginnings first, then what has it in its last part or title; methods of what stands before a dot.
function fitting(names, typed) {
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
  const matches = [...begins, ...methods, ...within].slice(0, MOST);
  return matches.length === 1 && matches[0].insert === typed ? [] : matches;
}

// What a box of a condition offers at its caret, of these names.
export function offersOf(box, names, all) {
  const typed = word(box);
  return { typed, matches: typed ? fitting(names, typed) : all ? names.filter((name) => !name.of).slice(0, MOST) : [] };
}
