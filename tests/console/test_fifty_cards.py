"""Fifty mixed cards are worked through by keyboard, while answers come late or never, agents amend, connections drop
and a colleague decides too. No verdict falls on what was not looked at, and no word is lost or ends on another card.

One seed runs with the other tests; the first twenty are
`ASSENT_CARD_SEEDS=20 manage.py test tests/console/test_fifty_cards.py`.

What was looked at is noted by the page itself, at each key that may decide: which card stood there, with which words;
and so is what was typed, with its card."""

import os
import random
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db.models import QuerySet

from approvals.decisions.card_version import load
from approvals.models import AgentQuestion, Approval, Decision, Proposal, Rule, Tier, UnsentText, User
from approvals.policy import snapshot
from approvals.requests.submission import Item
from tests.console.reviewer import WATCH, Person, Socket, mark_of, steps
from tests.console.troubles import TROUBLES
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]


SEEDS = range(1, 1 + int(os.environ.get("ASSENT_CARD_SEEDS", "1")))
CARDS = 50
KINDS = ["hard", "hard", "hard", "soft", "typed", "manual", "question", "plan"]


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
