"""The geometry of the reliability diagram: curve, band and dots in a square, and below it how many have which score."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.evidence.calibration import ENOUGH, Calibration
from approvals.evidence.reliability import Pooled, ScoreBin
from console.reports.axes import percent
from console.reports.charts import Dot, Frame, Rect, Tick

SQUARE = Frame(width=360, height=384, right=350, bottom=286)
HISTOGRAM_TOP, HISTOGRAM_FOOT = 316.0, 370.0
_SLOTS = 20  # bars of the histogram


@dataclass(frozen=True, slots=True)
class ReliabilityChart:
    """On the diagonal a score means what it says. With few labels there is neither line nor band, only dots."""

    title: str
    text: str
    frame: Frame
    x: Sequence[Tick]
    y: Sequence[Tick]
    band: str
    line: str
    dots: Sequence[tuple[Dot, float]]  # with the radius
    rects: Sequence[Rect]
    most: Tick

    @property
    def is_empty(self) -> bool:
        return not self.rects


def reliability_chart(calibration: Calibration, text: str) -> ReliabilityChart:
    """The diagram of a selection."""
    frame, bins = SQUARE, calibration.whole.bins
    marks = [number / 10 for number in range(0, 11, 2)]
    rects, most = _histogram(bins)
    thin = calibration.whole.count < ENOUGH
    return ReliabilityChart(
        title=_("Reliability"),
        text=text,
        frame=frame,
        x=[Tick(frame.x(mark), f"{mark:.1f}") for mark in marks],
        y=[Tick(frame.y(mark), percent(mark)) for mark in marks],
        band=_band(bins, calibration.band),
        line="" if thin else _line(bins, calibration.fitted),
        dots=_dots(calibration.whole.tenths if thin else calibration.steps, intervals=thin),
        rects=rects,
        most=Tick(HISTOGRAM_TOP, f"{most:,}"),
    )


def _line(bins: Sequence[ScoreBin], fitted: Sequence[float]) -> str:
    return "M" + "L".join(f"{SQUARE.x(each.score)} {SQUARE.y(value)}" for each, value in zip(bins, fitted, strict=True))


def _band(bins: Sequence[ScoreBin], band: Sequence[tuple[float, float]]) -> str:
    if not band:
        return ""
    drawn = list(zip(bins, band, strict=True))
    over = [f"{SQUARE.x(each.score)} {SQUARE.y(high)}" for each, (_low, high) in drawn]
    under = [f"{SQUARE.x(each.score)} {SQUARE.y(low)}" for each, (low, _high) in reversed(drawn)]
    return "M" + "L".join(over + under) + "Z"


def _dots(all_pooled: Sequence[Pooled], *, intervals: bool) -> list[tuple[Dot, float]]:
    most = max((pooled.count for pooled in all_pooled), default=1)
    dots = []
    for pooled in all_pooled:
        low, high = pooled.interval if intervals else (pooled.share, pooled.share)
        note = _("score %(score).2f: %(share)s right of %(many)d labels") % {
            "score": pooled.score,
            "share": percent(pooled.share),
            "many": pooled.count,
        }
        dot = Dot(SQUARE.x(pooled.score), SQUARE.y(pooled.share), note, SQUARE.y(high), SQUARE.y(low))
        dots.append((dot, round(2 + 3.5 * (pooled.count / most) ** 0.5, 1)))
    return dots


def _histogram(bins: Sequence[ScoreBin]) -> tuple[list[Rect], int]:
    """The labels by score, the wrong ones on top, and the number of the highest bar."""
    counts = [[0, 0] for _ in range(_SLOTS)]
    for each in bins:
        slot = counts[min(int(each.score * _SLOTS), _SLOTS - 1)]
        slot[0] += sum(part.right for part in each.drawn)
        slot[1] += sum(part.count - part.right for part in each.drawn)
    most = max((right + wrong for right, wrong in counts), default=0)
    width = round((SQUARE.right - SQUARE.left) / _SLOTS - 2, 1)
    height = (HISTOGRAM_FOOT - HISTOGRAM_TOP) / max(most, 1)
    rects = []
    for number, (right, wrong) in enumerate(counts):
        foot = HISTOGRAM_FOOT
        for count, look, name in ((right, "bar-quiet", _("right")), (wrong, "bar-danger", _("wrong"))):
            if count:
                top = round(foot - count * height, 1)
                ends = number / _SLOTS, (number + 1) / _SLOTS
                note = f"{ends[0]:.2f} – {ends[1]:.2f} · {name}: {count}"  # noqa: RUF001  # an en dash between ends
                x = round(SQUARE.x(ends[0]) + 1, 1)
                rects.append(Rect(x, top, width, round(foot - top, 1), look, note))
                foot = top
    return rects, most
