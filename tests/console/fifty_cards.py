"""Fifty mixed cards are worked through by keyboard, while answers come late or never, agents amend, connections drop
and a colleague decides too. No verdict falls on what was not looked at, and no word is lost.

Five minutes for each seed, so by its name only: `python3 manage.py test tests/console/fifty_cards.py`.

What was looked at is noted by the page itself, at each key that may decide: which card stood there, with which words.
"""

import random
import re
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from playwright.sync_api import Page, Request, TimeoutError, WebSocketRoute, expect

from approvals.models import Approval, Decision, Inquiry, Proposal, Rule, Tier, UnsentText, User
from approvals.policy import snapshot
from approvals.review import decisions
from approvals.review.amend import amend
from approvals.review.errors import ReviewError
from approvals.review.submission import Item
from tests.conftest import PASSWORD, still
from tests.console.test_presses import DECIDE, Answers

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

CARDS = 50
KINDS = ["hard", "hard", "hard", "soft", "typed", "manual", "question", "plan"]
TROUBLES = ["none", "none", "none", "none", "late", "lost", "amended", "amended unheard", "colleague", "reload", "left"]
# Before any script of ours: at each key, what stands in the pane.
NOTE = """() => {
  window.__looks = [];
  const note = (event) => {
    const card = document.querySelector("#card");
    if (!card) return;
    window.__looks.push({ key: event.key, id: card.dataset.card, text: card.textContent });
  };
  for (const name of ["keydown", "click"]) window.addEventListener(name, note, true);
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
            items = (Item(id="q", subject="question", prompt=f"Which of {mark}?"),)
        elif kind == "plan":
            items = (Item(id="p", subject="plan", steps=steps(mark)),)
        else:
            items = (Item(id="a", action=actions[kind], args={"order": mark, "amount": 20, "currency": "EUR"}),)
        return propose(items=items, timeout=timedelta(minutes=60 + number))

    return make


def steps(mark: str) -> list[dict]:
    step = {"name": "refund", "args": {"order": mark, "amount": 5, "currency": "EUR"}}
    return [{"id": name, "action": step, "depends_on": []} for name in "ab"]


def revise(approval: Approval, robot) -> None:
    """The agent makes something else of it, with another mark."""
    now = decisions.load(approval.pk)
    mark = mark_of(now.proposal).rsplit("-", 1)[0] + f"-{now.revision + 1}"
    change = {
        "question": lambda item: replace(item, prompt=f"Which of {mark}?"),
        "plan": lambda item: replace(item, steps=steps(mark)),
        "action": lambda item: replace(item, args={**item.args, "order": mark}),
    }[now.subject]
    with suppress(ReviewError):  # settled by a press before
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
    """Works through the inbox by keyboard. `words` is everything typed, with the card it was typed on."""

    page: Page
    socket: Socket
    dice: random.Random
    looks: list[dict] = field(default_factory=list)
    words: dict[str, str] = field(default_factory=dict)
    offered: str = ""
    under_way: set[Request] = field(default_factory=set)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def card(self) -> str:
        """The card that stands there; "" where there is none."""
        return self.page.evaluate("document.querySelector('#card')?.dataset.card ?? ''")

    @property
    def locked(self) -> bool:
        return self.page.locator("#card[data-locked]").count() > 0

    def __post_init__(self) -> None:
        self.page.on("request", self._asked)
        for ended in ("requestfinished", "requestfailed"):
            self.page.on(ended, self._ended)

    def _asked(self, request: Request) -> None:
        # The answer of what decides may be held back; what is sent to outlive the page is never said to have ended.
        if not DECIDE.search(request.url) and not request.url.endswith("/unsent/"):
            self.under_way.add(request)

    def _ended(self, request: Request) -> None:
        self.under_way.discard(request)

    def rest(self) -> None:
        """Until nothing has been under way for a while, and what stands there takes keys."""
        quiet, end = 0, time.monotonic() + 10
        while quiet < 3 and time.monotonic() < end:
            self.page.wait_for_timeout(40)
            quiet = 0 if self.under_way else quiet + 1
        self.under_way.clear()  # what a reload cut off never ends
        still(self.page)

    def word(self) -> str:
        """Words that occur once."""
        made = f"word{len(self.words)}x"
        self.words[made] = self.card
        return made

    def note(self) -> None:
        """Keep what the page noted, which a reload forgets, and what it says of words that found no card."""
        self.looks += self.page.evaluate("() => window.__looks.splice(0)")
        self.offered += (
            self.page.locator("#card-notice").text_content() if self.page.locator("#card-notice").count() else ""
        )

    def go_to_a_card(self) -> None:
        if not self.card:
            self.press("j", "Enter")
            expect(self.page.locator("#card")).to_be_visible()
        self.rest()
        if self.locked and self.page.evaluate("document.activeElement.matches('input, textarea')"):
            self.press("Escape")
        if self.locked:  # read it again
            self.press("v")
            self.rest()

    def fill(self, selector: str, text: str) -> None:
        self.page.locator(selector).focus()
        self.page.keyboard.type(text)

    # What decides

    def act(self, kind: str) -> None:
        """Decide the card in one of the ways that its kind has."""
        ways = {
            "soft": [self.approve, self.reject, self.modify],
            "hard": [self.approve, self.reject, self.modify, self.ask],
            "typed": [self.approve_typed, self.reject],
            "manual": [self.approve_typed, self.reject],
            "question": [self.answer, self.skip, self.reject],
            "plan": [self.approve, self.reject],
        }
        with suppress(TimeoutError):  # the card was locked, and what one was about to press is gone
            self.dice.choice(ways[kind])()

    def opens(self, key: str, field: str) -> bool:
        """Press a key; whether what it opens came, and stands still."""
        self.press(key)
        try:
            self.page.locator(field).first.wait_for(timeout=3_000)
        except TimeoutError:
            return False
        still(self.page)
        return True

    def send(self) -> None:
        still(self.page)
        self.press("Control+Enter")

    def approve(self) -> None:
        self.press("a")

    def approve_typed(self) -> None:
        if not self.opens("a", "#typed"):
            return
        self.fill("#typed", self.page.locator("label[for=typed] b").text_content())
        if self.page.locator("#password").count():
            self.fill("#password", PASSWORD)
        still(self.page)
        self.page.locator("#verdict-form button[type=submit]").focus()
        self.press("Enter")

    def start_to_reject(self) -> str:
        """Words in the panel that rejects; "" where none came."""
        if not self.opens("r", "#reject-message"):
            return ""
        typed = self.word()
        self.fill("#reject-message", typed)
        return typed

    def reject(self) -> None:
        if self.start_to_reject():
            self.send()

    def modify(self) -> None:
        if not self.opens("m", "#modify-message"):
            return
        self.page.locator("[data-control='/amount'] [data-text]").focus()
        self.press("Control+a")
        self.page.keyboard.type("19")
        self.fill("#modify-message", self.word())
        self.send()

    def ask(self) -> None:
        if self.opens("q", "#actions textarea"):
            self.fill("#actions textarea", self.word())
            self.send()

    def answer(self) -> None:
        if self.opens("a", "#answer:focus"):
            self.page.keyboard.type(self.word())
            self.send()

    def skip(self) -> None:
        self.press("p")


@pytest.mark.parametrize("seed", [1, 2])
def test_no_verdict_falls_on_another_card_and_no_word_is_lost(seed, cards, robot, carol, bob, sign_in):
    dice = random.Random(seed)  # noqa: S311
    kinds = [KINDS[number % len(KINDS)] for number in range(CARDS)]
    dice.shuffle(kinds)
    made = [cards(kind, number) for number, kind in enumerate(kinds)]
    Approval.objects.update(flagged=0)
    kind_of = {str(approval.pk): kind for approval, kind in zip(made, kinds, strict=True)}
    page = sign_in(carol)
    page.add_init_script(f"({NOTE})()")
    person = Person(page, Socket(page), dice)
    page.set_default_timeout(5_000)
    page.goto("/")
    met = Counter()

    for _turn in range(4 * CARDS):
        if (
            not Approval.objects.filter(status="pending")
            .exclude(inquiries__answered_at=None, inquiries__isnull=False)
            .exists()
        ):
            break
        person.go_to_a_card()
        here = person.card
        if not here:
            continue
        approval = decisions.load(here)
        if approval.status != "pending" or here not in kind_of:
            person.note()
            person.press("j")
            person.rest()
            if person.card == here:
                person.press("Escape")
            continue
        trouble = dice.choice(TROUBLES)
        met[trouble] += 1
        TROUBLE[trouble](person, kind_of[here], approval, robot=robot, colleague=bob)
        person.note()

    person.rest()
    person.note()
    assert set(met) == set(TROUBLES), met
    fell_where_looked(person, carol)
    lost_no_word(person, carol)


def nothing_special(person: Person, kind: str, approval: Approval, **_others: object) -> None:
    person.act(kind)
    person.rest()


def late(person: Person, kind: str, approval: Approval, **_others: object) -> None:
    """The answer comes when the person is writing on another card."""
    answers = Answers(person.page)
    person.act(kind)
    person.rest()
    person.press("Escape")
    person.rest()
    person.press("j")
    person.rest()
    elsewhere = person.card
    typed = person.start_to_reject() if elsewhere != str(approval.pk) else ""
    answers.let_go()
    answers.end()
    person.rest()
    if typed:
        assert person.card == elsewhere
        expect(person.page.locator("#reject-message")).to_have_value(re.compile(typed))
        person.press("Escape")
        person.rest()


def lost(person: Person, kind: str, approval: Approval, **_others: object) -> None:
    """The answer never comes, and what was recorded is looked up."""
    answers = Answers(person.page)
    answers.lose = True
    person.act(kind)
    person.rest()
    answers.end()


def amended(person: Person, kind: str, approval: Approval, *, robot: object, **_others: object) -> None:
    """The agent amends what is being read, and the page hears of it."""
    revise(approval, robot)
    person.act(kind) if person.dice.random() < 0.5 else None
    person.rest()


def amended_unheard(person: Person, kind: str, approval: Approval, *, robot: object, **_others: object) -> None:
    """The same with the socket cut: only the answer can say so."""
    person.socket.cut()
    revise(approval, robot)
    person.act(kind)
    person.socket.mend()
    person.rest()


def colleague(person: Person, kind: str, approval: Approval, *, colleague: User, **_others: object) -> None:
    """Somebody else decides it while one is writing."""
    person.start_to_reject()
    words = decisions.Words(message="Mine.")
    with suppress(ReviewError):
        decisions.decide(decisions.seen(decisions.load(approval.pk)), by=colleague, verdict="reject", words=words)
    person.send()
    person.rest()


def reload(person: Person, kind: str, approval: Approval, **_others: object) -> None:
    """The page is loaded anew in the middle of a sentence."""
    person.start_to_reject()
    person.note()
    person.page.reload()
    person.rest()


def left(person: Person, kind: str, approval: Approval, **_others: object) -> None:
    """Half a sentence, and on to the next."""
    person.start_to_reject()
    person.press("Escape")
    person.rest()
    person.press("j")
    person.rest()


TROUBLE = {
    "none": nothing_special,
    "late": late,
    "lost": lost,
    "amended": amended,
    "amended unheard": amended_unheard,
    "colleague": colleague,
    "reload": reload,
    "left": left,
}


def fell_where_looked(person: Person, user: User) -> None:
    """Each verdict has its key, pressed while the very card stood there in the very version."""
    keys = {"approve": {"a", "Enter"}, "reject": {"Enter"}, "modify": {"Enter"}, "answer": {"Enter"}, "skip": {"p"}}
    made = list(Decision.objects.filter(user=user))
    assert len(made) > CARDS // 3
    for decision in made:
        mark = mark_of(Proposal.objects.get(approval=decision.approval_id, revision=decision.revision))
        looked = [
            look
            for look in person.looks
            if look["id"] == str(decision.approval_id)
            and mark in look["text"]
            and look["key"] in keys[decision.verdict]
        ]
        assert looked, f"{decision.verdict} on {mark}, which was not what stood there"


def lost_no_word(person: Person, user: User) -> None:
    """Each word is in what was decided or asked, is kept to be offered again, or was shown when its card was gone."""
    said = [f"{one.message} {one.answer}" for one in Decision.objects.filter(user=user)]
    said += [one.text for one in Inquiry.objects.all()]
    kept = [str(one.fields) for one in UnsentText.objects.filter(user=user)]
    everything = " ".join([*said, *kept, person.offered])
    assert not [word for word in person.words if word not in everything]
