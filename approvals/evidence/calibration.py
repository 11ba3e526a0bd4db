"""Does a score come true? What labels say of the score that routing compares, of the composite, of each signal alone.

Read from the weekly counts of labels (`calibration_counts`) by a fixed number of queries; the statistics are those of
`reliability`. Labels that were drawn with a share stand for 1/share proposals each.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from approvals.evidence.calibration_counts import (
    COMPARED,
    DIMENSIONS,
    KEPT,
    SCORES,
    Against,
    Places,
    Tally,
    added,
    bits,
)
from approvals.evidence.reliability import (
    BrierParts,
    Drawn,
    Pooled,
    Recalibrated,
    ScoreBin,
    brier_parts,
    consistency_band,
    curve,
    pool,
    recalibrated,
    steps,
)
from approvals.models import ActionType, Agent, CalibrationRollup

FEW = 20  # labels; with fewer the interval is too wide for a sentence
ENOUGH = 100  # labels, from which on a curve says more than dots do
FIT = 50  # labels, from which on a curve is fitted that later ones judge


class Lean(StrEnum):
    """Which way a score errs."""

    OVER = "over"  # promises more than comes true
    UNDER = "under"
    FITS = "fits"
    FEW = "few"


@dataclass(frozen=True, slots=True)
class ScoreSelection:
    """Labels of the proposals of these weeks, from the first to the last Monday; `score` is one of SCORES."""

    first: date
    last: date
    action_type: str | None = None
    agent: UUID | None = None
    version: str | None = None
    impact: str | None = None
    score: str = COMPARED
    against: str = Against.PEOPLE


@dataclass(frozen=True, slots=True)
class ScoreReading:
    """What labels say of one score in one group; `key` is what a selection narrows to."""

    key: str
    name: str
    bins: Sequence[ScoreBin]
    agent: str = ""

    @property
    def pooled(self) -> Pooled | None:
        return pool(self.bins)

    @property
    def parts(self) -> BrierParts | None:
        return brier_parts(self.bins) if self.bins else None

    @property
    def count(self) -> int:
        return self.pooled.count if self.pooled else 0

    @property
    def tenths(self) -> list[Pooled]:
        """The labels by tenths of the score, those that have any, the highest first."""
        tenths = [pool([each for each in self.bins if min(int(each.score * 10), 9) == tenth]) for tenth in range(10)]
        return [tenth for tenth in reversed(tenths) if tenth is not None]

    @property
    def lean(self) -> Lean:
        return lean(self.pooled)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One score in a selection: its curve, its band under calibration, and the same of all scores and groups."""

    selection: ScoreSelection
    whole: ScoreReading
    fitted: Sequence[float]  # of each bin of the whole
    band: Sequence[tuple[float, float]]
    steps: Sequence[Pooled]
    judged_later: Recalibrated | None  # None: too few labels to fit a curve, or to judge it
    judged_from: date | None  # the first week that judges what the weeks before it showed
    by_score: Sequence[ScoreReading]
    by_type: Sequence[ScoreReading]
    by_agent: Sequence[ScoreReading]
    by_version: Sequence[ScoreReading]
    by_impact: Sequence[ScoreReading]

    @property
    def worst(self) -> Pooled | None:
        """The tenth that certainly errs and, by its weight, errs most; None where every interval holds its mean."""
        erring = [tenth for tenth in self.whole.tenths if lean(tenth) in (Lean.OVER, Lean.UNDER)]
        return max(erring, key=lambda tenth: abs(tenth.gap) * tenth.count, default=None)


def lean(pooled: Pooled | None) -> Lean:
    """Too sure or too modest where the 95 % interval of what came true does not hold the mean score."""
    if pooled is None or pooled.effective < FEW:
        return Lean.FEW
    low, high = pooled.interval
    if pooled.score > high:
        return Lean.OVER
    return Lean.UNDER if pooled.score < low else Lean.FITS


