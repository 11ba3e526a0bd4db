// The box for a rule's condition: completion from the chosen action type, and a check beside it while one types.
import { offersOf } from "./admin-words.js";
import { completes } from "./complete.js";

const WAIT = 350; // milliseconds after the last key
const box = document.querySelector("[data-condition]");

if (box) {
  const form = box.form;
  const field = (name) => form.elements.namedItem(name);
  const chosen = () => field("action_type")?.value ?? "";
  let names = [];
  let timer, pending, of;

  const panel = document.createElement("div");
  panel.className = "rc-check";
  panel.setAttribute("role", "status");

  async function learn() {
    of = chosen();
    const answer = await fetch(`${box.dataset.names}?${new URLSearchParams({ action_type: of })}`);
    if (answer.ok) ({ names } = await answer.json());
  }

  function line(kind, text, location) {
    const part = document.createElement("p");
    part.className = `rc-${kind}`;
    if (location?.line) {
      const jump = part.appendChild(document.createElement("button"));
      Object.assign(jump, { type: "button", textContent: `${location.line}:${location.column}`, className: "rc-jump" });
      jump.setAttribute("aria-label", box.dataset.sayPlace.replace("%s", jump.textContent));
      part.append(" ");
      jump.addEventListener("click", () => {
        const start = box.value.split("\n").slice(0, location.line - 1).join("\n").length + (location.line > 1);
        box.focus();
        box.setSelectionRange(start + location.column - 1, start + location.column);
      });
    }
    part.append(text);
    return part;
  }

  function show({ faults, words, past }) {
    const lines = faults.length
      ? faults.map((fault) => line("fault", fault.message, fault))
      : [line("words", words), line("past", past)];
    panel.replaceChildren(...lines);
    panel.dataset.state = faults.length ? "wrong" : "right";
  }

  async function check() {
    pending?.abort();
    // In the middle of a word everything is wrong; nothing jumps while one chooses.
    if (!box.parentElement.querySelector("[role=listbox]").hidden) return soon();
    if (!box.value.trim()) {
      panel.replaceChildren();
      delete panel.dataset.state;
      return;
    }
    pending = new AbortController();
    const body = new FormData();
    for (const name of ["csrfmiddlewaretoken", "expression", "action_type", "effect"]) {
      body.set(name, field(name)?.value ?? "");
    }
    try {
      const answer = await fetch(box.dataset.check, { method: "POST", body, signal: pending.signal });
      if (!answer.ok) throw new Error(answer.status);
      show(await answer.json());
    } catch (error) {
      if (error.name === "AbortError") return;
      panel.replaceChildren(line("past", box.dataset.sayLost));
      delete panel.dataset.state;
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(check, WAIT);
  }

  function changed() {
    if (chosen() !== of) learn();
    soon();
  }

  completes(box, (all) => offersOf(box, names, all));
  box.parentElement.after(panel);
  box.addEventListener("input", soon);
  form.addEventListener("change", changed);
  // The chooser of action types tells of its changes by jQuery alone.
  window.django?.jQuery?.(field("action_type")).on("change", changed);
  learn();
  check();
}
