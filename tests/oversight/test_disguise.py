"""A test case is not to be told from a real proposal before its verdict: not by anybody, by nothing that is shown."""

import re
from random import Random

import numpy as np
import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from agents import feed, keys
from approvals.db import times
from approvals.decisions import agent_questions
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.evidence.metrics import report
from approvals.evidence.selection import Selection
from approvals.history import seal
from approvals.models import Approval, Delivery, Endpoint, Run, User
from approvals.oversight import draws, seeding
from approvals.people import access, authorities
from approvals.requests import intake
from approvals.requests.submission import RunRef, Submission, as_item
from approvals.workload import queues
from console.card.cards import Card
from console.inbox import live, rows
from tests.oversight.recognising import auc_of

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|sha256:[0-9a-f]{64}|[0-9a-f]{32,64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(\+\d\d:\d\d|Z)?|\d\d:\d\d(:\d\d)?|\d+ (min|s|h)\b")
_TOKEN = re.compile(
    r'seen=[0-9a-f]{16}|name="csrfmiddlewaretoken" value="\w+"|nonce="[^"]+"|"pending_s": ?[\d.]+|nonce-\S+'
)


def masked(text: str) -> str:
    """What is shown without ids, times and tokens, which differ between any two."""
    return _TIME.sub("<time>", _ID.sub("<id>", _TOKEN.sub("<token>", text)))


@pytest.fixture
def pair(seed, robot):
    """A test case that waits, and a real proposal of the very same content."""
    case = seed(fault=True)
    seeded = load(case.approval_id)
    real = Submission(
        items=(as_item(seeded, seeded.proposal),),
        content_hash="sha256:1",
        model="claude",
        run=RunRef(seeded.request.run.key, seeded.request.run.name),
    )
    Approval.objects.exclude(pk=seeded.pk).filter(status="pending").update(status="cancelled")
    [receipt] = intake.submit(robot, [real])
    return seeded, load(receipt.approvals[0].pk)


@pytest.mark.parametrize("reader", ["alice", "bob", "mia", "otto", "root"])
def test_card_row_and_lists_show_both_alike(pair, as_, reader, request):
    desk = as_(request.getfixturevalue(reader))
    seeded, real = (
        masked(desk.get(reverse("card:card", args=[one.pk]), headers={"HX-Request": "true"}).text) for one in pair
    )
    lines = rows.with_row_relations(Approval.objects.filter(pk__in=[one.pk for one in pair]))
    listing = desk.get(reverse("inbox:inbox"), {"q": pair[0].subject.partition(":")[2]}).text

    assert seeded == real
    assert len({masked(rows.render(line, times.now())) for line in lines}) == 1
    assert (str(pair[0].pk) in listing) == (str(pair[1].pk) in listing)
    assert "seeded" not in desk.get(reverse("card:card", args=[pair[0].pk])).text


def under(secret: str) -> Client:
    """Speaks to the API under a key."""
    return Client(headers={"Authorization": f"Bearer {secret}"})


def test_tools_and_sockets_say_the_same_of_both(pair, alice):
    tools = under(keys.issue(user=alice, name="test")[1])
    seeded, real = (masked(tools.get(f"/api/v1/inbox/{one.pk}").text) for one in pair)
    frames = live._rows([one.pk for one in pair], "en")

    assert seeded == real
    assert masked(str(frames[pair[0].pk])) == masked(str(frames[pair[1].pk]))


def test_the_admins_lists_show_both_alike_and_filter_by_no_kind(pair, as_, root):
    desk = as_(root)
    pages = [masked(desk.get(f"/admin/approvals/approval/{one.pk}/change/").text) for one in pair]
    listed = desk.get("/admin/approvals/approval/", {"kind__exact": "seeded"}, follow=True).text

    assert pages[0] == pages[1]
    assert not any(str(one.pk) in listed for one in pair)


def test_people_may_do_the_same_with_both(pair, alice, bob, mia, otto, mallory):
    for person in (alice, bob, mia, otto, mallory):
        assert access.actions_for(pair[0], person) == access.actions_for(pair[1], person)


def test_an_operator_sees_none_in_the_name_of_their_agent(pair, person, robot):
    owner = person("owen")
    robot.operators.add(owner)

    assert list(access.visible_to(owner).filter(pk__in=[one.pk for one in pair])) == [pair[1]]
    assert list(access.inbox_of(owner)) == [pair[1]]
    assert live.concerned([one.pk for one in pair], live.watch_of(owner)) == {pair[1].pk}


def test_its_run_is_shown_as_its_agents_and_is_not_among_the_agents_own(pair, as_, alice, robot):
    seeded, real = pair
    run = seeded.request.run
    page = as_(alice).get(reverse("runs:run", args=[run.pk])).text

    assert run.agent != robot
    assert Run.objects.filter(agent=robot, key=run.key).get() == real.request.run
    assert masked(page) == masked(as_(alice).get(reverse("runs:run", args=[real.request.run.pk])).text)


def test_its_agent_hears_nothing_of_it(pair, alice, robot):
    seeded, real = pair
    Endpoint.objects.create(agent=robot, url="https://robot.example/hook")
    for approval in pair:
        agent_questions.ask(approval.pk, by=alice, text="Are you sure?")
        decide(card_version_of(load(approval.pk)), by=alice, verdict="approve", verdict_input=VerdictInput())
    seal.seal(now=times.now())

    requests = {event.data for event in feed.read([robot.pk], 0).events}
    assert any(str(real.request_id) in line for line in requests)
    assert not any(str(seeded.request_id) in line for line in requests)
    assert Delivery.objects.filter(channel="webhook", approval=real).exists()
    assert not Delivery.objects.filter(channel="webhook", approval=seeded).exists()
    as_robot = under(keys.issue(agent=robot, name="test")[1])
    listed = as_robot.get("/api/v1/requests?limit=100").text
    assert str(real.request_id) in listed and str(seeded.request_id) not in listed
    assert as_robot.get(f"/api/v1/requests/{seeded.request_id}").status_code == 404


def test_it_counts_in_no_figure_and_takes_no_place_in_a_queue(pair, alice):
    waiting = queues._waiting({(1, "commerce"): 10})
    today = times.now().date()
    chosen = Selection(today, today)
    before = report(chosen).total.submitted
    decide(card_version_of(pair[0]), by=alice, verdict="reject", verdict_input=VerdictInput(reason="policy"))

    assert waiting == {(1, "commerce"): 1}
    assert report(chosen).total.submitted == before


ORDERS = range(40_000, 60_000)


@pytest.fixture
def refund_of_the_day(propose):
    """A refund as its agent proposes it: every second one is wrong, in a way that its words show."""
    dice = Random(5)  # noqa: S311

    def make() -> tuple[Approval, bool]:
        amount, order, currency = round(dice.uniform(20, 450), 2), str(dice.choice(ORDERS)), dice.choice(["EUR", "GBP"])
        sentence = f"Refund {amount} {currency} for order {order}, which arrived broken."
        fault = dice.choice(["amount", "currency", "order", *3 * [""]])
        approval = propose(
            round(amount * 10, 2) if fault == "amount" else amount,
            dice.choice([other for other in ("EUR", "USD", "GBP") if other != currency])
            if fault == "currency"
            else currency,
            str(dice.choice(ORDERS)) if fault == "order" else order,
            summary=sentence,
            reasoning=dice.choice(["A photo shows it.", "The carrier confirmed it.", "Third complaint this week."]),
            context={"orders": dice.randint(1, 9)},
            signals={"stated_confidence": round(dice.uniform(0.5, 0.99), 2)},
            model="claude",
        )
        return approval, bool(fault)

    return make


def test_nobody_learns_to_tell_them_by_what_is_shown(refund_of_the_day, alice, as_):
    """A classifier on the card, its row and its times: hardly better than a coin."""
    for _ in range(100):
        approval, wrong = refund_of_the_day()
        verdict, given = ("reject", VerdictInput(reason="wrong_amount")) if wrong else ("approve", VerdictInput())
        decide(card_version_of(approval), by=alice, verdict=verdict, verdict_input=given)
    drawn: list[tuple[Approval, bool]] = []
    dice = Random(6)  # noqa: S311
    while len(drawn) < 200:
        beside, _ = refund_of_the_day()
        drawn.append((beside, False))
        case = draws.new_case(beside, now=times.now() - draws.LATEST)
        case.save(force_insert=True)
        approval = seeding.put_in(case.pk, dice=dice)
        drawn += [(load(approval.pk), True)] if approval else []
    with authorities.reading_once():
        texts = [shown_to(alice, approval) for approval, _ in drawn]

    auc = auc_of(texts, np.array([seeded for _, seeded in drawn]))
    assert auc <= 0.6, auc


def shown_to(person: User, approval: Approval) -> str:
    """The HTML of its card and of its row."""
    row = rows.with_row_relations(Approval.objects.filter(pk=approval.pk)).get()
    return render_to_string("_card.html", {"card": Card(approval, person)}) + rows.render(row, times.now())
