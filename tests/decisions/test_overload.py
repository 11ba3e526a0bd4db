"""A full queue, and one in which nobody is on duty, from the submission to the list that is caught up with."""

import json
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NotAllowed
from approvals.models import Absence, Approval, Capacity, Membership, Overload
from approvals.policy import snapshot
from approvals.requests import amend, intake
from approvals.requests.submission import Item, Submission
from approvals.workload import overload, queues
from tests.concurrency import together
from tests.conftest import replace_arguments, sentences_of

MONDAY = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def limit(tiers, commerce):
    """limit(2, "reject"): that many may wait in tier 1 of commerce."""

    def make(most=None, when_full="queue", when_empty="queue", *, tier=1, domain=commerce):
        made = Capacity.objects.create(
            tier_id=tier, domain=domain, limit=most, when_full=when_full, when_empty=when_empty
        )
        snapshot.publish(by=None, note="limits")
        return made

    return make


@pytest.fixture
def tag(action_type):
    """Reversible, of no value, and always shown to a person."""
    return action_type("tag", reversibility="reversible")


def routes():
    return list(Approval.objects.order_by("created_at", "position").values_list("route", flat=True))


def test_a_full_queue_refuses_and_says_when_to_come_back(limit, refunds, propose):
    limit(2, "reject")
    propose()
    propose()
    third = propose()

    [item] = json.loads(third.request.answer)["items"]
    assert (third.route, third.reason_code, item["verdict"], item["source"]) == (
        "reject", "degraded", "reject", "policy",
    )  # fmt: skip
    assert item["message"].startswith("Tier 1 commerce is full (2 of 2 wait), so this was not taken; come back after")
    assert third.assessment["shortage"]["limit"] == 2
    assert routes() == ["review", "review", "reject"]


def test_it_has_room_again_as_soon_as_one_is_decided(limit, propose, alice):
    limit(1, "reject")
    first = propose()
    decide(card_version_of(first), by=alice, verdict="approve")

    assert propose().route == "review"


def test_a_bulk_fills_what_is_free_and_not_more(limit, refunds, robot):
    limit(10, "reject")
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    bulk = [Submission((Item(id="a", action="refund", args=args),), f"sha256:{n}") for n in range(50)]
    intake.submit(robot, bulk)

    assert routes().count("review") == 10


@pytest.mark.django_db(transaction=True)
def test_two_sets_at_once_overrun_a_limit_at_most_by_what_was_free(limit, refunds, robot):
    limit(5, "reject")
    args = {"order": "1", "amount": 1, "currency": "EUR"}

    def send(name):
        return lambda: intake.submit(
            robot, [Submission((Item(id="a", action="refund", args=args),), f"sha256:{name}{n}") for n in range(20)]
        )

    together(send("a"), send("b"))

    assert 5 <= routes().count("review") <= 10
    assert Overload.objects.count() == 1


def test_nobody_on_duty_passes_only_the_reversible_of_low_impact(limit, tag, propose, alice):
    limit(when_empty="pass")
    assert propose(5, action="tag").route == "review"
    Absence.objects.create(
        user=alice, starts_at=times.now() - MINUTE, ends_at=times.now() + timedelta(hours=1), delegate=None
    )
    passed, waits = propose(5, action="tag"), propose()

    assert (passed.route, passed.source, passed.reason_code) == ("auto", "policy", "degraded")
    assert (waits.route, waits.status) == ("review", "pending")
    assert json.loads(passed.request.answer)["items"][0]["permit"]


def test_nobody_on_duty_is_told_with_the_hour_at_which_somebody_comes(limit, propose, alice):
    limit(when_empty="reject")
    Membership.objects.filter(user=alice).update(duty_from=time(9), duty_until=time(17), duty_days=[1, 2, 3, 4, 5])
    with times.at(MONDAY):
        assert propose().route == "review"
    with times.at(MONDAY + timedelta(hours=6)):
        refused = propose()

    assert sentences_of(refused.reasons)[0] == (
        "Nobody is on duty in tier 1 commerce, so this was not taken; come back after 2026-12-01 09:00 UTC."
    )


def test_what_cannot_be_measured_is_an_error_and_no_empty_queue(limit, tag, propose, monkeypatch):
    """I10: a degraded mode is entered by what is measured, never because something failed."""
    limit(1, "pass", "pass")

    def broken(*_, **__):
        raise DatabaseError("away")

    for name in ("_waiting", "Roster"):
        with monkeypatch.context() as patched:
            patched.setattr(queues, name, type("Broken", (), {"read": broken}) if name == "Roster" else broken)
            with pytest.raises(DatabaseError):
                propose(5, action="tag")
            with pytest.raises(DatabaseError):
                overload.watch(now=times.now())
    assert not Approval.objects.exists()
    assert not Overload.objects.exists()


def test_a_policy_without_limits_asks_the_database_nothing_more(refunds, propose, limit):
    propose()
    with CaptureQueriesContext(
        connection,
    ) as without:
        propose()
    limit(100, "reject")
    propose()
    with CaptureQueriesContext(connection) as counted:
        propose()
    limit(100, "reject", "reject", tier=2)
    propose()
    with CaptureQueriesContext(connection) as watched:
        propose()

    # How many wait, and how many of them are test cases, which take no room.
    assert len(counted) == len(without) + 2
    assert len(watched) == len(without) + 3


