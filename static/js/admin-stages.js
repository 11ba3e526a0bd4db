// Stages of a rule: unused rows are hidden, rows are added, removed and moved by buttons, the focus goes with them.
for (const stages of document.querySelectorAll("[data-stages]")) {
  const list = stages.querySelector("[data-stages-list]");
  const head = stages.querySelector("[data-stages-head]");
  const add = stages.querySelector("[data-stage-add]");
  const status = stages.querySelector("[data-stages-said]");
  const rows = () => [...list.querySelectorAll("[data-stage]")];
  const used = () => rows().filter((row) => !row.hidden);
  const tier = (row) => row.querySelector("select");
  const number = (row) => used().indexOf(row) + 1;

  function say(what, of) {
    status.textContent = stages.dataset[what].replace("%s", of);
  }

  function draw() {
    const shown = used();
    for (const row of shown) {
      row.querySelector("[data-stage-up]").disabled = row === shown[0];
      row.querySelector("[data-stage-down]").disabled = row === shown.at(-1);
    }
    head.hidden = !shown.length;
    add.hidden = shown.length === rows().length;
  }

  function move(row, by) {
    const other = used()[number(row) - 1 + by];
    if (!other) return;
    if (by < 0) other.before(row);
    else other.after(row);
    draw();
    const button = row.querySelector(by < 0 ? "[data-stage-up]" : "[data-stage-down]");
    (button.disabled ? row.querySelector("[data-stage-steps] button:not(:disabled)") : button).focus();
    say("sayMoved", number(row));
  }

  function remove(row) {
    const position = number(row);
    tier(row).value = "";
    row.querySelectorAll("select")[1].value = "";
    row.querySelector("input").value = "1";
    row.hidden = true;
    list.append(row);
    draw();
    (used()[Math.min(position, used().length) - 1]?.querySelector("[data-stage-remove]") ?? add).focus();
    say("sayRemoved", position);
  }

  add.addEventListener("click", () => {
    const row = rows().find((stage) => stage.hidden);
    row.hidden = false;
    draw();
    tier(row).focus();
    say("sayAdded", number(row));
  });

  for (const row of rows()) {
    row.hidden = !tier(row).value;
    row.querySelector("[data-stage-steps]").hidden = false;
    row.querySelector("[data-stage-up]").addEventListener("click", () => move(row, -1));
    row.querySelector("[data-stage-down]").addEventListener("click", () => move(row, 1));
    row.querySelector("[data-stage-remove]").addEventListener("click", () => remove(row));
  }
  draw();
}
