// Times that run: "12 min left" and "2 s ago" by the server's clock, however wrong the viewer's is.
import { all, body, find, say } from "./page.js";

let offset = Date.parse(body.dataset.now) - Date.now();
const ICONS = { low: "clock", medium: "clock", high: "hourglass", critical: "hourglass", late: "late" };

export const now = () => Date.now() + offset;

export function correct(stated) {
  const serverTime = Date.parse(stated);
  if (!Number.isNaN(serverTime)) offset = serverTime - Date.now();
}

// The same words as console/timeleft.py.
export function span(ms, fine = true) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return say("s", seconds);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return say("min", minutes);
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return say("d", Math.floor(hours / 24));
  const rest = minutes % 60;
  return fine && hours < 3 && rest ? `${say("h", hours)} ${say("min", rest)}` : say("h", hours);
}

function urgency(from, at, end, moment) {
  if (at <= moment) return "late";
  const used = (moment - from) / Math.max(end - from, 1000);
  return used > 0.75 ? "critical" : used > 0.5 ? "high" : used > 0.25 ? "medium" : "low";
}

function left(element, moment) {
  const due = Date.parse(element.dataset.due) || Infinity;
  const end = Date.parse(element.dataset.end) || Infinity;
  const at = Math.min(due, end);
  if (at === Infinity) return;
  const time = find("time", element);
  const text = at <= moment ? say("late", span(moment - at, false)) : say("left", span(at - moment));
  if (time.textContent !== text) time.textContent = text;
  const level = urgency(Date.parse(element.dataset.from), at, end === Infinity ? at : end, moment);
  if (element.dataset.urgency !== level) {
    element.dataset.urgency = level;
    const use = find("use", element);
    use?.setAttribute("href", use.getAttribute("href").replace(/#.*/, "#" + ICONS[level]));
  }
}

export function tick() {
  const moment = now();
  for (const element of all("[data-left]")) left(element, moment);
  for (const element of all("time[data-ago]")) {
    const text = say("ago", span(moment - Date.parse(element.dateTime), false));
    if (element.textContent !== text) element.textContent = text;
  }
}

tick();
setInterval(tick, 1000);
document.addEventListener("htmx:afterSwap", tick);
