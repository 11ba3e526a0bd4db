"""What a week was: figures beside those of the week before, what it cost, whether the score held, what changed.

All of it is data; whoever shows it makes the sentences.
"""

from collections import Counter
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db.models import Sum

from approvals.evidence.advice import Advice, advice
from approvals.evidence.contributions import COUNTERS
from approvals.evidence.metrics import Figures, figures_of
from approvals.evidence.pieces import pieces
from approvals.evidence.selection import Selection
from approvals.evidence.sums import by_values, over_time, sums
from approvals.evidence.version_changes import Turn, VersionChange, version_changes
from approvals.models import ActionType, Approval, Incident, PolicyVersion, SystemAuditEvent, WeeklySummary
from approvals.models.states import Kind, Source
from approvals.values.schema import Json

WEEK = timedelta(days=7)
LOOK_BACK = timedelta(days=56)  # in which the version before a new one is looked for
_OF_AUTONOMY = (
    SystemAuditEvent.Kind.LEVEL_RAISED,
    SystemAuditEvent.Kind.LEVEL_LOWERED,
    SystemAuditEvent.Kind.BREAKER_OPENED,
    SystemAuditEvent.Kind.BREAKER_CLOSED,
    SystemAuditEvent.Kind.CERTIFICATE_OPENED,
    SystemAuditEvent.Kind.CERTIFICATE_ENDED,
)
_MOST_EVENTS = 100


def last_monday(now: datetime) -> date:
    """The first day of the last week that is over."""
    today = now.astimezone(UTC).date()
    return today - timedelta(days=today.weekday()) - WEEK


def make(first: date, *, now: datetime) -> WeeklySummary | None:
    """Store the summary of the week from that Monday on; None where it is there already, also of two at once."""
    if WeeklySummary.objects.filter(pk=first).exists():
        return None
    summary, is_new = WeeklySummary.objects.get_or_create(
        first=first, defaults={"content": _content(first), "made_at": now}
    )
    return summary if is_new else None


def _content(first: date) -> dict[str, Json]:
    week = Selection(first, first + WEEK - timedelta(days=1))
    longer = Selection(first - LOOK_BACK, week.last)
    changes = [change for change in version_changes(longer) if change.since >= first and change.turn is not Turn.FEW]
    published = PolicyVersion.objects.filter(published_at__gte=week.starts_at, published_at__lt=week.ends_at)
    return {
        "figures": _figures(_total(week)),
        "before": _figures(_total(Selection(first - WEEK, first - timedelta(days=1)))),
        "types": _types(week),
        "calibration": _calibration(week),
        "cost": _cost(week),
        "autonomy": _autonomy(week),
        "advice": [_hint(hint) for hint in advice(week)],
        "versions": [_version(change) for change in changes],
        "published": [{"number": version.number, "note": version.note} for version in published.order_by("number")],
    }


def _total(selection: Selection) -> Figures:
    totals = over_time(sums(selection, pieces(selection.first, selection.last)))
    return figures_of(totals[""]) if totals else Figures()


def _figures(figures: Figures) -> dict[str, Json]:
    return {name: _plain(value) for name, value in asdict(figures).items()}


def _plain(value: object) -> Json:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, Decimal) else value  # type: ignore[return-value]  # counts and None


def _types(week: Selection) -> list[Json]:
    totals = by_values(sums(week, pieces(week.first, week.last), ["action_type"]))
    titles = dict(ActionType.objects.values_list("name", "title"))
    lines = [(titles.get(name, name), _figures(figures_of(total))) for (name,), total in totals.items() if name]
    return [{"title": title, **figures} for title, figures in sorted(lines, key=lambda line: line[0])]


def _calibration(week: Selection) -> dict[str, Json]:
    """What the score promised on average, and what people approved unchanged of those with a score."""
    judged = approved = stated = 0
    for total in over_time(sums(week, pieces(week.first, week.last), ["topic"], topic="band:")).values():
        counts = dict(zip(COUNTERS, total.counts, strict=True))
        judged, approved = judged + counts["judged"], approved + counts["approved"]
        stated += counts["stated_permille"]
    return {"judged": judged, "approved": approved, "stated": stated / 1000}


def _cost(week: Selection) -> dict[str, Json]:
    """What people and incidents cost in this week, whenever the proposals arrived."""
    decided = Approval.objects.filter(
        kind=Kind.REAL, source=Source.HUMAN, decided_at__gte=week.starts_at, decided_at__lt=week.ends_at
    )
    viewed = decided.aggregate(viewed_sum=Sum("viewed"))["viewed_sum"] or timedelta(0)
    opened = Incident.objects.filter(
        approval__kind=Kind.REAL, opened_at__gte=week.starts_at, opened_at__lt=week.ends_at
    )
    return {
        "viewed_seconds": viewed.total_seconds(),
        "incidents": opened.count(),
        "severe": opened.exclude(severity=Incident.Severity.LOW).count(),
        "incident_cost": str(opened.aggregate(cost_sum=Sum("cost"))["cost_sum"] or 0),
        "unpriced": opened.filter(cost=None).count(),
    }


def _autonomy(week: Selection) -> dict[str, Json]:
    """What happened to how much agents may do by themselves: how often each thing, and the events."""
    events = SystemAuditEvent.objects.filter(kind__in=_OF_AUTONOMY, at__gte=week.starts_at, at__lt=week.ends_at)
    counts = Counter(events.order_by().values_list("kind", flat=True))
    return {"counts": dict(counts), "events": list(events.order_by("seq").values_list("seq", flat=True)[:_MOST_EVENTS])}


def _hint(hint: Advice) -> dict[str, Json]:
    return {
        "line": str(hint.line),
        "action_type": hint.action_type,
        "title": hint.title,
        "part": hint.rate.part,
        "whole": hint.rate.whole,
        "band": hint.band,
        "median_seconds": hint.median.total_seconds() if hint.median is not None else None,
    }


def _version(change: VersionChange) -> dict[str, Json]:
    return {
        "agent": change.agent,
        "action_type": change.action_type,
        "title": change.title,
        "version_before": change.version_before,
        "version_after": change.version_after,
        "turn": str(change.turn),
        "before": [change.before.approved, change.before.judged],
        "after": [change.after.approved, change.after.judged],
    }
