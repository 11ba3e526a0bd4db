"""How long an agent will probably wait, from what is known at submission: who is ahead, who is on duty, how fast.

The reckoning is pure (`Office`); what it reckons with is read here, and kept for a moment, so that a submission costs
next to nothing more. What it says is an expectation, held to a factor of two of a simulated shift by its tests.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.db import connection

from approvals.duty import FORTNIGHT, Shifts
from approvals.models import Approval
from approvals.models.policy import Silence
from approvals.policy import hours, snapshot
from approvals.policy.scarcity import Key
from approvals.policy.snapshot import Policy, TierPolicy
from approvals.review import escalation

FEWEST = 5  # decisions of a queue, from which its pace is told
_LATEST = 1000
_LONGEST = 8.0  # times the median: a longer gap between two verdicts was a night or a day off, not work
_Value = TypeVar("_Value")


class Settled(NamedTuple):
    """One verdict of a person: in which queue, whose, since when it waited there, and when it came."""

    queue: Key
    by: UUID
    came_at: datetime
    at: datetime


class Rhythm(NamedTuple):
    """Seconds in which one person settles one of a queue, short breaks between two included."""

    mean: float
    median: float


class Crew(NamedTuple):
    """Who serves a queue from one moment to another."""

    since: datetime
    until: datetime
    people: frozenset[UUID]


def rhythms(decisions: Iterable[Settled]) -> dict[Key, Rhythm]:
    """The pace of every queue of which enough was decided.

    A person's time for one runs from their verdict before, or from when it came if they had nothing to do until then.
    """
    spans: dict[Key, list[float]] = defaultdict(list)
    last: dict[UUID, datetime] = {}
    for one in sorted(decisions, key=lambda settled: settled.at):
        since = max(one.came_at, last.get(one.by, one.came_at))
        last[one.by] = one.at
        spans[one.queue].append(max((one.at - since).total_seconds(), 0.1))
    found = {}
    for queue, known in spans.items():
        if len(known) >= FEWEST:
            middle = median(known)
            found[queue] = Rhythm(sum(min(one, middle * _LONGEST) for one in known) / len(known), middle)
    return found


def crews(shifts: Shifts, key: Key, now: datetime) -> list[Crew]:
    """Who serves a queue in the coming fortnight, turn by turn."""
    found: list[Crew] = []
    begins = now
    for moment in [*shifts.turns(now, now + FORTNIGHT), now + FORTNIGHT]:
        people = frozenset(post.user_id for post in shifts.at(begins) if post.serves(*key))
        if found and found[-1].people == people:
            found[-1] = found[-1]._replace(until=moment)
        else:
            found.append(Crew(begins, moment, people))
        begins = moment
    return found


@dataclass(frozen=True, slots=True)
class Office:
    """What an expected wait follows from, at one moment. `waiting` is by queue, without what somebody reads."""

    now: datetime
    waiting: Mapping[Key, int]
    reading: frozenset[UUID]
    rhythms: Mapping[Key, Rhythm]
    tiers: Mapping[int, TierPolicy]
    crews: Callable[[Key], Sequence[Crew]]

    def wait(self, key: Key, *, ahead: float, due_at: datetime | None) -> float | None:
        """Seconds until what comes behind `ahead` others in this queue is answered; None where the pace is unknown.

        What its tier does not reach before `due_at` goes on to the next one and waits there, too.
        """
        rhythm = self.rhythms.get(key)
        if rhythm is None:
            return None
        begins = self._begins(key, ahead, rhythm)
        tier = self.tiers[key[0]]
        above = self.tiers.get(tier.next) if tier.next is not None else None
        own = rhythm.median + tier.hold.total_seconds()
        if due_at is None or above is None or (begins is not None and begins <= due_at):
            return None if begins is None else (begins - self.now).total_seconds() + own
        # Those ahead that are not reached either leave before it: the share that this tier settles, it settles in time.
        reached = min(self._done(key, due_at) / rhythm.mean / (ahead + 1), 1.0)
        left = max((due_at - self.now).total_seconds(), 0.0)
        if reached >= 0.5:
            return left + own
        upper = (above.level, key[1])
        known = self if upper in self.rhythms else self._with(upper, rhythm)
        queue = self.waiting.get(upper, 0) + ahead * (1 - reached)
        told = known.wait(upper, ahead=queue, due_at=hours.after(above.hours, due_at, above.sla))
        return None if told is None else max(left + own, told)

    def _begins(self, key: Key, ahead: float, rhythm: Rhythm) -> datetime | None:
        """When somebody takes it up: the work before it is done by who is on duty, turn by turn."""
        left: float | None = None
        for crew in self.crews(key):
            many = len(crew.people)
            if not many or crew.until <= self.now:
                continue
            since = max(crew.since, self.now)
            if left is None:
                # Whoever is free takes one at once; who reads something finishes it first.
                busy = len(crew.people & self.reading) if since == self.now else 0
                left = (ahead + busy + 1 - many) * rhythm.mean + self._elsewhere(key, crew.people)
            takes = timedelta(seconds=max(left, 0.0) / many)
            if since + takes <= crew.until:
                return since + takes
            left -= many * (crew.until - since).total_seconds()
        return None

    def _done(self, key: Key, until: datetime) -> float:
        """Seconds of people's work that go into a queue before a moment."""
        spans = ((max(crew.since, self.now), min(crew.until, until), len(crew.people)) for crew in self.crews(key))
        return sum(max((ends - since).total_seconds(), 0.0) * many for since, ends, many in spans)

    def _elsewhere(self, key: Key, people: frozenset[UUID]) -> float:
        """Seconds of work that the same people have in other queues: their share of what waits there."""
        work = 0.0
        for other, count in self.waiting.items():
            rhythm = self.rhythms.get(other)
            if other == key or not count or rhythm is None:
                continue
            there = next((crew.people for crew in self.crews(other) if crew.people and crew.until > self.now), None)
            if there:
                work += count * rhythm.mean * len(people & there) / len(there)
        return work

    def _with(self, key: Key, rhythm: Rhythm) -> "Office":
        return Office(self.now, self.waiting, self.reading, {**self.rhythms, key: rhythm}, self.tiers, self.crews)


