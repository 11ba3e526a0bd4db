"""The rollups of a selection, added up by whatever a page tells apart."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import or_

from django.db.models import Q

from approvals.evidence.pieces import Piece
from approvals.evidence.rollups import EVERYTHING, KEPT, KEPT_OF_TOPIC, Sum, bits, generation_in_force
from approvals.evidence.selection import Selection
from approvals.models import Rollup


@dataclass(frozen=True, slots=True)
class Key:
    """The values of what was told apart, and which piece of the period."""

    values: tuple[str, ...]
    piece: int


def sums(selection: Selection, parts: Sequence[Piece], by: Sequence[str] = (), *, topic: str = "") -> Mapping[Key, Sum]:
    """What the selection counts in each piece, by these dimensions; one query of the smallest rollups that tell
    them apart. `topic` is the beginning of the topics that are counted, "" for all approvals."""
    chosen = _chosen(selection)
    kept = _smallest({*by, *chosen, *(["topic"] if topic else [])}, KEPT_OF_TOPIC if topic else KEPT)
    rollups = Rollup.objects.filter(_of(parts), generation=generation_in_force(), kept=kept, **chosen)
    rollups = rollups.filter(topic__startswith=topic) if topic else rollups.filter(topic="")
    number_of = {(part.grain, start): number for number, part in enumerate(parts) for start in part.starts}
    totals: dict[Key, Sum] = defaultdict(Sum)
    rows = rollups.values_list("grain", "first", "counts", "histogram", *by).iterator(chunk_size=5000)
    for grain, first, counts, histogram, *values in rows:
        totals[Key(tuple(values), number_of[(grain, first)])].take(counts, histogram)
    return {key: total for key, total in totals.items() if any(total.counts)}


def by_values(totals: Mapping[Key, Sum]) -> dict[tuple[str, ...], Sum]:
    """The sums by what was told apart, whatever the piece."""
    grouped: dict[tuple[str, ...], Sum] = defaultdict(Sum)
    for key, total in totals.items():
        grouped[key.values].take(total.counts, total.histogram)
    return dict(grouped)


def over_time(totals: Mapping[Key, Sum]) -> dict[str, Sum]:
    """The same where one dimension was told apart, or none ("")."""
    return {"".join(values): total for values, total in by_values(totals).items()}


def _of(parts: Sequence[Piece]) -> Q:
    starts: dict[str, list[date]] = defaultdict(list)
    for part in parts:
        starts[part.grain] += part.starts
    return reduce(or_, (Q(grain=grain, first__in=firsts) for grain, firsts in starts.items()))


def _chosen(selection: Selection) -> dict[str, str]:
    """The dimensions that a selection narrows, with their values."""
    values = {
        "action_type": selection.action_type,
        "agent": selection.agent,
        "version": selection.version,
        "tier": selection.tier,
        "domain": selection.domain,
        "person": selection.person,
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _smallest(names: set[str], offered: Sequence[int]) -> int:
    needed = bits(*names)
    return next((kept for kept in offered if kept & needed == needed), EVERYTHING)
