"""A person at the page, in a browser: what they see, type and press, and what became of it."""

import random
import re
from dataclasses import dataclass, field

from playwright.sync_api import Page, WebSocketRoute, expect

from approvals.models import Proposal
from tests.conftest import PASSWORD
from tests.console.test_presses import DECIDE

# Before any script of ours. At each key, what stands in the pane; each word that was typed, and on which card; and
# whether the page rests: nothing is under way, and what stands there takes keys. The answers of what decides may be
# held back, and are then not waited for.
WATCH = """() => {
  window.__looks = [];
  const note = (event) => {
    const card = document.querySelector("#card");
    if (!card) return;
    window.__looks.push({ key: event.key, id: card.dataset.card, text: card.textContent });
  };
  for (const name of ["keydown", "click"]) window.addEventListener(name, note, true);
  window.__words = {};
  window.addEventListener("input", ({ target }) => {
    const card = target.closest("#card")?.dataset.card;
    for (const word of target.value?.match(/word[0-9]+x/g) ?? []) window.__words[word] ??= card;
  }, true);

  const flights = new Map(); // request → where to
  let moved = 0;
  const start = (flight, address) => {
    flights.set(flight, String(address));
    moved = performance.now();
  };
  const end = (flight) => {
    flights.delete(flight);
    moved = performance.now();
  };
  const { fetch: ask } = window;
  window.fetch = (...what) => {
    const flight = {};
    start(flight, what[0]);
    return ask(...what).finally(() => end(flight));
  };
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (verb, address, ...more) {
    this.__address = address;
    return open.call(this, verb, address, ...more);
  };
  XMLHttpRequest.prototype.send = function (...body) {
    start(this, this.__address);
    this.addEventListener("loadend", () => end(this));
    return send.apply(this, body);
  };
  window.__rests = (besides) => {
    const waits = [...flights.values()].some((address) => !besides || !new RegExp(besides).test(address));
    return !waits && performance.now() - moved > 60 && document.querySelector("#pane:not([data-fresh])") !== null;
  };
}"""


FOCUS = """(selector) => {
  const field = document.querySelector(selector);
  field?.focus();
  return field !== null && document.activeElement === field;
}"""


def steps(mark: str) -> list[dict]:
    step = {"name": "refund", "args": {"order": mark, "amount": 5, "currency": "EUR"}}
    return [{"id": name, "action": step, "depends_on": []} for name in "ab"]


def mark_of(proposal: Proposal) -> str:
    return re.search(r"C\d+-\d+", f"{proposal.prompt} {proposal.args} {proposal.steps}")[0]


class Socket:
    """The page's live socket, which can be cut."""

    def __init__(self, page: Page) -> None:
        self.open: list[WebSocketRoute] = []
        self.away = False
        page.route_web_socket(re.compile("/ws/inbox/"), self._handle)

    def _handle(self, socket: WebSocketRoute) -> None:
        if self.away:
            socket.close()
        else:
            socket.connect_to_server()
            self.open.append(socket)

    def cut(self) -> None:
        self.away = True
        for socket in self.open:
            socket.close()
        self.open = []

    def mend(self) -> None:
        self.away = False


@dataclass
class Person:
    """Works through the inbox by keyboard. `words` is every word that was typed, with its card."""

    page: Page
    socket: Socket
    dice: random.Random
    looks: list[dict] = field(default_factory=list)
    typed_words: dict[str, str] = field(default_factory=dict)
    offered: str = ""
    made: int = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def card(self) -> str:
        """The card that stands there; "" where there is none."""
        return self.page.evaluate("document.querySelector('#card')?.dataset.card ?? ''")

    @property
    def locked(self) -> bool:
        return self.there("#card[data-locked]")

    def there(self, selector: str) -> bool:
        return self.page.locator(selector).count() > 0

    def rest(self, *, answered: bool = True) -> None:
        """Until nothing is under way, and what stands there takes keys; `answered`: what decides is under way, too."""
        besides = "" if answered else DECIDE.pattern
        self.page.wait_for_function("(besides) => window.__rests(besides)", arg=besides, timeout=60_000)

    def word(self) -> str:
        """A word that occurs once."""
        self.made += 1
        return f"word{self.made}x"

    def note(self) -> None:
        """Keep what the page noted, which a reload forgets, and what it says of words that found no card."""
        self.looks += self.page.evaluate("() => window.__looks.splice(0)")
        self.typed_words |= self.page.evaluate("() => window.__words")
        self.offered += self.page.evaluate("() => document.querySelector('#card-notice')?.textContent ?? ''")

    def go_to_a_card(self) -> None:
        if not self.card:
            self.press("j", "Enter")
            expect(self.page.locator("#card")).to_be_visible()
        self.rest()
        self.close_panel()
        if self.locked:  # read it again
            self.press("v")
            self.rest()

    def close_panel(self) -> None:
        """Out of a field, and so of the panel that it is in; a card without one stays open."""
        if self.page.evaluate("document.activeElement.matches('input, textarea')"):
            self.press("Escape")
            self.rest(answered=False)

    def go_on(self) -> None:
        """To the next card, or out of the last one."""
        here = self.card
        self.press("j")
        self.rest()
        if self.card == here:
            self.press("Escape")

    def fill(self, selector: str, text: str) -> bool:
        """Type into a field; False where it is not there, or was locked."""
        there = self.page.evaluate(FOCUS, selector)
        if there:
            self.page.keyboard.type(text)
        return there

    # What decides

    def act(self, kind: str) -> None:
        """Decide the card in one of the ways that its kind has; where it was locked meanwhile, nothing comes of it."""
        ways = {
            "soft": [self.approve, self.approve, self.reject, self.modify],
            "hard": [self.approve, self.approve, self.reject, self.modify, self.ask],
            "typed": [self.approve_typed, self.reject],
            "manual": [self.approve_typed, self.reject],
            "question": [self.answer, self.skip, self.reject],
            "plan": [self.approve, self.approve, self.reject],
        }
        self.dice.choice(ways[kind])()

    def opens(self, key: str, field: str) -> bool:
        """Press a key; whether what it opens came, and stands still."""
        self.press(key)
        self.rest(answered=False)
        return self.there(field)

    def approve(self) -> None:
        self.press("a")

    def approve_typed(self) -> None:
        if not self.opens("a", "#typed"):
            return
        self.fill("#typed", self.page.evaluate("() => document.querySelector('label[for=typed] b').textContent"))
        if self.there("#password"):
            self.fill("#password", PASSWORD)
        if self.page.evaluate(FOCUS, "#verdict-form button[type=submit]"):
            self.press("Enter")

    def start_to_reject(self) -> str:
        """Words in the panel that rejects; "" where none came."""
        if not self.opens("r", "#reject-message"):
            return ""
        typed = self.word()
        return typed if self.fill("#reject-message", typed) else ""

    def reject(self) -> None:
        if self.start_to_reject():
            self.press("Control+Enter")

    def modify(self) -> None:
        if not self.opens("m", "#modify-message"):
            return
        if self.page.evaluate(FOCUS, "[data-control='/amount'] [data-text]"):
            self.press("Control+a")
            self.page.keyboard.type("19")
        if self.fill("#modify-message", self.word()):
            self.press("Control+Enter")

    def ask(self) -> None:
        if self.opens("q", "#question") and self.fill("#question", self.word()):
            self.press("Control+Enter")

    def answer(self) -> None:
        if self.opens("a", "#answer:focus"):
            self.page.keyboard.type(self.word())
            self.press("Control+Enter")

    def skip(self) -> None:
        self.press("p")
