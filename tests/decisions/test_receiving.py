"""Whom an escalation reaches, by when, and what becomes of a tier's time: by time, by hand, by rule.

Alice (tier 1), Bob (tier 2), Carol (tier 3) review commerce; Olga (tier 3) operates robot.
"""

from datetime import UTC, datetime, time, timedelta

import pytest
from django.urls import reverse

from approvals import clock
from approvals.db import times
from approvals.decisions import claims, escalation
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.errors import NotAllowed
from approvals.models import Absence, ActionType, Approval, AuditEvent, Membership, Rule, Tier
from approvals.models.states import Status
from approvals.people import on_call
from approvals.policy import snapshot
from tests.checker import check
from tests.concurrency import together
from tests.decisions.test_time import sweep_at
from tests.web import database_url

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def receiver(approval, now=None):
    return escalation.receiver_of(approval, snapshot.load(approval.policy_id), now=now or times.now())


# --- Who


def test_it_goes_past_a_tier_in_which_only_operators_of_its_agent_are(refund, robot, alice, bob, carol):
    robot.operators.add(bob)

    destination = receiver(refund)
    assert (destination.tier.level, [tier.level for tier in destination.passed]) == (3, [2])
    sweep_at(refund.due_at)
    assert load(refund.pk).tiers_visited == [1, 3]


def test_what_comes_to_a_tier_of_operators_alone_is_handed_on_at_once(propose, robot, refunds, alice, bob):
    robot.operators.add(alice)
    refund = propose()

    assert refund.due_at == refund.created_at
    sweep_at(refund.due_at)
    assert load(refund.pk).tier_id == 2


def test_it_stays_with_those_who_can_decide_where_nobody_above_them_can(propose, robot, alice, olga, as_):
    refund = propose(timeout=DAY)

    with pytest.raises(NotAllowed, match="Nobody above this tier could decide it"):
        claims.escalate(refund.pk, by=alice)
    sweep_at(refund.due_at)
    late = load(refund.pk)
    assert (late.tier_id, late.due_at, late.breaches) == (1, None, 1)
    page = as_(alice).get(reverse("card:escalate", args=[refund.pk]), {"version": refund.version}).content.decode()
    assert "Nobody above this tier could decide it." in page
    assert decide(card_version_of(late), by=alice, verdict="approve").decided_by == alice


def test_those_on_duty_are_told_and_the_others_are_not(refund, alice, bob, person, commerce):
    at_night = person("nina", tier=2, domain=commerce)
    noon = datetime(2026, 11, 30, 12, tzinfo=UTC)
    at_night.memberships.update(duty_from=time(22), duty_until=time(6))

    assert [one.username for one in receiver(refund, noon).people] == ["bob"]
    assert [one.username for one in receiver(refund, noon + 12 * HOUR).people] == ["bob", "nina"]


def test_where_nobody_is_on_duty_it_goes_there_all_the_same_and_says_so(refund, alice, bob, as_):
    bob.memberships.update(duty_days=[(times.now().isoweekday() + 2) % 7 + 1])

    destination = receiver(refund)
    assert (destination.on_duty, [one.username for one in destination.people]) == (False, ["bob"])
    page = as_(alice).get(reverse("card:escalate", args=[refund.pk]), {"version": refund.version}).content.decode()
    assert "nobody is on duty there" in page
    claims.escalate(refund.pk, by=alice)
    assert load(refund.pk).tier_id == 2


def test_u33_the_form_says_who_gets_it_and_by_when_before_it_is_confirmed(refund, robot, alice, bob, carol, as_):
    robot.operators.add(bob)
    page = as_(alice).get(reverse("card:escalate", args=[refund.pk]), {"version": refund.version}).content.decode()

    assert "Goes to <b>Senior</b>" in page
    assert "Carol" in page
    assert "Specialists: passed over" in " ".join(page.split())
    assert load(refund.pk).tier_id == 1