# --- What is known, and for how long

_SETTLED = """
SELECT tier_id, domain_id, decided_by_id, CASE WHEN escalations = 0 THEN created_at ELSE coalesce((
    SELECT max(at) FROM approvals_event WHERE approval_id = latest.id AND kind = 'escalated'
), created_at) END, decided_at
FROM (
    SELECT id, tier_id, domain_id, decided_by_id, escalations, created_at, decided_at, source FROM approvals_approval
    WHERE decided_at IS NOT NULL ORDER BY decided_at DESC, id DESC LIMIT %s
) AS latest
WHERE source = 'human'
"""

# Where in the line each one stands, for as many as a person could look through; beyond that, only how many.
_IN_LINE = 2000
_MOST = 20_000
_LINE = "SELECT due, id FROM approvals_line(%s, %s, %s)"
_COUNT = "SELECT approvals_waiting(%s, %s, %s)"
_READING = """
SELECT DISTINCT claimed_by_id FROM approvals_approval
WHERE status = 'pending' AND claim_until IS NOT NULL AND claim_until > %s
"""


@dataclass(slots=True)
class _Kept:
    """A reading with the moment until which it is used."""

    until: float = 0.0
    value: object = None


@dataclass(slots=True)
class _Line:
    """One queue: when each that waits is due, in order; and how many there are."""

    places: list[tuple[datetime, UUID]]
    count: int

    def ahead(self, approval: Approval) -> int:
        """How many come before it. It is counted from then on, so that each of a bulk stands behind the one before."""
        moment = min(filter(None, (approval.due_at, approval.expires_at)), default=None)
        if self.count > len(self.places) or moment is None:
            return self.count
        place = (moment, approval.pk)
        found = bisect_left(self.places, place)
        if approval.claimed_by_id is None and place not in self.places[found : found + 1]:
            self.places.insert(found, place)
            self.count += 1
        return found


@dataclass(slots=True)
class _Staff:
    """Who is on duty when, and the policy in force; crews are reckoned when they are asked for."""

    shifts: Shifts
    policy: Policy
    at: datetime
    known: dict[Key, list[Crew]] = field(default_factory=dict)
    others: dict[Key, set[Key]] = field(default_factory=dict)

    def crews(self, key: Key) -> list[Crew]:
        if key not in self.known:
            self.known[key] = crews(self.shifts, key, self.at)
        return self.known[key]

    def beside(self, key: Key) -> set[Key]:
        """The queues that the same people serve now, and those that this one escalates to."""
        if key in self.others:
            return self.others[key]
        posts = self.shifts.at(self.at)
        ours = {post.user_id for post in posts if post.serves(*key)}
        found = {(post.tier, post.domain) for post in posts if post.user_id in ours and post.domain}
        level: int | None = key[0]
        while level is not None and level in self.policy.tiers:
            found.add((level, key[1]))
            level = self.policy.tiers[level].next
        self.others[key] = found
        return found


