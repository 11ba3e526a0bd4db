"""Stages under fire, on real PostgreSQL: nothing runs without the approvals of each stage, whoever was quicker."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection

from approvals import times
from approvals.models import ActionType, Approval, Domain, Event, Membership, Rule, Vote
from approvals.models.approval import Status
from approvals.policy import snapshot
from approvals.review import amend, claims, clock
from approvals.review.amend import NotAmendable
from approvals.review.decisions import Words, decide, load, seen, undo
from approvals.review.errors import ReviewError
from tests.checker import check
from tests.conftest import database_url
from tests.together import together

ROUNDS = 12
NO = Words(message="no")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crew(person, tiers, commerce):
    """Three of commerce in tier 1, three of legal in tier 2."""
    legal = Domain.objects.create(slug="legal", name="Legal")
    front = [person(name, tier=1, domain=commerce) for name in ("ann", "ben", "cid")]
    return front, [person(name, tier=2, domain=legal) for name in ("lea", "leo", "lou")]


@pytest.fixture
def payouts(action_type, propose, crew):
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


def winners(found: list[object]) -> int:
    surprises = [one for one in found if isinstance(one, Exception) and not isinstance(one, ReviewError)]
    assert not surprises, surprises
    return sum(not isinstance(one, Exception) for one in found)


def test_two_last_votes_of_a_stage_at_once_move_it_once(payouts, crew):
    (ann, ben, cid), _ = crew
    for _ in range(ROUNDS):
        shown = seen(payouts())
        found = together(*[lambda who=who: decide(shown, by=who, verdict="approve") for who in (ann, ben, cid)])  # noqa: B023
        assert winners(found) == 1
        on = load(shown.id)
        assert (on.status, on.stage, on.votes) == (Status.PENDING, 1, 0)
        assert Vote.objects.filter(approval=on).count() == 1
    assert Event.objects.filter(kind="staged").count() == ROUNDS
    assert check(database_url()) == []


def test_two_votes_that_both_count_are_two_votes_and_then_it_moves(payouts, crew):
    (ann, ben, _), (lea, leo, _) = crew
    for _ in range(ROUNDS):
        shown = seen(payouts(first=2, second=2))
        assert winners(together(*[lambda who=who: decide(shown, by=who, verdict="approve") for who in (ann, ben)])) == 2  # noqa: B023
        on = seen(load(shown.id))
        assert on.stage == 1
        assert winners(together(*[lambda who=who: decide(on, by=who, verdict="approve") for who in (lea, leo)])) == 2  # noqa: B023
        assert load(shown.id).status == Status.RELEASED
    assert check(database_url()) == []


def test_one_person_of_both_stages_in_two_windows_approves_in_one(payouts, crew, person, commerce):
    (ann, *_), _ = crew
    both = person("both", tier=2, domain=None)
    for _ in range(ROUNDS):
        shown = seen(payouts())
        later = replace(shown, stage=1)
        together(
            lambda: decide(shown, by=both, verdict="approve"),  # noqa: B023
            lambda: decide(later, by=both, verdict="approve"),  # noqa: B023
            lambda: decide(shown, by=ann, verdict="approve"),  # noqa: B023
        )
        assert load(shown.id).status in (Status.PENDING, Status.RELEASED)
    assert check(database_url()) == []


def test_of_two_votes_in_a_stage_that_rose_to_the_next_ones_queue_one_counts(
    action_type, propose, person, commerce, crew
):
    """Tier, field and number of people are the same before and after: the stage itself must be expected."""
    (ann, *_), _ = crew
    pair = [person(name, tier=2, domain=commerce) for name in ("sue", "sid")]
    kind = action_type("payout", strategy="risk", reversibility="reversible")
    stages = [{"tier": tier, "domain": "", "approvers": 1} for tier in (1, 2)]
    Rule.objects.create(name="staged", action_type=kind, expression="true", message="All.", stages=stages)
    snapshot.publish(by=None, note="stages")
    for _ in range(ROUNDS):
        shown = seen(claims.escalate(propose(action="payout").pk, by=ann))
        found = together(*[lambda who=who: decide(shown, by=who, verdict="approve") for who in pair])  # noqa: B023
        assert winners(found) == 1
        assert Vote.objects.filter(approval=shown.id).count() == 1
    assert check(database_url()) == []


def test_a_vote_against_an_escalation(payouts, crew, person, commerce):
    (ann, *_), _ = crew
    person("sue", tier=2, domain=commerce)
    ends = Counter()
    for _ in range(ROUNDS):
        payout = payouts()
        found = together(
            lambda: decide(seen(payout), by=ann, verdict="approve"),  # noqa: B023
            lambda: claims.escalate(payout.pk, by=ann),  # noqa: B023
        )
        assert winners(found) >= 1
        on = load(payout.pk)
        ends[on.stage, on.tier_id] += 1
        assert (on.stage == 1) == (not isinstance(found[0], Exception))
    # Her own vote first, and then she has no say over the other field's stage; or she is too late for her vote.
    assert set(ends) <= {(1, 2), (0, 2)}
    assert check(database_url()) == []


def test_the_clock_escalates_while_the_last_vote_of_a_stage_comes_in(payouts, crew):
    (ann, *_), _ = crew
    for _ in range(ROUNDS):
        payout = payouts()
        Approval.objects.filter(pk=payout.pk).update(due_at=times.now())
        together(lambda: decide(seen(payout), by=ann, verdict="approve"), *[clock.sweep] * 2)  # noqa: B023
        on = load(payout.pk)
        assert (on.stage, on.tier_id) in {(1, 2), (0, 2)}
    assert check(database_url()) == []


def test_a_vote_against_the_deadline(payouts, crew):
    (ann, *_), (lea, *_) = crew
    for _ in range(ROUNDS):
        payout = payouts(timeout=timedelta(milliseconds=90))

        def both_stages(payout=payout):
            on = decide(seen(payout), by=ann, verdict="approve")
            return decide(seen(on), by=lea, verdict="approve")

        together(both_stages, *[wait_and_sweep] * 2)
        wait_and_sweep()
        assert load(payout.pk).status in (Status.RELEASED, Status.EXPIRED)
    assert check(database_url()) == []


def wait_and_sweep() -> None:
    threading.Event().wait(0.09)
    clock.sweep()


def test_a_vote_against_an_amendment(payouts, crew, robot):
    (ann, *_), (lea, *_) = crew
    for number in range(ROUNDS):
        payout = payouts()
        on = decide(seen(payout), by=ann, verdict="approve")
        args = {"order": "456", "amount": 100 + number, "currency": "EUR"}
        found = together(
            lambda: decide(seen(on), by=lea, verdict="approve"),  # noqa: B023
            lambda: amend.amend(on.pk, lambda item: replace(item, args=args), by=robot),  # noqa: B023
        )
        assert not [one for one in found if isinstance(one, Exception) and not isinstance(one, ReviewError)]
        after = load(payout.pk)
        if after.status == Status.RELEASED:
            assert isinstance(found[1], NotAmendable)
        else:
            assert (after.revision, after.stage, after.votes, after.domain_id) == (2, 0, 0, "commerce")
    assert check(database_url()) == []


def test_approving_against_rejecting_in_the_same_stage(payouts, crew):
    (ann, ben, _), _ = crew
    for _ in range(ROUNDS):
        shown = seen(payouts())
        found = together(
            lambda: decide(shown, by=ann, verdict="approve"),  # noqa: B023
            lambda: decide(shown, by=ben, verdict="reject", words=NO),  # noqa: B023
        )
        assert winners(found) == 1
    assert check(database_url()) == []


def test_undoing_the_last_verdict_against_its_release(payouts, crew, tiers):
    (ann, *_), (lea, *_) = crew
    ActionType.objects.filter(name="payout").update(level=2)
    type(tiers[1]).objects.update(hold=timedelta(seconds=5))
    for _ in range(ROUNDS):
        on = decide(seen(payouts()), by=ann, verdict="approve")
        held = decide(seen(on), by=lea, verdict="approve")
        Approval.objects.filter(pk=held.pk).update(hold_until=times.now() + timedelta(milliseconds=20))
        found = together(
            lambda: (threading.Event().wait(0.018), undo(held.pk, by=lea)),  # noqa: B023
            lambda: (threading.Event().wait(0.021), clock.sweep()),
        )
        after = load(held.pk)
        if isinstance(found[0], Exception):
            assert after.status == Status.RELEASED
        else:
            assert (after.status, after.stage, after.round, after.domain_id) == (Status.PENDING, 0, 2, "commerce")
    assert check(database_url()) == []


def test_the_checker_sees_a_stage_that_was_skipped(payouts, crew):
    (ann, *_), (lea, *_) = crew
    on = decide(seen(payouts()), by=ann, verdict="approve")
    decide(seen(on), by=lea, verdict="approve")
    assert check(database_url()) == []

    with connection.cursor() as cursor:  # the database refuses it to everybody else
        cursor.execute("SET session_replication_role = replica")
        Vote.objects.filter(approval=on, stage=0).delete()
        cursor.execute("SET session_replication_role = DEFAULT")
    assert any(f"{on.pk} left stage 1 without its 1 approvals" in one for one in check(database_url()))


def test_a_person_who_lost_the_stage_meanwhile_does_not_decide_it(payouts, crew):
    (ann, *_), (lea, *_) = crew
    on = decide(seen(payouts()), by=ann, verdict="approve")
    Membership.objects.filter(user=lea).delete()
    with pytest.raises(ReviewError):
        decide(seen(on), by=lea, verdict="approve")