@pytest.mark.django_db(transaction=True)
def test_two_clocks_settle_a_set_once(propose, alice, bob):
    ends, climbs = [[propose(order=f"{what}{n}", timeout=DAY) for n in range(30)] for what in "ec"]
    now = times.now()
    Approval.objects.filter(pk__in=[one.pk for one in ends]).update(expires_at=now)
    Approval.objects.filter(pk__in=[one.pk for one in climbs]).update(due_at=now)

    swept = together(clock.sweep, clock.sweep, clock.sweep)
    assert (sum(one.expired for one in swept), sum(one.escalated for one in swept)) == (30, 30)
    moved = AuditEvent.objects.filter(kind__in=["expired", "escalated"]).values_list("approval", flat=True)
    assert len(moved) == len(set(moved)) == 60
    assert check(database_url()) == []


# --- By rule


def test_a_rule_raises_to_a_tier_and_its_time(propose, refunds, alice):
    Rule.objects.create(name="careful", expression="args.amount > 100.0", message="much", effect="review", tier_id=3)
    snapshot.publish(by=None, note="careful")
    raised = propose(amount=420, timeout=DAY)

    assert (raised.tier_id, raised.tiers_visited, raised.due_at - raised.created_at) == (3, [3], 4 * HOUR)
    with pytest.raises(NotAllowed):
        decide(card_version_of(raised), by=alice, verdict="approve")


# --- The end of the chain


def test_a_work_queue_without_a_deadline_stays_and_is_seen_to_be_overdue(action_type, propose, carol, as_):
    action_type("tidy", reversibility="reversible", gate="async", tier_id=3)
    waiting = propose(action="tidy")
    assert waiting.expires_at is None

    sweep_at(waiting.due_at)
    sweep_at(waiting.due_at + 30 * DAY)
    late = load(waiting.pk)
    assert (late.status, late.due_at, late.breaches) == (Status.PENDING, None, 1)
    assert "overdue" in as_(carol).get(reverse("inbox:inbox")).content.decode()
    assert "overdue" in as_(carol).get(reverse("card:card", args=[late.pk])).content.decode()
    assert str(late.pk) in as_(carol).get(reverse("inbox:inbox") + "?urgency=late").content.decode()


# --- Working hours


@pytest.fixture
def office(tiers):
    """Tier 1 works from nine to five on weekdays in Berlin."""
    Tier.objects.filter(pk=1).update(working=True, opens=time(9), closes=time(17), time_zone="Europe/Berlin")


FRIDAY = datetime(2026, 11, 27, 15, 50, tzinfo=UTC)  # 16:50 in Berlin


def test_a_tiers_time_runs_in_its_working_hours(office, refunds, propose, alice, bob, as_):
    snapshot.publish(by=None, note="office hours")
    with times.at(FRIDAY):
        refund = propose(timeout=7 * DAY)
        page = as_(alice).get(reverse("card:card", args=[refund.pk])).content.decode()

    assert refund.due_at == datetime(2026, 11, 30, 8, 5, tzinfo=UTC)  # ten minutes on Friday, five on Monday
    assert "Escalates to Specialists" in page
    sweep_at(refund.due_at - timedelta(seconds=1))
    assert load(refund.pk).tier_id == 1
    sweep_at(refund.due_at)
    assert load(refund.pk).tier_id == 2


def test_who_is_closed_until_the_deadline_hands_on_at_once(office, refunds, propose, bob):
    snapshot.publish(by=None, note="office hours")
    with times.at(FRIDAY + HOUR):
        refund = propose(timeout=2 * HOUR)

    assert refund.due_at == refund.created_at
    sweep_at(refund.created_at)
    assert load(refund.pk).tier_id == 2


def test_what_arrives_under_a_version_without_hours_counts_all_time(refunds, office, propose):
    with times.at(FRIDAY):
        assert propose(timeout=7 * DAY).due_at == FRIDAY + 15 * MINUTE


# --- Idle claims


def claim_at(refund, alice, at, minutes=10):
    Tier.objects.filter(pk=1).update(claim=timedelta(minutes=minutes))
    with times.at(at):
        return claims.claim(refund.pk, by=alice)


