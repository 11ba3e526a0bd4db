"""Who is on duty when: hours past midnight, in the person's own zone, absences with somebody standing in."""

from datetime import UTC, datetime, time, timedelta

import pytest

from approvals.models import Absence, Membership
from approvals.people.on_call import OnCall, Roster

MONDAY = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def on_duty(now):
    return Roster.read(now).at(now)


@pytest.fixture
def set_hours():
    def set_(user, begins, ends, days=(), zone="UTC"):
        Membership.objects.filter(user=user).update(duty_from=begins, duty_until=ends, duty_days=list(days))
        type(user).objects.filter(pk=user.pk).update(time_zone=zone)

    return set_


def on_call_ids(now):
    return {post.user_id for post in on_duty(now)}


def test_who_has_no_hours_is_always_there(alice):
    assert on_duty(MONDAY) == [OnCall(alice.pk, 1, "commerce")]
    assert Roster.read(MONDAY).next_at(1, "commerce", MONDAY) == MONDAY


def test_hours_are_those_of_the_persons_zone(alice, set_hours):
    set_hours(alice, time(9), time(17), zone="America/New_York")
    assert on_call_ids(MONDAY) == set()
    assert on_call_ids(MONDAY + 2 * HOUR) == {alice.pk}
    assert Roster.read(MONDAY).next_at(1, "commerce", MONDAY) == MONDAY + 2 * HOUR


def test_the_night_shift_of_friday_ends_on_saturday_and_the_next_is_on_monday(alice, set_hours):
    set_hours(alice, time(22), time(6), days=(1, 2, 3, 4, 5))
    saturday = datetime(2026, 12, 5, 5, 0, tzinfo=UTC)
    assert on_call_ids(saturday) == {alice.pk}
    assert on_call_ids(saturday + HOUR) == set()
    assert Roster.read(saturday).next_at(1, "commerce", saturday + HOUR) == datetime(2026, 12, 7, 22, tzinfo=UTC)


def test_who_stands_in_is_there_and_whoever_left_is_not(alice, bob, oscar):
    def away(delegate):
        Absence.objects.all().delete()
        Absence.objects.create(user=alice, starts_at=MONDAY, ends_at=MONDAY + HOUR, delegate=delegate)
        return [post.user_id for post in on_duty(MONDAY) if post.serves(1, "commerce")]

    assert away(bob) == [bob.pk]
    assert away(oscar) == []
    assert away(None) == []
    assert Roster.read(MONDAY).next_at(1, "commerce", MONDAY) == MONDAY + HOUR


def test_nobody_within_a_fortnight_is_nobody(alice, oscar):
    Absence.objects.create(user=alice, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=30))

    assert Roster.read(MONDAY).next_at(1, "commerce", MONDAY) is None
    assert Roster.read(MONDAY).next_at(2, "commerce", MONDAY) is None


def test_one_query_tells_it(alice, bob, django_assert_num_queries):
    with django_assert_num_queries(1):
        on_duty(MONDAY)
