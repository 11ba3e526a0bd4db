// A manual gate takes a passkey in place of the password. It is asked for here and sent with the verdict, which the
// person presses.
import { find, say } from "./page.js";
import { credential, why } from "./passkey.js";
import { ask } from "./session.js";

const REFUSED = "refused";

async function optionsFor(button) {
  const body = new URLSearchParams({ version: button.form.elements.version.value });
  const response = await ask(button.dataset.passkeyAt, { method: "POST", body });
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) throw REFUSED;
  return response.json();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-passkey-at]");
  if (!button || button.disabled) return;
  const { form } = button;
  const { passkey, password } = form.elements;
  button.disabled = true;
  let sentence = say("passkeyGiven");
  try {
    passkey.value = await credential("get", await optionsFor(button));
    password.required = false;
    password.removeAttribute("aria-invalid");
  } catch (error) {
    sentence = error instanceof Error ? why(error) : say("signInFailed");
  } finally {
    button.disabled = false;
    if (document.activeElement === document.body) button.focus(); // a disabled button loses it
  }
  find("[data-passkey-said]", form).textContent = sentence;
});
