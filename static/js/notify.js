// Notifications of the browser for what has just arrived, while nobody looks at the page. The server says of what:
// type, tier and deadline, nothing of what is proposed, and nothing in quiet hours.
import { say } from "./page.js";

const MOST = 3; // beyond that one notification counts

const allowed = () => "Notification" in window && Notification.permission === "granted";
const seen = () => document.visibilityState === "visible" && document.hasFocus();

export function notify(news) {
  if (!news?.length || !allowed() || seen()) return;
  if (news.length > MOST) {
    show(say("arrivedMany", news.length), { tag: "many" }, "/");
    return;
  }
  for (const item of news) {
    const time = item.due && new Date(item.due).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const body = time ? `${item.tier} · ${say("by", time)}` : item.tier;
    show(item.title, { body, tag: item.id }, item.card); // the same tag: several open pages are one notification
  }
}

// A click opens the card, where its person decides; the notification itself decides nothing.
function show(title, options, address) {
  const shown = new Notification(title, options);
  shown.onclick = () => {
    window.focus();
    location.assign(address);
    shown.close();
  };
}
