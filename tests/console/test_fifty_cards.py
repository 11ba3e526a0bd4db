"""Fifty mixed cards are worked through by keyboard, while answers come late or never, agents amend, connections drop
and a colleague decides too. No verdict falls on what was not looked at, and no word is lost or ends on another card.

One seed runs with the other tests; the first twenty are
`ASSENT_CARD_SEEDS=20 manage.py test tests/console/test_fifty_cards.py`.

What was looked at is noted by the page itself, at each key that may decide: which card stood there, with which words;
and so is what was typed, with its card.
"""

import os
import random
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from django.db.models import QuerySet
from playwright.sync_api import Page, WebSocketRoute, expect

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Agent, AgentQuestion, Approval, Decision, Proposal, Rule, Tier, UnsentText, User
from approvals.policy import snapshot
from approvals.requests.amend import amend
from approvals.requests.submission import Item
from tests.conftest import PASSWORD
from tests.console.test_presses import DECIDE, HeldAnswers
from tests.waiting import until

SEEDS = range(1, 1 + int(os.environ.get("ASSENT_CARD_SEEDS", "1")))

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

CARDS = 50
KINDS = ["hard", "hard", "hard", "soft", "typed", "manual", "question", "plan"]
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


@pytest.fixture
def cards(action_type, propose, tiers) -> dict[str, Approval]:
    """How to make a card of each kind; its mark, say C17-1, stands in what is shown of it and in what would run."""
    Tier.objects.update(hold=timedelta(seconds=30))
    bare = {"schema": {}, "value_path": "", "currency_path": "", "subject_path": ""}
    action_type("note", gate="soft", reversibility="reversible")
    action_type("wipe", gate="manual", reversibility="irreversible", tier_id=3)
    typed = action_type("transfer", reversibility="reversible")
    action_type("question", gate="clarify", allowed=["answer", "skip", "reject"], headline="{prompt}", **bare)
    action_type("plan", headline="carry out {steps}", **bare)
    Rule.objects.create(
        name="typed", action_type=typed, expression="true", effect="review", typed=True, message="Type."
    )
    snapshot.publish(by=None, note="kinds")
    actions = {"hard": "refund", "soft": "note", "typed": "transfer", "manual": "wipe"}

    def make(kind: str, number: int) -> Approval:
        mark = f"C{number}-1"
        if kind == "question":
            items = (Item(id="q", item_type="question", prompt=f"Which of {mark}?"),)
        elif kind == "plan":
            items = (Item(id="p", item_type="plan", steps=steps(mark)),)
        else:
            items = (Item(id="a", action=actions[kind], args={"order": mark, "amount": 20, "currency": "EUR"}),)
        return propose(items=items, timeout=timedelta(minutes=60 + number))

    return make


def steps(mark: str) -> list[dict]:
    step = {"name": "refund", "args": {"order": mark, "amount": 5, "currency": "EUR"}}
    return [{"id": name, "action": step, "depends_on": []} for name in "ab"]


def revise(approval: Approval, robot: Agent) -> None:
    """The agent makes something else of it, with another mark."""
    now = load(approval.pk)
    mark = mark_of(now.proposal).rsplit("-", 1)[0] + f"-{now.revision + 1}"
    change = {
        "question": lambda item: replace(item, prompt=f"Which of {mark}?"),
        "plan": lambda item: replace(item, steps=steps(mark)),
        "action": lambda item: replace(item, args={**item.args, "order": mark}),
    }[now.item_type]
    amend(approval.pk, change, by=robot)


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


# --- What comes between: each leaves the page at rest, and says whether it came to be what it is


