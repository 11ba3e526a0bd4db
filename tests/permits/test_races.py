"""Many executors at once, on real PostgreSQL: one of them may run it."""

from collections import Counter

import pytest

from approvals.execution import leases
from approvals.execution.agent_reports import NotDecided, report_outcome
from approvals.execution.consume import PermitRefused, PermitUse, PermitUsed, WorldMoved, consume
from approvals.models import Approval, AuditEvent, Consumption, Outcome
from tests.checker import check
from tests.concurrency import together
from tests.web import database_url

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5


def use_of(executor, attempt: str, **observed: object) -> PermitUse:
    return PermitUse(executor.jti, executor.permit, executor.digest, attempt, observed=observed)


def test_of_twenty_executors_one_runs_it(approved_executor, robot):
    for round_ in range(ROUNDS):
        bought = approved_executor(order=str(round_))
        results = together(*[lambda n=n: consume(use_of(bought, f"worker-{n}"), by=robot) for n in range(20)])  # noqa: B023
        assert Counter(type(one) for one in results) == {PermitUsed: 1, PermitRefused: 19}
        assert {one.code for one in results if isinstance(one, PermitRefused)} == {"permit_consumed"}
    assert Consumption.objects.count() == AuditEvent.objects.filter(kind="consumed").count() == ROUNDS
    assert check(database_url()) == []


def test_one_attempt_that_asks_twice_at_once_has_it_once(approved_executor, robot):
    bought = approved_executor()
    results = together(*[lambda: consume(use_of(bought, "same"), by=robot)] * 10)

    assert sorted(one.replayed for one in results) == [False] + [True] * 9
    assert check(database_url()) == []


def test_who_saw_the_world_move_and_who_did_not_cannot_both_have_it(approved_executor, robot):
    ends = Counter()
    for round_ in range(ROUNDS):
        bought = approved_executor(order=str(round_), preconditions={"open": True})
        results = together(
            *[lambda n=n: consume(use_of(bought, f"a{n}", open=True), by=robot) for n in range(4)],  # noqa: B023
            *[lambda n=n: consume(use_of(bought, f"b{n}", open=False), by=robot) for n in range(4)],  # noqa: B023
        )
        kinds = Counter(type(one) for one in results)
        assert kinds in ({PermitUsed: 1, PermitRefused: 7}, {WorldMoved: 8}), kinds
        came_back = Approval.objects.filter(returned_from=bought.approval).count()
        assert came_back == (WorldMoved in kinds)
        ends[WorldMoved in kinds] += 1
    assert check(database_url()) == []


def test_an_outcome_against_a_use(approved_executor, robot):
    for round_ in range(ROUNDS):
        bought = approved_executor(order=str(round_))
        used, outcome = together(
            lambda: consume(use_of(bought, "one"), by=robot),  # noqa: B023
            lambda: report_outcome(bought.approval, by=robot, result="succeeded"),  # noqa: B023
        )
        assert isinstance(outcome, Outcome) and not isinstance(outcome, NotDecided)
        assert isinstance(used, PermitUsed) or used.code == "permit_consumed"
    assert check(database_url()) == []


def test_of_many_workers_one_has_the_lease(approved_executor):
    from datetime import timedelta

    bought = approved_executor()
    request, span = bought.fresh().request, timedelta(seconds=60)
    results = together(*[lambda n=n: leases.lease(request, worker=f"w{n}", span=span) for n in range(12)])

    assert sum(isinstance(one, leases.Leased) for one in results) == 11
