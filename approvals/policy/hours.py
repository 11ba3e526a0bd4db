"""Working time: how much of it lies between two moments, and when so much of it is over.

Hours go by the clock on the wall of their time zone. On a day on which that clock is put forward or back they are as
much shorter or longer as it shows them, and an hour that it shows twice counts twice. Without hours all time counts.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from approvals.people.on_call import zone
from approvals.policy.compiled_policy import Hours, TierPolicy

_DAY = timedelta(days=1)
_NONE = timedelta(0)


def after(hours: Hours | None, start: datetime, span: timedelta) -> datetime:
    """The moment at which `span` of working time since `start` is over; for no span, when work goes on."""
    if hours is None:
        return start + span
    day, left = _first(hours, start), span
    while True:
        for opens, closes in windows(hours, day):
            begins = max(opens, start)
            if begins < closes and left <= closes - begins:
                return begins + left
            left -= max(closes - begins, _NONE)
        day += _DAY


def between(hours: Hours | None, start: datetime, end: datetime) -> timedelta:
    """How much working time lies between two moments; none where the second is not the later."""
    if hours is None:
        return max(end - start, _NONE)
    day, last, total = _first(hours, start), _day(hours, end), _NONE
    while day <= last:
        for opens, closes in windows(hours, day):
            total += max(min(closes, end) - max(opens, start), _NONE)
        day += _DAY
    return total


def due(chain: Sequence[TierPolicy], now: datetime, expires_at: datetime | None) -> datetime:
    """When the first of the tiers that an approval climbs should have answered, its working hours counted.

    That is its own time. Where theirs together would end after the deadline, it is the smaller of that and half of
    what is left, of its own working time and of the next tier's; the next has half of the rest, and the last what then
    remains. A tier that is closed until the deadline takes no share, and one that is closed with somebody open above it
    hands on at once (`now`). Where all of them are closed until then, all time counts.
    """
    slas = [(tier.hours, tier.sla) for tier in chain]
    if expires_at is None or _last(slas, now) <= expires_at:
        return after(*_at(slas[0], now))
    able = [(hours, sla) for hours, sla in slas if hours is None or between(hours, now, expires_at)]
    if not able:
        able = slas = [(None, sla) for _, sla in slas]
    if slas[0] not in able:
        return now
    own = after(*_at(able[0], now))
    if len(able) == 1:
        return min(own, expires_at)
    return min(own, *(_half(hours, now, expires_at) for hours, _ in able[:2]))


def shares(chain: Sequence[TierPolicy], limit: timedelta | None) -> list[tuple[TierPolicy, timedelta]]:
    """How long each tier of a chain has if nobody answers, while all of them work; those that get nothing are left out.

    `limit` is the time to the deadline, None for none.
    """
    start = now = datetime(2000, 1, 3, tzinfo=UTC)
    chain = [replace(tier, hours=None) for tier in chain]
    spans = []
    while chain and (limit is None or now < start + limit):
        then = due(chain, now, None if limit is None else start + limit)
        spans.append((chain[0], then - now))
        chain, now = chain[1:], then
    return spans


def _half(hours: Hours | None, start: datetime, end: datetime) -> datetime:
    """When half of the working time between two moments is over."""
    return after(hours, start, between(hours, start, end) / 2)


_Sla = tuple[Hours | None, timedelta]


def _at(sla: _Sla, start: datetime) -> tuple[Hours | None, datetime, timedelta]:
    return sla[0], start, sla[1]


def _last(slas: Sequence[_Sla], now: datetime) -> datetime:
    """When the last of them is through, each after the one before it."""
    for sla in slas:
        now = after(*_at(sla, now))
    return now


@lru_cache(maxsize=4096)
def windows(hours: Hours, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """The stretches of time (UTC) in which the zone's clock shows the hours that begin on that day: one, none, or two.

    Those that close before they open go on past midnight.
    """
    if day.isoweekday() not in hours.days:
        return ()
    here = zone(hours.zone)
    last = day if hours.opens < hours.closes else day + _DAY
    before, later = datetime.combine(day - _DAY, time(), UTC), datetime.combine(last + 2 * _DAY, time(), UTC)
    offsets = [before.astimezone(here).utcoffset() or _NONE, later.astimezone(here).utcoffset() or _NONE]
    stretches = [
        (datetime.combine(day, hours.opens, UTC) - offset, datetime.combine(last, hours.closes, UTC) - offset)
        for offset in offsets
    ]
    if offsets[0] == offsets[1]:
        return (stretches[0],)
    # The clock is changed about this day: each stretch holds on its side of the change.
    while later - before > timedelta(seconds=1):
        middle = before + (later - before) // 2
        before, later = (middle, later) if middle.astimezone(here).utcoffset() == offsets[0] else (before, middle)
    change = later.replace(microsecond=0)
    (opens, closes), (opens_then, closes_then) = stretches
    halves = [(opens, min(closes, change)), (max(opens_then, change), closes_then)]
    return tuple((begins, ends) for begins, ends in halves if begins < ends)


def _first(hours: Hours, moment: datetime) -> date:
    """The first day whose hours may go on at that moment."""
    day = _day(hours, moment)
    return day if hours.opens < hours.closes else day - _DAY


def _day(hours: Hours, moment: datetime) -> date:
    return moment.astimezone(zone(hours.zone)).date()
