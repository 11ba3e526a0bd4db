"""Stages come one after the other: who decides in which, and what an approval or rejection does."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import CardVersion, card_version_of, load
from approvals.decisions.decide import decide
from approvals.errors import NotAllowed, OutOfDate
from approvals.models import AuditEvent, Vote
from approvals.models.states import Status
from approvals.people import access
from tests.conftest import sentences_of
from tests.stages.builders import NO, stage_state


def test_it_arrives_in_the_first_stage(payout):
    assert (payout.status, payout.on_timeout) == ("pending", "reject")
    assert stage_state(payout) == (0, 1, "commerce", 0, 1)
    assert payout.stages == [
        {"tier": 1, "domain": "commerce", "approvers": 1},
        {"tier": 2, "domain": "legal", "approvers": 1},
    ]
    assert sentences_of(payout.reasons)[-1] == "Two stages: tier 1 commerce, then tier 2 legal."


def test_an_approval_in_the_first_stage_sends_it_to_the_next(payout, alice, lena):
    claims.claim(payout.pk, by=alice)
    on = decide(card_version_of(payout), by=alice, verdict="approve")

    assert (on.status, on.verdict, on.claimed_by_id) == (Status.PENDING, "", None)
    assert stage_state(on) == (1, 2, "legal", 0, 1)
    assert on.queue == "2.legal"
    assert on.due_at - times.now() > timedelta(minutes=45)  # that tier's time, not the first one's
    event = on.events.get(kind="staged")
    assert event.user == alice
    names = ("stage", "stages", "votes", "of", "from_tier", "to_tier", "to_domain")
    facts = {name: event.facts[name] for name in names}
    assert facts == {"stage": 1, "stages": 2, "votes": 1, "of": 1, "from_tier": 1, "to_tier": 2, "to_domain": "legal"}
    assert event.facts["due_at"] == on.due_at.isoformat()

    done = decide(card_version_of(on), by=lena, verdict="approve")
    assert (done.status, done.verdict, done.decided_by) == (Status.RELEASED, "approve", lena)
    assert [(vote.stage, vote.user) for vote in Vote.objects.order_by("stage")] == [(0, alice), (1, lena)]


def test_the_people_of_a_stage_decide_it_and_nobody_else(payout, alice, lena, lotte, mallory):
    for stranger in (lena, lotte, mallory):
        with pytest.raises(NotAllowed):
            decide(card_version_of(payout), by=stranger, verdict="approve")
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    for stranger in (alice, lotte, mallory):  # lotte's tier is below
        with pytest.raises(NotAllowed):
            decide(card_version_of(on), by=stranger, verdict="approve")


def test_a_stage_of_several_waits_for_all_of_them(staged, propose, alice, lena, luis):
    staged([(1, ""), (2, "legal", 2)])
    payout = propose(action="payout")
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    on = decide(card_version_of(on), by=lena, verdict="approve")
    assert (on.status, *stage_state(on)) == (Status.PENDING, 1, 2, "legal", 1, 2)
    assert on.events.get(kind="voted").facts["stage"] == 2

    assert decide(card_version_of(on), by=luis, verdict="approve").status == Status.RELEASED


def test_nobody_approves_in_two_stages(staged, propose, alice, bob, carol):
    staged([(1, ""), (2, "")])
    payout = propose(action="payout")
    on = decide(card_version_of(payout), by=bob, verdict="approve")

    assert access.actions_for(on, bob) & {"approve", "modify", "reject"} == {"reject"}
    with pytest.raises(NotAllowed):
        decide(card_version_of(on), by=bob, verdict="approve")
    with pytest.raises(IntegrityError), transaction.atomic():
        Vote.objects.create(approval=on, revision=1, round=1, stage=1, user=bob, created_at=times.now())
    assert decide(card_version_of(on), by=carol, verdict="approve").status == Status.RELEASED


@pytest.mark.parametrize("stage", [0, 1])
def test_a_rejection_in_any_stage_ends_it(payout, alice, lena, stage):
    on = decide(card_version_of(payout), by=alice, verdict="approve") if stage else payout
    ended = decide(card_version_of(on), by=lena if stage else alice, verdict="reject", verdict_input=NO)
    assert (ended.status, ended.verdict) == (Status.RELEASED, "reject")


def test_a_card_of_the_stage_before_decides_nothing(staged, propose, alice, bob, carol):
    """What the click would do is another thing by then: the next stage's approval lets it run."""
    staged([(1, ""), (2, "")])
    shown = card_version_of(propose(action="payout"))
    decide(shown, by=alice, verdict="approve")
    with pytest.raises(OutOfDate, match="next stage"):
        decide(shown, by=bob, verdict="approve")
    assert load(shown.id).status == Status.PENDING


def test_who_reached_the_first_stage_hears_why_the_second_click_came_late(payout, alice, bob):
    decide(card_version_of(payout), by=alice, verdict="approve")
    with pytest.raises(OutOfDate, match="went on to the next stage"):
        decide(
            card_version_of(payout), by=bob, verdict="approve"
        )  # he reviews commerce, and not the legal field it is in now


def test_the_undo_window_is_that_of_the_last_stages_tier(with_undo, payout, alice, lena):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    assert on.status == Status.PENDING
    held = decide(card_version_of(on), by=lena, verdict="approve")
    assert (held.status, held.hold) == (Status.HELD, with_undo)


def test_who_approved_is_told_in_order(payout, alice, lena):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    done = decide(card_version_of(on), by=lena, verdict="approve")
    item = json.loads(done.request.answer)["items"][0]
    assert item["decided_by"] == {"tier": 2, "name": "Lena"}
    assert item["approved_by"] == [
        {"name": "Alice", "tier": 1, "domain": "commerce", "stage": 1},
        {"name": "Lena", "tier": 2, "domain": "legal", "stage": 2},
    ]


def test_a_stage_that_was_not_shown_yet_is_decided_by_nobody(payout, alice):
    with pytest.raises(OutOfDate):
        decide(CardVersion(payout.pk, 1, 1, payout.digest, stage=1), by=alice, verdict="approve")


def test_a_seen_card_without_a_stage_means_the_first(payout, alice, lena):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    with pytest.raises(OutOfDate):
        decide(CardVersion(on.pk, 1, 1, on.digest), by=lena, verdict="approve")
    assert AuditEvent.objects.filter(approval=on, kind="decided").count() == 0