def nothing_special(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    person.act(kind)
    person.rest()
    return True


def hurry(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """Keys before the answer has come, and before the next card has stood still."""
    person.act(kind)
    person.press("a", "p", "r")
    person.rest()
    return True


def answer_late(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """The answer comes when the person is writing on another card."""
    answers = HeldAnswers(person.page)
    person.act(kind)
    person.rest(answered=False)
    person.close_panel()
    person.press("j")
    person.rest(answered=False)
    elsewhere = person.card
    typed = person.start_to_reject() if elsewhere != str(approval.pk) else ""
    came = answers.let_go()
    answers.end()
    person.rest()
    if typed:
        assert person.card == elsewhere
        expect(person.page.locator("#reject-message")).to_have_value(re.compile(typed))
        person.close_panel()
    return bool(typed and came)


def lose_answer(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """The answer never comes, and what was recorded is looked up."""
    answers = HeldAnswers(person.page)
    answers.lose = True
    person.act(kind)
    person.rest()
    answers.end()
    return answers.lost > 0


def amended(person: Person, kind: str, approval: Approval, *, robot: Agent, **_others: object) -> bool:
    """The agent amends what is being read, and the page hears of it, also while one decides."""
    revise(approval, robot)
    if person.dice.random() < 0.5:
        person.act(kind)
    expect(person.page.locator("#card[data-locked]")).to_be_visible()
    person.rest()
    return True


def amended_unheard(person: Person, kind: str, approval: Approval, *, robot: Agent, **_others: object) -> bool:
    """The same with the socket cut: only the answer can say so."""
    person.socket.cut()
    revise(approval, robot)
    person.act(kind)
    person.rest()
    person.socket.mend()
    return True


def colleague_decides(person: Person, kind: str, approval: Approval, *, colleague: User, **_others: object) -> bool:
    """Somebody else decides it while one is writing."""
    typed = person.start_to_reject()
    verdict_input = VerdictInput(message="Mine.")
    decide(card_version_of(load(approval.pk)), by=colleague, verdict="reject", verdict_input=verdict_input)
    person.press("Control+Enter")
    person.rest()
    return bool(typed)


def reload(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """The page is loaded anew in the middle of a sentence."""
    typed = person.start_to_reject()
    person.note()
    person.page.reload()
    person.rest()
    return bool(typed)


def leave_mid_sentence(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """Half a sentence, and on to the next."""
    typed = person.start_to_reject()
    person.close_panel()
    person.press("j")
    person.rest()
    return bool(typed)


TROUBLES = [nothing_special] * 16 + [
    hurry,
    answer_late,
    lose_answer,
    amended,
    amended_unheard,
    colleague_decides,
    reload,
    leave_mid_sentence,
]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_verdict_falls_on_another_card_and_no_word_is_lost(seed, cards, robot, carol, person, commerce, sign_in):
    dice = random.Random(seed)  # noqa: S311
    dora = person("dora", tier=3, domain=commerce)
    kinds = [KINDS[number % len(KINDS)] for number in range(CARDS)]
    dice.shuffle(kinds)
    made = [cards(kind, number) for number, kind in enumerate(kinds)]
    Approval.objects.update(flagged=0)
    kind_of = {str(approval.pk): kind for approval, kind in zip(made, kinds, strict=True)}
    page = sign_in(carol)
    page.add_init_script(f"({WATCH})()")
    worker = Person(page, Socket(page), dice)
    page.goto("/")
    met: set[object] = set()
    troubles: list = []
    missed: list = []

    for _turn in range(4 * CARDS):
        if not waiting_for_people().exists():
            break
        worker.go_to_a_card()
        approval = load(worker.card)
        if approval.status != "pending":
            worker.note()
            worker.go_on()
            continue
        if not troubles:
            troubles, missed = dice.sample([*TROUBLES, *missed], len(TROUBLES) + len(missed)), []
        trouble = troubles.pop()
        if trouble(worker, kind_of[str(approval.pk)], approval, robot=robot, colleague=dora):
            met.add(trouble)
        else:
            missed.append(trouble)  # comes again, among the next
        worker.note()

    worker.rest()
    worker.note()
    assert not waiting_for_people().exists()
    assert met == set(TROUBLES)
    assert_decided_as_shown(worker, carol)
    with suppress(AssertionError):
        until(lambda: not lost_words(worker, carol))  # what was typed last is on its way
    assert lost_words(worker, carol) == []


def waiting_for_people() -> QuerySet[Approval]:
    """What waits for a person, and not for its agent to answer a question."""
    with_open_question = AgentQuestion.objects.filter(answered_at=None).values("approval")
    return Approval.objects.filter(status="pending").exclude(pk__in=with_open_question)


def assert_decided_as_shown(person: Person, user: User) -> None:
    """Each verdict and each question has its key, pressed while the very card stood there in the very version."""
    keys = {"approve": {"a", "Enter"}, "skip": {"p"}}
    made = [
        (decision.verdict, decision.approval_id, Proposal.objects.filter(revision=decision.revision))
        for decision in Decision.objects.filter(user=user)
    ]
    assert len(made) > CARDS // 3
    made += [
        ("ask", inquiry.approval_id, Proposal.objects.filter(created_at__lte=inquiry.asked_at))
        for inquiry in AgentQuestion.objects.all()
    ]
    for what, approval, proposals in made:
        mark = mark_of(proposals.filter(approval=approval).latest("revision"))
        assert [
            look
            for look in person.looks
            if look["id"] == str(approval) and mark in look["text"] and look["key"] in keys.get(what, {"Enter"})
        ], f"{what} on {mark}, which was not what stood there"


def lost_words(person: Person, user: User) -> list[str]:
    """The words that are nowhere, not in what was decided or asked, nor kept, nor shown when their card was gone; and
    those that are on another card than the one on which they were typed.
    """
    texts = [(one.approval_id, f"{one.message} {one.answer}") for one in Decision.objects.filter(user=user)]
    texts += [(one.approval_id, one.text) for one in AgentQuestion.objects.all()]
    texts += [(one.approval_id, str(one.fields)) for one in UnsentText.objects.filter(user=user)]
    wrong = []
    for word, card in person.typed_words.items():
        cards = {str(approval) for approval, text in texts if word in text}
        if cards - {card}:
            wrong.append(f"{word} is on another card than its own")
        elif not cards and word not in person.offered:
            wrong.append(f"{word} is lost")
    return wrong
