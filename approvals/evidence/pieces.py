"""A period as whole days, weeks or months: the longer it is, the larger its pieces, so that about as many are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from approvals.models import Rollup

Grain = Rollup.Grain
DAYS, WEEKS = 45, 190  # the longest period of single days, and of weeks
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """A day, week or month, cut at the ends of the period, and the rollups that make it up."""

    first: date
    last: date
    grain: Grain
    starts: Sequence[date]


def pieces(first: date, last: date) -> list[Piece]:
    """The period from the first to the last day, both included, in order and without a gap."""
    days = (last - first).days + 1
    grain = Grain.DAY if days <= DAYS else Grain.WEEK if days <= WEEKS else Grain.MONTH
    made = []
    start = first
    while start <= last:
        whole_from, whole_to = _whole(grain, start)
        end = min(whole_to, last)
        if (start, end) == (whole_from, whole_to):
            made.append(Piece(start, end, grain, [start]))
        else:
            single = [start + _DAY * number for number in range((end - start).days + 1)]
            made.append(Piece(start, end, Grain.DAY, single))
        start = end + _DAY
    return made


def _whole(grain: Grain, day: date) -> tuple[date, date]:
    """The day, week or month that a day is in."""
    if grain is Grain.DAY:
        return day, day
    if grain is Grain.WEEK:
        monday = day - _DAY * day.weekday()
        return monday, monday + 6 * _DAY
    following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day.replace(day=1), following - _DAY
