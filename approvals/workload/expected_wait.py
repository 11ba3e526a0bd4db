"""How long an agent will probably wait, from what is known at submission: who is ahead, who is on duty, how fast.

The calculation is pure (`WaitEstimate`); its inputs are read here, and kept for a moment, so that a submission costs
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

from approvals.decisions import escalation
from approvals.models import Approval
from approvals.models.policy import Silence
from approvals.people.on_call import FORTNIGHT, Roster
from approvals.policy import hours, snapshot
from approvals.policy.compiled_policy import Policy, TierPolicy
from approvals.policy.overload import Key

FEWEST = 5  # decisions of a queue, from which its pace is told
_LATEST = 1000
_LONGEST = 8.0  # times the median: a longer gap between two verdicts was a night or a day off, not work
_Value = TypeVar("_Value")


class PastVerdict(NamedTuple):
    """One verdict of a person: in which queue, whose, since when it waited there, and when it came."""

    queue: Key
    by: UUID
    came_at: datetime
    at: datetime


class DecisionPace(NamedTuple):
    """Seconds in which one person settles one of a queue, short breaks between two included."""

    mean: float
    median: float


class OnCallPeriod(NamedTuple):
    """Who serves a queue from one moment to another."""

    since: datetime
    until: datetime
    people: frozenset[UUID]


def decision_paces(decisions: Iterable[PastVerdict]) -> dict[Key, DecisionPace]:
    """The pace of every queue of which enough was decided.

    A person's time for one runs from their verdict before, or from when it came if they had nothing to do until then.
    """
    spans: dict[Key, list[float]] = defaultdict(list)
    last: dict[UUID, datetime] = {}
    for decision in sorted(decisions, key=lambda settled: settled.at):
        since = max(decision.came_at, last.get(decision.by, decision.came_at))
        last[decision.by] = decision.at
        spans[decision.queue].append(max((decision.at - since).total_seconds(), 0.1))
    by_queue = {}
    for queue, queue_spans in spans.items():
        if len(queue_spans) >= FEWEST:
            middle = median(queue_spans)
            by_queue[queue] = DecisionPace(
                sum(min(queue_span, middle * _LONGEST) for queue_span in queue_spans) / len(queue_spans), middle
            )
    return by_queue


def on_call_periods(shifts: Roster, key: Key, now: datetime) -> list[OnCallPeriod]:
    """Who serves a queue in the coming fortnight, turn by turn."""
    all_crews: list[OnCallPeriod] = []
    begins = now
    for moment in [*shifts.turns(now, now + FORTNIGHT), now + FORTNIGHT]:
        people = shifts.serving(*key, begins)
        if all_crews and all_crews[-1].people == people:
            all_crews[-1] = all_crews[-1]._replace(until=moment)
        else:
            all_crews.append(OnCallPeriod(begins, moment, people))
        begins = moment
    return all_crews


@dataclass(frozen=True, slots=True)
class WaitEstimate:
    """What an expected wait follows from, at one moment. `waiting` is by queue, without what somebody reads."""

    now: datetime
    waiting: Mapping[Key, int]
    reading: frozenset[UUID]
    rhythms: Mapping[Key, DecisionPace]
    tiers: Mapping[int, TierPolicy]
    crews: Callable[[Key], Sequence[OnCallPeriod]]

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
        office = self if upper in self.rhythms else self._with(upper, rhythm)
        queue = self.waiting.get(upper, 0) + ahead * (1 - reached)
        upper_wait = office.wait(upper, ahead=queue, due_at=hours.after(above.hours, due_at, above.sla))
        return None if upper_wait is None else max(left + own, upper_wait)

    def _begins(self, key: Key, ahead: float, rhythm: DecisionPace) -> datetime | None:
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
                left = (ahead + busy + 1 - many) * rhythm.mean + self._work_in_other_queues(key, crew.people)
            takes = timedelta(seconds=max(left, 0.0) / many)
            if since + takes <= crew.until:
                return since + takes
            left -= many * (crew.until - since).total_seconds()
        return None

    def _done(self, key: Key, until: datetime) -> float:
        """Seconds of people's work that go into a queue before a moment."""
        spans = ((max(crew.since, self.now), min(crew.until, until), len(crew.people)) for crew in self.crews(key))
        return sum(max((ends - since).total_seconds(), 0.0) * many for since, ends, many in spans)

    def _work_in_other_queues(self, key: Key, people: frozenset[UUID]) -> float:
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

    def _with(self, key: Key, rhythm: DecisionPace) -> "WaitEstimate":
        return WaitEstimate(self.now, self.waiting, self.reading, {**self.rhythms, key: rhythm}, self.tiers, self.crews)


# --- What is known, and for how long

