// The socket of the inbox, and what the page does without it. A push is a hint: after every gap the list is re-read.
import { all, announce, find, say } from "./page.js";
import { correct } from "./clock.js";
import { put, reconcile, row, rows, steadily } from "./rows.js";
import { changed } from "./pane.js";
import { compare } from "./version.js";
import { focusRow } from "./list.js";
import { waiting } from "./title.js";
import { notify } from "./notify.js";
import { ask, check } from "./session.js";

const GRACE = 4000; // without a socket for so long, the page says so
const POLL = 10000;
const SILENCE = 13000; // two missed heartbeats
let socket = null;
let heard = 0;
let lost = null;
let poll = null;
let wait = 500;
let greeted = false;
let over = false; // nobody is signed in: nothing is asked before somebody is

const address = () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/inbox/`;

function connect() {
  socket = new WebSocket(address());
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = (event) => closed(event.code);
}

function receive(frame) {
  heard = performance.now();
  if (frame.type === "hello") {
    wait = 500;
    greeted = true;
    restored(); // whatever happened before the groups were joined is read now
  } else if (frame.type === "rows") {
    arrived(frame.rows);
    notify(frame.tell);
  } else if (frame.type === "reload") {
    refresh();
  } else if (frame.type === "overload") {
    document.dispatchEvent(new Event("overload"));
  }
  if (frame.now) correct(frame.now);
  if (frame.count != null) waiting(frame.count);
}

function arrived(messages) {
  const filtered = find("[data-list]")?.hasAttribute("data-filtered");
  steadily(() => {
    for (const message of messages) put(message.html, { add: !filtered, gone: message.gone && message.status === "pending" ? message.tier_name : "", staged: message.stage > 0 });
  });
  for (const message of messages) changed(message);
  if (filtered && messages.some((message) => message.status === "pending" && !row(message.id))) refresh();
  after();
}

function after() {
  const fresh = all("[data-row][data-new]");
  const pill = find("[data-new-pill]");
  if (pill) {
    pill.hidden = fresh.length === 0;
    pill.textContent = say("new", fresh.length);
  }
  const empty = find("[data-empty]");
  if (empty) empty.hidden = rows().length > 0;
}

function closed(code) {
  socket = null;
  lost ??= setTimeout(paused, GRACE);
  // Without a greeting, or told so: is anybody signed in here, and who?
  if (!greeted || code === 4401 || code === 4403) check();
  greeted = false;
  if (over) return;
  setTimeout(connect, wait + Math.random() * 250);
  wait = Math.min(wait * 2, 8000);
}

function paused() {
  if (over) return;
  state("paused");
  if (poll) return;
  refresh();
  poll = setInterval(refresh, POLL);
}

function restored() {
  clearTimeout(lost);
  clearInterval(poll);
  lost = poll = null;
  state("live");
  refresh();
}

function state(name) {
  const banner = find("[data-banner]");
  if (banner) banner.hidden = name !== "paused";
  const light = find("[data-live]");
  if (!light || light.dataset.state === name) return;
  const paused_ = light.dataset.state === "paused";
  light.dataset.state = name;
  find("[data-live-text]", light).textContent = say(name);
  light.setAttribute("aria-label", say(name));
  if (name === "paused" || paused_) announce(name === "paused" ? (banner?.textContent.trim() ?? "") : say("live"));
}

document.addEventListener("session:over", () => {
  over = true;
  clearInterval(poll);
  clearTimeout(lost);
  lost = poll = null;
  state("out");
  socket?.close();
});

document.addEventListener("session:back", () => {
  if (!over) return;
  over = false;
  if (!socket && find("[data-live]")) connect();
});

async function refresh() {
  const listing = find("[data-list]");
  if (!listing) return;
  try {
    const response = await ask(find("[data-split]").dataset.home + listing.dataset.query, {
      headers: { "HX-Request": "true", "HX-Target": "rows", "X-Card": find("#pane [data-card]")?.dataset.card ?? "" },
    });
    if (!response.ok) return;
    const html = await response.text();
    reconcile(html);
    const count = response.headers.get("X-Waiting");
    if (count) waiting(Number(count));
    after();
    compare(response.headers.get("X-Card"));
  } catch {
    // Still out of reach; the next round tries again.
  }
}

document.addEventListener("reread", refresh);

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-new-pill]")) {
    const first = find("[data-row][data-new]");
    for (const element of all("[data-row][data-new]")) element.removeAttribute("data-new");
    after();
    focusRow(first);
  }
});

// The answer to a verdict brings its row along, so that the list is right without a socket, too.
function update(holder) {
  if (!holder) return;
  steadily(() => put(holder.innerHTML, { add: false, gone: holder.dataset.gone, staged: "staged" in holder.dataset }));
  holder.remove();
  find("[data-row][data-open][data-new]")?.removeAttribute("data-new");
  after();
}

document.addEventListener("htmx:afterSwap", () => update(find("[data-row-update]")));
document.addEventListener("row:update", (event) => update(event.detail));

if (find("[data-live]")) {
  lost = setTimeout(paused, GRACE);
  connect();
  setInterval(() => {
    if (socket?.readyState === WebSocket.OPEN && performance.now() - heard > SILENCE) socket.close();
  }, 2000);
}
