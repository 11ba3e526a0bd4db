"""Deadlines and escalation inside a stage, who sees it, and what never goes together."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from approvals import clock
from approvals.db import times
from approvals.decisions import batches, claims, escalation
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.errors import NoLongerPending, NotAllowed
from approvals.execution import grants
from approvals.history import audit
from approvals.models import Approval, Channel, Delivery, User
from approvals.models.states import Status
from approvals.notify import notifications
from approvals.people import access, authorities, eligibility
from approvals.policy import snapshot
from tests.stages.builders import stage_state


def test_an_escalation_raises_the_tier_of_its_stage_and_no_other(payout, alice, bob, lena):
    risen = claims.escalate(payout.pk, by=alice)
    assert stage_state(risen) == (0, 2, "commerce", 0, 1)
    assert [one["tier"] for one in risen.stages] == [2, 2]
    with pytest.raises(NotAllowed):
        decide(card_version_of(risen), by=alice, verdict="approve")

    on = decide(card_version_of(risen), by=bob, verdict="approve")
    assert stage_state(on) == (1, 2, "legal", 0, 1)
    assert decide(card_version_of(on), by=lena, verdict="approve").status == Status.RELEASED


def test_an_escalation_that_was_read_in_the_stage_before_moves_nothing(staged, propose, alice, bob, carol):
    """The stage it escalated to is of the same tier as the next one, so only the stage tells them apart."""
    staged([(1, ""), (2, "")])
    risen = claims.escalate(propose(action="payout").pk, by=alice)
    receiver = escalation.receiver_of(risen, snapshot.load(risen.policy_id), now=times.now())
    stale = claims.escalation_to(risen, receiver, audit.CLOCK, kept=False)
    on = decide(card_version_of(risen), by=bob, verdict="approve")
    assert stage_state(on) == (1, 2, "commerce", 0, 1)
    with transaction.atomic():
        assert audit.move([stale], now=times.now()) == []


def test_the_clock_escalates_inside_a_stage(payout, alice, lena, person, legal):
    person("leonie", tier=3, domain=legal)
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    with times.at(on.due_at):
        clock.sweep()
    late = load(on.pk)
    assert stage_state(late) == (1, 3, "legal", 0, 1)
    assert (late.breaches, [one["tier"] for one in late.stages]) == (1, [1, 3])
    assert access.actions_for(late, lena) >= {"comment"}  # it was in her tier


def test_the_deadline_of_the_whole_ends_it_in_any_stage(staged, propose, alice, lena):
    staged(on_timeout="reject")
    on = decide(card_version_of(propose(action="payout", timeout=timedelta(hours=2))), by=alice, verdict="approve")
    assert on.expires_at - on.created_at == timedelta(hours=2)
    with times.at(on.expires_at):
        clock.sweep()
        with pytest.raises(NoLongerPending):
            decide(card_version_of(on), by=lena, verdict="approve")
    assert load(on.pk).status == Status.EXPIRED


# --- Who sees it


def test_it_stays_visible_to_those_whose_stage_it_was(payout, alice, lena, lotte):
    assert payout in access.visible_to(alice)
    assert payout not in access.visible_to(lena)
    on = decide(card_version_of(payout), by=alice, verdict="approve")

    for person, sees, waits in ((alice, True, False), (lena, True, True), (lotte, False, False)):
        assert (on in access.readable_to(person), on in access.inbox_of(person)) == (sees, waits), person
        assert authorities.authority_of(person).reviewed_its_queues(on) == sees
    assert access.actions_for(on, alice) == {"comment", "ask"}  # and has no say over another field's stage


def test_tier_and_field_are_told_apart_in_what_was_visited(staged, propose, alice, lena, lotte, person, commerce):
    """It was in tier 1 of commerce and tier 2 of legal: tier 1 of legal has never been asked."""
    staged([(2, ""), (1, "legal")])
    on = propose(action="payout")
    berta = person("berta", tier=1, domain=commerce)
    done = decide(card_version_of(on), by=person("ben", tier=2, domain=commerce), verdict="approve")
    assert done.queues_so_far == ["2.commerce", "1.legal"]
    assert done not in access.visible_to(berta)
    assert done in access.visible_to(lotte)


def test_the_next_people_are_told(payout, alice, lena, luis, lotte):
    for user in (lena, luis):
        notifications.channels_of(user)
    Channel.objects.update(carries="both")
    decide(card_version_of(payout), by=alice, verdict="approve")
    deliveries = Delivery.objects.filter(topic="new", approval__stage=1)
    assert {one.user for one in deliveries} == {lena, luis}


# --- Never by itself, never together


def test_what_is_staged_or_typed_is_decided_by_itself(staged, propose, alice):
    staged()
    staged([], name="transfer", typed=True)
    for name in ("payout", "transfer"):
        approval = propose(action=name)
        approval.flagged = 0  # what is flagged is decided by itself anyway
        assert not eligibility.batchable(approval)
        assert not eligibility.grantable(approval)
        assert "grant" not in access.actions_for(approval, alice)
        [result] = batches.decide_many([card_version_of(approval)], by=alice, verdict="approve")
        assert not result.ok


def test_no_standing_approval_covers_it(staged, propose, robot, alice):
    staged(when="args.amount > 100.0")
    wish = grants.GrantRequest(robot.pk, "payout", most=5, expires_at=times.now() + timedelta(days=1), tier=1)
    given = grants.give(wish, by=alice)
    assert propose(action="payout", amount=50).grant == given
    assert propose(action="payout", amount=420).status == "pending"


def test_the_database_lets_nothing_run_before_the_last_stage(payout):
    """Whatever the code does."""
    rows = Approval.objects.filter(pk=payout.pk)
    now = times.now()
    run = {"status": "released", "verdict": "approve", "decided_at": now, "released_at": now}
    person = User.objects.create(username="x", email="x@example.com")
    for wrong in (
        {**run, "source": "human", "decided_by": person},
        {**run, "source": "policy"},
        {"stage": 2},
        {"on_timeout": "approve"},
        {"stages": [], "stage": 1},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**wrong)
    rows.update(**run, source="human", decided_by=person, stage=1)
