// The second step of signing in over what stands open: a code, or a passkey.
import { find, say } from "./page.js";
import { credential, why } from "./passkey.js";

const dialog = find("#session");
const form = dialog && find("[data-second]", dialog);
const HEADERS = { "X-Requested-With": "fetch" };
let signedIn; // asks the server whether the person is
let passkey; // the options to ask the browser for one with

// Whether this answer to the password asks for a second factor.
export const wantsSecond = ({ location: next }) => !!next && new URL(next, location.href).href.split("?")[0] === form.action;

// Show the step; `check` says whether the person is signed in.
export async function askSecond(check) {
  signedIn = check;
  ({ passkey } = await (await fetch(form.action, { headers: HEADERS })).json());
  find("[data-second-passkey]", form).hidden = !passkey;
  complain("");
  step(true);
}

function step(second) {
  find("form:not([data-second])", dialog).hidden = second;
  form.hidden = !second;
  form.reset();
  if (second) find(passkey ? "[data-second-passkey]" : "[name=code]", form).focus();
}

function complain(text) {
  const line = find("[role=alert]", form);
  line.hidden = !text;
  find("span", line).textContent = text;
}

async function send(name, value) {
  const csrfmiddlewaretoken = find("[name=csrfmiddlewaretoken]", form).value;
  const body = new URLSearchParams({ csrfmiddlewaretoken, [name]: value });
  const answer = await fetch(form.action, { method: "POST", body, headers: HEADERS });
  if (answer.redirected) step(false); // the password was given too long ago
  const { errors } = await answer.json().catch(() => ({ errors: [say("signInFailed")] }));
  if (errors.length) return errors.join(" ");
  return (await signedIn()) ? "" : say("signInClosed");
}

async function press(event, sending) {
  event.preventDefault();
  if (form.hasAttribute("data-sent")) return;
  form.setAttribute("data-sent", "");
  try {
    complain(await sending());
  } catch (error) {
    complain(error instanceof DOMException ? why(error) : say("signInFailed"));
  } finally {
    form.removeAttribute("data-sent");
  }
}

form?.addEventListener("submit", (event) => press(event, () => send("code", form.elements.code.value)));
form &&
  find("[data-second-passkey]", form).addEventListener("click", (event) =>
    press(event, async () => send("credential", await credential("get", passkey))),
  );
dialog?.addEventListener("close", () => step(false));