def test_a_tier_gets_back_what_was_left_of_its_time_when_the_claim_began(propose, alice):
    refund = propose(timeout=DAY)
    claimed = claim_at(refund, alice, refund.created_at + 5 * MINUTE)
    with times.at(refund.created_at + 12 * MINUTE):
        claims.claim(refund.pk, by=alice)  # extended: it began before

    sweep_at(refund.created_at + 22 * MINUTE)
    assert load(refund.pk).due_at == refund.created_at + 32 * MINUTE
    assert claimed.claim_until < refund.created_at + 22 * MINUTE


def test_however_often_it_is_claimed_the_tiers_time_ends(propose, alice, bob):
    refund = propose(timeout=DAY)
    at, idle = refund.created_at, 0
    while True:
        at += 4 * MINUTE
        sweep_at(at)
        if load(refund.pk).tier_id == 2:
            break
        at, idle = claim_at(refund, alice, at).claim_until, idle + 1
        sweep_at(at)

    assert idle == 3  # fifteen minutes in which nobody held it
    assert at == refund.created_at + 16 * MINUTE + 30 * MINUTE


def test_a_claim_that_is_given_back_late_leaves_a_moment_to_look(refund, alice):
    claim_at(refund, alice, refund.due_at - timedelta(seconds=5))
    late = refund.due_at + 2 * MINUTE
    with times.at(late):
        returned = claims.release_claim(refund.pk, by=alice)

    assert returned.due_at == late + MINUTE
    assert returned.claimed_by is None


def test_a_tier_never_gets_more_than_its_share_of_what_is_left_until_the_deadline(propose, alice):
    refund = propose(timeout=63 * MINUTE)
    claim_at(refund, alice, refund.created_at, minutes=62)

    sweep_at(refund.created_at + 62 * MINUTE)
    again = load(refund.pk)
    assert again.due_at < again.expires_at
    assert again.due_at == again.created_at + 62 * MINUTE + MINUTE / 2


# --- duty


@pytest.mark.parametrize(
    ("days", "moment", "on"),
    [
        ([], "2026-11-30T09:00", True),
        ([], "2026-11-30T16:59", True),
        ([], "2026-11-30T17:00", False),
        ([1], "2026-11-30T09:00", True),
        ([1], "2026-12-01T09:00", False),
    ],
)
def test_duty_begins_and_ends_by_the_persons_own_clock(days, moment, on):
    assert on_call.in_duty_hours(time(9), time(17), days, datetime.fromisoformat(moment)) is on


@pytest.mark.parametrize(
    ("moment", "on"),
    [("2026-11-30T21:59", False), ("2026-11-30T22:00", True), ("2026-12-01T05:59", True), ("2026-12-01T06:00", False),
     ("2026-11-30T05:00", False)],
)  # fmt: skip
def test_a_night_belongs_to_the_day_on_which_it_begins(moment, on):
    assert on_call.in_duty_hours(time(22), time(6), [1], datetime.fromisoformat(moment)) is on


def test_on_duty_in_one_query_whatever_the_number_of_people(alice, bob, carol, django_assert_num_queries):
    Absence.objects.create(user=bob, delegate=carol, starts_at=times.now() - HOUR, ends_at=times.now() + HOUR)
    alice.time_zone = "Pacific/Auckland"
    alice.save()
    Membership.objects.filter(user=alice).update(duty_from=time(9), duty_until=time(17))
    noon_there = datetime(2026, 11, 29, 23, tzinfo=UTC)

    now = times.now()
    with django_assert_num_queries(1):
        posts = on_call.Roster.read(now).at(now)
    assert {(post.user_id, post.tier, post.in_place_of) for post in posts if post.tier > 1} == {
        (carol.pk, 2, bob.pk),
        (carol.pk, 3, None),
    }
    assert alice.pk in {post.user_id for post in on_call.Roster.read(noon_there).at(noon_there)}
    assert alice.pk not in {post.user_id for post in on_call.Roster.read(noon_there).at(noon_there + 12 * HOUR)}


def test_a_set_escalates_with_as_many_queries_as_one(propose, alice, bob, carol, django_assert_max_num_queries):
    for number in range(12):
        propose(order=str(number))
    last = Approval.objects.latest("due_at")
    with times.at(last.due_at), django_assert_max_num_queries(60):
        assert clock.sweep().escalated == 12
    assert ActionType.objects.count() == 1
