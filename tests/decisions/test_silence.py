"""What silence means at the deadline, from the request to the words in which the agent reads it."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Approval, AuditEvent, Delivery
from approvals.models.states import Source, Status
from tests.concurrency import together

NOBODY = "Nobody decided before the deadline."
HOUR = timedelta(hours=1)


def sweep_at(moment):
    with times.at(moment):
        return clock.sweep()


def closed_item(approval):
    return json.loads(load(approval.pk).request.answer)["items"][0]


def test_reject_ends_it_and_is_no_persons_rejection(propose):
    refund = propose(on_timeout="reject")
    sweep_at(refund.expires_at)

    item = closed_item(refund)
    assert (item["status"], item["verdict"], item["source"], item["message"]) == ("expired", None, None, NOBODY)
    assert load(refund.pk).decided_by is None


def test_escalate_keeps_the_last_tier_for_the_deadline(propose, tiers):
    """Of a limit of 20 minutes tier 1 and 2 have half each; the last has its four hours after it."""
    refund = propose(timeout=timedelta(minutes=20), on_timeout="escalate")
    shared = propose(timeout=timedelta(minutes=20), on_timeout="reject")
    assert refund.due_at == refund.created_at + timedelta(minutes=10)
    assert shared.due_at == shared.created_at + timedelta(minutes=10)
    sweep_at(shared.due_at)
    assert load(shared.pk).due_at == shared.created_at + timedelta(minutes=15)

    sweep_at(refund.due_at)
    middle = load(refund.pk)
    assert (middle.tier_id, middle.due_at) == (2, refund.expires_at)
    sweep_at(refund.expires_at)
    last = load(refund.pk)
    assert (last.status, last.tier_id, last.tiers_visited) == (Status.PENDING, 3, [1, 2, 3])
    assert last.expires_at == last.due_at == refund.expires_at + timedelta(hours=4)
    assert last.on_timeout == "reject"
    sweep_at(last.expires_at)
    assert closed_item(refund)["message"] == NOBODY
    assert [one.facts.get("expires_at") for one in refund.events.filter(kind="escalated")][-1] is not None


def test_whom_it_reached_by_escalating_decides_after_the_first_deadline(propose, carol):
    refund = propose(amount=6000, timeout=HOUR / 6, on_timeout="escalate")
    sweep_at(refund.expires_at)
    with times.at(refund.expires_at + HOUR):
        assert decide(card_version_of(load(refund.pk)), by=carol, verdict="approve").status == Status.RELEASED

    assert (closed_item(refund)["source"], closed_item(refund)["verdict"]) == ("human", "approve")


def test_who_reads_it_at_the_deadline_hands_it_on(propose, bob, carol):
    refund = propose(amount=6000, timeout=HOUR, on_timeout="escalate")
    claims.claim(refund.pk, by=bob)
    sweep_at(refund.expires_at)

    moved = load(refund.pk)
    assert (moved.tier_id, moved.claimed_by, moved.status) == (3, None, Status.PENDING)


def test_at_the_end_of_the_chain_escalate_is_over_with_the_deadline(propose):
    large = propose(amount=60_000, timeout=HOUR, on_timeout="escalate")
    sweep_at(large.expires_at)

    assert load(large.pk).status == Status.EXPIRED


def test_with_time_enough_it_escalates_on_the_way_and_ends_at_the_deadline(propose):
    refund = propose(timeout=timedelta(days=1), on_timeout="escalate")
    for _ in range(3):
        sweep_at(load(refund.pk).due_at)
    assert load(refund.pk).tier_id == 3
    sweep_at(refund.expires_at)

    assert load(refund.pk).status == Status.EXPIRED


def test_the_agent_hears_of_the_new_deadline(propose, robot):
    refund = propose(amount=6000, timeout=HOUR, on_timeout="escalate", callback_url="https://example.com/hook")
    sweep_at(refund.expires_at)

    bodies = [one.payload for one in Delivery.objects.filter(topic="request.escalated")]
    expires = load(refund.pk).expires_at.isoformat()
    assert any(expires in json.dumps(body, default=str) for body in bodies)


@pytest.mark.django_db(transaction=True)
def test_two_clocks_hand_it_on_once(propose):
    refunds = [propose(amount=6000, order=str(n), timeout=HOUR, on_timeout="escalate") for n in range(20)]
    end = max(one.expires_at for one in refunds)
    together(*[lambda: sweep_at(end)] * 4)

    for refund in refunds:
        moved = load(refund.pk)
        assert (moved.tier_id, moved.escalations, moved.status) == (3, 1, Status.PENDING)
        assert moved.expires_at > end
    assert AuditEvent.objects.filter(kind="escalated").count() == 20


@pytest.mark.parametrize("silence", ["approve", "proceed"])
def test_what_can_be_undone_may_run_by_silence_and_never_by_a_person(silence, action_type, propose):
    action_type("tag", reversibility="reversible", on_timeout=silence)
    tag = propose(action="tag")
    assert tag.on_timeout == silence
    sweep_at(tag.expires_at)

    passed, item = load(tag.pk), closed_item(tag)
    assert (passed.status, passed.source, passed.decided_by) == (Status.RELEASED, Source.TIMEOUT, None)
    assert (item["verdict"], item["source"], item["decided_by"]) == ("approve", "timeout", None)
    assert item["permit"]


@pytest.mark.parametrize("silence", ["approve", "proceed"])
@pytest.mark.parametrize("gate", ["soft", "hard"])
def test_what_silence_will_run_troubles_nobody_above_first(silence, gate, action_type, propose, as_, alice):
    action_type("tag", reversibility="reversible", on_timeout=silence, gate=gate, expires_after=timedelta(hours=2))
    tag = propose(action="tag")
    assert tag.due_at == tag.created_at + timedelta(minutes=15)
    assert "Escalates to" not in as_(alice).get(f"/approvals/{tag.pk}/").content.decode()
    sweep_at(tag.due_at)
    waiting = load(tag.pk)
    assert (waiting.status, waiting.tier_id, waiting.escalations, waiting.due_at) == (Status.PENDING, 1, 0, None)
    short = propose(action="tag", order="2", timeout=timedelta(hours=2))
    assert short.due_at == short.created_at + timedelta(minutes=15)
    sweep_at(tag.expires_at)
    assert (load(tag.pk).source, load(tag.pk).tier_id) == (Source.TIMEOUT, 1)


def test_what_silence_will_run_goes_up_where_nobody_in_its_tier_could_stop_it(action_type, propose, robot, alice):
    action_type("tag", reversibility="reversible", on_timeout="approve", expires_after=timedelta(hours=2))
    robot.operators.add(alice)
    tag = propose(action="tag")
    sweep_at(tag.created_at)
    assert load(tag.pk).tier_id == 2


@pytest.mark.parametrize("silence", ["approve", "proceed"])
@pytest.mark.parametrize("changes", [{"level": 1}, {"gate": "manual"}])
def test_silence_lets_nothing_run_that_something_stricter_asks_for(silence, changes, action_type, propose):
    action_type("tag", reversibility="reversible", on_timeout=silence, **changes)
    tag = propose(action="tag")
    assert tag.on_timeout == "reject"
    sweep_at(tag.expires_at)
    assert load(tag.pk).status == Status.EXPIRED


def test_the_database_knows_no_silence_that_runs_what_cannot_be_undone(refund):
    for column in ({"on_timeout": "proceed"}, {"on_timeout": "approve"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Approval.objects.filter(pk=refund.pk).update(**column)


def test_a_verdict_that_is_held_at_the_deadline_stands(with_undo, propose, bob):
    refund = propose(amount=6000, timeout=HOUR, on_timeout="escalate")
    with times.at(refund.expires_at - timedelta(seconds=1)):
        decide(card_version_of(refund), by=bob, verdict="approve")
    sweep_at(refund.expires_at)
    assert load(refund.pk).status == Status.HELD