_kept: dict[object, _Kept] = {}
_STAFF, _PACE, _READERS = "staff", "pace", "readers"


def expected_wait(approval: Approval, now: datetime) -> float | None:
    """Seconds until this pending approval is answered, as far as one can tell; None where too little was decided yet.

    No longer than to its deadline, when silence answers.
    """
    key = (approval.tier_id, approval.domain_id)
    office = _office(key, now)
    due_at = approval.due_at if escalation.climbs(approval) else None
    told = office.wait(key, ahead=_line(key).ahead(approval), due_at=due_at) if office else None
    goes_on = office is not None and approval.on_timeout == Silence.ESCALATE and office.tiers[key[0]].next is not None
    if told is None or approval.expires_at is None or goes_on:
        return told
    return min(told, max((approval.expires_at - now).total_seconds(), 0.0))


def eased(tier: int, domain: str, *, now: datetime) -> timedelta | None:
    """How long until a quarter of a queue is worked off, so that many who come back find room; None: nobody can tell.

    The first place is free sooner, and taken by whoever asks all the time.
    """
    office = _office((tier, domain), now)
    told = office.wait((tier, domain), ahead=_line((tier, domain)).count / 4, due_at=None) if office else None
    return None if told is None else timedelta(seconds=told)


def forget() -> None:
    """Ask the database again at the next call."""
    _kept.clear()


def _office(key: Key, now: datetime) -> Office | None:
    known = _keep(_PACE, 30, _rhythms)
    pooled = _pooled(known, key)
    if pooled is None:
        return None
    staff = _keep(_STAFF, 10, lambda: _staff(now))
    beside = staff.beside(key)
    return Office(
        now=now,
        waiting={one: _line(one).count for one in {key, *beside}},
        reading=_keep(_READERS, 1, lambda: _readers(now)),
        rhythms={**known, key: pooled},
        tiers=staff.policy.tiers_in(key[1]),
        crews=staff.crews,
    )


def _pooled(known: Mapping[Key, Rhythm], key: Key) -> Rhythm | None:
    """The queue's own rhythm, else that of its tier in other domains."""
    if key in known:
        return known[key]
    tier = [rhythm for (level, _), rhythm in known.items() if level == key[0]]
    if not tier:
        return None
    return Rhythm(sum(one.mean for one in tier) / len(tier), sum(one.median for one in tier) / len(tier))


def _rhythms() -> dict[Key, Rhythm]:
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED, [_LATEST])
        return rhythms(Settled((tier, domain), by, came, at) for tier, domain, by, came, at in cursor.fetchall())


def _staff(now: datetime) -> _Staff:
    return _Staff(Shifts.read(now), snapshot.current(), now)


def _readers(now: datetime) -> frozenset[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_READING, [now])
        return frozenset(person for (person,) in cursor.fetchall())


def _line(key: Key) -> _Line:
    return _keep(key, 1, lambda: _read_line(key))


def _read_line(key: Key) -> _Line:
    with connection.cursor() as cursor:
        cursor.execute(_LINE, [*key, _IN_LINE + 1])
        found = cursor.fetchall()
        if len(found) <= _IN_LINE:
            return _Line(sorted((due, pk) for due, pk in found if due is not None), len(found))
        cursor.execute(_COUNT, [*key, _MOST])
        return _Line([], cursor.fetchone()[0])


def _keep(name: object, seconds: float, read: Callable[[], _Value]) -> _Value:
    """What was read lately, or read anew; what took long to read is kept for longer."""
    kept = _kept.setdefault(name, _Kept())
    begun = time.monotonic()
    if begun >= kept.until:
        kept.value = read()
        ended = time.monotonic()
        kept.until = ended + max(seconds, 50 * (ended - begun))
    return kept.value  # type: ignore[return-value]  # what `read` of this name returned
