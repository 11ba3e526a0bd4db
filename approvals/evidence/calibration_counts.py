"""Labels counted by their scores, week by week: what the calibration page reads, and the same when counted anew.

Counted is what a considered verdict said of a proposal, and, apart from it, what came of what ran as it was proposed.
A label that is missing says nothing here until it is settled.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from approvals.models import CalibrationRollup, EvidenceCell, Label, LabelFeed
from approvals.policy.precedent.signals import WEIGHTS

COMPARED, COMPOSITE = "compared", "composite"
SCORES = (COMPARED, COMPOSITE, *WEIGHTS)
DIMENSIONS = ("action_type", "agent", "version", "impact")
Against = CalibrationRollup.Against
# By hundredth of the score and by share: how many labels, how many right ones, the sum of their scores.
Places = Mapping[str, Mapping[str, list[int]]]
Tally = Mapping[str, Places]  # by the score's name
_Tally = dict[str, dict[str, dict[str, list[int]]]]
PART = 5_000  # labels


def bits(*names: str) -> int:
    """These dimensions in one number."""
    return sum(1 << DIMENSIONS.index(name) for name in names)


# What stands apart, smallest first.
KEPT = (
    *(bits(), bits("action_type"), bits("agent"), bits("impact")),
    *(bits("action_type", "agent"), bits("action_type", "impact"), bits("agent", "version"), bits(*DIMENSIONS)),
)


class _Key(NamedTuple):
    """What one row counts."""

    kept: int
    against: str
    first: date
    action_type: str
    agent: str
    version: str
    impact: str


@dataclass(slots=True)
class CalibrationCounts:
    """What the labels of one part add."""

    _tallies: dict[_Key, _Tally] = field(default_factory=dict)

    def see(self, cell: EvidenceCell, label: Label) -> None:
        """A label enters, with all that is known of it."""
        if label.drawn and not label.missing:
            self._count(cell, label, Against.PEOPLE, right=not label.wrong)
        self.learn_outcome(cell, label)

    def correct(self, cell: EvidenceCell, label: Label) -> None:
        """A considered verdict came for a label that was missing."""
        self._count(cell, label, Against.PEOPLE, right=not label.wrong)

    def learn_outcome(self, cell: EvidenceCell, label: Label) -> None:
        """What came of it, where that is known. Everything that ran is seen, so each stands for itself."""
        if label.went_wrong is not None:
            self._count(cell, label, Against.OUTCOMES, right=not label.went_wrong)

    def store(self) -> None:
        """Add it to what is stored. The caller holds the feed of labels, so that nobody else does."""
        if not self._tallies:
            return
        stored = {
            _Key(*values): counts
            for *values, counts in CalibrationRollup.objects.filter(
                first__in={key.first for key in self._tallies},
                action_type__in={key.action_type for key in self._tallies},
                agent__in={key.agent for key in self._tallies},
            ).values_list(*_Key._fields, "counts")
        }
        CalibrationRollup.objects.bulk_create(
            (
                CalibrationRollup(**key._asdict(), counts=added(stored.get(key, {}), tally))
                for key, tally in self._tallies.items()
            ),
            update_conflicts=True,
            unique_fields=_Key._fields,
            update_fields=["counts"],
            batch_size=500,
        )
        self._tallies = {}

    def _count(self, cell: EvidenceCell, label: Label, against: str, *, right: bool) -> None:
        share = int(label.share * 1000) if against == Against.PEOPLE else 1000
        if not share:
            return
        scores = dict(_scores_of(label))
        for key in _keys(cell, against, monday_of(label.proposed_at)):
            tally = self._tallies.setdefault(key, {})
            for name, score in scores.items():
                parts = tally.setdefault(name, {}).setdefault(str(min(score // 10, 99)), {})
                row = parts.setdefault(str(share), [0, 0, 0])
                row[0] += 1
                row[1] += right
                row[2] += score


def monday_of(moment: datetime) -> date:
    """The first day of the week that a moment is in, in UTC."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def added(stored: Tally, more: Tally) -> Tally:
    """Two tallies, added up."""
    total: _Tally = {
        name: {hundredth: {share: [*row] for share, row in parts.items()} for hundredth, parts in places.items()}
        for name, places in stored.items()
    }
    for name, places in more.items():
        for hundredth, parts in places.items():
            into = total.setdefault(name, {}).setdefault(hundredth, {})
            for share, row in parts.items():
                into[share] = [a + b for a, b in zip(into.get(share, [0, 0, 0]), row, strict=True)]
    return total


@transaction.atomic
def rebuild() -> int:
    """Count all labels anew; how many there are. No label enters meanwhile."""
    LabelFeed.objects.select_for_update().filter(pk=1).first()
    CalibrationRollup.objects.all().delete()
    count, last = 0, 0
    while labels := list(Label.objects.select_related("cell").filter(number__gt=last).order_by("number")[:PART]):
        counts = CalibrationCounts()
        for label in labels:
            counts.see(label.cell, label)
            if label.settled is not None:
                counts.correct(label.cell, label)
        counts.store()
        count, last = count + len(labels), labels[-1].number
    return count


def _scores_of(label: Label) -> Iterator[tuple[str, int]]:
    """Each score by its name, in thousandths."""
    compared = None if label.score is None else int(label.score * 1000)
    for name, score in zip(SCORES, [compared, *label.parts], strict=False):
        if score is not None:
            yield name, score


def _keys(cell: EvidenceCell, against: str, first: date) -> Iterable[_Key]:
    values = {
        "action_type": cell.action_type_id,
        "agent": str(cell.agent_id),
        "version": " · ".join(filter(None, (cell.agent_model, cell.prompt_version, cell.tool_version))),
        "impact": cell.impact,
    }
    for kept in KEPT:
        yield _Key(kept, against, first, **{name: value if kept & bits(name) else "" for name, value in values.items()})
