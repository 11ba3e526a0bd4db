"""Does the confidence that we computed come true? What people said of it, band by band.

Only proposals that a person decided say anything. Where a band passes by itself, what people saw of it is what rules,
flags or levels picked out, which is not a fair sample; the page says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from django.db.models import Count, F, IntegerField, Sum, Value
from django.db.models.functions import Cast, Floor, Least

from approvals.evidence.rates import Rate
from approvals.evidence.selection import ROW_SETS, Selection, cohort
from approvals.models import ActionType

BANDS = 10
FEW = 20  # decisions; with fewer the interval is too wide for a sentence


class Lean(StrEnum):
    """Which way a score errs."""

    OVER = "over"  # promises more than people approve
    UNDER = "under"
    FITS = "fits"
    FEW = "few"


@dataclass(frozen=True, slots=True)
class Band:
    """Proposals with a confidence from `index`/10 up to the next tenth; exactly 1 belongs to the last band.

    `stated` is the sum of their confidences.
    """

    index: int
    approved: int = 0
    modified: int = 0
    rejected: int = 0
    stated: Decimal = Decimal(0)

    @property
    def low(self) -> float:
        return self.index / BANDS

    @property
    def high(self) -> float:
        return (self.index + 1) / BANDS

    @property
    def decided(self) -> int:
        return self.approved + self.modified + self.rejected

    @property
    def observed(self) -> Rate:
        """Unchanged approvals / proposals decided by people."""
        return Rate(self.approved, self.decided)

    @property
    def mean(self) -> float | None:
        """The mean confidence, 0..1; None when empty."""
        return float(self.stated) / self.decided if self.decided else None

    @property
    def lean(self) -> Lean:
        return lean(self.mean, self.observed)


@dataclass(frozen=True, slots=True)
class Reliability:
    """The ten bands of one action type, or of all (`key` empty)."""

    key: str
    name: str
    bands: Sequence[Band]

    @property
    def observed(self) -> Rate:
        return Rate(sum(band.approved for band in self.bands), sum(band.decided for band in self.bands))

    @property
    def mean(self) -> float | None:
        many = self.observed.whole
        return float(sum((band.stated for band in self.bands), Decimal(0))) / many if many else None

    @property
    def gap(self) -> float | None:
        """Mean confidence less the observed share: above 0 the score promises too much."""
        share = self.observed.share
        return None if self.mean is None or share is None else self.mean - share

    @property
    def error(self) -> float | None:
        """Expected calibration error, 0..1: Σ nᵦ/n · |shareᵦ - meanᵦ|.

        M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning",
        AAAI 2015.
        """
        many = self.observed.whole
        if not many:
            return None
        return sum(abs(band.approved - float(band.stated)) for band in self.bands) / many

    @property
    def lean(self) -> Lean:
        return lean(self.mean, self.observed)

    @property
    def worst(self) -> Band | None:
        """The band that certainly errs, and errs most; None when every interval holds its mean."""
        erring = [band for band in self.bands if band.lean in (Lean.OVER, Lean.UNDER)]
        return max(erring, key=lambda band: abs((band.mean or 0) - (band.observed.share or 0)), default=None)


@dataclass(frozen=True, slots=True)
class Calibration:
    selection: Selection
    overall: Reliability
    by_type: Sequence[Reliability]
    unscored: int  # decided by people, and no confidence was computed


def lean(mean: float | None, observed: Rate) -> Lean:
    """Over- or under-confident when the 95 % interval of what was observed does not hold the mean confidence."""
    if mean is None or observed.whole < FEW:
        return Lean.FEW
    if mean > observed.high:
        return Lean.OVER
    return Lean.UNDER if mean < observed.low else Lean.FITS


def calibration(selection: Selection) -> Calibration:
    """The reliability of the stored confidence over a selection, in three queries."""
    judged = cohort(selection).filter(ROW_SETS["judged"].condition)
    tenth = Cast(Least(Floor(F("confidence") * BANDS), Value(BANDS - 1)), IntegerField())
    counted = (
        judged.filter(confidence__isnull=False)
        .order_by()
        .values(key=F("action_type_id"), tenth=tenth)
        .annotate(
            approved=Count("pk", filter=ROW_SETS["approved"].condition),
            modified=Count("pk", filter=ROW_SETS["modified"].condition),
            rejected=Count("pk", filter=ROW_SETS["rejected"].condition),
            stated=Sum("confidence"),
        )
    )
    cells: dict[str, dict[int, Band]] = {}
    for row in counted:
        cells.setdefault(str(row["key"]), {})[row["tenth"]] = Band(
            index=row["tenth"],
            approved=row["approved"],
            modified=row["modified"],
            rejected=row["rejected"],
            stated=row["stated"],
        )
    titles = dict(ActionType.objects.filter(pk__in=cells).values_list("pk", "title"))
    by_type = [
        Reliability(key, titles.get(key, key), [bands.get(index, Band(index)) for index in range(BANDS)])
        for key, bands in cells.items()
    ]
    by_type.sort(key=lambda group: (-group.observed.whole, group.name))
    return Calibration(
        selection=selection,
        overall=Reliability("", "", [_together(index, by_type) for index in range(BANDS)]),
        by_type=by_type,
        unscored=judged.filter(confidence=None).count(),
    )


def _together(index: int, parts: Sequence[Reliability]) -> Band:
    bands = [part.bands[index] for part in parts]
    return Band(
        index=index,
        approved=sum(band.approved for band in bands),
        modified=sum(band.modified for band in bands),
        rejected=sum(band.rejected for band in bands),
        stated=sum((band.stated for band in bands), Decimal(0)),
    )
