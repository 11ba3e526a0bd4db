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

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NoLongerPending, ReviewError
from approvals.execution import agent_reports, grants
from approvals.execution.consume import RECALLED, PermitRefused, PermitUse, PermitUsed, consume
from approvals.execution.grants import GrantRequest
from approvals.execution.recall import TooLate, recall
from approvals.models import Approval, ApprovalRequest, Consumption, Decision, Tier, User
from approvals.policy import snapshot
from approvals.requests import amend
from tests.checker import check
from tests.concurrency import rounds, together
from tests.recall.conftest import WHY, approve, fresh, kinds, plan, propose_step, step  # noqa: F401
from tests.web import database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
ROUNDS = 1000
FEW = 25


def surprises(results_by_round: Sequence[Sequence[object]]) -> list[object]:
    return [
        result
        for results in results_by_round
        for result in results
        if isinstance(result, Exception) and not isinstance(result, ReviewError)
    ]


def uses_of(approvals: Sequence[Approval]) -> list[PermitUse]:
    """What their executors have in their hands; each approval is the only one of its request."""
    jtis = dict(Decision.objects.filter(approval__in=approvals).values_list("approval_id", "pk"))
    items = [json.loads(approval.request.answer)["items"][0] for approval in approvals]
    return [
        PermitUse(jtis[approval.pk], item["permit"], item["action_digest"], "first")
        for approval, item in zip(approvals, items, strict=True)
    ]


def head_start(number: int) -> None:
    """Some milliseconds for the other, in most rounds: a recall asks more before its UPDATE than a use does."""
    time.sleep(number % 10 * 0.003)  # waits for nothing: of a thousand rounds each side wins some


def test_a_recall_against_the_use_of_the_permit_a_thousand_times(auto_approved_type, propose_many, robot, alice):
    labels = propose_many("label", ROUNDS)
    shown, uses = [card_version_of(label) for label in labels], uses_of(labels)
    results_by_round = rounds(
        ROUNDS,
        lambda number: (head_start(number), consume(uses[number], by=robot))[1],
        lambda number: recall(shown[number], by=alice, verdict_input=WHY),
    )
    assert surprises(results_by_round) == []
    ends = Counter()
    for used, recalled in results_by_round:
        if isinstance(used, PermitUsed):
            assert isinstance(recalled, TooLate) and recalled.used_at is not None
        else:
            assert isinstance(recalled, Approval) and used.code == RECALLED
        ends[type(used)] += 1
    assert set(ends) == {PermitUsed, PermitRefused}, ends
    rows = Counter((status, at is None) for status, at in Approval.objects.values_list("status", "consumed_at"))
    assert rows == {("released", False): ends[PermitUsed], ("recalled", True): ends[PermitRefused]}
    assert Consumption.objects.count() == ends[PermitUsed]
    assert check(database_url()) == []


def test_two_people_recall_at_once_and_the_second_reads_who(auto_approved_type, propose_many, alice, bob):
    labels = propose_many("label", FEW)
    shown = [card_version_of(label) for label in labels]
    results_by_round = rounds(
        FEW, *[lambda number, who=who: recall(shown[number], by=who, verdict_input=WHY) for who in (alice, bob)]
    )
    assert surprises(results_by_round) == []
    assert all(sorted(type(one).__name__ for one in pair) == ["Approval", "TooLate"] for pair in results_by_round)
    assert check(database_url()) == []


def test_a_recall_against_the_report_of_an_outcome(auto_approved_type, propose_many, robot, alice):
    labels = propose_many("label", FEW * 4)
    shown = [card_version_of(label) for label in labels]
    results_by_round = rounds(
        FEW * 4,
        lambda number: agent_reports.report_outcome(labels[number], by=robot, result="succeeded"),
        lambda number: recall(shown[number], by=alice, verdict_input=WHY),
    )
    assert surprises(results_by_round) == []
    for label, (reported, recalled) in zip(labels, results_by_round, strict=True):
        assert not isinstance(reported, Exception), reported  # what ran, ran
        after = fresh(label)
        assert after.status == ("executed" if isinstance(recalled, TooLate) else "recalled")
        assert after.incidents.count() == (after.status == "recalled")
    assert check(database_url()) == []


def test_the_recall_of_a_plan_against_its_next_step(plan, propose_step, alice):  # noqa: F811
    ends = Counter()
    for _ in range(FEW):
        given = plan(step("a"), step("b"))
        approve(given, by=alice)
        shown = card_version_of(fresh(given))
        passed, recalled = together(
            lambda: propose_step(step("a")),
            lambda: recall(shown, by=alice, verdict_input=WHY),  # noqa: B023
        )
        assert isinstance(recalled, Approval), recalled
        assert fresh(passed).status in ("recalled", "pending")
        ends[fresh(passed).status] += 1
        Approval.objects.filter(pk=passed.pk, status="pending").update(expires_at=times.now())
        clock.sweep()
    assert check(database_url()) == []