_SETTLED = """
SELECT tier_id, domain_id, decided_by_id, CASE WHEN escalations = 0 THEN created_at ELSE coalesce((
    SELECT max(at) FROM approvals_auditevent WHERE approval_id = latest.id AND kind = 'escalated'
), created_at) END, decided_at
FROM (
    SELECT id, tier_id, domain_id, decided_by_id, escalations, created_at, decided_at, source FROM approvals_approval
    WHERE decided_at IS NOT NULL AND kind = 'real' ORDER BY decided_at DESC, id DESC LIMIT %s
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
class _Cached:
    """A reading with the moment until which it is used."""

    until: float = 0.0
    value: object = None


@dataclass(slots=True)
class _QueueLine:
    """One queue: when each that waits is due, in order; and how many there are."""

    places: list[tuple[datetime, UUID]]
    count: int

    def ahead(self, approval: Approval) -> int:
        """How many come before it. It is counted from then on, so that each of a bulk stands behind the one before."""
        moment = min(filter(None, (approval.due_at, approval.expires_at)), default=None)
        if self.count > len(self.places) or moment is None:
            return self.count
        position = (moment, approval.pk)
        index = bisect_left(self.places, position)
        if approval.claimed_by_id is None and position not in self.places[index : index + 1]:
            self.places.insert(index, position)
            self.count += 1
        return index


@dataclass(slots=True)
class _RosterReading:
    """Who is on duty when, and the policy in force; crews are reckoned when they are asked for."""

    shifts: Roster
    policy: Policy
    at: datetime
    crews_by_queue: dict[Key, list[OnCallPeriod]] = field(default_factory=dict)
    others: dict[Key, set[Key]] = field(default_factory=dict)

    def crews(self, key: Key) -> list[OnCallPeriod]:
        if key not in self.crews_by_queue:
            self.crews_by_queue[key] = on_call_periods(self.shifts, key, self.at)
        return self.crews_by_queue[key]

    def beside(self, key: Key) -> set[Key]:
        """The queues that the same people serve now, and those that this one escalates to."""
        if key in self.others:
            return self.others[key]
        ours = self.shifts.serving(*key, self.at)
        posts = self.shifts.at(self.at)
        queues = {(post.tier, post.domain) for post in posts if post.user_id in ours and post.domain}
        level: int | None = key[0]
        while level is not None and level in self.policy.tiers:
            queues.add((level, key[1]))
            level = self.policy.tiers[level].next
        self.others[key] = queues
        return queues


_kept: dict[object, _Cached] = {}
_STAFF, _PACE, _READERS = "staff", "pace", "readers"


def expected_wait(approval: Approval, now: datetime) -> float | None:
    """Seconds until this pending approval is answered, as far as one can tell; None where too little was decided yet.

    No longer than to its deadline, when silence answers.
    """
    key = (approval.tier_id, approval.domain_id)
    office = _estimate_for(key, now)
    due_at = approval.due_at if escalation.escalates(approval) else None
    seconds = office.wait(key, ahead=_line(key).ahead(approval), due_at=due_at) if office else None
    goes_on = office is not None and approval.on_timeout == Silence.ESCALATE and office.tiers[key[0]].next is not None
    if seconds is None or approval.expires_at is None or goes_on:
        return seconds
    return min(seconds, max((approval.expires_at - now).total_seconds(), 0.0))


def time_to_quarter_off(tier: int, domain: str, *, now: datetime) -> timedelta | None:
    """How long until a quarter of a queue is worked off, so that many who come back find room; None: nobody can tell.

    The first place is free sooner, and taken by whoever asks all the time.
    """
    office = _estimate_for((tier, domain), now)
    seconds = office.wait((tier, domain), ahead=_line((tier, domain)).count / 4, due_at=None) if office else None
    return None if seconds is None else timedelta(seconds=seconds)


def forget() -> None:
    """Ask the database again at the next call."""
    _kept.clear()


def _estimate_for(key: Key, now: datetime) -> WaitEstimate | None:
    measured_rhythms = _cached(_PACE, 30, _rhythms)
    pooled = _pooled(measured_rhythms, key)
    if pooled is None:
        return None
    staff = _cached(_STAFF, 10, lambda: _staff(now))
    beside = staff.beside(key)
    return WaitEstimate(
        now=now,
        waiting={one: _line(one).count for one in {key, *beside}},
        reading=_cached(_READERS, 1, lambda: _readers(now)),
        rhythms={**measured_rhythms, key: pooled},
        tiers=staff.policy.tiers_in(key[1]),
        crews=staff.crews,
    )


def _pooled(measured_rhythms: Mapping[Key, DecisionPace], key: Key) -> DecisionPace | None:
    """The queue's own rhythm, else that of its tier in other domains."""
    if key in measured_rhythms:
        return measured_rhythms[key]
    tier = [rhythm for (level, _), rhythm in measured_rhythms.items() if level == key[0]]
    if not tier:
        return None
    return DecisionPace(sum(one.mean for one in tier) / len(tier), sum(one.median for one in tier) / len(tier))


def _rhythms() -> dict[Key, DecisionPace]:
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED, [_LATEST])
        return decision_paces(
            PastVerdict((tier, domain), by, came, at) for tier, domain, by, came, at in cursor.fetchall()
        )


def _staff(now: datetime) -> _RosterReading:
    policy = snapshot.current()
    return _RosterReading(Roster.read(now, demanding=policy.tiers_demanding_factor), policy, now)


def _readers(now: datetime) -> frozenset[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_READING, [now])
        return frozenset(person for (person,) in cursor.fetchall())


def _line(key: Key) -> _QueueLine:
    return _cached(key, 1, lambda: _read_line(key))


def _read_line(key: Key) -> _QueueLine:
    with connection.cursor() as cursor:
        cursor.execute(_LINE, [*key, _IN_LINE + 1])
        rows = cursor.fetchall()
        if len(rows) <= _IN_LINE:
            return _QueueLine(sorted((due, pk) for due, pk in rows if due is not None), len(rows))
        cursor.execute(_COUNT, [*key, _MOST])
        return _QueueLine([], cursor.fetchone()[0])


def _cached(name: object, seconds: float, read: Callable[[], _Value]) -> _Value:
    """What was read lately, or read anew; what took long to read is kept for longer."""
    kept = _kept.setdefault(name, _Cached())
    begun = time.monotonic()
    if begun >= kept.until:
        kept.value = read()
        ended = time.monotonic()
        kept.until = ended + max(seconds, 50 * (ended - begun))
    return kept.value  # type: ignore[return-value]  # what `read` of this name returned
