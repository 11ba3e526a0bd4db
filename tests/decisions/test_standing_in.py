"""Who is away, who stands in, and that the two are one voice.

Alice (tier 1), Bob (tier 2) and Carol (tier 3) review commerce; Dana reviews commerce in tier 1 and stands in.
"""

from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from approvals.db import times
from approvals.decisions import batches, claims, escalation
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import Absence, Decision, Membership, Vote
from approvals.people import absences, access, authorities, on_call
from approvals.policy import snapshot
from console.inbox import live
from tests.concurrency import together

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def dana(person, tiers, commerce):
    return person("dana", tier=1, domain=commerce)


@pytest.fixture
def away(db):
    """Have somebody be away from now on: away(bob, delegate=dana)."""

    def leave(user, delegate=None, **when):
        now = times.now()
        when = {"starts_at": now - HOUR, "ends_at": now + DAY, **when}
        return Absence.objects.create(user=user, delegate=delegate, **when)

    return leave


@pytest.fixture
def tier_two_refund(propose):
    """A refund that waits in tier 2."""
    return propose(amount=6000)


def test_who_stands_in_sees_and_decides_what_the_absent_person_would(tier_two_refund, bob, dana, away):
    assert not access.visible_to(dana).exists()
    with pytest.raises(NotAllowed):
        decide(card_version_of(tier_two_refund), by=dana, verdict="approve")

    away(bob, dana)

    assert list(access.visible_to(dana)) == list(access.inbox_of(dana)) == [tier_two_refund]
    assert "2.commerce" in live.watch_of(dana).queues
    settled = decide(card_version_of(tier_two_refund), by=dana, verdict="approve")
    assert settled.decided_by == dana
    assert settled.events.get(kind="decided").facts["in_place_of"] == "bob"
    assert Decision.objects.get().in_place_of == bob


def test_it_is_over_when_the_absence_is(tier_two_refund, bob, dana, away):
    absence = away(bob, dana)

    with times.at(absence.ends_at):
        assert not authorities.authority_of(dana).reaches(2, "commerce")
    with times.at(absence.starts_at - timedelta(seconds=1)):
        assert not authorities.authority_of(dana).reaches(2, "commerce")
    with times.at(absence.starts_at):
        assert authorities.authority_of(dana).reaches(2, "commerce")


def test_who_is_away_keeps_every_right(tier_two_refund, bob, dana, away):
    away(bob, dana)

    assert decide(card_version_of(tier_two_refund), by=bob, verdict="approve").decided_by == bob
    assert Decision.objects.get().in_place_of is None


def test_an_own_right_comes_before_a_lent_one(refund, alice, dana, away):
    away(alice, dana)

    decide(card_version_of(refund), by=dana, verdict="approve")
    assert "in_place_of" not in refund.events.get(kind="decided").facts


def test_there_are_no_chains(tier_two_refund, bob, alice, dana, away):
    away(bob, alice)
    away(alice, dana)

    assert not authorities.authority_of(dana).reaches(2, "commerce")
    assert not authorities.authority_of(alice).reaches(2, "commerce")  # who is away stands in for nobody
    assert not any(post.tier == 2 for post in on_call.Roster.read(times.now()).at(times.now()))


def test_who_has_left_lends_nothing_and_stands_in_for_nobody(tier_two_refund, bob, dana, away):
    away(bob, dana)
    for user in (bob, dana):
        user.is_active = False
        user.save()
        assert not authorities.authority_of(dana).reaches(2, "commerce")
        user.is_active = True
        user.save()
    assert authorities.authority_of(dana).reaches(2, "commerce")


def test_nobody_decides_the_own_agents_request_nor_one_of_whom_they_stand_in_for(
    tier_two_refund, robot, bob, dana, away
):
    away(bob, dana)

    for operator in (dana, bob):
        robot.operators.set([operator])
        assert "approve" not in access.actions_for(tier_two_refund, dana)
        with pytest.raises(NotAllowed):
            decide(card_version_of(tier_two_refund), by=dana, verdict="approve")
        [result] = batches.decide_many([card_version_of(tier_two_refund)], by=dana, verdict="approve")
        assert not result.ok


