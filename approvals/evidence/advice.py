"""Where a line of good practice is crossed: hints for people, beside what is certified. Silent where data is thin."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from approvals.evidence.contributions import BANDS, COUNTERS
from approvals.evidence.metrics import DECISION_LINE, ESCALATION_LINE, Figures, figures_of
from approvals.evidence.pieces import pieces
from approvals.evidence.rates import Rate
from approvals.evidence.rollups import Sum
from approvals.evidence.selection import Selection
from approvals.evidence.sums import by_values, sums
from approvals.models import ActionType

ENOUGH = 30  # of whatever the rate is of: with fewer a line is crossed by chance
UNMODIFIED, MODIFIED, REJECTED = 0.95, 0.30, 0.10


class CrossedLine(StrEnum):
    """Which line is crossed."""

    UNMODIFIED = "unmodified"  # hardly anything is changed or stopped
    MODIFIED = "modified"
    REJECTED = "rejected"  # in one band of the confidence
    ESCALATED = "escalated"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Advice:
    """One line that one action type crosses; `rate` is what was counted, `band` the tenth of the confidence."""

    line: CrossedLine
    action_type: str
    title: str
    rate: Rate
    band: int | None = None
    median: timedelta | None = None


def advice(selection: Selection) -> list[Advice]:
    """Every line that is crossed in a selection, by action type; two queries and one for the names."""
    parts = pieces(selection.first, selection.last)
    by_type = by_values(sums(selection, parts, ["action_type"]))
    by_band = by_values(sums(selection, parts, ["action_type", "topic"], topic="band:"))
    titles = dict(ActionType.objects.filter(pk__in={values[0] for values in by_type}).values_list("pk", "title"))
    crossed = [*_of_types(by_type, titles), *_of_bands(by_band, titles)]
    return sorted(crossed, key=lambda hint: (hint.title, hint.line, hint.band or 0))


def _of_types(by_type: Mapping[tuple[str, ...], Sum], titles: Mapping[str, str]) -> Iterator[Advice]:
    for (name,), total in by_type.items():
        figures = figures_of(total)
        for line, rate in _crossed(figures):
            median = figures.median if line is CrossedLine.SLOW else None
            yield Advice(line, name, titles.get(name, name), rate, median=median)


def _crossed(figures: Figures) -> Sequence[tuple[CrossedLine, Rate]]:
    decided = Rate(figures.decided, figures.decided)
    lines = [
        (CrossedLine.UNMODIFIED, figures.approval, (figures.approval.share or 0) >= UNMODIFIED),
        (CrossedLine.MODIFIED, figures.override, (figures.override.share or 0) > MODIFIED),
        (CrossedLine.ESCALATED, figures.escalation, (figures.escalation.share or 0) > ESCALATION_LINE),
        (CrossedLine.SLOW, decided, figures.median is not None and figures.median > DECISION_LINE),
    ]
    return [(line, rate) for line, rate, is_crossed in lines if is_crossed and rate.whole >= ENOUGH]


def _of_bands(by_band: Mapping[tuple[str, ...], Sum], titles: Mapping[str, str]) -> Iterator[Advice]:
    for (name, topic), total in by_band.items():
        counts = dict(zip(COUNTERS, total.counts, strict=True))
        rate = Rate(counts["rejected"], counts["judged"])
        if rate.whole >= ENOUGH and (rate.share or 0) > REJECTED:
            yield Advice(CrossedLine.REJECTED, name, titles.get(name, name), rate, band=int(topic.rpartition(":")[2]))


def band_ends(band: int) -> tuple[float, float]:
    """From which confidence up to which."""
    return band / BANDS, (band + 1) / BANDS