def test_what_waits_already_is_not_turned_away_for_want_of_room(limit, propose, alice, robot):
    refund = propose()
    limit(1, "reject", "reject")
    amended = amend.amend(refund.pk, lambda item: Item(**{**item_fields(item), "summary": "better"}), by=robot)
    assert (amended.status, amended.revision) == ("pending", 2)
    changed = {"order": "456", "amount": 5, "currency": "EUR"}

    assert (
        decide(
            card_version_of(amended),
            by=alice,
            verdict="modify",
            verdict_input=VerdictInput(edits=replace_arguments(changed)),
        ).verdict
        == "modify"
    )


def item_fields(item):
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def test_evaluate_says_what_would_become_of_it_now(limit, propose, robot):
    limit(1, "reject")
    propose()
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    [(_, _domain, routing, _told)] = intake.evaluate(
        robot, Submission((Item(id="a", action="refund", args=args),), "sha256:e")
    )

    assert (routing.route, routing.reason_code) == ("reject", "degraded")
    assert not Overload.objects.exists()


def test_a_question_is_never_answered_by_an_empty_office(limit, action_type, propose):
    limit(when_empty="pass")
    action_type("question", reversibility="reversible", gate="clarify", schema={}, allowed=["answer", "reject"])

    assert propose(items=(Item(id="q", item_type="question", prompt="Which?"),)).route == "review"


# --- The record of it


def test_the_first_refused_begins_it_and_the_clock_ends_it(limit, propose, alice):
    limit(1, "reject")
    first = propose()
    second = propose()
    [row] = Overload.objects.all()
    assert (row.tier_id, row.domain_id, row.why, row.mode, row.limit) == (1, "commerce", "full", "reject", 1)
    propose()
    overload.watch(now=times.now())
    assert Overload.objects.get().ended_at is None

    decide(card_version_of(first), by=alice, verdict="approve")
    overload.watch(now=times.now())
    row = Overload.objects.get()
    assert row.ended_at is not None
    assert (row.refused, row.passed) == (2, 0)
    assert next(iter(overload.approvals_during(row))).pk == second.pk


def test_the_clock_begins_it_before_anything_came(limit, propose, alice):
    limit(1, "queue")
    propose()
    overload.watch(now=times.now())

    assert [one.why for one in overload.overloads_to_show(alice)] == ["full"]


def test_that_it_waits_until_somebody_comes_is_no_degraded_time(limit, propose):
    limit(5, "reject", "queue")  # and nobody is there
    propose()
    overload.watch(now=times.now())

    assert not Overload.objects.exists()


def test_full_again_within_the_minute_is_the_same_time(limit, propose, alice):
    limit(1, "reject")
    first = propose()
    propose()
    decide(card_version_of(first), by=alice, verdict="approve")
    overload.watch(now=times.now())
    propose()
    propose()
    overload.watch(now=times.now())

    row = Overload.objects.get()
    assert (row.ended_at, row.refused) == (None, 2)
    row.began_at = row.began_at - timedelta(hours=1)
    with times.at(times.now() + 2 * MINUTE):
        Capacity.objects.update(limit=9)
        snapshot.publish(by=None, note="more room")
        overload.watch(now=times.now())
    with times.at(times.now() + 5 * MINUTE):
        Capacity.objects.update(limit=1)
        snapshot.publish(by=None, note="less room")
        propose()
    assert Overload.objects.count() == 2


def test_each_change_is_told_once_it_is_committed(
    limit, propose, alice, monkeypatch, django_capture_on_commit_callbacks
):
    heard = []
    monkeypatch.setattr(overload, "_listeners", [heard.append])
    limit(1, "reject")
    first = propose()
    with django_capture_on_commit_callbacks(execute=True):
        propose()
    with django_capture_on_commit_callbacks(execute=True):
        propose()
    assert heard == [{"1.commerce"}]
    decide(card_version_of(first), by=alice, verdict="approve")
    with django_capture_on_commit_callbacks(execute=True):
        overload.watch(now=times.now())
    assert heard == [{"1.commerce"}, {"1.commerce"}]


def test_a_reviewer_of_the_queue_marks_it_as_seen_when_it_is_over(limit, propose, alice, bob, mallory, mia):
    limit(1, "reject")
    first = propose()
    propose()
    row = Overload.objects.get()
    with pytest.raises(NotAllowed):
        overload.mark_reviewed(row.pk, by=alice, now=times.now())
    decide(card_version_of(first), by=alice, verdict="approve")
    overload.watch(now=times.now())
    for stranger in (mallory, mia):
        with pytest.raises(NotAllowed):
            overload.mark_reviewed(row.pk, by=stranger, now=times.now())
    assert overload.overloads_to_show(mia) == overload.overloads_to_show(alice) == [row]
    assert not overload.overloads_to_show(mallory)

    assert overload.mark_reviewed(row.pk, by=bob, now=times.now())
    assert not overload.mark_reviewed(row.pk, by=alice, now=times.now())
    assert Overload.objects.get().seen_by == bob
    assert not overload.overloads_to_show(alice)


@pytest.mark.django_db(transaction=True)
def test_two_clocks_begin_one(limit, propose):
    limit(1, "reject")
    propose()
    results = together(*[lambda: overload.watch(now=times.now())] * 4)

    assert results == [None] * 4
    assert Overload.objects.count() == 1


def test_the_refused_stays_refused(limit, propose, alice):
    limit(1, "reject")
    propose()
    refused = propose()
    decided = load(refused.pk)

    assert (decided.status, decided.verdict, decided.decided_by) == ("released", "reject", None)
