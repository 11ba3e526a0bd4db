"""How people read: time in view by length, approvals by load and by the shift, faults found by load.

The team is added up. A person's own figures are that person's alone: this is read by the one whom it is about.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt
from uuid import UUID

from approvals.evidence import histograms, oversight
from approvals.evidence.attention import LENGTHS, LOADS, SHIFTS, TOPIC
from approvals.evidence.contributions import COUNTERS
from approvals.evidence.detection import Detection
from approvals.evidence.pieces import pieces
from approvals.evidence.rates import Z_95, Rate
from approvals.evidence.rollups import Sum
from approvals.evidence.selection import Selection
from approvals.evidence.sums import over_time, sums
from approvals.models import SeededCase
from approvals.models.seeded import ANSWERED

FEW = 20  # decisions of a band; fewer say more about chance than about the reading
NOTHING = Detection()
_JUDGED, _APPROVED = COUNTERS.index("judged"), COUNTERS.index("approved")


@dataclass(frozen=True, slots=True)
class ReadingBand:
    """What people decided from this number on, up to the next band's: `end` None in the last."""

    first: int
    end: int | None
    approved: Rate  # unchanged
    viewed: Sequence[int] = ()  # a histogram of the time in view
    detection: Detection = NOTHING

    @property
    def median(self) -> timedelta | None:
        """Of the time in view."""
        return histograms.percentile(self.viewed, 0.5)

    @property
    def median_ends(self) -> tuple[timedelta | None, timedelta | None]:
        """The 95 % interval of the median, without assuming a distribution: the values at the ranks n/2 ± z√n/2.

        W. J. Conover, Practical Nonparametric Statistics, 3rd ed. (1999), section 3.2.
        """
        half = Z_95 / (2 * sqrt(max(sum(self.viewed), 1)))
        return (
            histograms.percentile(self.viewed, max(0.5 - half, 0.0)),
            histograms.percentile(self.viewed, min(0.5 + half, 1.0)),
        )

    @property
    def is_thin(self) -> bool:
        return self.approved.whole < FEW


@dataclass(frozen=True, slots=True)
class Attention:
    """The same decisions by three measures, and the test cases by the first."""

    by_load: Sequence[ReadingBand]
    by_shift: Sequence[ReadingBand]
    by_length: Sequence[ReadingBand]

    @property
    def decided(self) -> int:
        return sum(band.approved.whole for band in self.by_load)


def attention(first: datetime, end: datetime, *, person: UUID | None = None) -> Attention:
    """Of what arrived on the days from `first` to `end`: the team's, or one person's own. Three queries."""
    selection = Selection(first.astimezone(UTC).date(), end.astimezone(UTC).date(), person=person)
    cases = SeededCase.objects.filter(closed_at__gte=first, closed_at__lt=end, outcome__in=ANSWERED)
    if person is not None:
        cases = cases.filter(decided_by=person)
    read = over_time(sums(selection, pieces(selection.first, selection.last), ["topic"], topic=TOPIC))
    by_measure = [_by_measure(read, position) for position in range(3)]
    return Attention(
        by_load=_bands(LOADS, by_measure[0], oversight.by_load(cases, LOADS)),
        by_shift=_bands(SHIFTS, by_measure[1]),
        by_length=_bands(LENGTHS, by_measure[2]),
    )


def _by_measure(read: Mapping[str, Sum], position: int) -> Mapping[str, Sum]:
    """The sums by one of the three numbers that a topic names."""
    summed: dict[str, Sum] = defaultdict(Sum)
    for topic, total in read.items():
        summed[topic.removeprefix(TOPIC).split(":")[position]].take(total.counts, total.histogram)
    return summed


def _bands(
    lower_ends: Sequence[int], read: Mapping[str, Sum], detections: Sequence[Detection] = ()
) -> Sequence[ReadingBand]:
    bands = []
    for number, low in enumerate(lower_ends):
        total = read.get(str(low), Sum())
        counts = total.counts or [0] * len(COUNTERS)
        bands.append(
            ReadingBand(
                first=low,
                end=lower_ends[number + 1] if number + 1 < len(lower_ends) else None,
                approved=Rate(counts[_APPROVED], counts[_JUDGED]),
                viewed=total.histogram,
                detection=detections[number] if detections else NOTHING,
            )
        )
    return bands
