"""Two at once, on real PostgreSQL: one wins, every other is told, and the checker finds nothing broken."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import transaction

from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NotAllowed, ReviewError
from approvals.execution import agent_reports
from approvals.models import Approval, ApprovalRequest, AuditEvent
from approvals.models.states import Status
from approvals.requests import intake
from approvals.requests.submission import Item, KeyReused, Receipt, Submission
from tests.checker import check
from tests.concurrency import together
from tests.console.test_version_races import somebody_waits
from tests.waiting import until
from tests.web import database_url

ROUNDS = 15

pytestmark = pytest.mark.django_db(transaction=True)


def winners(results: list[object]) -> int:
    surprises = [one for one in results if isinstance(one, Exception) and not isinstance(one, ReviewError)]
    assert not surprises, surprises
    return sum(not isinstance(one, Exception) for one in results)


def test_of_two_reviewers_who_click_at_once_one_decides(propose, alice, bob):
    for _ in range(ROUNDS):
        shown = card_version_of(propose())
        results = together(
            lambda: decide(shown, by=alice, verdict="approve"),  # noqa: B023  # used within the round
            lambda: decide(shown, by=bob, verdict="reject", verdict_input=VerdictInput(message="no")),  # noqa: B023
        )
        assert winners(results) == 1
    assert AuditEvent.objects.filter(kind="decided").count() == ROUNDS
    assert check(database_url()) == []


def test_one_person_deciding_in_two_tabs_decides_once(propose, alice):
    for _ in range(ROUNDS):
        shown = card_version_of(propose())
        results = together(*[lambda: decide(shown, by=alice, verdict="approve")] * 3)  # noqa: B023
        assert winners(results) == 1
    assert check(database_url()) == []


def test_a_verdict_against_the_agents_withdrawal(propose, robot, alice):
    ends = Counter()
    for _ in range(ROUNDS):
        refund = propose()
        results = together(
            lambda: decide(card_version_of(refund), by=alice, verdict="approve"),  # noqa: B023
            lambda: agent_reports.cancel(refund.request, by=robot),  # noqa: B023
        )
        assert winners(results) == 1
        ends[load(refund.pk).status] += 1
    assert set(ends) <= {Status.RELEASED, Status.CANCELLED}
    assert check(database_url()) == []


def test_a_verdict_against_the_deadline(propose, alice):
    """Each decides by the database's clock in its own UPDATE; whoever moves the row first ends it."""
    for _ in range(ROUNDS):
        refund = propose(timeout=timedelta(milliseconds=60))
        together(
            lambda: decide(card_version_of(refund), by=alice, verdict="approve"),  # noqa: B023
            *[wait_and_sweep] * 2,
        )
        assert load(refund.pk).status in (Status.RELEASED, Status.EXPIRED)
    assert check(database_url()) == []


def wait_and_sweep() -> None:
    threading.Event().wait(0.06)
    clock.sweep()


def test_undo_against_the_release(with_undo, propose, alice):
    for _ in range(ROUNDS):
        refund = propose()
        held = decide(card_version_of(refund), by=alice, verdict="approve")
        Approval.objects.filter(pk=refund.pk).update(hold_until=times.now() + timedelta(milliseconds=20))
        results = together(
            lambda: (threading.Event().wait(0.018), undo(held.pk, by=alice)),  # noqa: B023
            lambda: (threading.Event().wait(0.021), clock.sweep()),
        )
        status = load(refund.pk).status
        assert status == (Status.RELEASED if isinstance(results[0], Exception) else Status.PENDING)
    assert check(database_url()) == []


def test_two_votes_at_once_are_two_votes(action_type, propose, alice, bob, carol):
    action_type("payout", approvers=3)
    for _ in range(ROUNDS):
        shown = card_version_of(propose(action="payout"))
        results = together(
            *[lambda who=who: decide(shown, by=who, verdict="approve") for who in (alice, bob, carol)]  # noqa: B023
        )
        assert winners(results) == 3
        assert load(shown.id).status == Status.RELEASED
    assert check(database_url()) == []


