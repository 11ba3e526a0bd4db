"""Ordered stages: each a queue of its own, nobody in two of them, nothing runs before the last one said yes."""

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from approvals import clock
from approvals.db import times
from approvals.decisions import batches, claims, escalation
from approvals.decisions.card_version import CardVersion, card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NoLongerPending, NotAllowed, OutOfDate
from approvals.execution import grants
from approvals.history import audit
from approvals.models import Approval, AuditEvent, Channel, Delivery, Domain, Rule, User, Vote
from approvals.models.approval import Status
from approvals.notify import notifications
from approvals.people import access
from approvals.policy import snapshot
from approvals.requests import amend
from tests.conftest import replace_arguments, sentences_of

NO = VerdictInput(message="no", reason="not_justified")
HALF = VerdictInput(edits=replace_arguments({"order": "456", "amount": 210, "currency": "EUR"}))


@pytest.fixture
def legal(db) -> Domain:
    return Domain.objects.create(slug="legal", name="Legal")


@pytest.fixture
def lena(person, tiers, legal) -> User:
    """Reviews legal in tier 2."""
    return person("lena", tier=2, domain=legal)


@pytest.fixture
def luis(person, tiers, legal) -> User:
    """Reviews legal in tier 2, too."""
    return person("luis", tier=2, domain=legal)


@pytest.fixture
def lotte(person, tiers, legal) -> User:
    """Reviews legal in tier 1."""
    return person("lotte", tier=1, domain=legal)


@pytest.fixture
def staged(action_type, legal):
    """staged([(1, ""), (2, "legal", 2)], when="args.amount > 100.0"): payouts that a rule leads through stages."""

    def make(stage_specs=((1, ""), (2, "legal")), *, name="payout", when="args.amount > 100.0", typed=False, **fields):
        kind = action_type(name, **{"strategy": "risk", "reversibility": "reversible", **fields})
        rows = [{"tier": tier, "domain": domain, "approvers": [*many, 1][0]} for tier, domain, *many in stage_specs]
        Rule.objects.create(
            name="staged", action_type=kind, expression=when, stages=rows, typed=typed, message="Large payouts."
        )
        snapshot.publish(by=None, note="staged")
        return kind

    return make


@pytest.fixture
def payout(staged, propose) -> Approval:
    """Of 420 EUR: tier 1 of commerce, then tier 2 of legal."""
    staged()
    return propose(action="payout")


def stage_state(approval):
    return approval.stage, approval.tier_id, approval.domain_id, approval.votes, approval.approvers


# --- One after the other


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


# --- It starts again


def test_a_modification_in_the_first_stage_is_its_makers_approval_of_it(payout, alice, lena):
    on = decide(card_version_of(payout), by=alice, verdict="modify", verdict_input=HALF)

    assert (on.status, on.revision, *stage_state(on)) == (Status.PENDING, 2, 1, 2, "legal", 0, 1)
    facts = on.events.get(kind="modified").facts
    assert (facts["edited"], facts["stage"], facts["to_domain"]) == (["/amount"], 1, "legal")
    done = decide(card_version_of(on), by=lena, verdict="approve")
    assert (done.verdict, done.status) == ("modify", Status.RELEASED)


def test_a_modification_in_a_later_stage_starts_with_the_first_one_again(payout, alice, bob, lena):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    again = decide(card_version_of(on), by=lena, verdict="modify", verdict_input=HALF)

    assert (again.revision, *stage_state(again)) == (2, 0, 1, "commerce", 0, 1)
    assert not Vote.objects.filter(approval=payout, revision=2).exists()  # she does not review the first stage
    on = decide(
        card_version_of(again), by=alice, verdict="approve"
    )  # of another revision than the one that she approved
    assert stage_state(on) == (1, 2, "legal", 0, 1)
    done = decide(card_version_of(on), by=lena, verdict="approve")
    assert (done.status, done.verdict, done.proposal.args["amount"]) == (Status.RELEASED, "modify", 210)


def test_stages_stay_when_the_modified_arguments_no_longer_ask_for_them(payout, alice):
    small = VerdictInput(edits=replace_arguments({"order": "456", "amount": 5, "currency": "EUR"}))
    on = decide(card_version_of(payout), by=alice, verdict="modify", verdict_input=small)
    assert stage_state(on) == (1, 2, "legal", 0, 1)


def test_a_modification_that_asks_for_stages_goes_through_them(staged, propose, alice, lena):
    """Silence would have let the first one run; it does not let this one."""
    staged(gate="soft", on_timeout="approve", strategy="always", typed=True)
    small = propose(action="payout", amount=50)
    assert (small.stages, small.on_timeout) == ([], "approve")

    changed = decide(card_version_of(small), by=alice, verdict="modify", verdict_input=HALF)
    assert (changed.status, *stage_state(changed)) == (Status.PENDING, 0, 1, "commerce", 0, 1)  # she has typed nothing
    assert (changed.typed, changed.on_timeout) == (True, "reject")
    on = decide(
        card_version_of(changed), by=alice, verdict="approve", verdict_input=VerdictInput(typed_confirmation="210")
    )
    assert (on.status, *stage_state(on)) == (Status.PENDING, 1, 2, "legal", 0, 1)
    assert on.queues_so_far == ["1.commerce", "2.legal"]


