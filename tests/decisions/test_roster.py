"""Who can decide a queue now: the roster's answer for everybody is what each person's own card offers."""

from datetime import time, timedelta
from random import Random

import pytest
from allauth.mfa.models import Authenticator

from approvals.db import times
from approvals.models import Absence, Agent, Membership, Tier
from approvals.people import access, authorities, on_call
from approvals.people.roster import Reviewers
from approvals.policy import snapshot
from approvals.workload import queues

HOUR = timedelta(hours=1)


@pytest.fixture
def crowd(person, tiers, commerce, clinical, robot):
    """People with memberships, hours, absences, agents and factors as a seed has them, and somebody who has left."""

    def make(seed: int):
        dice = Random(seed)  # noqa: S311  # a test's dice
        now = times.now()
        people = [
            person(f"person{number}", is_active=dice.random() > 0.15, time_zone=dice.choice(["UTC", "Asia/Tokyo"]))
            for number in range(9)
        ]
        for user in people:
            posts = {
                (dice.choice([1, 1, 2, 3]), dice.choice([commerce, clinical, None]))
                for _ in range(dice.choice([0, 1, 1, 2]))
            }
            for level, domain in posts:
                hours = dice.choice([(None, None), (time(0), time(12)), (time(12), time(0)), (time(22), time(6))])
                days = dice.choice([[], [], [now.isoweekday()]])
                Membership.objects.create(
                    user=user, tier_id=level, domain=domain, duty_from=hours[0], duty_until=hours[1], duty_days=days
                )
            if dice.random() < 0.4:
                starts_at = now - HOUR * dice.choice([1, 1, 1, -2])
                delegate = dice.choice([None, *(other for other in people if other != user)])
                Absence.objects.create(user=user, starts_at=starts_at, ends_at=now + 5 * HOUR, delegate=delegate)
            if dice.random() < 0.2:
                robot.operators.add(user)
            if dice.random() < 0.5:
                Authenticator.objects.create(user=user, type="totp", data={"secret": "none"})
        return people

    return make


def filled(level, domain, now):
    """Who is on duty in a queue, by every membership looked at for itself."""
    ids = set()
    for member in Membership.objects.filter(tier=level, user__is_active=True).select_related("user"):
        local = now.astimezone(on_call.zone(member.user.time_zone))
        if member.domain_id not in (None, domain):
            continue
        if not on_call.in_duty_hours(member.duty_from, member.duty_until, member.duty_days, local):
            continue
        away = Absence.objects.filter(starts_at__lte=now, ends_at__gt=now)
        own = away.filter(user=member.user)
        ids |= {row.delegate_id for row in own if row.delegate and row.delegate.is_active} - {
            row.user_id for row in away
        }
        ids |= set() if own else {member.user_id}
    return ids


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("demanding", [False, True])
def test_the_roster_says_of_everybody_what_each_persons_card_says(
    seed, demanding, crowd, propose, commerce, clinical, robot
):
    if demanding:
        Tier.objects.filter(pk=2).update(second_factor=True)
        snapshot.publish(by=None, note="")
    approval, people, now = propose(), crowd(seed), times.now()
    other = Agent.objects.create(name="other")
    staff = Reviewers(now)
    for level in (1, 2, 3):
        for domain in (commerce, clinical):
            for agent in (robot, other):
                approval.tier, approval.domain, approval.agent = Tier.objects.get(pk=level), domain, agent
                able = {user.pk for user in people if "approve" in access.actions_for(approval, user, now=now)}
                queue = (level, domain.pk, agent.pk)

                assert staff.deciding(*queue) == able
                assert staff.on_duty(*queue) == filled(level, domain.pk, now) & able
                assert staff.on_duty(*queue) <= staff.of_tier(*queue) <= able
                assert {user.pk for user in staff.people(able)} == able


def test_who_lacks_a_second_factor_fills_no_queue_that_demands_one(alice, propose, commerce):
    """Nobody there could answer: what comes is as if nobody were on duty, and no channel counts as having told."""
    from approvals.models import Capacity

    Capacity.objects.create(tier_id=1, domain=commerce, when_empty="reject")
    Tier.objects.filter(pk=1).update(second_factor=True)
    snapshot.publish(by=None, note="")
    now, policy = times.now(), snapshot.current()

    assert not queues.measure(policy, [(1, commerce.pk)], now=now)[1, commerce.pk].staffed
    assert not Reviewers(now).to_ask(1, commerce.pk)
    Authenticator.objects.create(user=alice, type="totp", data={"secret": "none"})
    assert queues.measure(policy, [(1, commerce.pk)], now=now)[1, commerce.pk].staffed
    assert Reviewers(now).to_ask(1, commerce.pk) == {alice.pk}


def test_of_two_absences_at_once_both_stand_in(alice, bob, carol, commerce):
    now = times.now()
    for delegate, hours in ((bob, 1), (carol, 2)):
        Absence.objects.create(user=alice, starts_at=now - HOUR, ends_at=now + hours * HOUR, delegate=delegate)

    assert Reviewers(now).on_duty(1, commerce.pk) == {bob.pk, carol.pk}
    assert all(authorities.authority_of(user).reaches(1, commerce.pk) for user in (bob, carol))


def test_any_number_of_queues_is_one_reading(alice, bob, commerce, clinical, refunds, django_assert_num_queries):
    staff = Reviewers(times.now())
    with django_assert_num_queries(3):
        for level in (1, 2, 3):
            for domain in (commerce.pk, clinical.pk):
                staff.to_ask(level, domain)