def calibration(selection: ScoreSelection) -> Calibration:
    """Everything the calibration page shows of a selection; a query for each grouping, and two for names."""
    weeks = {first: tally for (first,), tally in sorted(_tallies(selection, "first").items())}
    all_scores: Tally = {}
    for tally in weeks.values():
        all_scores = added(all_scores, tally)
    whole = ScoreReading("", "", bins_of(all_scores.get(selection.score, {})))
    judged_from, judged_later = _judged_later({week: tally.get(selection.score, {}) for week, tally in weeks.items()})
    types = dict(ActionType.objects.values_list("pk", "title"))
    agents = {str(pk): name for pk, name in Agent.objects.values_list("pk", "name")}
    versions = [
        ScoreReading(version, f"{agents.get(agent, agent)} · {version}", bins, agent)
        for (agent, version), bins in _grouped(selection, "agent", "version").items()
        if version
    ]
    return Calibration(
        selection=selection,
        whole=whole,
        fitted=curve(whole.bins) if whole.bins else [],
        band=consistency_band(whole.bins) if whole.count >= ENOUGH else [],
        steps=steps(whole.bins) if whole.bins else [],
        judged_later=judged_later,
        judged_from=judged_from,
        by_score=[ScoreReading(name, name, bins_of(all_scores.get(name, {}))) for name in SCORES],
        by_type=_named(selection, "action_type", types),
        by_agent=_named(selection, "agent", agents),
        by_version=sorted(versions, key=_largest),
        by_impact=_named(selection, "impact", {}),
    )


def bins_of(places: Places) -> list[ScoreBin]:
    """The bins of one score, in its order."""
    bins = []
    for hundredth in sorted(places, key=int):
        parts = [(1000 / int(share), row) for share, row in sorted(places[hundredth].items())]
        weight = sum(each * row[0] for each, row in parts)
        score = sum(each * row[2] for each, row in parts) / weight / 1000
        bins.append(ScoreBin(score, tuple(Drawn(each, row[0], row[1]) for each, row in parts)))
    return bins


def _judged_later(weeks: Mapping[date, Places]) -> tuple[date | None, Recalibrated | None]:
    """A curve fitted on the first weeks that hold half of the labels, judged by the rest; and the first of these."""
    counts = {
        week: sum(row[0] for parts in places.values() for row in parts.values()) for week, places in weeks.items()
    }
    half, so_far = sum(counts.values()) / 2, 0
    for week, count in counts.items():
        if so_far >= max(half, FIT):
            if sum(counts.values()) - so_far < FEW:
                break
            earlier, later = (
                bins_of(_places(places for each, places in weeks.items() if (each < week) is is_before))
                for is_before in (True, False)
            )
            return week, recalibrated(earlier, later)
        so_far += count
    return None, None


def _places(several: Iterable[Places]) -> Places:
    """The counts of one score, added up."""
    total: Tally = {}
    for places in several:
        total = added(total, {COMPARED: places})
    return total.get(COMPARED, {})


def _named(selection: ScoreSelection, dimension: str, names: Mapping[str, str]) -> list[ScoreReading]:
    groups = _grouped(selection, dimension)
    return sorted((ScoreReading(key, names.get(key, key), bins) for (key,), bins in groups.items()), key=_largest)


def _largest(reading: ScoreReading) -> tuple[int, str]:
    return -reading.count, reading.name


def _grouped(selection: ScoreSelection, *by: str) -> dict[tuple[str, ...], list[ScoreBin]]:
    tallies = _tallies(selection, *by, score=selection.score)
    return {values: bins_of(tally[selection.score]) for values, tally in tallies.items()}


def _tallies(selection: ScoreSelection, *by: str, score: str | None = None) -> dict[tuple[Any, ...], Tally]:
    """What was counted in a selection, by these dimensions or by week; of one score, or of all. One query."""
    chosen = {name: str(value) for name in DIMENSIONS if (value := getattr(selection, name)) is not None}
    needed = bits(*{*by, *chosen} & {*DIMENSIONS})
    kept = next(kept for kept in KEPT if kept & needed == needed)
    rollups = CalibrationRollup.objects.filter(
        kept=kept, against=selection.against, first__gte=selection.first, first__lte=selection.last, **chosen
    )
    column = f"counts__{score}" if score else "counts"
    tallies: dict[tuple[Any, ...], Tally] = {}
    for *values, counts in rollups.values_list(*by, column):
        if counts:
            tallies[tuple(values)] = added(tallies.get(tuple(values), {}), {score: counts} if score else counts)
    return tallies
