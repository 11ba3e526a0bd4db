"""Is the oversight real? What the team made of test cases, and a reviewer's own row."""

from datetime import timedelta

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from approvals.db import times
from approvals.evidence import oversight as figures
from approvals.evidence.attention_report import attention
from approvals.evidence.detection import Detection, Estimate
from approvals.models import Tier
from approvals.people import authorities
from console.http import ConsoleRequest
from console.oversight import reading
from console.reports import charts
from console.reports.axes import DASH, percent, share_steps
from console.reports.charts import ChartPoint
from console.reports.plots import ChartWithTable, DataCell, DataRow

PERIODS = (30, 90, 365)


@login_required
@require_safe
def oversight(request: ConsoleRequest) -> HttpResponse:
    """Managers and auditors read the team's figures, reviewers these and their own."""
    authority = authorities.authority_of(request.user)
    if not (authority.sees_all or authority.reviews):
        raise PermissionDenied
    chosen = request.GET.get("days", "")
    days = int(chosen) if chosen in map(str, PERIODS) else PERIODS[1]
    end = times.now()
    first = end - timedelta(days=days)
    report = figures.oversight(first, end)
    team = report.team
    own = figures.of_person(request.user.pk, first, end) if authority.reviews else None
    read = attention(first, end)
    context = {
        "authority": authority,
        "report": report,
        "days": days,
        "periods": PERIODS,
        "sentence": team_sentence(report),
        "advice": _advice(report),
        "exhibits": [_over_time(report)],
        "measures": [
            (_("Sensitivity d', how far apart faults and clean ones look; 0 is guessing"), _number(team.sensitivity)),
            (_("Criterion c: above 0 they let pass in doubt, below 0 they stop"), _number(team.criterion)),
            (
                _("Reliability of differences between people (Spearman-Brown)"),
                DASH if report.reliability is None else f"{report.reliability:.2f}",
            ),
            (_("Nobody answered"), str(report.unanswered)),
        ],
        "own": own,
        "own_sentence": own_sentence(own) if own else "",
        "needs": figures.PERSON_NEEDS,
        "reading_sentence": reading.team_sentence(read),
        "reading_exhibits": reading.exhibits(read, first, end),
        "own_reading": reading.own_sentence(request.user, first, end) if authority.reviews else "",
        "drawn": Tier.objects.filter(active=True, seeded__gt=0).exists(),
    }
    return render(request, "reports/oversight.html", context)


def team_sentence(report: figures.Oversight) -> str:
    """What a manager says in a meeting: of so many faults so many were found, and at the least which share."""
    team = report.team
    if not team.faults:
        return _("Nobody has read a test case with a fault in this time, so nothing says whether faults are found.")
    sentence = ngettext(
        "The team found %(hits)d of %(faults)d seeded fault (%(share)s, at least %(low)s)",
        "The team found %(hits)d of %(faults)d seeded faults (%(share)s, at least %(low)s)",
        team.faults,
    ) % {"hits": team.hits, "faults": team.faults, **_shares(team)}
    if not team.clean:
        return f"{sentence}."
    return _("%(sentence)s and stopped %(alarms)d of %(clean)d that had none.") % {
        "sentence": sentence,
        "alarms": team.alarms,
        "clean": team.clean,
    }


def own_sentence(own: Detection) -> str:
    """The same of the reader alone."""
    if not own.cases:
        return _("You have read no test case in this time.")
    return _("You found %(hits)d of %(faults)d seeded faults, and stopped %(alarms)d of %(clean)d that had none.") % {
        "hits": own.hits,
        "faults": own.faults,
        "alarms": own.alarms,
        "clean": own.clean,
    }


def _advice(report: figures.Oversight) -> str:
    """The one thing to look at: too few cases, or the class of faults that is found least."""
    if 0 < report.team.faults < figures.FEW:
        return _("Fewer than %(few)d faults: so few say more about chance than about the reading.") % {
            "few": figures.FEW
        }
    worst = report.worst
    if worst is None or worst.detection.hit_rate.share is None:
        return ""
    rate = worst.detection.hit_rate
    return _("Found least: %(name)s, %(hits)d of %(faults)d (%(low)s %(dash)s %(high)s).") % {
        "name": worst.name,
        "hits": rate.part,
        "faults": rate.whole,
        "low": percent(rate.low),
        "dash": DASH,
        "high": percent(rate.high),
    }


def _shares(detection: Detection) -> dict[str, str]:
    rate = detection.hit_rate
    return {"share": percent(rate.share or 0.0), "low": percent(rate.low)}


def _number(estimate: Estimate | None) -> str:
    if estimate is None:
        return DASH
    return f"{estimate.value:.2f} ({estimate.low:.2f} {DASH} {estimate.high:.2f})"


def _over_time(report: figures.Oversight) -> ChartWithTable:
    """The share of faults found, by when they were read, with its interval."""
    title = _("Seeded faults found")
    points, rows = [], []
    for span in report.spans:
        rate, label = span.detection.hit_rate, date_format(span.first, "j M")
        interval = f"{percent(rate.low)} {DASH} {percent(rate.high)}" if rate.whole else DASH
        shown = percent(rate.share) if rate.share is not None else DASH
        note = _("from %(day)s: %(hits)d of %(faults)d, %(interval)s") % {
            "day": label,
            "hits": rate.part,
            "faults": rate.whole,
            "interval": interval,
        }
        low, high = (rate.low, rate.high) if rate.whole else (None, None)
        points.append(ChartPoint(label, rate.share, low, high, note))
        cells = [DataCell(shown), DataCell(str(rate.whole)), DataCell(interval)]
        rows.append(DataRow(label, span.first.date(), span.end.date(), cells))
    text = _("Share of the seeded faults that their readers stopped or mended, with its interval (95 %).")
    chart = charts.line(title, text, [("line-main", points)], steps=share_steps(1.0), label=percent)
    return ChartWithTable(chart, "charts/line.svg", (_("From"), _("Found"), _("Of"), _("Interval (95 %)")), rows)
