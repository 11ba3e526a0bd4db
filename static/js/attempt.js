// Each press that changes something has an id of its own. Where its answer is lost, or too late, nothing is guessed:
// the page asks what became of that attempt until the server says, and says just that.
import { announce, find, say } from "./page.js";
import { aside, note } from "./standing.js";
import { free } from "./verdict.js";

const AGAIN = 2000;
const ANSWERED = [200, 204, 401, 403, 404, 409, 413, 422];

// crypto.randomUUID is for secure pages only.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

document.addEventListener("htmx:configRequest", (event) => {
  const { elt, verb, parameters } = event.detail;
  if (verb === "post" && elt.matches?.("form[data-verdict]")) parameters.attempt = uuid();
});

// On the request itself: the element that sent it may be gone by the time that this matters.
document.addEventListener("htmx:beforeSend", (event) => {
  const { xhr, requestConfig } = event.detail;
  const id = requestConfig.parameters?.attempt;
  if (!id) return;
  const sent = { id, form: requestConfig.elt, page: requestConfig.origin?.from, data: requestConfig.formData };
  sent.title = find("h1", sent.page ?? document.createElement("p"))?.textContent.trim().replace(/\s+/g, " ") ?? "";
  for (const name of ["error", "timeout"]) xhr.addEventListener(name, () => check(sent));
  xhr.addEventListener("load", () => ANSWERED.includes(xhr.status) || check(sent));
});

const stands = (sent) => sent.form.isConnected;

function tell(sent, text) {
  const notice = stands(sent) && find("#card-notice", sent.page ?? sent.form);
  if (notice) {
    const line = document.createElement("p");
    line.className = "notice notice-warn";
    line.setAttribute("role", "alert");
    line.textContent = text;
    notice.replaceChildren(line);
    announce(text);
  } else {
    note(sent.title ? `${sent.title}: ${text}` : text);
  }
}

async function check(sent) {
  tell(sent, say("checking"));
  let waits = false;
  for (;;) {
    const outcome = await ask(sent);
    if (outcome) return outcome.recorded ? recorded(sent, outcome) : lost(sent, outcome);
    if (!waits) tell(sent, say("unknown"));
    waits = true;
    await new Promise((done) => setTimeout(done, AGAIN));
  }
}

async function ask(sent) {
  const body = new FormData();
  for (const name of ["csrfmiddlewaretoken", "pick"]) for (const value of sent.data.getAll(name)) body.append(name, value);
  body.append("approval", sent.form.dataset.approval ?? sent.page?.dataset.card ?? "");
  try {
    const response = await fetch(document.body.dataset.attempts.replace(/[0-9a-f-]{36}/, sent.id), {
      method: "POST", body, credentials: "same-origin", headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(20000),
    });
    return response.ok && !response.redirected ? await response.json() : null;
  } catch {
    return null;
  }
}

function recorded(sent, outcome) {
  document.dispatchEvent(new CustomEvent("attempt:recorded", { detail: sent.form }));
  aside(outcome.html);
  if (!stands(sent)) return;
  const { address } = sent.page?.dataset ?? {};
  if (outcome.page) show(outcome.page);
  else if (address) window.htmx.ajax("GET", address, { source: sent.page, target: "#pane", swap: "innerHTML" });
}

// A batch has a page of its own that says it of each.
function show(html) {
  window.htmx.swap(find("#pane"), html, { swapStyle: "innerHTML" });
}

function lost(sent, outcome) {
  tell(sent, outcome.text);
  free(sent.form);
  document.dispatchEvent(new Event("reread"));
}
