// Passkeys: a form with data-passkey ("get" or "create") is sent once the browser has filled in its credential.
import { find, say } from "./page.js";

// The browser's passkey for these options, as JSON. Throws where there is none, or the person declines.
export async function credential(how, { publicKey }) {
  const read = how === "create" ? "parseCreationOptionsFromJSON" : "parseRequestOptionsFromJSON";
  const options = { publicKey: PublicKeyCredential[read](publicKey) };
  return JSON.stringify((await navigator.credentials[how](options)).toJSON());
}

// What to say of an error of the above.
export function why(error) {
  if (error.name === "NotAllowedError") return say("passkeyNot");
  if (error.name === "InvalidStateError") return say("passkeyKnown");
  return say("passkeyNowhere"); // no such browser, or an address without a name
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-passkey]");
  if (!form) return;
  event.preventDefault();
  const line = find("[role=alert]", form);
  line.hidden = true;
  try {
    const options = JSON.parse(find("script[type='application/json']", form).textContent);
    form.elements.credential.value = await credential(form.dataset.passkey, options);
    form.submit();
  } catch (error) {
    find("span", line).textContent = why(error);
    line.hidden = false;
  }
});
