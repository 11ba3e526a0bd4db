"""The weekly summary: the newest, or the one of a week that is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from approvals.evidence.advice import Advice, CrossedLine
from approvals.evidence.metrics import Figures
from approvals.evidence.rates import Rate
from approvals.evidence.version_changes import VersionChange
from approvals.models import ActionType, SystemAuditEvent, WeeklySummary
from approvals.values.schema import Json
from console.evidence.sentences import event_sentence
from console.http import ConsoleRequest
from console.reports import advice, versions
from console.reports.axes import length, percent
from console.reports.views import reader_or_403

_SHOWN = 26  # weeks to choose from


@dataclass(frozen=True, slots=True)
class WeekLine:
    """One figure of the week beside that of the week before."""

    title: str
    now: str
    before: str


@require_safe
@login_required
def weekly(request: ConsoleRequest) -> HttpResponse:
    """What a week was, in words first. 404 for a week without a summary."""
    authority = reader_or_403(request.user, team=True)
    summaries = list(WeeklySummary.objects.only("first")[:_SHOWN])
    given = request.GET.get("week", "")
    first = _day(given) if given else summaries[0].first if summaries else None
    summary = WeeklySummary.objects.filter(pk=first).first() if first else None
    if given and summary is None:
        raise Http404
    content = {"summary": summary, "weeks": [row.first for row in summaries], "authority": authority}
    return render(request, "reports/weekly.html", content | (_shown(summary) if summary else {}))


def _day(text: str) -> date:
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise Http404
    return day


def _shown(summary: WeeklySummary) -> dict[str, object]:
    content = summary.content
    cost, calibration = content["cost"], content["calibration"]
    return {
        "last": summary.first + timedelta(days=6),
        "hours": length(cost["viewed_seconds"]),
        "cost": cost,
        "lines": _lines(content["figures"], content["before"]),
        "types": content["types"],
        "score": _score(calibration),
        "hints": [advice.sentence(_hint(stored)) for stored in content["advice"]],
        "changes": [_change(stored) for stored in content["versions"]],
        "published": content["published"],
        "autonomy": _autonomy(content["autonomy"]["events"]),
    }


def _autonomy(numbers: Sequence[int]) -> list[str]:
    """What happened to how much agents may do by themselves, each with whom it concerns."""
    titles = dict(ActionType.objects.values_list("name", "title"))
    lines = []
    for event in SystemAuditEvent.objects.filter(pk__in=numbers).order_by("seq"):
        agent, _slash, name = event.subject.partition(":")[2].partition("/")
        whom = " · ".join(filter(None, (agent, titles.get(name, name))))
        lines.append(f"{whom}: {event_sentence(event)}")
    return lines


def _lines(figures: Mapping[str, Json], before: Mapping[str, Json]) -> list[WeekLine]:
    def line(title: str, part: str, whole: str = "") -> WeekLine:
        return WeekLine(title, _cell(figures, part, whole), _cell(before, part, whole))

    return [
        line(_("Submitted"), "submitted"),
        line(_("Passed by policy"), "auto", "submitted"),
        line(_("Decided by people"), "decided"),
        line(_("Approved unchanged"), "approved", "judged"),
        line(_("Modified"), "modified", "judged"),
        line(_("Rejected"), "rejected", "judged"),
        line(_("Needless asks"), "needless", "judged"),
        line(_("Escalated"), "escalated", "review"),
        line(_("Ended in silence"), "expired", "review"),
    ]


def _cell(figures: Mapping[str, Json], part: str, whole: str) -> str:
    count = cast(int, figures[part])
    if not whole:
        return str(count)
    share = Rate(count, cast(int, figures[whole])).share
    return str(count) if share is None else f"{count} ({percent(share)})"


def _score(calibration: Mapping[str, Json]) -> str:
    judged = cast(int, calibration["judged"])
    if not judged:
        return _("People decided nothing with a confidence.")
    rate = Rate(cast(int, calibration["approved"]), judged)
    return _(
        "The confidence averaged %(stated)s; people approved %(share)s of %(many)d unchanged (%(low)s to %(high)s)."
    ) % {
        "stated": percent(cast(float, calibration["stated"]) / judged),
        "share": percent(rate.share or 0),
        "many": judged,
        "low": percent(rate.low),
        "high": percent(rate.high),
    }


def _hint(stored: Mapping[str, Json]) -> Advice:
    seconds = cast("float | None", stored["median_seconds"])
    return Advice(
        CrossedLine(str(stored["line"])),
        str(stored["action_type"]),
        str(stored["title"]),
        Rate(cast(int, stored["part"]), cast(int, stored["whole"])),
        cast("int | None", stored["band"]),
        None if seconds is None else timedelta(seconds=seconds),
    )


def _change(stored: Mapping[str, Json]) -> str:
    """What a new version changed, or did not, in a sentence."""
    before, after = cast("list[int]", stored["before"]), cast("list[int]", stored["after"])
    change = VersionChange(
        agent=str(stored["agent"]),
        action_type=str(stored["action_type"]),
        title=str(stored["title"]),
        version_before=str(stored["version_before"]),
        version_after=str(stored["version_after"]),
        since=date.min,
        before=Figures(approved=before[0], judged=before[1]),
        after=Figures(approved=after[0], judged=after[1]),
    )
    if stored["turn"] == "worse":
        return versions.sentence(change)
    return f"{change.agent} · {change.title} · {change.version_after}: {versions.turn_title(change.turn)}"
