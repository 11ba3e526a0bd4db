// The session: who is signed in, and signing in again over what stands open. Nothing that was pressed is sent by
// itself afterwards: the person presses again.
import { all, announce, body, find, say } from "./page.js";
import { askSecond, wantsSecond } from "./session-second.js";

export const me = body.dataset.person ?? "";
export const token = () => find("[name=csrfmiddlewaretoken]")?.value ?? "";

const dialog = find("#session");
const form = dialog && find("form", dialog);
const IDLE = 1000; // whoever is in the middle of a word finishes it first
let typed = 0;
let looking = null;
let before = null; // what had the focus
let pressed = false; // something was sent, and refused

// A request of the page itself. Throws when nobody answers; without a session it asks to sign in.
export async function ask(url, options = {}) {
  const headers = { "X-Requested-With": "fetch", "X-CSRFToken": token(), ...options.headers };
  const response = await fetch(url, { credentials: "same-origin", ...options, headers });
  if (response.headers.get("X-Session") === "over") check();
  return response;
}

// Whether the page's person is still signed in; if so its forms have the session's token now. Another person's
// session makes another page.
export function check() {
  looking ??= look().finally(() => (looking = null));
  return looking;
}

async function look() {
  if (!me) return false;
  let state;
  try {
    state = await (await fetch(body.dataset.session, { credentials: "same-origin", cache: "no-store" })).json();
  } catch {
    return false; // out of reach: that is said elsewhere
  }
  for (const field of all("[name=csrfmiddlewaretoken]")) field.value = state.csrf;
  if (state.person === me) return back();
  if (state.person) location.reload();
  else over();
  return false;
}

function over() {
  document.dispatchEvent(new Event("session:over"));
  if (dialog.open) return;
  const wait = typed + IDLE - performance.now();
  if (wait > 0) {
    setTimeout(over, wait);
    return;
  }
  before = document.activeElement;
  complain("");
  dialog.showModal();
  find("[name=password]", form).focus();
}

function back() {
  if (dialog.open) {
    dialog.close();
    announce(say("signedIn"));
  }
  if (pressed) toast(say("pressAgain"));
  pressed = false;
  document.dispatchEvent(new Event("session:back"));
  return true;
}

function toast(text) {
  const line = document.createElement("div");
  line.className = "toast";
  line.dataset.toast = "";
  line.setAttribute("role", "status");
  line.append(Object.assign(document.createElement("span"), { textContent: text }));
  find("#toasts")?.append(line);
}

function complain(text) {
  const line = find("[role=alert]", dialog);
  line.hidden = !text;
  find("span", line).textContent = text;
}

async function signIn(again = true) {
  const answer = await fetch(form.action, {
    method: "POST",
    body: new URLSearchParams(new FormData(form)),
    headers: { "X-Requested-With": "XMLHttpRequest" },
  });
  // A token of before, since another tab went to the login page: once more with the new one.
  if (answer.headers.has("X-Session") && again && !(await check())) return signIn(false);
  if (answer.status === 429) return say("tooMany");
  const reply = await answer.json().catch(() => ({}));
  const fields = Object.values(reply.form?.fields ?? {}).flatMap((field) => field.errors);
  if (!answer.ok) return [...(reply.form?.errors ?? []), ...fields].join(" ") || say("signInFailed");
  if (wantsSecond(reply)) {
    await askSecond(check);
    return "";
  }
  return (await check()) ? "" : say("signInClosed");
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = find("[type=submit]", form);
  if (button.disabled) return;
  button.disabled = true;
  try {
    complain(await signIn());
  } catch {
    complain(say("signInFailed"));
  } finally {
    button.disabled = false;
    find("[name=password]", form).value = "";
    if (dialog.open && !form.hidden) find("[name=password]", form).focus();
  }
});

dialog?.addEventListener("close", () => before?.isConnected && before.focus({ preventScroll: true }));
document.addEventListener("input", () => (typed = performance.now()), true);
document.addEventListener("visibilitychange", () => !document.hidden && dialog?.open && check());

// What htmx sent was refused because the session is over, or is another one by now: nothing is put into the page.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr, elt, requestConfig } = event.detail;
  if (!xhr.getResponseHeader("X-Session")) return;
  event.preventDefault();
  pressed ||= requestConfig.verb !== "get" && requestConfig.triggeringEvent?.type === "submit";
  elt.dispatchEvent(new CustomEvent("session:refused", { bubbles: true }));
  check();
});