# --- One voice


@pytest.fixture
def two_person_approval(action_type, propose):
    """A refund in tier 2 that two people approve."""
    action_type("payout", approvers=2, tier_id=2)
    return propose(action="payout")


def test_who_is_away_and_who_stands_in_count_once(two_person_approval, bob, dana, away, person, commerce):
    away(bob, dana)
    decide(card_version_of(two_person_approval), by=bob, verdict="approve")

    voted = load(two_person_approval.pk)
    assert "approve" not in access.actions_for(voted, dana)
    with pytest.raises(NotAllowed):
        decide(card_version_of(voted), by=dana, verdict="approve")
    second = person("second", tier=2, domain=commerce)
    assert decide(card_version_of(voted), by=second, verdict="approve").verdict == "approve"


def test_nor_does_the_absent_person_approve_after_the_one_who_stood_in(two_person_approval, bob, dana, away):
    away(bob, dana)
    decide(card_version_of(two_person_approval), by=dana, verdict="approve")

    assert Vote.objects.get().in_place_of == bob
    assert two_person_approval.events.get(kind="voted").facts["in_place_of"] == "bob"
    with pytest.raises(NotAllowed):
        decide(card_version_of(load(two_person_approval.pk)), by=bob, verdict="approve")
    assert load(two_person_approval.pk).votes == 1
    assert "reject" in access.actions_for(load(two_person_approval.pk), bob)  # a rejection ends it, whoever says it


def test_one_person_is_not_two_by_standing_in_for_two(two_person_approval, bob, carol, dana, away):
    away(bob, dana)
    away(carol, dana)
    decide(card_version_of(two_person_approval), by=dana, verdict="approve")

    with pytest.raises(NotAllowed):
        decide(card_version_of(load(two_person_approval.pk)), by=dana, verdict="approve")
    assert decide(card_version_of(load(two_person_approval.pk)), by=carol, verdict="approve").verdict == "approve"


def test_who_could_stand_in_for_two_speaks_for_the_one_who_has_not_spoken(two_person_approval, bob, carol, dana, away):
    away(bob, dana)
    away(carol, dana)
    decide(card_version_of(two_person_approval), by=bob, verdict="approve")

    decide(card_version_of(load(two_person_approval.pk)), by=dana, verdict="approve")
    assert list(Vote.objects.order_by("pk").values_list("in_place_of", flat=True)) == [None, carol.pk]


def test_the_database_refuses_a_second_vote_in_one_place(two_person_approval, bob, dana):
    vote = {"approval": two_person_approval, "revision": 1, "round": 1, "created_at": times.now()}
    Vote.objects.create(user=bob, **vote)
    with pytest.raises(IntegrityError, match="vote_once_per_place"), transaction.atomic():
        Vote.objects.create(user=dana, in_place_of=bob, **vote)


@pytest.mark.django_db(transaction=True)
def test_both_at_the_same_moment_count_once(action_type, propose, bob, dana, away):
    action_type("payout", approvers=2, tier_id=2)
    away(bob, dana)
    for _ in range(10):
        two = propose(action="payout")
        shown = card_version_of(two)
        together(*(partial(decide, shown, by=by, verdict="approve") for by in (bob, dana)))
        assert (load(two.pk).votes, load(two.pk).status) == (1, "pending")


def test_what_was_decided_for_somebody_is_taken_back_like_any_other(with_undo, propose, bob, dana, away):
    large = propose(amount=6000)
    away(bob, dana)
    decide(card_version_of(large), by=dana, verdict="approve")

    assert undo(large.pk, by=dana).status == "pending"


def test_card_and_history_say_who_stood_in(tier_two_refund, bob, dana, away, as_):
    away(bob, dana)
    page = as_(dana).get(reverse("card:card", args=[tier_two_refund.pk])).content.decode()
    assert "You stand in for Bob" in page

    decide(card_version_of(tier_two_refund), by=dana, verdict="approve")
    page = as_(dana).get(reverse("card:card", args=[tier_two_refund.pk])).content.decode()
    assert "Dana for Bob" in page
    assert "in place of Bob, who was away" in page


