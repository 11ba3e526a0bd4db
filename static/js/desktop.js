// The page of notifications: says whether this browser may show any, and asks it when the box is ticked.
import { find } from "./page.js";

const line = find("[data-desktop]");

function tell() {
  const state = "Notification" in window ? Notification.permission : "none";
  line.textContent = line.dataset[`say${state[0].toUpperCase()}${state.slice(1)}`] ?? "";
}

if (line) {
  tell();
  find("[name=desktop]")?.addEventListener("change", async (event) => {
    if (event.target.checked && "Notification" in window) await Notification.requestPermission();
    tell();
  });
}
