"""How people read, in a sentence and in charts: by load, by the time since the shift began, by length."""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals.evidence.attention_report import FEW, Attention, ReadingBand, attention
from approvals.evidence.rates import Rate
from approvals.models import Decision, User
from console.reports import charts
from console.reports.axes import DASH, length, percent, share_steps, time_label, time_steps
from console.reports.charts import ChartPoint
from console.reports.plots import ChartWithTable, DataCell, DataRow


def team_sentence(read: Attention) -> str:
    """What load does to approvals, from the lightest band to the heaviest that have enough in them."""
    bands = [band for band in read.by_load if not band.is_thin]
    if not bands:
        return ngettext(
            "People decided %(n)d proposal in this time: too few to say how they are read.",
            "People decided %(n)d proposals in this time: too few to say how they are read.",
            read.decided,
        ) % {"n": read.decided}
    light, heavy = bands[0], bands[-1]
    if light is heavy:
        return _("Whoever decided %(band)s within the hour approved %(share)s unchanged (%(interval)s).") % {
            "band": _range(light),
            "share": percent(light.approved.share or 0.0),
            "interval": _interval(light.approved),
        }
    return _(
        "Whoever decided %(light)s within the hour approved %(share)s unchanged (%(interval)s); "
        "%(heavy)s, %(heavy_share)s (%(heavy_interval)s)."
    ) % {
        "light": _range(light),
        "share": percent(light.approved.share or 0.0),
        "interval": _interval(light.approved),
        "heavy": _range(heavy),
        "heavy_share": percent(heavy.approved.share or 0.0),
        "heavy_interval": _interval(heavy.approved),
    }


def own_sentence(person: User, first: datetime, end: datetime) -> str:
    """The reader's own pace, which nobody else sees."""
    this_hour = Decision.decided_by_within_an_hour(person, end)
    own = attention(first, end, person=person.pk)
    pace = ngettext(
        "You decided %(n)d in the last hour, and %(all)d proposals in this time.",
        "You decided %(n)d in the last hour, and %(all)d proposals in this time.",
        this_hour,
    ) % {"n": this_hour, "all": own.decided}
    viewed = [band for band in own.by_length if not band.is_thin and band.median is not None]
    if not viewed or viewed[-1].median is None:
        return pace
    return _("%(pace)s Of %(band)s words you had half in view for %(time)s or less.") % {
        "pace": pace,
        "band": _range(viewed[-1]),
        "time": length(viewed[-1].median.total_seconds()),
    }


def exhibits(read: Attention, first: datetime, end: datetime) -> list[ChartWithTable]:
    """The four charts with their numbers."""
    return [
        _shares(
            _("Seeded faults found, by decisions within the hour"),
            _("Share of the seeded faults that were found, by how many their reader decided within the hour."),
            (_("Decided within the hour"), _("Found"), _("Of"), _("Interval (95 %)")),
            [(band, band.detection.hit_rate) for band in read.by_load],
            (first, end),
        ),
        _shares(
            _("Approved unchanged, by decisions within the hour"),
            _("Share of proposals approved unchanged, by how many the same person decided within the hour."),
            (_("Decided within the hour"), _("Approved"), _("Of"), _("Interval (95 %)")),
            [(band, band.approved) for band in read.by_load],
            (first, end),
        ),
        _shares(
            _("Approved unchanged, by hours into the shift"),
            _("Share of proposals approved unchanged, by the hours since the shift began."),
            (_("Hours into the shift"), _("Approved"), _("Of"), _("Interval (95 %)")),
            [(band, band.approved) for band in read.by_shift],
            (first, end),
        ),
        _viewed(read.by_length, (first, end)),
    ]


def _shares(
    title: str,
    text: str,
    head: Sequence[str],
    rates: Sequence[tuple[ReadingBand, Rate]],
    period: tuple[datetime, datetime],
) -> ChartWithTable:
    points, rows = [], []
    for band, rate in rates:
        drawn = rate.whole >= FEW
        interval = _interval(rate) if rate.whole else DASH
        note = _("%(band)s: %(part)d of %(whole)d, %(interval)s") % {
            "band": _range(band),
            "part": rate.part,
            "whole": rate.whole,
            "interval": interval,
        }
        low, high = (rate.low, rate.high) if drawn else (None, None)
        points.append(ChartPoint(_range(band), rate.share if drawn else None, low, high, note))
        shown = percent(rate.share) if rate.share is not None else DASH
        rows.append(_row(band, period, shown, str(rate.whole), interval))
    chart = charts.line(title, text, [("line-main", points)], steps=share_steps(1.0), label=percent)
    return ChartWithTable(chart, "charts/line.svg", head, rows)


def _viewed(bands: Sequence[ReadingBand], period: tuple[datetime, datetime]) -> ChartWithTable:
    points, rows, highest = [], [], 1.0
    for band in bands:
        low, high = (each.total_seconds() if each is not None else None for each in band.median_ends)
        median = band.median.total_seconds() if band.median is not None else None
        interval = DASH if low is None or high is None else f"{length(low)} {DASH} {length(high)}"
        note = _("%(band)s words: %(interval)s") % {"band": _range(band), "interval": interval}
        if band.is_thin:
            points.append(ChartPoint(_range(band), None, note=note))
        else:
            points.append(ChartPoint(_range(band), median, low, high, note))
            highest = max(highest, high or 0.0)
        shown = DASH if median is None else length(median)
        rows.append(_row(band, period, shown, str(band.approved.whole), interval))
    steps = time_steps(highest)
    label: Callable[[float], str] = time_label(steps)
    title = _("Time in view, by length")
    text = _("Median time in view of what people decided, by how many words it shows.")
    chart = charts.line(title, text, [("line-main", points)], steps=steps, label=label)
    head = (_("Words shown"), _("Median"), _("Of"), _("Interval (95 %)"))
    return ChartWithTable(chart, "charts/line.svg", head, rows)


def _row(band: ReadingBand, period: tuple[datetime, datetime], *cells: str) -> DataRow:
    first, end = period
    return DataRow(_range(band), first.date(), end.date(), [DataCell(cell) for cell in cells])


def _range(band: ReadingBand) -> str:
    """The band as its numbers: 1-9, 80+."""
    if band.end is None:
        return f"{band.first}+"
    if band.end - 1 == band.first:
        return str(band.first)
    return f"{band.first}{DASH}{band.end - 1}"


def _interval(rate: Rate) -> str:
    return f"{percent(rate.low)} {DASH} {percent(rate.high)}"
