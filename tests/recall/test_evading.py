"""An approval that ends while a verdict on it is held: the verdict ends with it, and a rejection still counts."""

from datetime import timedelta

import pytest

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NoLongerPending
from approvals.execution import agent_reports, grants
from approvals.execution.grants import GrantRequest
from approvals.models import Agent, Approval, Decision, Grant
from approvals.policy import snapshot
from approvals.requests.submission import RunRef
from tests.checker import check
from tests.conftest import REFUND
from tests.recall.conftest import approve, fresh
from tests.web import database_url

NO = VerdictInput(reason="not_justified", message="The photo shows another lid.")
CLAIM = {
    **REFUND,
    "properties": {**REFUND["properties"], "reason": {"type": "string"}},
    "required": [*REFUND["required"], "reason"],
}


def claim(reason: str) -> dict:
    return {"order": "456", "amount": 50, "currency": "EUR", "reason": reason}


@pytest.fixture
def claims(action_type, with_undo):
    """Claims that say why; what nearly repeats a person's no is answered by it."""
    made = action_type("claim", schema=CLAIM, rejects_repeats=True)
    snapshot.publish(by=None, note="undo window")
    return made


def reject(approval, *, by, verdict_input=NO):
    return decide(card_version_of(approval), by=by, verdict="reject", verdict_input=verdict_input)


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_cancel_inside_the_hold_ends_the_verdict_in_the_same_transaction(verdict, with_undo, refund, robot, alice):
    decide(
        card_version_of(refund), by=alice, verdict=verdict, verdict_input=NO if verdict == "reject" else VerdictInput()
    )
    agent_reports.cancel(refund.request, by=robot)

    ended = fresh(refund)
    assert (ended.status, ended.verdict, ended.decided_by, ended.hold_until) == ("cancelled", "", None, None)
    event = ended.events.latest("seq")
    assert (event.kind, event.facts) == ("cancelled", {"held": verdict})
    assert Decision.objects.get().undone_at == event.at
    assert ended.faulted_at == (event.at if verdict == "reject" else None)
    message_end = "approval was held" if verdict == "approve" else r"rejection was held\. The rejection still counts"
    with pytest.raises(NoLongerPending, match=f"The agent withdrew this while Alice's {message_end}"):
        undo(refund.pk, by=alice)


def test_what_was_given_with_the_verdict_goes_with_it(with_undo, refund, robot, alice):
    approve(refund, by=alice)
    wish = GrantRequest(robot.pk, "refund", 3, times.now() + timedelta(days=1), 1)
    grants.give(wish, by=alice, origin=fresh(refund))
    agent_reports.cancel(refund.request, by=robot)

    given = Grant.objects.get()
    assert given.revoked_at is not None and given.revoked_by is None
    assert refund.events.latest("seq").facts == {"grant": str(given.pk), "revoked": True}
    assert refund.events.latest("seq").actor == "agent:robot"


def test_a_run_that_is_stopped_ends_what_is_held_in_it(with_undo, propose, alice, bob):
    held = propose(run=RunRef("run-1", "Order"))
    approve(held, by=alice)
    stopping = propose(run=RunRef("run-1", "Order"), order="3")
    reject(stopping, by=bob, verdict_input=VerdictInput(reason="policy", stop=True))
    with times.at(times.now() + timedelta(seconds=6)):
        Approval.objects.filter(pk=held.pk).update(hold_until=times.now() + timedelta(minutes=1))
        clock.sweep()
    ended = fresh(held)
    assert (ended.status, ended.faulted_at) == ("cancelled", None)
    assert ended.events.latest("seq").facts == {"run": "run-1", "held": "approve"}
    assert Decision.objects.get(approval=held).undone_at is not None


def test_an_evaded_rejection_settles_a_near_repetition(claims, propose, robot, alice):
    first = propose(action="claim", args=claim("the lid is cracked"))
    reject(first, by=alice)
    agent_reports.cancel(first.request, by=robot)

    again = propose(action="claim", args=claim("the lid is really cracked"))
    assert (again.repeats_id, again.attempt) == (first.pk, 2)
    assert (again.status, again.verdict, again.source) == ("released", "reject", "policy")
    assert "The photo shows another lid." in Decision.objects.get(approval=again).message


def test_an_evaded_rejection_is_precedent_and_counts_in_its_run(claims, propose, robot, alice):
    for number in range(3):
        approval = propose(action="claim", args={**claim("why"), "order": str(number)}, run=RunRef("run-1", "Order"))
        reject(approval, by=alice)
        agent_reports.cancel(approval.request, by=robot)
    last = propose(action="claim", args={**claim("why"), "order": "9"}, run=RunRef("run-1", "Order"))
    [precedent] = [signal for signal in last.assessment["signals"] if signal["name"] == "precedent"]
    never = propose(action="claim", args={**claim("why"), "order": "8"}, agent=Agent.objects.create(name="new"))
    [none] = [signal for signal in never.assessment["signals"] if signal["name"] == "precedent"]
    assert float(precedent["value"]) < float(none["value"])
    assert last.assessment["run"]["rejected"] == 3


def test_what_was_withdrawn_before_anybody_said_no_is_no_rejection(claims, propose, robot, alice):
    first = propose(action="claim", args=claim("the lid is cracked"))
    agent_reports.cancel(first.request, by=robot)
    taken_back = propose(action="claim", args=claim("the lid broke"))
    reject(taken_back, by=alice)
    undo(taken_back.pk, by=alice)
    agent_reports.cancel(taken_back.request, by=robot)
    held = propose(action="claim", args=claim("the lid fell off"))
    approve(held, by=alice)
    agent_reports.cancel(held.request, by=robot)
    assert propose(action="claim", args=claim("the lid is gone")).repeats_id is None


def test_the_checker_finds_nothing_broken(transactional_db, with_undo, propose, robot, alice):
    for verdict in ("approve", "reject"):
        held = propose()
        decide(
            card_version_of(held),
            by=alice,
            verdict=verdict,
            verdict_input=NO if verdict == "reject" else VerdictInput(),
        )
        agent_reports.cancel(held.request, by=robot)
    assert check(database_url()) == []
