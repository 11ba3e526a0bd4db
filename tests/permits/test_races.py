"""Many executors at once, on real PostgreSQL: one of them may run it."""

from collections import Counter

import pytest

from approvals.models import Approval, Consumption, Event, Outcome
from approvals.review import leases
from approvals.review.agent import NotDecided, report_outcome
from approvals.review.consume import PermitRefused, Use, Used, WorldMoved, consume
from tests.checker import check
from tests.conftest import database_url
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5


def use_of(executor, attempt: str, **observed: object) -> Use:
    return Use(executor.jti, executor.permit, executor.digest, attempt, observed=observed)


def test_of_twenty_executors_one_runs_it(approved, robot):
    for round_ in range(ROUNDS):
        bought = approved(order=str(round_))
        found = together(*[lambda n=n: consume(use_of(bought, f"worker-{n}"), by=robot) for n in range(20)])  # noqa: B023
        assert Counter(type(one) for one in found) == {Used: 1, PermitRefused: 19}
        assert {one.code for one in found if isinstance(one, PermitRefused)} == {"permit_consumed"}
    assert Consumption.objects.count() == Event.objects.filter(kind="consumed").count() == ROUNDS
    assert check(database_url()) == []


def test_one_attempt_that_asks_twice_at_once_has_it_once(approved, robot):
    bought = approved()
    found = together(*[lambda: consume(use_of(bought, "same"), by=robot)] * 10)

    assert sorted(one.replayed for one in found) == [False] + [True] * 9
    assert check(database_url()) == []


def test_who_saw_the_world_move_and_who_did_not_cannot_both_have_it(approved, robot):
    ends = Counter()
    for round_ in range(ROUNDS):
        bought = approved(order=str(round_), preconditions={"open": True})
        found = together(
            *[lambda n=n: consume(use_of(bought, f"a{n}", open=True), by=robot) for n in range(4)],  # noqa: B023
            *[lambda n=n: consume(use_of(bought, f"b{n}", open=False), by=robot) for n in range(4)],  # noqa: B023
        )
        kinds = Counter(type(one) for one in found)
        assert kinds in ({Used: 1, PermitRefused: 7}, {WorldMoved: 8}), kinds
        came_back = Approval.objects.filter(returned_from=bought.approval).count()
        assert came_back == (WorldMoved in kinds)
        ends[WorldMoved in kinds] += 1
    assert check(database_url()) == []


def test_an_outcome_against_a_use(approved, robot):
    for round_ in range(ROUNDS):
        bought = approved(order=str(round_))
        used, told = together(
            lambda: consume(use_of(bought, "one"), by=robot),  # noqa: B023
            lambda: report_outcome(bought.approval, by=robot, result="succeeded"),  # noqa: B023
        )
        assert isinstance(told, Outcome) and not isinstance(told, NotDecided)
        assert isinstance(used, Used) or used.code == "permit_consumed"
    assert check(database_url()) == []


def test_of_many_workers_one_has_the_lease(approved):
    from datetime import timedelta

    bought = approved()
    pause, span = bought.fresh().pause, timedelta(seconds=60)
    found = together(*[lambda n=n: leases.lease(pause, worker=f"w{n}", span=span) for n in range(12)])

    assert sum(isinstance(one, leases.Leased) for one in found) == 11