# --- Who is asked


def test_who_is_away_is_not_told_and_who_stands_in_is(refund, alice, bob, dana, away):
    away(bob, dana)
    receiver = escalation.receiver_of(refund, snapshot.current(), now=times.now())

    assert [one.username for one in receiver.people] == ["dana"]
    claims.escalate(refund.pk, by=alice)
    assert [one.user for one in refund.deliveries.filter(topic="escalated")] == [dana]


# --- Entered by oneself


def enter(user, delegate=None, starts=HOUR, ends=DAY):
    now = times.now()
    return absences.enter_absence(user, starts_at=now + starts, ends_at=now + ends, delegate=delegate)


def test_one_names_a_colleague_of_the_same_fields(bob, dana, mallory, mia, oscar):
    assert set(absences.candidates(bob)) == {dana}
    assert enter(bob, dana).delegate == dana
    for stranger in (mallory, mia, oscar, bob):
        with pytest.raises(BadVerdict, match="same fields"):
            enter(bob, stranger, starts=3 * DAY, ends=4 * DAY)


def test_who_reviews_several_fields_leaves_them_to_somebody_of_all_of_them(bob, dana, clinical):
    Membership.objects.create(user=bob, tier_id=1, domain=clinical)
    assert dana not in absences.candidates(bob)
    Membership.objects.create(user=dana, tier_id=1, domain=None)
    assert dana in absences.candidates(bob)


@pytest.mark.parametrize(
    ("starts", "ends", "why"),
    [(DAY, HOUR, "ends after"), (-2 * DAY, -DAY, "not in the past"), (HOUR, 400 * DAY, "At most a year")],
)
def test_an_absence_has_a_beginning_and_an_end_ahead(starts, ends, why, bob):
    with pytest.raises(BadVerdict, match=why):
        enter(bob, starts=starts, ends=ends)


def test_two_absences_do_not_overlap(bob):
    enter(bob)
    with pytest.raises(BadVerdict, match="away then already"):
        enter(bob, starts=2 * HOUR, ends=3 * DAY)


def test_who_is_back_ends_the_own_absence_and_nobody_elses(bob, alice, dana, away):
    absence = away(bob, dana)
    with pytest.raises(NotAllowed):
        absences.end_absence(absence.pk, by=dana)

    absences.end_absence(absence.pk, by=bob)
    assert not authorities.authority_of(dana).reaches(2, "commerce")
    assert Absence.objects.filter(pk=absence.pk).exists()  # that it was stays said
    later = enter(bob, dana)
    absences.end_absence(later.pk, by=bob)
    assert not Absence.objects.filter(pk=later.pk).exists()


def test_the_profile_enters_and_ends_it_in_ones_own_time(bob, dana, as_):
    bob.time_zone = "Asia/Tokyo"
    bob.save()
    browser = as_(bob)
    form = {"starts_at": "2099-05-04T09:00", "ends_at": "2099-05-08T18:00", "delegate": dana.pk}
    assert browser.post(reverse("profile:away"), form).status_code == 302

    absence = Absence.objects.get()
    assert absence.starts_at.isoformat() == "2099-05-04T00:00:00+00:00"
    page = browser.get(reverse("profile:profile")).content.decode()
    assert "Dana stands in" in page
    assert "In place of Bob" in as_(dana).get(reverse("profile:profile")).content.decode()
    browser.post(reverse("profile:back", args=[absence.pk]))
    assert not Absence.objects.exists()

    wrong = browser.post(reverse("profile:away"), {**form, "ends_at": "2099-05-01T09:00"})
    assert wrong.status_code == 422
    assert "ends after it starts" in wrong.content.decode()


def test_a_queue_that_an_absence_leaves_empty_is_said_and_not_refused(bob, dana, as_):
    form = {"starts_at": "2099-05-04T09:00", "ends_at": "2099-05-08T18:00", "delegate": ""}
    page = as_(bob).post(reverse("profile:away"), form, follow=True).content.decode()

    assert Absence.objects.get().delegate is None
    assert "Nobody is left in Specialists · Commerce meanwhile." in page
