"""Working time, against a slow clock that looks at every minute."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from approvals.policy import hours
from approvals.policy.compiled_policy import Hours, TierPolicy

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OFFICE = Hours(time(9), time(17), frozenset({1, 2, 3, 4, 5}), "Europe/Berlin")

# Clocks put forward and back, by an hour and by half of one, at midnight, over the date line; and never.
CHANGES = {
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)],
    "America/Sao_Paulo": [datetime(2018, 2, 18, 2, tzinfo=UTC), datetime(2018, 11, 4, 3, tzinfo=UTC)],
    "Pacific/Apia": [datetime(2011, 12, 30, 10, tzinfo=UTC)],
    "Asia/Kolkata": [datetime(2026, 6, 1, tzinfo=UTC)],
}


@st.composite
def weeks(draw):
    zone = draw(st.sampled_from(sorted(CHANGES)))
    opens, closes = sorted(draw(st.lists(st.integers(0, 24 * 60 - 1), min_size=2, max_size=2, unique=True)))
    days = draw(st.frozensets(st.integers(1, 7), min_size=1))
    around = draw(st.sampled_from(CHANGES[zone])) + draw(st.integers(-3 * 24 * 60, 2 * 24 * 60)) * MINUTE
    return Hours(time(*divmod(opens, 60)), time(*divmod(closes, 60)), days, zone), around


def is_working(week: Hours, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(week.zone))
    return local.isoweekday() in week.days and week.opens <= local.time() < week.closes


def minute_by_minute(week: Hours, start: datetime, end: datetime) -> timedelta:
    return sum(is_working(week, start + n * MINUTE) for n in range((end - start) // MINUTE)) * MINUTE


NIGHT = Hours(time(1, 30), time(2, 30), frozenset(range(1, 8)), "Europe/Berlin")


@given(weeks(), st.integers(0, 5 * 24 * 60))
@example((NIGHT, datetime(2026, 3, 28, 12, tzinfo=UTC)), 24 * 60)  # half of it does not exist
@example((NIGHT, datetime(2026, 10, 24, 12, tzinfo=UTC)), 24 * 60)  # half of it comes twice
def test_working_time_between_two_moments_is_that_of_the_clock_on_the_wall(week_and_start, minutes):
    week, start = week_and_start
    end = start + minutes * MINUTE

    assert hours.between(week, start, end) == minute_by_minute(week, start, end)


@given(weeks(), st.integers(1, 2 * 24 * 60))
def test_so_much_working_time_is_over_at_the_first_moment_that_has_seen_it(week_and_start, minutes):
    week, start = week_and_start
    over = hours.after(week, start, minutes * MINUTE)

    assert hours.between(week, start, over) == minutes * MINUTE
    assert hours.between(week, start, over - MINUTE) < minutes * MINUTE
    assert over >= start + minutes * MINUTE


@given(weeks(), st.integers(0, 600), st.integers(0, 600))
def test_time_in_two_parts_is_as_long_as_in_one(week_and_start, first, second):
    week, start = week_and_start

    assert hours.after(week, hours.after(week, start, first * MINUTE), second * MINUTE) == hours.after(
        week, start, (first + second) * MINUTE
    ) or not (first and second)


def test_a_friday_afternoon_goes_on_on_monday():
    friday = datetime(2026, 11, 27, 15, tzinfo=UTC)  # 16:00 in Berlin

    assert hours.after(OFFICE, friday, 2 * HOUR) == datetime(2026, 11, 30, 9, tzinfo=UTC)
    assert hours.after(OFFICE, friday, HOUR) == friday + HOUR  # on the stroke of five, not on Monday at nine
    assert hours.after(OFFICE, friday + DAY, timedelta(0)) == datetime(2026, 11, 30, 8, tzinfo=UTC)


def test_a_day_of_which_the_clock_is_put_back_is_an_hour_longer():
    whole = Hours(time(0), time(12), frozenset({7}), "Europe/Berlin")

    assert hours.between(whole, datetime(2026, 10, 24, tzinfo=UTC), datetime(2026, 10, 26, tzinfo=UTC)) == 13 * HOUR
    assert hours.between(whole, datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 3, 30, tzinfo=UTC)) == 11 * HOUR


# --- What a chain of tiers has of a deadline


def tier(level: int, sla: timedelta, week: Hours | None = None, following: int | None = None) -> TierPolicy:
    return TierPolicy(level, f"tier {level}", Decimal(1), sla, timedelta(0), MINUTE, following, hours=week)


MONDAY = datetime(2026, 11, 30, 8, tzinfo=UTC)  # 9:00 in Berlin: the office opens


def test_without_a_deadline_a_tier_has_its_time():
    assert hours.due([tier(1, 10 * HOUR, OFFICE)], MONDAY, None) == MONDAY + DAY + 2 * HOUR


def test_tiers_of_the_same_hours_share_what_they_work_until_the_deadline():
    chain = [tier(1, 8 * HOUR, OFFICE), tier(2, 24 * HOUR, OFFICE)]  # four days of work

    # Two days of work are left, and the first has its own of eight hours; of one day it has half.
    assert hours.due(chain, MONDAY, MONDAY + DAY + 8 * HOUR) == MONDAY + 8 * HOUR
    assert hours.due(chain, MONDAY, MONDAY + 8 * HOUR) == MONDAY + 4 * HOUR


def test_what_is_handed_on_in_time_for_a_tier_that_closes_before_the_deadline():
    always, office = tier(1, 4 * HOUR), tier(2, 4 * HOUR, OFFICE)
    four = MONDAY + 7 * HOUR  # the office closes in an hour, the deadline comes in two

    assert hours.due([always, office], four, four + 2 * HOUR) == four + 30 * MINUTE


def test_a_tier_that_is_closed_until_the_deadline_hands_on_at_once_to_one_that_is_open():
    evening = MONDAY + 10 * HOUR
    closed, open_all_night = tier(1, 4 * HOUR, OFFICE), tier(2, 4 * HOUR)

    assert hours.due([closed, open_all_night], evening, evening + 2 * HOUR) == evening
    assert hours.due([open_all_night, closed], evening, evening + 2 * HOUR) == evening + 2 * HOUR


def test_where_all_are_closed_until_the_deadline_they_share_it_as_it_is():
    evening = MONDAY + 10 * HOUR
    chain = [tier(1, HOUR, OFFICE), tier(2, 3 * HOUR, OFFICE)]

    assert hours.due(chain, evening, evening + HOUR) == evening + 30 * MINUTE


def test_where_who_is_above_is_closed_until_the_deadline_a_tier_has_its_own_time_and_no_more():
    evening = MONDAY + 10 * HOUR

    assert hours.due([tier(1, MINUTE), tier(2, MINUTE, OFFICE)], evening, evening + 2 * MINUTE) == evening + MINUTE


spans = st.integers(1, 3 * 24 * 60).map(lambda minutes: minutes * MINUTE)


@given(weeks(), weeks(), st.lists(st.tuples(spans, st.sampled_from([0, 1, 2])), min_size=1, max_size=3), spans)
def test_a_tiers_time_never_ends_after_the_deadline_nor_after_its_own_time(week_and_start, another, tiers, left):
    choice = [None, week_and_start[0], another[0]]
    now = week_and_start[1]
    chain = [tier(level, sla, choice[which]) for level, (sla, which) in enumerate(tiers, 1)]
    due = hours.due(chain, now, now + left)

    assert now <= due <= now + left
    assert due <= hours.after(chain[0].hours, now, chain[0].sla)


CHAIN = [tier(1, 15 * MINUTE), tier(2, HOUR), tier(3, 4 * HOUR)]


@pytest.mark.parametrize(
    ("left", "minutes"),
    [
        (None, [15, 60, 240]),
        (6 * HOUR, [15, 60, 240]),  # longer than all of them
        (3 * HOUR, [15, 60, 105]),
        (HOUR, [15, 22.5, 22.5]),
        (10 * MINUTE, [5, 2.5, 2.5]),
        (timedelta(seconds=4), [2 / 60, 1 / 60, 1 / 60]),
    ],
)
def test_the_first_has_its_time_or_half_of_what_there_is_and_the_others_share_the_rest(left, minutes):
    """Of ten minutes, fifteen minutes of an hour and five hours got 29 seconds."""
    assert hours.due(CHAIN, MONDAY, left and MONDAY + left) == MONDAY + minutes[0] * MINUTE
    assert [(one.level, span / MINUTE) for one, span in hours.shares(CHAIN, left)] == list(enumerate(minutes, 1))


def test_a_tier_alone_has_its_time_up_to_the_deadline():
    assert hours.due(CHAIN[:1], MONDAY, MONDAY + 10 * MINUTE) == MONDAY + 10 * MINUTE
    assert hours.shares(CHAIN[:1], HOUR) == [(CHAIN[0], 15 * MINUTE)]


@given(weeks(), weeks(), st.lists(st.tuples(spans, st.sampled_from([0, 1, 2])), min_size=2, max_size=3), spans)
def test_whoever_works_before_the_deadline_leaves_the_next_half_of_its_time(week_and_start, another, tiers, left):
    choice = [None, week_and_start[0], another[0]]
    now, end = week_and_start[1], week_and_start[1] + left
    first, following, *_ = [tier(level, sla, choice[which]) for level, (sla, which) in enumerate(tiers, 1)]
    due = hours.due([first, following], now, end)
    whole = hours.between(following.hours, now, end)
    assert hours.between(following.hours, due, end) >= min(whole / 2, following.sla) - timedelta(seconds=1)
