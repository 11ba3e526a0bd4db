"""Figures added up as decisions happen: exact, and read at the same cost whatever the period.

One sweep at a time follows the seals, the one order of all committed changes. It counts each changed approval anew by
the row sets of `selection`, takes out what was counted of it before, and adds the difference to its cells. Whoever
decides writes nothing for it and waits for nobody.

Everything is counted by day, week and month, apart by all dimensions and also by each of KEPT alone: a page by agent
reads as many rows as there are agents and days.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from approvals.db import times
from approvals.evidence import contributions
from approvals.evidence.contributions import DIMENSIONS, Contribution, Dimensions
from approvals.evidence.histograms import add
from approvals.models import Approval, Rollup, RollupEntry, RollupProgress, Seal
from approvals.values.compact import compact

_LOCK = 0x2011
BATCH = 2000  # changes of one transaction
REBUILD = 10_000  # approvals of one, where all are counted anew


def bits(*names: str) -> int:
    """These dimensions in one number."""
    return sum(1 << DIMENSIONS.index(name) for name in names)


EVERYTHING = bits(*DIMENSIONS)
# Of all approvals, and of a topic (a reason, a field, a band); smallest first.
KEPT = [
    *(bits(), bits("action_type"), bits("tier"), bits("domain"), bits("agent"), bits("person")),
    *(bits("agent", "version"), bits("action_type", "agent"), EVERYTHING),
]
KEPT_OF_TOPIC = [bits("topic"), bits("topic", "action_type"), bits("topic", "agent", "version"), EVERYTHING]


@dataclass(slots=True)
class Sum:
    """Counts in the order of COUNTERS, and a histogram."""

    counts: list[int] = field(default_factory=list)
    histogram: list[int] = field(default_factory=list)

    def take(self, counts: Sequence[int], histogram: Sequence[int]) -> None:
        self.counts = add(self.counts, counts)
        if histogram:
            self.histogram = add(self.histogram, histogram)


Progress = Callable[[int, int], None]
_Leaf = tuple[date, Dimensions]
_Cell = tuple[int, str, date, Dimensions]


def behind() -> bool:
    """True where something happened that no rollup has counted."""
    last = Seal.objects.aggregate(last=Max("number"))["last"] or 0
    counted = RollupProgress.objects.values_list("seal", flat=True).first()
    return bool(last > (counted or 0))


def generation_in_force() -> int:
    """Which rollups hold."""
    return RollupProgress.objects.values_list("generation", flat=True).first() or 0


def counted_at() -> datetime | None:
    """When changes were last counted."""
    return RollupProgress.objects.values_list("counted_at", flat=True).first()


@transaction.atomic
def sweep() -> int:
    """Count the next changes; returns how many were looked at. Does nothing while another sweep is at work."""
    if not _alone():
        return 0
    progress = _progress()
    following = Seal.objects.filter(number__gt=progress.seal).order_by("number")
    seals = list(following.values_list("number", "event__approval")[:BATCH])
    if seals:
        _recount(progress.generation, {approval for _number, approval in seals if approval})
        progress.seal = seals[-1][0]
    progress.counted_at = times.now()
    progress.save()
    return len(seals)


def rebuild(progressed: Progress = lambda done, of_all: None) -> int:
    """Count everything anew beside what holds, then let that hold; returns how many approvals.

    `progressed` hears how many of how many are done. What happens meanwhile is counted after it. Waits for a
    sweep at work, and none works beside it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        return _rebuild(progressed)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _rebuild(progressed: Progress) -> int:
    progress = _progress()
    seal = Seal.objects.aggregate(last=Max("number"))["last"] or 0
    generation = progress.generation + 1
    _forget(generation)  # of a rebuild that was cut off
    many, done = Approval.objects.count(), 0
    last: UUID | None = None
    while True:
        following = Approval.objects.order_by("pk").values_list("pk", flat=True)
        ids = list((following.filter(pk__gt=last) if last else following)[:REBUILD])
        if not ids:
            break
        with transaction.atomic():
            _recount(generation, set(ids))
        last, done = ids[-1], done + len(ids)
        progressed(done, max(many, done))
    RollupProgress.objects.filter(pk=1).update(generation=generation, seal=seal, counted_at=times.now())
    _forget(progress.generation)
    return done


def _forget(generation: int) -> None:
    Rollup.objects.filter(generation=generation).delete()
    RollupEntry.objects.filter(generation=generation).delete()


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])


def _progress() -> RollupProgress:
    return RollupProgress.objects.get_or_create(pk=1)[0]