def test_a_verdict_against_an_escalation(propose, alice, bob):
    for _ in range(ROUNDS):
        refund = propose()
        results = together(
            lambda: decide(card_version_of(refund), by=alice, verdict="approve"),  # noqa: B023
            lambda: claims.escalate(refund.pk, by=alice),  # noqa: B023
        )
        assert winners(results) == 1  # what went to the tier above is not Alice's any more
        settled = load(refund.pk)
        assert (settled.status == Status.RELEASED) == (not isinstance(results[0], Exception))
        assert (settled.tier_id == 2) == (not isinstance(results[1], Exception))
    assert check(database_url()) == []


def test_a_verdict_that_waits_for_an_escalation_is_refused_to_whom_it_left_behind(propose, alice, bob):
    """The person was asked when the verdict began; the row that it waited for is in another tier by then."""
    refund, escalated, refused = propose(), threading.Event(), threading.Event()

    def escalate():
        with transaction.atomic():
            claims.escalate(refund.pk, by=alice)
            escalated.set()
            until(lambda: somebody_waits() or refused.is_set())

    def approve():
        try:
            assert escalated.wait(60)
            return decide(card_version_of(refund), by=alice, verdict="approve")
        finally:
            refused.set()

    error, verdict = together(escalate, approve)
    assert error is None
    assert isinstance(verdict, NotAllowed)
    assert (load(refund.pk).status, load(refund.pk).tier_id) == (Status.PENDING, 2)
    assert check(database_url()) == []


def test_the_last_two_items_of_a_pause_settled_at_once_close_it(refunds, robot, propose, alice, bob):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    items = tuple(Item(id=f"call_{n}", action="refund", args=args) for n in range(2))
    for _ in range(ROUNDS):
        first = propose(items=items)
        second = load(first.request.approvals.get(item="call_1").pk)
        results = together(
            lambda: decide(card_version_of(first), by=alice, verdict="approve"),  # noqa: B023
            lambda: decide(card_version_of(second), by=bob, verdict="approve"),  # noqa: B023
        )
        assert winners(results) == 2
        assert ApprovalRequest.objects.get(pk=first.request_id).status == "decided"
    assert check(database_url()) == []


def test_the_same_key_submitted_at_once_is_one_request(refunds, robot):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    for number in range(ROUNDS):
        submission = Submission(
            items=(Item(id="call_1", action="refund", args=args),), content_hash="sha256:a", key=f"key-{number}"
        )
        results = together(*[lambda: intake.submit(robot, [submission])[0]] * 3)  # noqa: B023
        assert all(isinstance(one, Receipt) for one in results), results
        assert len({one.request.pk for one in results}) == 1
        assert sorted(one.replayed for one in results) == [False, True, True]
    assert check(database_url()) == []


def test_the_same_key_with_other_content_at_once_is_refused_to_one(refunds, robot):
    args = {"order": "1", "amount": 1, "currency": "EUR"}

    def submit(content: str) -> object:
        submission = Submission(items=(Item(id="a", action="refund", args=args),), content_hash=content, key="same")
        return intake.submit(robot, [submission])[0]

    results = together(lambda: submit("sha256:a"), lambda: submit("sha256:b"))
    assert sorted(type(one).__name__ for one in results) == [Receipt.__name__, KeyReused.__name__][::-1]


def test_two_clocks_settle_every_deadline_once(propose):
    refunds_ = [propose(timeout=timedelta(milliseconds=50)) for _ in range(40)]
    threading.Event().wait(0.1)
    together(*[clock.sweep] * 3)

    assert {load(one.pk).status for one in refunds_} == {Status.EXPIRED}
    assert AuditEvent.objects.filter(kind="expired").count() == len(refunds_)
    assert check(database_url()) == []
