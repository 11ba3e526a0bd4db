"""The geometry of the reports' charts: numbers in, coordinates and labels out. Templates under `charts/` draw them.

A chart is drawn in a fixed box of user units, about the pixels of its column on a desk and on a phone, so that its
labels keep the size of the page's small text. Colours are classes; the templates carry no style.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from django.utils.translation import gettext as _

from console.reports.axes import Format, count_steps

WIDTH = 360.0
HEIGHT = 184.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 10.0, 24.0


@dataclass(frozen=True, slots=True)
class Frame:
    """The drawing area inside the box; y grows downwards."""

    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM

    @property
    def label_x(self) -> float:
        """Where the labels of the vertical axis end."""
        return self.left - 6

    @property
    def label_y(self) -> float:
        """The base line of the labels of the horizontal axis."""
        return self.bottom + 16

    def x(self, share: float) -> float:
        return _rounded(self.left + share * (self.right - self.left))

    def y(self, share: float) -> float:
        return _rounded(self.bottom - share * (self.bottom - self.top))


FRAME = Frame()


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """A value over a place on the axis; None where there is nothing to say. `note` is what a pointer reads."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    note: str
    top: float = 0.0  # of its interval
    bottom: float = 0.0


@dataclass(frozen=True, slots=True)
class Trace:
    """One line, in pieces where values are missing, with the area of its interval. `look` is its class."""

    look: str
    line: str
    area: str
    dots: Sequence[Dot]


@dataclass(frozen=True, slots=True)
class Line:
    title: str
    text: str
    frame: Frame
    x: Sequence[Tick]
    y: Sequence[Tick]
    traces: Sequence[Trace]
    reference: Tick | None

    @property
    def is_empty(self) -> bool:
        return not any(trace.dots for trace in self.traces)


@dataclass(frozen=True, slots=True)
class Series:
    """One layer of stacked bars: `css_class` is its class, `values` has one number per bar."""

    name: str
    css_class: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    look: str
    note: str


@dataclass(frozen=True, slots=True)
class Bars:
    title: str
    text: str
    frame: Frame
    x: Sequence[Tick]
    y: Sequence[Tick]
    rects: Sequence[Rect]
    legend: Sequence[Series]

    @property
    def is_empty(self) -> bool:
        return not self.rects


@dataclass(frozen=True, slots=True)
class Spark:
    """A word-sized line without axes."""

    line: str
    end: Dot
    text: str
    width: float = 64.0
    height: float = 20.0


@dataclass(frozen=True, slots=True)
class Whisker:
    """A share and its interval on a track from 0 to 1, for a table cell."""

    low: float
    high: float
    at: float
    width: float = 48.0
    height: float = 12.0

    @property
    def span(self) -> float:
        return _rounded(self.high - self.low)


def line(
    title: str,
    text: str,
    traces: Sequence[tuple[str, Sequence[ChartPoint]]],
    *,
    steps: Sequence[float],
    label: Format,
    reference: tuple[float, str] | None = None,
) -> Line:
    """Lines over one axis of time, each a class and its points. `steps` are the values of the vertical axis."""
    frame, top = FRAME, steps[-1]
    first = traces[0][1]
    return Line(
        title=title,
        text=text,
        frame=frame,
        x=_axis_ticks(frame, [point.label for point in first]),
        y=[Tick(frame.y(step / top), label(step)) for step in steps],
        traces=[_trace(frame, look, points, top) for look, points in traces],
        reference=Tick(frame.y(reference[0] / top), reference[1]) if reference and reference[0] <= top else None,
    )