def test_a_modification_stays_within_the_modifiers_own_authority(payout, alice, bob):
    beyond = VerdictInput(edits=replace_arguments({"order": "456", "amount": 6000, "currency": "EUR"}))
    with pytest.raises(BadVerdict, match="tier 2"):
        decide(card_version_of(payout), by=alice, verdict="modify", verdict_input=beyond)
    on = decide(card_version_of(payout), by=bob, verdict="modify", verdict_input=beyond)
    assert on.stages[0] == {"tier": 2, "domain": "commerce", "approvers": 1}


def test_an_amendment_starts_with_the_first_stage_and_asks_no_less(payout, robot, alice, lena):
    from dataclasses import replace

    on = decide(card_version_of(payout), by=alice, verdict="approve")
    less = {"order": "456", "amount": 5, "currency": "EUR"}
    again = amend.amend(on.pk, lambda item: replace(item, args=less), by=robot)

    assert (again.status, again.revision, *stage_state(again)) == (Status.PENDING, 2, 0, 1, "commerce", 0, 1)
    assert len(again.stages) == 2
    with pytest.raises(OutOfDate):
        decide(card_version_of(on), by=alice, verdict="approve")
    on = decide(card_version_of(again), by=alice, verdict="approve")
    assert decide(card_version_of(on), by=lena, verdict="approve").status == Status.RELEASED


def test_an_amendment_can_lead_into_stages(staged, propose, robot):
    from dataclasses import replace

    staged(strategy="always")
    small = propose(action="payout", amount=50)
    again = amend.amend(small.pk, lambda item: replace(item, args={**item.args, "amount": 420}), by=robot)
    assert (len(again.stages), *stage_state(again)) == (2, 0, 1, "commerce", 0, 1)


def test_taking_the_last_verdict_back_starts_a_round_with_the_first_stage(with_undo, payout, alice, lena, luis):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    decide(card_version_of(on), by=lena, verdict="approve")
    back = undo(payout.pk, by=lena)

    assert (back.status, back.round, *stage_state(back)) == (Status.PENDING, 2, 0, 1, "commerce", 0, 1)
    on = decide(card_version_of(back), by=alice, verdict="approve")  # another round: the same people may approve again
    assert decide(card_version_of(on), by=lena, verdict="approve").status == Status.HELD
    with times.at(load(payout.pk).hold_until):
        clock.sweep()


# --- Time


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
        assert access.authority_of(person).reviewed_its_queues(on) == sees
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
        assert not access.batchable(approval)
        assert not access.grantable(approval)
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


# --- A typed value


@pytest.fixture
def transfer(staged, propose) -> Approval:
    staged([], name="transfer", typed=True)
    return propose(action="transfer", amount=420)


def test_a_rule_asks_whoever_approves_to_type_the_value_without_the_password(transfer, alice):
    assert (transfer.typed, transfer.gate) == (True, "hard")
    for typed in ("", "421"):
        with pytest.raises(BadVerdict) as refused:
            decide(
                card_version_of(transfer),
                by=alice,
                verdict="approve",
                verdict_input=VerdictInput(typed_confirmation=typed),
            )
        assert [fault.pointer for fault in refused.value.faults] == ["/typed"]
    with pytest.raises(BadVerdict):
        decide(card_version_of(transfer), by=alice, verdict="modify", verdict_input=HALF)
    assert (
        decide(
            card_version_of(transfer), by=alice, verdict="approve", verdict_input=VerdictInput(typed_confirmation="420")
        ).verdict
        == "approve"
    )


def test_a_rejection_asks_to_type_nothing(transfer, alice):
    assert decide(card_version_of(transfer), by=alice, verdict="reject", verdict_input=NO).verdict == "reject"


@pytest.mark.parametrize("surface", ["api", "batch", "slack"])
def test_a_typed_value_is_given_on_the_page_alone(transfer, alice, surface):
    with pytest.raises(NotAllowed):
        decide(
            card_version_of(transfer),
            by=alice,
            verdict="approve",
            verdict_input=VerdictInput(typed_confirmation="420", surface=surface),
        )


def test_every_stage_types(staged, propose, alice, lena):
    staged(typed=True)
    on = decide(
        card_version_of(propose(action="payout")),
        by=alice,
        verdict="approve",
        verdict_input=VerdictInput(typed_confirmation="420"),
    )
    with pytest.raises(BadVerdict):
        decide(card_version_of(on), by=lena, verdict="approve")
    assert (
        decide(
            card_version_of(on), by=lena, verdict="approve", verdict_input=VerdictInput(typed_confirmation="420")
        ).status
        == Status.RELEASED
    )


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