def _recount(generation: int, ids: set[UUID]) -> None:
    leaves: dict[_Leaf, Sum] = defaultdict(Sum)
    _take_out(generation, ids, leaves)
    counted = contributions.of(ids)
    for contribution in counted:
        leaf = leaves[(contribution.day, contribution.dimensions)]
        leaf.take(contribution.counts, _histogram(contribution.bucket, 1))
    cells = _store(generation, leaves)
    _store_entries(generation, counted, cells)


def _take_out(generation: int, ids: set[UUID], leaves: dict[_Leaf, Sum]) -> None:
    """Take what was counted of these approvals out of their cells."""
    entries = list(RollupEntry.objects.filter(generation=generation, approval_id__in=ids))
    if not entries:
        return
    cells = Rollup.objects.in_bulk({entry.cell for entry in entries})
    for entry in entries:
        cell = cells[entry.cell]
        leaf = leaves[(cell.first, Dimensions(*(getattr(cell, name) for name in DIMENSIONS)))]
        leaf.take([-count for count in entry.counts], _histogram(entry.bucket, -1))
    RollupEntry.objects.filter(generation=generation, approval_id__in=ids).delete()


def _histogram(bucket: int | None, count: int) -> list[int]:
    return [] if bucket is None else [0] * bucket + [count]


def _cells_of(leaf: _Leaf) -> Iterator[_Cell]:
    """Every cell that counts what this one does."""
    day, dimensions = leaf
    starts = {
        Rollup.Grain.DAY: day,
        Rollup.Grain.WEEK: day - timedelta(days=day.weekday()),
        Rollup.Grain.MONTH: day.replace(day=1),
    }
    for kept in KEPT_OF_TOPIC if dimensions.topic else KEPT:
        apart = Dimensions(*(value if kept >> bit & 1 else "" for bit, value in enumerate(dimensions)))
        for grain, first in starts.items():
            yield kept, str(grain), first, apart


_UPSERT = """
INSERT INTO approvals_rollup AS old
    (generation, kept, grain, first, topic, action_type, agent, version, tier, domain, person, counts, histogram)
SELECT %s, kept, grain, first, topic, action_type, agent, version, tier, domain, person, counts, histogram
FROM jsonb_to_recordset(%s::jsonb) AS new (
    kept smallint, grain text, first date, topic text, action_type text, agent text, version text, tier text,
    domain text, person text, counts bigint[], histogram integer[]
)
ORDER BY kept, grain, first, topic, action_type, agent, version, tier, domain, person
ON CONFLICT (generation, kept, grain, first, topic, action_type, agent, version, tier, domain, person) DO UPDATE SET
    counts = ARRAY(
        SELECT coalesce(a, 0) + coalesce(b, 0)
        FROM unnest(old.counts, excluded.counts) WITH ORDINALITY AS sums (a, b, place) ORDER BY place
    ),
    histogram = ARRAY(
        SELECT coalesce(a, 0) + coalesce(b, 0)
        FROM unnest(old.histogram, excluded.histogram) WITH ORDINALITY AS sums (a, b, place) ORDER BY place
    )
RETURNING id, kept, grain, first, topic, action_type, agent, version, tier, domain, person
"""


def _store(generation: int, leaves: dict[_Leaf, Sum]) -> dict[_Leaf, int]:
    """Add the differences to all cells; the ids of those of a day that keep everything apart."""
    cells: dict[_Cell, Sum] = defaultdict(Sum)
    for leaf, difference in leaves.items():
        for cell in _cells_of(leaf):
            cells[cell].take(difference.counts, difference.histogram)
    rows = [
        {
            **{"kept": kept, "grain": grain, "first": first.isoformat()},
            **dimensions._asdict(),
            **{"counts": difference.counts, "histogram": difference.histogram},
        }
        for (kept, grain, first, dimensions), difference in cells.items()
    ]
    if not rows:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [generation, compact(rows)])
        return {
            (first, Dimensions(*dimensions)): pk
            for pk, kept, grain, first, *dimensions in cursor.fetchall()
            if kept == EVERYTHING and grain == Rollup.Grain.DAY
        }


def _store_entries(generation: int, counted: Iterable[Contribution], cells: dict[_Leaf, int]) -> None:
    merged: dict[tuple[UUID, int], RollupEntry] = {}
    for contribution in counted:
        cell = cells[(contribution.day, contribution.dimensions)]
        merged[(contribution.approval, cell)] = RollupEntry(
            generation=generation,
            approval_id=contribution.approval,
            cell=cell,
            counts=contribution.counts,
            bucket=contribution.bucket,
        )
    RollupEntry.objects.bulk_create(merged.values(), batch_size=1000)
