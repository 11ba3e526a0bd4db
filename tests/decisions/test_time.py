"""Deadlines, escalation, claims and the undo window, by the clock alone."""

import json
from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NotAllowed
from approvals.models import Approval, Delivery, Tier
from approvals.models.states import Source, Status
from approvals.notify import sending
from approvals.policy import snapshot
from approvals.requests.submission import Item
from tests.text_search import mentions

MINUTE = timedelta(minutes=1)


def sweep_at(moment):
    with times.at(moment):
        return clock.sweep()


def test_nothing_happens_a_moment_too_early(refund, alice):
    sweep_at(refund.due_at - timedelta(milliseconds=1))

    assert (load(refund.pk).status, load(refund.pk).tier_id) == (Status.PENDING, 1)


def test_a_tier_that_does_not_answer_hands_it_to_the_next(propose, alice, bob):
    refund = propose(timeout=timedelta(days=1))
    swept = sweep_at(refund.due_at)

    moved = load(refund.pk)
    assert swept.escalated == 1
    assert (moved.tier_id, moved.tiers_visited, moved.breaches, moved.escalations) == (2, [1, 2], 1, 1)
    assert moved.due_at == refund.due_at + timedelta(hours=1)
    with pytest.raises(NotAllowed):
        decide(card_version_of(moved), by=alice, verdict="approve")
    assert decide(card_version_of(moved), by=bob, verdict="approve").status == Status.RELEASED


def test_of_a_short_deadline_the_first_tier_has_half(propose, tiers):
    whole = timedelta(minutes=10)  # of 15 + 60 + 240 minutes
    refund = propose(timeout=whole)

    assert refund.expires_at == refund.created_at + whole
    assert refund.due_at == refund.created_at + timedelta(minutes=5)


def test_the_last_tier_keeps_it_until_the_deadline(propose):
    large = propose(amount=60_000, timeout=timedelta(days=1))
    assert large.tier_id == 3

    sweep_at(large.due_at)
    late = load(large.pk)
    assert (late.status, late.tier_id, late.due_at, late.breaches) == (Status.PENDING, 3, None, 1)
    sweep_at(large.expires_at)
    assert load(large.pk).status == Status.EXPIRED


def test_silence_is_recorded_as_silence_and_never_as_a_persons_rejection(refund):
    sweep_at(refund.expires_at)

    expired = load(refund.pk)
    item = json.loads(expired.request.answer)["items"][0]
    assert (expired.status, expired.verdict, expired.decided_by) == (Status.EXPIRED, "", None)
    assert (expired.request.status, item["status"], item["verdict"]) == ("expired", "expired", None)
    assert item["message"] == "Nobody decided before the deadline."
    assert refund.events.get(kind="expired").actor == "clock"


def test_silence_approves_only_where_policy_says_so_of_something_reversible(action_type, propose):
    action_type("tag", reversibility="reversible", gate="soft", on_timeout="approve")
    tag = propose(action="tag")
    sweep_at(tag.expires_at)

    passed = load(tag.pk)
    assert (passed.status, passed.verdict, passed.source) == (Status.RELEASED, "approve", Source.TIMEOUT)


@pytest.mark.parametrize("reversibility", ["partial", "irreversible"])
def test_the_database_refuses_silence_that_approves_what_cannot_be_undone(reversibility, action_type, refund):
    with pytest.raises(IntegrityError), transaction.atomic():
        action_type("x", reversibility=reversibility, on_timeout="approve")
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=refund.pk).update(on_timeout="approve", reversibility=reversibility)


@pytest.fixture
def question(action_type, propose):
    action_type("question", reversibility="reversible", gate="clarify", schema={}, allowed=["answer", "reject"])
    item = Item(id="q", item_type="question", prompt="Which account?", best_guess="the first")
    return propose(items=(item,))


def test_a_question_that_nobody_answers_takes_the_best_guess(question):
    sweep_at(question.expires_at)

    item = json.loads(load(question.pk).request.answer)["items"][0]
    assert (item["verdict"], item["answer"], item["source"]) == ("answer", "the first", "timeout")


@pytest.mark.parametrize("answer", ["the second", {}, False, 0])
def test_an_answer_is_any_json(question, alice, answer):
    settled = decide(card_version_of(question), by=alice, verdict="answer", verdict_input=VerdictInput(answer=answer))

    assert json.loads(settled.request.answer)["items"][0]["answer"] == answer


