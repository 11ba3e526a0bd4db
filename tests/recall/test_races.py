"""At the same moment, on real PostgreSQL: an executor, a person who takes back, one who decides, the agent, the clock.

Exactly one wins, each loser reads why, and the checker finds nothing broken.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from approvals import times
from approvals.models import Approval, Consumption, Decision, Pause, Tier, User
from approvals.policy import snapshot
from approvals.review import agent, amend, clock, grants
from approvals.review.consume import RECALLED, PermitRefused, Use, Used, consume
from approvals.review.decisions import Words, decide, seen, undo
from approvals.review.errors import NoLongerPending, ReviewError
from approvals.review.grants import Wish
from approvals.review.recall import TooLate, recall
from tests.checker import check
from tests.conftest import database_url
from tests.recall.conftest import WHY, approve, carry_out, fresh, kinds, plan, step  # noqa: F401
from tests.together import rounds, together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
ROUNDS = 1000
FEW = 25


def surprises(found: Sequence[Sequence[object]]) -> list[object]:
    return [
        result
        for results in found
        for result in results
        if isinstance(result, Exception) and not isinstance(result, ReviewError)
    ]


def uses_of(approvals: Sequence[Approval]) -> list[Use]:
    """What their executors have in their hands; each approval is the only one of its request."""
    jtis = dict(Decision.objects.filter(approval__in=approvals).values_list("approval_id", "pk"))
    told = [json.loads(approval.pause.answer)["items"][0] for approval in approvals]
    return [
        Use(jtis[approval.pk], item["permit"], item["action_digest"], "first")
        for approval, item in zip(approvals, told, strict=True)
    ]


def head_start(number: int) -> None:
    """Some milliseconds for the other, in most rounds: a recall asks more before its UPDATE than a use does."""
    time.sleep(number % 10 * 0.003)  # waits for nothing: of a thousand rounds each side wins some


def test_a_recall_against_the_use_of_the_permit_a_thousand_times(passing, many, robot, alice):
    labels = many("label", ROUNDS)
    shown, uses = [seen(label) for label in labels], uses_of(labels)
    found = rounds(
        ROUNDS,
        lambda number: (head_start(number), consume(uses[number], by=robot))[1],
        lambda number: recall(shown[number], by=alice, words=WHY),
    )
    assert surprises(found) == []
    ends = Counter()
    for used, recalled in found:
        if isinstance(used, Used):
            assert isinstance(recalled, TooLate) and recalled.used_at is not None
        else:
            assert isinstance(recalled, Approval) and used.code == RECALLED
        ends[type(used)] += 1
    assert set(ends) == {Used, PermitRefused}, ends
    rows = Counter((status, at is None) for status, at in Approval.objects.values_list("status", "consumed_at"))
    assert rows == {("released", False): ends[Used], ("recalled", True): ends[PermitRefused]}
    assert Consumption.objects.count() == ends[Used]
    assert check(database_url()) == []


def test_two_people_recall_at_once_and_the_second_reads_who(passing, many, alice, bob):
    labels = many("label", FEW)
    shown = [seen(label) for label in labels]
    found = rounds(FEW, *[lambda number, who=who: recall(shown[number], by=who, words=WHY) for who in (alice, bob)])
    assert surprises(found) == []
    assert all(sorted(type(one).__name__ for one in pair) == ["Approval", "TooLate"] for pair in found)
    assert check(database_url()) == []


def test_a_recall_against_the_report_of_an_outcome(passing, many, robot, alice):
    labels = many("label", FEW * 4)
    shown = [seen(label) for label in labels]
    found = rounds(
        FEW * 4,
        lambda number: agent.report_outcome(labels[number], by=robot, result="succeeded"),
        lambda number: recall(shown[number], by=alice, words=WHY),
    )
    assert surprises(found) == []
    for label, (reported, recalled) in zip(labels, found, strict=True):
        assert not isinstance(reported, Exception), reported  # what ran, ran
        after = fresh(label)
        assert after.status == ("executed" if isinstance(recalled, TooLate) else "recalled")
        assert after.incidents.count() == (after.status == "recalled")
    assert check(database_url()) == []


def test_the_recall_of_a_plan_against_its_next_step(plan, carry_out, alice):  # noqa: F811
    ends = Counter()
    for _ in range(FEW):
        given = plan(step("a"), step("b"))
        approve(given, by=alice)
        shown = seen(fresh(given))
        passed, recalled = together(
            lambda: carry_out(step("a")),
            lambda: recall(shown, by=alice, words=WHY),  # noqa: B023
        )
        assert isinstance(recalled, Approval), recalled
        assert fresh(passed).status in ("recalled", "pending")
        ends[fresh(passed).status] += 1
        Approval.objects.filter(pk=passed.pk, status="pending").update(expires_at=times.now())
        clock.sweep()
    assert check(database_url()) == []


def test_a_recall_against_a_standing_approval_that_is_given_on_its_card(passing, many, robot, alice, propose):
    for number in range(FEW):
        refund = propose(order=str(number))
        approve(refund, by=alice)
        wish = Wish(robot.pk, "refund", 3, times.now() + timedelta(days=1), 1)
        together(
            lambda: grants.give(wish, by=alice, origin=fresh(refund)),  # noqa: B023
            lambda: recall(seen(fresh(refund)), by=alice, words=WHY),  # noqa: B023
        )
        assert fresh(refund).status == "recalled"
    assert check(database_url()) == []


# --- Inside the hold


@pytest.fixture
def holding(refunds) -> None:
    """Verdicts can be undone; for how long says `hold`."""
    Tier.objects.update(hold=timedelta(seconds=30))
    snapshot.publish(by=None, note="undo window")


def hold(approvals: Sequence[Approval], verdict: str, *, by: User) -> None:
    """Give each this verdict, held for as long as a slow machine may need."""
    words = Words(reason="policy") if verdict == "reject" else Words()
    for approval in approvals:
        decide(seen(approval), by=by, verdict=verdict, words=words)
    Approval.objects.filter(status="held").update(hold_until=times.now() + timedelta(minutes=10))


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_an_undo_against_the_agents_withdrawal(verdict, holding, many, robot, alice):
    refunds_ = many("refund", FEW * 4)
    hold(refunds_, verdict, by=alice)
    found = rounds(
        FEW * 4,
        lambda number: undo(refunds_[number].pk, by=alice),
        lambda number: agent.cancel(refunds_[number].pause, by=robot),
    )
    assert surprises(found) == []
    for refund, (undone, cancelled) in zip(refunds_, found, strict=True):
        after = fresh(refund)
        assert isinstance(cancelled, Pause)
        evaded = isinstance(undone, NoLongerPending) and verdict == "reject"
        assert (after.status, after.faulted_at is not None) == ("cancelled", evaded)
    assert not Decision.objects.filter(undone_at=None).exists()
    assert check(database_url()) == []


def test_a_verdict_that_is_held_against_the_agents_withdrawal(holding, many, robot, alice):
    """Whichever comes first: the verdict is refused, or it goes with the request."""
    refunds_ = many("refund", FEW * 4)
    found = rounds(
        FEW * 4,
        lambda number: decide(seen(refunds_[number]), by=alice, verdict="reject", words=Words(reason="policy")),
        lambda number: agent.cancel(refunds_[number].pause, by=robot),
    )
    assert surprises(found) == []
    for refund, (decided, _) in zip(refunds_, found, strict=True):
        after = fresh(refund)
        assert (after.status, after.faulted_at is not None) == ("cancelled", isinstance(decided, Approval))
    assert check(database_url()) == []


def test_the_release_against_the_agents_withdrawal_and_an_undo(holding, many, robot, alice):
    ends = Counter()
    refunds_ = many("refund", FEW)
    hold(refunds_, "approve", by=alice)
    Approval.objects.update(hold_until=times.now())
    found = rounds(
        FEW,
        lambda number: agent.cancel(refunds_[number].pause, by=robot),
        lambda number: undo(refunds_[number].pk, by=alice),
        lambda number: clock.sweep(),
    )
    assert surprises(found) == []
    clock.sweep()
    for refund in refunds_:
        ends[fresh(refund).status] += 1
    assert set(ends) <= {"released", "cancelled"}
    assert check(database_url()) == []


def test_an_undo_against_an_amendment_against_a_verdict(holding, many, robot, alice, bob):
    refunds_ = many("refund", FEW)
    hold(refunds_, "approve", by=alice)

    def revise(number: int) -> Approval:
        return amend.amend(refunds_[number].pk, lambda item: replaced(item, number), by=robot)

    found = rounds(
        FEW,
        lambda number: undo(refunds_[number].pk, by=alice),
        revise,
        lambda number: decide(seen(fresh(refunds_[number])), by=bob, verdict="approve"),
        lambda number: agent.cancel(refunds_[number].pause, by=robot),
    )
    assert surprises(found) == []
    assert check(database_url()) == []


def replaced(item: object, number: int) -> object:
    return replace(item, args={"order": str(number), "amount": 2, "currency": "EUR"})