def bars(title: str, text: str, labels: Sequence[str], series: Sequence[Series]) -> Bars:
    """Stacked bars of counts, one per label, the first series at the bottom."""
    frame = FRAME
    heights = [sum(sery.values[place] for sery in series) for place in range(len(labels))]
    steps = count_steps(max(heights, default=0))
    slot = 1 / max(len(labels), 1)
    width = _rounded(max(slot * (frame.right - frame.left) - 2, 1.5))
    rects = []
    for index, name in enumerate(labels):
        below = 0
        for stratum in series:
            value = stratum.values[index]
            if not value:
                continue
            top, foot = frame.y((below + value) / steps[-1]), frame.y(below / steps[-1])
            rects.append(
                Rect(
                    x=_rounded(frame.x((index + 0.5) * slot) - width / 2),
                    y=top,
                    width=width,
                    height=_rounded(foot - top),
                    look=stratum.css_class,
                    note=f"{name} · {stratum.name}: {value}",
                )
            )
            below += value
    return Bars(
        title=title,
        text=text,
        frame=frame,
        x=_axis_ticks(frame, labels, centred=True),
        y=[Tick(frame.y(step / steps[-1]), f"{step:.0f}") for step in steps],
        rects=rects,
        legend=series,
    )


def spark(values: Sequence[int]) -> Spark | None:
    """A sparkline, or None where there is no course to draw."""
    if len(values) < 2:
        return None
    top = max(values) or 1
    drawn = [
        (_rounded(2 + 60 * index / (len(values) - 1)), _rounded(18 - 16 * value / top))
        for index, value in enumerate(values)
    ]
    text = _("from %(first)d to %(last)d, at most %(most)d") % {
        "first": values[0],
        "last": values[-1],
        "most": max(values),
    }
    return Spark("M" + "L".join(f"{x} {y}" for x, y in drawn), Dot(*drawn[-1], note=str(values[-1])), text)


def whisker(low: float, share: float, high: float) -> Whisker:
    """The interval of a share as a mark in a table cell."""
    return Whisker(low=_rounded(3 + 42 * low), high=_rounded(3 + 42 * high), at=_rounded(3 + 42 * share))


def _axis_ticks(frame: Frame, labels: Sequence[str], *, centred: bool = False) -> list[Tick]:
    """At most six of the labels, evenly apart, at their places."""
    many = len(labels)
    every = next(step for step in (1, 2, 3, 4, 5, 7, 10, 14, ceil(many / 6) + 1) if many / step <= 6)
    ticks = []
    for index in range(0, many, every):
        share = _share_at(index, many, centred=centred)
        anchor = "end" if share > 0.94 else "middle"
        ticks.append(Tick(frame.x(share), labels[index], anchor))
    return ticks


def _share_at(index: int, many: int, *, centred: bool) -> float:
    if centred or many < 2:
        return (index + 0.5) / many
    return index / (many - 1)


def _trace(frame: Frame, look: str, points: Sequence[ChartPoint], top: float) -> Trace:
    drawn = [
        (
            Dot(
                frame.x(_share_at(index, len(points), centred=False)),
                frame.y(min(point.value / top, 1)),
                point.note or f"{point.label}: {point.value}",
                frame.y(min((point.high if point.high is not None else point.value) / top, 1)),
                frame.y(min((point.low if point.low is not None else point.value) / top, 1)),
            )
            if point.value is not None
            else None
        )
        for index, point in enumerate(points)
    ]
    runs = [[dot for dot in run if dot] for known, run in groupby(drawn, bool) if known]
    return Trace(
        look=look,
        line=" ".join("M" + "L".join(f"{dot.x} {dot.y}" for dot in run) for run in runs),
        area=" ".join(_area(run) for run in runs if len(run) > 1 and any(dot.top != dot.bottom for dot in run)),
        dots=[dot for run in runs for dot in run],
    )


def _area(run: Sequence[Dot]) -> str:
    over = [f"{dot.x} {dot.top}" for dot in run]
    under = [f"{dot.x} {dot.bottom}" for dot in reversed(run)]
    return "M" + "L".join(over + under) + "Z"


def _rounded(number: float) -> float:
    """A tenth of a unit is finer than any screen; the page stays small."""
    return round(number, 1)
