// Beside the time of a deadline: how long each tier has of it, while one types.
const WAIT = 250; // milliseconds after the last key
const box = document.querySelector("[data-shares]");

if (box) {
  const form = box.form;
  const line = document.createElement("p");
  line.className = "shares";
  line.setAttribute("role", "status");
  let timer, pending;

  async function ask() {
    pending?.abort();
    pending = new AbortController();
    const names = ["expires_after", "tier", "domain", "gate", "on_timeout"];
    const typed = new URLSearchParams(names.map((name) => [name, form.elements.namedItem(name)?.value ?? ""]));
    try {
      const answer = await fetch(`${box.dataset.shares}?${typed}`, { signal: pending.signal });
      line.textContent = answer.ok ? (await answer.json()).text : "";
    } catch (error) {
      if (error.name !== "AbortError") line.textContent = "";
    }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT);
  }

  box.after(line);
  box.addEventListener("input", soon);
  form.addEventListener("change", soon);
  ask();
}
