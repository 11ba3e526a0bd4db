"""How much was read when something was decided: the asks of that hour, the time since the shift began, the length."""

import json
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection

from approvals.models import Approval

HOUR = timedelta(hours=1)
BREAK = timedelta(hours=2)  # who decides nothing for so long begins a new shift
LONGEST_SHIFT = timedelta(hours=12)  # as in _MOMENTS
# The lower ends of the bands: decisions of one person within an hour, hours since the shift began, words shown.
LOADS = (1, 10, 20, 40, 80)
SHIFTS = (0, 1, 2, 4, 6)
LENGTHS = (0, 25, 50, 100, 200)
TOPIC = "reading:"
_WORD = re.compile(r"\w+")

# Of each person and day: when they decided something, from the longest shift before it on. Undone ones were read, too.
_MOMENTS = """
SELECT DISTINCT decision.id, asked.person, decision.decided_at
FROM unnest(%s::uuid[], %s::timestamptz[]) AS asked (person, day)
JOIN LATERAL (
    SELECT id, decided_at FROM approvals_decision
    WHERE user_id = asked.person AND decided_at >= asked.day - interval '12 hours'
        AND decided_at < asked.day + interval '1 day'
) AS decision ON true
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """Under what load a person decided an approval: each the lower end of its band; `length` None where erased."""

    approval: UUID
    load: int
    shift: int
    length: int | None

    @property
    def topic(self) -> str:
        """All three in one name, so that a decision has one entry more: reading:10:2:50."""
        return f"{TOPIC}{self.load}:{self.shift}:{'' if self.length is None else self.length}"


def band_of(number: float, lower_ends: Sequence[int]) -> int:
    """The lower end of the band that a number is in; below all of them, the first."""
    return lower_ends[max(0, bisect_right(lower_ends, number) - 1)]


def load_at(moments: Sequence[datetime], at: datetime) -> int:
    """How many of these decisions, in order, fell into the hour that ended then; one made then counts."""
    return bisect_right(moments, at) - bisect_right(moments, at - HOUR)


def shift_began(moments: Sequence[datetime], at: datetime) -> datetime:
    """When the shift that this moment is in began: after the last break, and at most the longest shift ago."""
    began = at
    for moment in reversed(moments[: bisect_left(moments, at)]):
        if began - moment >= BREAK or at - moment > LONGEST_SHIFT:
            break
        began = moment
    return began


def readings(decided: Collection[UUID]) -> list[Reading]:
    """How each of these, which people decided, was read. Two queries."""
    rows = list(
        Approval.objects.filter(pk__in=decided).values_list(
            "pk", "decided_by_id", "decided_at", "proposal__args", "proposal__prompt"
        )
    )
    moments = _moments({(person, at) for _pk, person, at, _args, _prompt in rows if person and at})
    made = []
    for pk, person, at, args, prompt in rows:
        if person is None or at is None:
            continue
        made.append(
            Reading(
                approval=pk,
                load=band_of(load_at(moments[person], at), LOADS),
                shift=band_of((at - shift_began(moments[person], at)) / HOUR, SHIFTS),
                length=None if args is None else band_of(_words_of(args, prompt or ""), LENGTHS),
            )
        )
    return made


def _words_of(args: object, prompt: str) -> int:
    return len(_WORD.findall(json.dumps(args, ensure_ascii=False))) + len(_WORD.findall(prompt))


def _moments(decided: Collection[tuple[UUID, datetime]]) -> dict[UUID, list[datetime]]:
    days = sorted(
        {(person, at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)) for person, at in decided}
    )
    moments: dict[UUID, list[datetime]] = defaultdict(list)
    if not days:
        return moments
    with connection.cursor() as cursor:
        cursor.execute(_MOMENTS, [[person for person, _ in days], [day for _, day in days]])
        for _decision, person, at in cursor.fetchall():
            moments[person].append(at)
    for each in moments.values():
        each.sort()
    return moments
