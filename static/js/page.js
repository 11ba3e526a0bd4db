// Small things that every behaviour asks of the page.

export const body = document.body;
export const find = (selector, root = document) => root.querySelector(selector);
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// A translated sentence of the body's data-say- attributes, its %s filled in.
export function say(name, value = "") {
  const key = "say" + name[0].toUpperCase() + name.slice(1);
  return (body.dataset[key] ?? "%s").replace("%s", value);
}

// Read out politely by screen readers.
export function announce(text) {
  const line = find("#announce");
  if (line) line.textContent = text;
}

export const isPhone = () => matchMedia("(max-width: 56rem)").matches;