# --- The undo window


def test_the_agent_reads_pending_until_the_window_is_over(with_undo, refund, alice):
    held = decide(card_version_of(refund), by=alice, verdict="approve")

    sweep_at(held.hold_until - timedelta(milliseconds=1))
    assert load(refund.pk).request.status == "pending"
    sweep_at(held.hold_until)
    assert (load(refund.pk).status, load(refund.pk).request.status) == (Status.RELEASED, "decided")


def test_a_deadline_that_passes_during_the_hold_changes_nothing_until_it_is_undone(with_undo, refund, alice):
    with times.at(refund.expires_at - timedelta(seconds=1)):
        decide(card_version_of(refund), by=alice, verdict="approve")
    just_after = refund.expires_at + timedelta(seconds=1)

    sweep_at(just_after)
    assert load(refund.pk).status == Status.HELD
    with times.at(just_after):
        undo(refund.pk, by=alice)
    sweep_at(just_after)
    assert load(refund.pk).status == Status.EXPIRED


# --- Claims


def test_a_claim_holds_off_escalation_and_an_idle_one_re_arms_it(refund, alice, bob):
    Tier.objects.filter(pk=1).update(claim=timedelta(minutes=10))
    with times.at(refund.due_at - MINUTE):
        claimed = claims.claim(refund.pk, by=alice)

    sweep_at(refund.due_at)
    assert load(refund.pk).tier_id == 1
    sweep_at(claimed.claim_until)
    assert load(refund.pk).claimed_by is None
    assert load(refund.pk).due_at == claimed.claim_until + MINUTE  # what was left of the tier's time
    sweep_at(claimed.claim_until)
    assert load(refund.pk).tier_id == 1
    sweep_at(claimed.claim_until + MINUTE)
    assert load(refund.pk).tier_id == 2


def test_a_second_person_has_to_take_over(refund, alice, bob):
    claims.claim(refund.pk, by=alice)

    with pytest.raises(NotAllowed, match="Alice is reviewing"):
        claims.claim(refund.pk, by=bob)
    assert claims.claim(refund.pk, by=bob, take_over=True).claimed_by == bob
    assert refund.events.filter(kind="claimed").last().facts == {"taken_from": "Alice"}


# --- Who is told


def test_an_escalation_by_hand_goes_to_the_next_tier_with_its_note(refund, alice, bob):
    moved = claims.escalate(refund.pk, by=alice, note="looks odd")

    assert (moved.tier_id, moved.breaches) == (2, 0)
    assert moved.notes.get().text == "looks odd"
    assert "odd" not in json.dumps(moved.events.get(kind="escalated").facts)


def test_the_tier_is_told_by_mail_without_arguments_and_only_while_it_still_matters(refund, propose, alice, bob):
    claims.escalate(refund.pk, by=alice)
    letter = Delivery.objects.get()
    sending.send_due(letter.via_id)
    sending.send_due(letter.via_id)

    [sent] = mail.outbox
    assert sent.to == ["bob@example.com"]
    assert f"/approvals/{refund.pk}/" in sent.body
    assert not mentions(sent.body + sent.subject, "420")

    other = claims.escalate(propose().pk, by=alice)
    claims.claim(other.pk, by=bob)
    with times.at(times.now() + timedelta(minutes=2)):
        sending.send_due(letter.via_id)
    assert Delivery.objects.get(approval=other).status == "dropped"
    assert len(mail.outbox) == 1


def test_an_open_approval_keeps_the_policy_it_arrived_under(refund, refunds):
    Tier.objects.filter(pk=1).update(next_id=3)
    snapshot.publish(by=None, note="skip the specialists")
    sweep_at(refund.due_at)

    assert load(refund.pk).tier_id == 2


def test_a_jump_of_the_wall_clock_stops_the_deadlines_until_it_is_right_again(refund):
    uptime = iter([100.0, 101.0, 102.0, 103.0])
    watch = clock.ClockWatch(lambda: next(uptime))
    start = refund.created_at
    watch.check(start)
    watch.check(start + timedelta(seconds=1))
    with pytest.raises(clock.ClockJumped):
        watch.check(start + timedelta(hours=1))
    watch.check(start + timedelta(seconds=3))
