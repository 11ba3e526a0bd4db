"""Stages under fire, on real PostgreSQL: nothing runs without the approvals of each stage, whoever was quicker."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import ReviewError
from approvals.models import ActionType, Approval, AuditEvent, Domain, Membership, Rule, Vote
from approvals.models.states import Status
from approvals.policy import snapshot
from approvals.requests import amend
from approvals.requests.amend import NotAmendable
from tests.checker import check
from tests.concurrency import together
from tests.web import database_url

ROUNDS = 12
NO = VerdictInput(message="no")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reviewers(person, tiers, commerce):
    """Three of commerce in tier 1, three of legal in tier 2."""
    legal = Domain.objects.create(slug="legal", name="Legal")
    front = [person(name, tier=1, domain=commerce) for name in ("ann", "ben", "cid")]
    return front, [person(name, tier=2, domain=legal) for name in ("lea", "leo", "lou")]


@pytest.fixture
def payouts(action_type, propose, reviewers):
    """payouts(first=2): a new one; so many approve in the first stage, one in the second."""
    kind = action_type("payout", strategy="risk", reversibility="reversible")
    rule = Rule(name="staged", action_type=kind, expression="true", message="All.")

    def make(first=1, second=1, **fields) -> Approval:
        rule.stages = [
            {"tier": 1, "domain": "", "approvers": first},
            {"tier": 2, "domain": "legal", "approvers": second},
        ]
        rule.save()
        snapshot.publish(by=None, note="stages")
        return propose(action="payout", **fields)

    return make


def winners(results: list[object]) -> int:
    surprises = [one for one in results if isinstance(one, Exception) and not isinstance(one, ReviewError)]
    assert not surprises, surprises
    return sum(not isinstance(one, Exception) for one in results)


def test_two_last_votes_of_a_stage_at_once_move_it_once(payouts, reviewers):
    (ann, ben, cid), _ = reviewers
    for _ in range(ROUNDS):
        shown = card_version_of(payouts())
        results = together(*[lambda who=who: decide(shown, by=who, verdict="approve") for who in (ann, ben, cid)])  # noqa: B023
        assert winners(results) == 1
        on = load(shown.id)
        assert (on.status, on.stage, on.votes) == (Status.PENDING, 1, 0)
        assert Vote.objects.filter(approval=on).count() == 1
    assert AuditEvent.objects.filter(kind="staged").count() == ROUNDS
    assert check(database_url()) == []


def test_two_votes_that_both_count_are_two_votes_and_then_it_moves(payouts, reviewers):
    (ann, ben, _), (lea, leo, _) = reviewers
    for _ in range(ROUNDS):
        shown = card_version_of(payouts(first=2, second=2))
        assert winners(together(*[lambda who=who: decide(shown, by=who, verdict="approve") for who in (ann, ben)])) == 2  # noqa: B023
        on = card_version_of(load(shown.id))
        assert on.stage == 1
        assert winners(together(*[lambda who=who: decide(on, by=who, verdict="approve") for who in (lea, leo)])) == 2  # noqa: B023
        assert load(shown.id).status == Status.RELEASED
    assert check(database_url()) == []


def test_one_person_of_both_stages_in_two_windows_approves_in_one(payouts, reviewers, person, commerce):
    (ann, *_), _ = reviewers
    both = person("both", tier=2, domain=None)
    for _ in range(ROUNDS):
        shown = card_version_of(payouts())
        later = replace(shown, stage=1)
        together(
            lambda: decide(shown, by=both, verdict="approve"),  # noqa: B023
            lambda: decide(later, by=both, verdict="approve"),  # noqa: B023
            lambda: decide(shown, by=ann, verdict="approve"),  # noqa: B023
        )
        assert load(shown.id).status in (Status.PENDING, Status.RELEASED)
    assert check(database_url()) == []


def test_of_two_votes_in_a_stage_that_rose_to_the_next_ones_queue_one_counts(
    action_type, propose, person, commerce, reviewers
):
    """Tier, field and number of people are the same before and after: the stage itself must be expected."""
    (ann, *_), _ = reviewers
    pair = [person(name, tier=2, domain=commerce) for name in ("sue", "sid")]
    kind = action_type("payout", strategy="risk", reversibility="reversible")
    stages = [{"tier": tier, "domain": "", "approvers": 1} for tier in (1, 2)]
    Rule.objects.create(name="staged", action_type=kind, expression="true", message="All.", stages=stages)
    snapshot.publish(by=None, note="stages")
    for _ in range(ROUNDS):
        shown = card_version_of(claims.escalate(propose(action="payout").pk, by=ann))
        results = together(*[lambda who=who: decide(shown, by=who, verdict="approve") for who in pair])  # noqa: B023
        assert winners(results) == 1
        assert Vote.objects.filter(approval=shown.id).count() == 1
    assert check(database_url()) == []


def test_a_vote_against_an_escalation(payouts, reviewers, person, commerce):
    (ann, *_), _ = reviewers
    person("sue", tier=2, domain=commerce)
    ends = Counter()
    for _ in range(ROUNDS):
        payout = payouts()
        results = together(
            lambda: decide(card_version_of(payout), by=ann, verdict="approve"),  # noqa: B023
            lambda: claims.escalate(payout.pk, by=ann),  # noqa: B023
        )
        assert winners(results) >= 1
        on = load(payout.pk)
        ends[on.stage, on.tier_id] += 1
        assert (on.stage == 1) == (not isinstance(results[0], Exception))
    # Her own vote first, and then she has no say over the other field's stage; or she is too late for her vote.
    assert set(ends) <= {(1, 2), (0, 2)}
    assert check(database_url()) == []


def test_the_clock_escalates_while_the_last_vote_of_a_stage_comes_in(payouts, reviewers):
    (ann, *_), _ = reviewers
    for _ in range(ROUNDS):
        payout = payouts()
        Approval.objects.filter(pk=payout.pk).update(due_at=times.now())
        together(lambda: decide(card_version_of(payout), by=ann, verdict="approve"), *[clock.sweep] * 2)  # noqa: B023
        on = load(payout.pk)
        assert (on.stage, on.tier_id) in {(1, 2), (0, 2)}
    assert check(database_url()) == []


def test_a_vote_against_the_deadline(payouts, reviewers):
    (ann, *_), (lea, *_) = reviewers
    for _ in range(ROUNDS):
        payout = payouts(timeout=timedelta(milliseconds=90))

        def both_stages(payout=payout):
            on = decide(card_version_of(payout), by=ann, verdict="approve")
            return decide(card_version_of(on), by=lea, verdict="approve")

        together(both_stages, *[wait_and_sweep] * 2)
        wait_and_sweep()
        assert load(payout.pk).status in (Status.RELEASED, Status.EXPIRED)
    assert check(database_url()) == []


def wait_and_sweep() -> None:
    threading.Event().wait(0.09)
    clock.sweep()


def test_a_vote_against_an_amendment(payouts, reviewers, robot):
    (ann, *_), (lea, *_) = reviewers
    for number in range(ROUNDS):
        payout = payouts()
        on = decide(card_version_of(payout), by=ann, verdict="approve")
        args = {"order": "456", "amount": 100 + number, "currency": "EUR"}
        results = together(
            lambda: decide(card_version_of(on), by=lea, verdict="approve"),  # noqa: B023
            lambda: amend.amend(on.pk, lambda item: replace(item, args=args), by=robot),  # noqa: B023
        )
        assert not [one for one in results if isinstance(one, Exception) and not isinstance(one, ReviewError)]
        after = load(payout.pk)
        if after.status == Status.RELEASED:
            assert isinstance(results[1], NotAmendable)
        else:
            assert (after.revision, after.stage, after.votes, after.domain_id) == (2, 0, 0, "commerce")
    assert check(database_url()) == []


def test_approving_against_rejecting_in_the_same_stage(payouts, reviewers):
    (ann, ben, _), _ = reviewers
    for _ in range(ROUNDS):
        shown = card_version_of(payouts())
        results = together(
            lambda: decide(shown, by=ann, verdict="approve"),  # noqa: B023
            lambda: decide(shown, by=ben, verdict="reject", verdict_input=NO),  # noqa: B023
        )
        assert winners(results) == 1
    assert check(database_url()) == []


def test_undoing_the_last_verdict_against_its_release(payouts, reviewers, tiers):
    (ann, *_), (lea, *_) = reviewers
    ActionType.objects.filter(name="payout").update(level=2)
    type(tiers[1]).objects.update(hold=timedelta(seconds=5))
    for _ in range(ROUNDS):
        on = decide(card_version_of(payouts()), by=ann, verdict="approve")
        held = decide(card_version_of(on), by=lea, verdict="approve")
        Approval.objects.filter(pk=held.pk).update(hold_until=times.now() + timedelta(milliseconds=20))
        results = together(
            lambda: (threading.Event().wait(0.018), undo(held.pk, by=lea)),  # noqa: B023
            lambda: (threading.Event().wait(0.021), clock.sweep()),
        )
        after = load(held.pk)
        if isinstance(results[0], Exception):
            assert after.status == Status.RELEASED
        else:
            assert (after.status, after.stage, after.round, after.domain_id) == (Status.PENDING, 0, 2, "commerce")
    assert check(database_url()) == []


def test_the_checker_sees_a_stage_that_was_skipped(payouts, reviewers):
    (ann, *_), (lea, *_) = reviewers
    on = decide(card_version_of(payouts()), by=ann, verdict="approve")
    decide(card_version_of(on), by=lea, verdict="approve")
    assert check(database_url()) == []

    with connection.cursor() as cursor:  # the database refuses it to everybody else
        cursor.execute("SET session_replication_role = replica")
        Vote.objects.filter(approval=on, stage=0).delete()
        cursor.execute("SET session_replication_role = DEFAULT")
    assert any(f"{on.pk} left stage 1 without its 1 approvals" in one for one in check(database_url()))


def test_a_person_who_lost_the_stage_meanwhile_does_not_decide_it(payouts, reviewers):
    (ann, *_), (lea, *_) = reviewers
    on = decide(card_version_of(payouts()), by=ann, verdict="approve")
    Membership.objects.filter(user=lea).delete()
    with pytest.raises(ReviewError):
        decide(card_version_of(on), by=lea, verdict="approve")
