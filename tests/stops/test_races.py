"""A stop against what releases and what consumes, on real PostgreSQL: once it has been taken, nothing passes."""

from collections import Counter

import pytest

from approvals import stops, times
from approvals.models import Approval, Consumption, Event, Stop
from approvals.review import clock
from approvals.review.consume import STOPPED, PermitRefused, Use, Used, consume
from approvals.review.decisions import decide, seen
from approvals.review.errors import Stopped
from tests.checker import check
from tests.conftest import database_url
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8


def stopping() -> Stop:
    """The stop as its caller has it: whatever passed before is there to be read by now."""
    stop = stops.stop(by=None, why="race")
    stop.passed = passed()  # type: ignore[attr-defined]
    return stop


def passed() -> int:
    """How much was released or consumed."""
    released = Approval.objects.filter(status="released").exclude(verdict="reject").count()
    return released + Consumption.objects.count()


def none_passed_after(found: list[object]) -> None:
    [stop] = [one for one in found if isinstance(one, Stop)]
    assert stop.passed == passed()
    stops.lift(by=None)


def test_a_stop_against_verdicts(propose, alice):
    ends = Counter()
    for round_ in range(ROUNDS):
        shown = [seen(propose(order=f"{round_}.{n}")) for n in range(4)]
        found = together(stopping, *[lambda one=one: decide(one, by=alice, verdict="approve") for one in shown])
        assert {type(one) for one in found} <= {Stop, Approval, Stopped}, found
        none_passed_after(found)
        ends.update(type(one) for one in found)
    assert ends[Stopped] + ends[Approval] == ROUNDS * 4
    assert check(database_url()) == []


def test_a_stop_against_executors(approved, robot):
    for round_ in range(ROUNDS):
        uses = []
        for n in range(3):
            bought = approved(order=f"{round_}.{n}")
            uses.append(Use(bought.jti, bought.permit, bought.digest, "first"))
        found = together(stopping, *[lambda use=use: consume(use, by=robot) for use in uses])
        assert {type(one) for one in found} <= {Stop, Used, PermitRefused}, found
        assert {one.code for one in found if isinstance(one, PermitRefused)} <= {STOPPED}
        none_passed_after(found)
    assert check(database_url()) == []


def test_a_stop_against_the_clock_and_its_silence(propose):
    for round_ in range(ROUNDS):
        for n in range(3):
            approval = propose(order=f"{round_}.{n}")
            Approval.objects.filter(pk=approval.pk).update(
                reversibility="reversible", on_timeout="approve", expires_at=times.now()
            )
        found = together(stopping, clock.sweep, clock.sweep)
        assert not [one for one in found if isinstance(one, Exception)], found
        none_passed_after(found)
        assert not Approval.objects.filter(status="pending").exists()
    assert Event.objects.filter(kind="expired").count() == ROUNDS * 3
    assert check(database_url()) == []


def test_a_stop_against_what_policy_lets_pass(action_type, propose):
    action_type("small", strategy="risk", reversibility="reversible")
    for round_ in range(ROUNDS):
        found = together(
            stopping,
            *[lambda n=n: propose(action="small", amount=1, order=f"{round_}.{n}") for n in range(3)],  # noqa: B023
        )
        assert not [one for one in found if isinstance(one, Exception)], found
        none_passed_after(found)
