"""Working time: how much of it lies between two moments, and when so much of it is over.

Hours go by the clock on the wall of their time zone. On a day on which that clock is put forward or back they are as
much shorter or longer as it shows them, and an hour that it shows twice counts twice. Without hours all time counts.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from approvals.duty import zone
from approvals.policy.snapshot import Hours, TierPolicy

_DAY = timedelta(days=1)
_NONE = timedelta(0)
_FINE = 20  # halvings in search of a share: of a day, a tenth of a second


def after(hours: Hours | None, start: datetime, span: timedelta) -> datetime:
    """The moment at which `span` of working time since `start` is over; for no span, when work goes on."""
    if hours is None:
        return start + span
    day, left = _day(hours, start), span
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
    day, last, found = _day(hours, start), _day(hours, end), _NONE
    while day <= last:
        for opens, closes in windows(hours, day):
            found += max(min(closes, end) - max(opens, start), _NONE)
        day += _DAY
    return found


def due(chain: Sequence[TierPolicy], now: datetime, expires_at: datetime | None) -> datetime:
    """When the first of the tiers that an approval climbs should have answered, its working hours counted.

    That is its own time, or, where theirs would end after the deadline, the share of it that all of them can have
    (calendar time: in proportion). A tier that is closed until the deadline takes no share, and one that is closed
    with somebody open above it hands on at once (`now`). Where all of them are closed until then, all time counts.
    """
    slas = [(tier.hours, tier.sla) for tier in chain]
    if expires_at is None or _last(slas, now, 1.0) <= expires_at:
        return after(*_at(slas[0], now, 1.0))
    able = [(hours, sla) for hours, sla in slas if hours is None or between(hours, now, expires_at)]
    if not able:
        able = slas = [(None, sla) for _, sla in slas]
    if slas[0] not in able:
        return now
    if all(hours is None for hours, _ in able):
        share = (expires_at - now) * (able[0][1] / sum((sla for _, sla in able), _NONE))
        return now + min(share, able[0][1])
    enough, too_much = 0.0, 1.0
    for _attempt in range(_FINE):
        middle = (enough + too_much) / 2
        enough, too_much = (middle, too_much) if _last(able, now, middle) <= expires_at else (enough, middle)
    return after(*_at(able[0], now, enough))


_Sla = tuple[Hours | None, timedelta]


def _at(sla: _Sla, start: datetime, share: float) -> tuple[Hours | None, datetime, timedelta]:
    return sla[0], start, sla[1] * share


def _last(slas: Sequence[_Sla], now: datetime, share: float) -> datetime:
    """When the last of them is through, each after the one before it with that share of its time."""
    for sla in slas:
        now = after(*_at(sla, now, share))
    return now


@lru_cache(maxsize=4096)
def windows(hours: Hours, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """The stretches of time (UTC) in which the zone's clock shows these hours on that day: one, none, or two."""
    if day.isoweekday() not in hours.days:
        return ()
    here = zone(hours.zone)
    before, later = (datetime.combine(day + days * _DAY, time(), UTC) for days in (-1, 2))
    offsets = [before.astimezone(here).utcoffset() or _NONE, later.astimezone(here).utcoffset() or _NONE]
    stretches = [
        tuple(datetime.combine(day, moment, UTC) - offset for moment in (hours.opens, hours.closes))
        for offset in offsets
    ]
    if offsets[0] == offsets[1]:
        return ((stretches[0][0], stretches[0][1]),)
    # The clock is changed about this day: each stretch holds on its side of the change.
    while later - before > timedelta(seconds=1):
        middle = before + (later - before) // 2
        before, later = (middle, later) if middle.astimezone(here).utcoffset() == offsets[0] else (before, middle)
    change = later.replace(microsecond=0)
    (opens, closes), (opens_then, closes_then) = stretches
    found = [(opens, min(closes, change)), (max(opens_then, change), closes_then)]
    return tuple((begins, ends) for begins, ends in found if begins < ends)


def _day(hours: Hours, moment: datetime) -> date:
    return moment.astimezone(zone(hours.zone)).date()
