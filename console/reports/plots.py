"""The reports' charts: which numbers they draw, in which words, with the same numbers as a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from approvals.evidence.metrics import DECISION_LINE, ESCALATION_LINE, Figures, Report, Span
from approvals.evidence.rates import Rate
from console.reports import charts
from console.reports.axes import DASH, length, percent, share_steps, time_label, time_steps
from console.reports.charts import Bars, ChartPoint, Line, Series


@dataclass(frozen=True, slots=True)
class DataCell:
    """A number of a data table and the row set behind it ("": none)."""

    text: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class DataRow:
    label: str
    first: date
    last: date
    cells: Sequence[DataCell]


@dataclass(frozen=True, slots=True)
class ChartWithTable:
    """A chart with its numbers. `template` draws it; `keys` are the classes and names of its legend."""

    chart: Line | Bars
    template: str
    head: Sequence[str]
    rows: Sequence[DataRow]
    keys: Sequence[tuple[str, str]] = ()

    @property
    def has_keys(self) -> bool:
        return len(self.keys) > 1


def report_charts(report: Report, *, own: bool) -> list[ChartWithTable]:
    """The report's charts; one's own figures have no volume and no escalations, which are not one's own."""
    drawn = [
        _rates(
            report,
            _("Approval rate"),
            "approved",
            lambda figures: figures.approval,
            _("Share approved unchanged, of the proposals that people decided, with its interval (95 %)."),
        ),
        _rates(
            report,
            _("Override rate"),
            "modified",
            lambda figures: figures.override,
            _("Share modified, of the proposals that people decided, with its interval (95 %)."),
        ),
        _times(report),
    ]
    if own:
        return drawn
    escalation = _rates(
        report,
        _("Escalation rate"),
        "escalated",
        lambda figures: figures.escalation,
        _("Share that left its starting tier, of those routed to people, with its interval (95 %)."),
        line=ESCALATION_LINE,
    )
    return [_volume(report), *drawn[:2], escalation, drawn[2], _deadlines(report)]


def span_label(span: Span) -> str:
    return date_format(span.first, "j M")


def _long(span: Span) -> str:
    first = date_format(span.first, "D j M")
    return first if span.first == span.last else f"{first} {DASH} {date_format(span.last, 'D j M')}"


def _rates(
    report: Report, title: str, of: str, rate_of: Callable[[Figures], Rate], text: str, *, line: float | None = None
) -> ChartWithTable:
    rates = [(span, rate_of(span.figures)) for span in report.spans]
    points = [
        ChartPoint(
            span_label(span),
            rate.share,
            rate.low if rate.whole else None,
            rate.high if rate.whole else None,
            f"{_long(span)}: {_rate_text(rate)}",
        )
        for span, rate in rates
    ]
    top = max([rate.high for _span, rate in rates if rate.whole] + [line or 0.0])
    return ChartWithTable(
        charts.line(
            title,
            text,
            [("line-main", points)],
            steps=share_steps(top),
            label=percent,
            reference=(line, percent(line)) if line else None,
        ),
        "charts/line.svg",
        (_("From"), title, _("Of"), _("Interval (95 %)")),
        [
            DataRow(
                _long(span),
                span.first,
                span.last,
                (
                    DataCell(percent(rate.share), of) if rate.share is not None else DataCell(DASH),
                    DataCell(str(rate.whole), "review" if of == "escalated" else "judged"),
                    DataCell(f"{percent(rate.low)} {DASH} {percent(rate.high)}" if rate.whole else DASH),
                ),
            )
            for span, rate in rates
        ],
    )


def _times(report: Report) -> ChartWithTable:
    title = _("Time to decision")
    median = [_time_point(span, span.figures.median) for span in report.spans]
    p95 = [_time_point(span, span.figures.p95) for span in report.spans]
    steps = time_steps(max([point.value for point in median + p95 if point.value is not None], default=60.0))
    return ChartWithTable(
        charts.line(
            title,
            _("From arrival to a person's verdict: the median, and the 95th percentile above it."),
            [("line-main", median), ("line-second", p95)],
            steps=steps,
            label=time_label(steps),
            reference=(DECISION_LINE.total_seconds(), length(DECISION_LINE.total_seconds())),
        ),
        "charts/line.svg",
        (_("From"), _("Median"), _("95th percentile"), _("Decided")),
        [
            DataRow(
                _long(span),
                span.first,
                span.last,
                (
                    DataCell(_duration_text(span.figures.median), "decided"),
                    DataCell(_duration_text(span.figures.p95), "decided"),
                    DataCell(str(span.figures.decided), "decided"),
                ),
            )
            for span in report.spans
        ],
        (("line-main", _("Median")), ("line-second", _("95th percentile"))),
    )


def _volume(report: Report) -> ChartWithTable:
    parts = [
        ("review", "bar-main", _("To people")),
        ("auto", "bar-quiet", _("Passed")),
        ("refused", "bar-warn", _("Refused")),
    ]
    return _stacked(report, _("Volume"), _("What arrived, by route."), parts)


def _deadlines(report: Report) -> ChartWithTable:
    parts = [("expired", "bar-danger", _("Ended in silence")), ("late", "bar-warn", _("Late"))]
    return _stacked(report, _("Deadlines missed"), _("Ended in silence, or a tier was late."), parts)


def _stacked(report: Report, title: str, text: str, parts: Sequence[tuple[str, str, str]]) -> ChartWithTable:
    counts = {name: [_count(span.figures, name) for span in report.spans] for name, _look, _title in parts}
    series = [Series(name, look, counts[of]) for of, look, name in parts]
    return ChartWithTable(
        charts.bars(title, text, [span_label(span) for span in report.spans], series),
        "charts/bars.svg",
        (_("From"), *(name for _of, _look, name in parts)),
        [
            DataRow(
                _long(span),
                span.first,
                span.last,
                [DataCell(str(counts[of][index]), of) for of, _look, _name in parts],
            )
            for index, span in enumerate(report.spans)
        ],
        [(look, name) for _of, look, name in parts],
    )


def _count(figures: Figures, name: str) -> int:
    counts = {
        "review": figures.review,
        "auto": figures.auto,
        "refused": figures.refused,
        "expired": figures.expired,
        "late": figures.late,
    }
    return counts[name]


def _rate_text(rate: Rate) -> str:
    if rate.share is None:
        return _("nothing to count")
    return _("%(share)s of %(many)d") % {"share": percent(rate.share), "many": rate.whole}


def _time_point(span: Span, took: timedelta | None) -> ChartPoint:
    return ChartPoint(
        span_label(span),
        took.total_seconds() if took is not None else None,
        note=f"{_long(span)}: {_duration_text(took)}",
    )


def _duration_text(took: timedelta | None) -> str:
    return DASH if took is None else length(took.total_seconds())