def test_a_recall_against_a_standing_approval_that_is_given_on_its_card(
    auto_approved_type, propose_many, robot, alice, propose
):
    for number in range(FEW):
        refund = propose(order=str(number))
        approve(refund, by=alice)
        wish = GrantRequest(robot.pk, "refund", 3, times.now() + timedelta(days=1), 1)
        together(
            lambda: grants.give(wish, by=alice, origin=fresh(refund)),  # noqa: B023
            lambda: recall(card_version_of(fresh(refund)), by=alice, verdict_input=WHY),  # noqa: B023
        )
        assert fresh(refund).status == "recalled"
    assert check(database_url()) == []


# --- Inside the hold


@pytest.fixture
def with_long_undo(refunds) -> None:
    """Verdicts can be undone; for how long says `hold`."""
    Tier.objects.update(hold=timedelta(seconds=30))
    snapshot.publish(by=None, note="undo window")


def hold(approvals: Sequence[Approval], verdict: str, *, by: User) -> None:
    """Give each this verdict, held for as long as a slow machine may need."""
    verdict_input = VerdictInput(reason="policy") if verdict == "reject" else VerdictInput()
    for approval in approvals:
        decide(card_version_of(approval), by=by, verdict=verdict, verdict_input=verdict_input)
    Approval.objects.filter(status="held").update(hold_until=times.now() + timedelta(minutes=10))


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_an_undo_against_the_agents_withdrawal(verdict, with_long_undo, propose_many, robot, alice):
    refunds_ = propose_many("refund", FEW * 4)
    hold(refunds_, verdict, by=alice)
    results_by_round = rounds(
        FEW * 4,
        lambda number: undo(refunds_[number].pk, by=alice),
        lambda number: agent_reports.cancel(refunds_[number].request, by=robot),
    )
    assert surprises(results_by_round) == []
    for refund, (undone, cancelled) in zip(refunds_, results_by_round, strict=True):
        after = fresh(refund)
        assert isinstance(cancelled, ApprovalRequest)
        evaded = isinstance(undone, NoLongerPending) and verdict == "reject"
        assert (after.status, after.faulted_at is not None) == ("cancelled", evaded)
    assert not Decision.objects.filter(undone_at=None).exists()
    assert check(database_url()) == []


def test_a_verdict_that_is_held_against_the_agents_withdrawal(with_long_undo, propose_many, robot, alice):
    """Whichever comes first: the verdict is refused, or it goes with the request."""
    refunds_ = propose_many("refund", FEW * 4)
    results_by_round = rounds(
        FEW * 4,
        lambda number: decide(
            card_version_of(refunds_[number]), by=alice, verdict="reject", verdict_input=VerdictInput(reason="policy")
        ),
        lambda number: agent_reports.cancel(refunds_[number].request, by=robot),
    )
    assert surprises(results_by_round) == []
    for refund, (decided, _) in zip(refunds_, results_by_round, strict=True):
        after = fresh(refund)
        assert (after.status, after.faulted_at is not None) == ("cancelled", isinstance(decided, Approval))
    assert check(database_url()) == []


def test_the_release_against_the_agents_withdrawal_and_an_undo(with_long_undo, propose_many, robot, alice):
    ends = Counter()
    refunds_ = propose_many("refund", FEW)
    hold(refunds_, "approve", by=alice)
    Approval.objects.update(hold_until=times.now())
    results_by_round = rounds(
        FEW,
        lambda number: agent_reports.cancel(refunds_[number].request, by=robot),
        lambda number: undo(refunds_[number].pk, by=alice),
        lambda number: clock.sweep(),
    )
    assert surprises(results_by_round) == []
    clock.sweep()
    for refund in refunds_:
        ends[fresh(refund).status] += 1
    assert set(ends) <= {"released", "cancelled"}
    assert check(database_url()) == []


def test_an_undo_against_an_amendment_against_a_verdict(with_long_undo, propose_many, robot, alice, bob):
    refunds_ = propose_many("refund", FEW)
    hold(refunds_, "approve", by=alice)

    def revise(number: int) -> Approval:
        return amend.amend(refunds_[number].pk, lambda item: replaced(item, number), by=robot)

    results_by_round = rounds(
        FEW,
        lambda number: undo(refunds_[number].pk, by=alice),
        revise,
        lambda number: decide(card_version_of(fresh(refunds_[number])), by=bob, verdict="approve"),
        lambda number: agent_reports.cancel(refunds_[number].request, by=robot),
    )
    assert surprises(results_by_round) == []
    assert check(database_url()) == []


def replaced(item: object, number: int) -> object:
    return replace(item, args={"order": str(number), "amount": 2, "currency": "EUR"})
