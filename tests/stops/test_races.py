"""A stop against what releases and what consumes, on real PostgreSQL: once it has been taken, nothing passes."""

from collections import Counter

import pytest

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.errors import Stopped
from approvals.execution import kill_switch
from approvals.execution.consume import STOPPED, PermitRefused, PermitUse, PermitUsed, consume
from approvals.models import Approval, AuditEvent, Consumption, Stop
from tests.checker import check
from tests.concurrency import together
from tests.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8


def stopping() -> Stop:
    """The stop as its caller has it: whatever passed before is there to be read by now."""
    stop = kill_switch.stop(by=None, why="race")
    stop.passed = passed_count()  # type: ignore[attr-defined]
    return stop


def passed_count() -> int:
    """How much was released or consumed."""
    released = Approval.objects.filter(status="released").exclude(verdict="reject").count()
    return released + Consumption.objects.count()


def assert_none_passed_since(results: list[object]) -> None:
    [stop] = [one for one in results if isinstance(one, Stop)]
    assert stop.passed == passed_count()
    kill_switch.lift(by=None)


def test_a_stop_against_verdicts(propose, alice):
    ends = Counter()
    for round_ in range(ROUNDS):
        shown = [card_version_of(propose(order=f"{round_}.{n}")) for n in range(4)]
        results = together(
            stopping, *[lambda card_version=one: decide(card_version, by=alice, verdict="approve") for one in shown]
        )
        assert {type(one) for one in results} <= {Stop, Approval, Stopped}, results
        assert_none_passed_since(results)
        ends.update(type(one) for one in results)
    assert ends[Stopped] + ends[Approval] == ROUNDS * 4
    assert check(database_url()) == []


def test_a_stop_against_executors(approved_executor, robot):
    for round_ in range(ROUNDS):
        uses = []
        for n in range(3):
            bought = approved_executor(order=f"{round_}.{n}")
            uses.append(PermitUse(bought.jti, bought.permit, bought.digest, "first"))
        results = together(stopping, *[lambda use=use: consume(use, by=robot) for use in uses])
        assert {type(one) for one in results} <= {Stop, PermitUsed, PermitRefused}, results
        assert {one.code for one in results if isinstance(one, PermitRefused)} <= {STOPPED}
        assert_none_passed_since(results)
    assert check(database_url()) == []


def test_a_stop_against_the_clock_and_its_silence(propose):
    for round_ in range(ROUNDS):
        for n in range(3):
            approval = propose(order=f"{round_}.{n}")
            Approval.objects.filter(pk=approval.pk).update(
                reversibility="reversible", on_timeout="approve", expires_at=times.now()
            )
        results = together(stopping, clock.sweep, clock.sweep)
        assert not [one for one in results if isinstance(one, Exception)], results
        assert_none_passed_since(results)
        assert not Approval.objects.filter(status="pending").exists()
    assert AuditEvent.objects.filter(kind="expired").count() == ROUNDS * 3
    assert check(database_url()) == []


def test_a_stop_against_what_policy_lets_pass(action_type, propose):
    action_type("small", strategy="risk", reversibility="reversible")
    for round_ in range(ROUNDS):
        results = together(
            stopping,
            *[lambda n=n: propose(action="small", amount=1, order=f"{round_}.{n}") for n in range(3)],  # noqa: B023
        )
        assert not [one for one in results if isinstance(one, Exception)], results
        assert_none_passed_since(results)
