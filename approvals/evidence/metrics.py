"""What became of the approvals of a period, in numbers: rates, times, volume and deadlines.

Counted from the rows themselves by a fixed number of queries, whatever is selected. What each figure counts is a row
set of `selection`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import cast
from uuid import UUID

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Func, IntegerField, QuerySet, Value
from django.db.models.expressions import Combinable, Expression
from django.db.models.functions import TruncDate

from approvals.evidence.rates import Rate
from approvals.evidence.selection import ROW_SETS, Selection, cohort
from approvals.models import ActionType, Agent, Approval, Tier, User

ESCALATION_LINE = 0.20  # above it, tiers or thresholds are set wrong: too much reaches people who cannot decide it
PERSON_NEEDS = 20  # decisions; below it a person's figures say more about chance than about the person


@dataclass(frozen=True, slots=True)
class Figures:
    """The counts of one selection, group or span, and the time people took (created to decided)."""

    submitted: int = 0
    auto: int = 0
    review: int = 0
    refused: int = 0
    open: int = 0
    decided: int = 0
    judged: int = 0
    approved: int = 0
    modified: int = 0
    rejected: int = 0
    escalated: int = 0
    expired: int = 0
    late: int = 0
    missed: int = 0
    median: timedelta | None = None
    p95: timedelta | None = None

    @property
    def approval(self) -> Rate:
        """Unchanged approvals / proposals decided by people."""
        return Rate(self.approved, self.judged)

    @property
    def override(self) -> Rate:
        """Modified / proposals decided by people."""
        return Rate(self.modified, self.judged)

    @property
    def rejection(self) -> Rate:
        return Rate(self.rejected, self.judged)

    @property
    def escalation(self) -> Rate:
        """Left the starting tier / routed to people."""
        return Rate(self.escalated, self.review)

    @property
    def silence(self) -> Rate:
        """Ended in silence / routed to people."""
        return Rate(self.expired, self.review)

    @property
    def breach(self) -> Rate:
        """Deadlines missed / routed to people."""
        return Rate(self.missed, self.review)

    @property
    def escalates_too_much(self) -> bool:
        return (self.escalation.share or 0) > ESCALATION_LINE


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """One action type, agent, tier or person, with its figures; `key` is what a selection narrows to."""

    key: str
    name: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Span:
    """A day or several, the last one perhaps shorter."""

    first: date
    last: date
    figures: Figures


@dataclass(frozen=True, slots=True)
class Report:
    selection: Selection
    total: Figures
    incidents: int
    spans: Sequence[Span]
    by_type: Sequence[FigureGroup]
    by_agent: Sequence[FigureGroup]
    by_tier: Sequence[FigureGroup]
    by_person: Sequence[FigureGroup]
    few: int  # people who decided too few to have a row
    trends: Mapping[str, Sequence[int]]  # submitted per span, by action type


class Percentile(Aggregate):
    """PostgreSQL's percentile_cont: the value below which `share` of the rows lie, interpolated."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Combinable, share: float) -> None:
        super().__init__(expression, share=str(float(share)), output_field=DurationField())


def report(selection: Selection) -> Report:
    """Everything the report page shows of a selection.

    One pass counts every combination of action type, agent, tier and span, which are few, and they are added up here;
    percentiles cannot be added, so each grouping asks for its own, of the decided rows alone.
    """
    approvals = cohort(selection)
    decided = approvals.filter(ROW_SETS["decided"].condition)
    keys: dict[str, Expression | F] = {
        "type": F("action_type_id"),
        "agent": F("agent_id"),
        "tier": F("starting"),
        "span": _SpanOf(selection),
    }
    cells = _counted(approvals, keys)
    groups = {name: _grouped(cells, name, _times(decided, key)) for name, key in keys.items()}
    person = {"person": F("decided_by_id")}
    people = _grouped(_counted(decided, person), "person", _times(decided, person["person"]))
    enough = {key: figures for key, figures in people.items() if figures.decided >= PERSON_NEEDS}
    return Report(
        selection=selection,
        total=_grouped(cells, "", _times(decided, Value(""))).get("", Figures()),
        incidents=approvals.filter(ROW_SETS["incidents"].condition).count(),
        spans=_spans(selection, groups["span"]),
        by_type=_named(groups["type"], ActionType.objects.filter(pk__in=groups["type"])),
        by_agent=_named(groups["agent"], Agent.objects.filter(pk__in=groups["agent"])),
        by_tier=sorted(_named(groups["tier"], Tier.objects.filter(pk__in=groups["tier"])), key=lambda group: group.key),
        by_person=_named(enough, User.objects.filter(pk__in=enough)),
        few=len(people) - len(enough),
        trends=_trends(selection, cells),
    )


def enough_decisions(selection: Selection) -> bool:
    """True where the person of this selection decided enough in it to be shown to somebody else."""
    return cohort(selection).filter(ROW_SETS["decided"].condition)[:PERSON_NEEDS].count() >= PERSON_NEEDS


def people_with_enough(selection: Selection) -> set[UUID]:
    """Who decided enough of these for others to read it with a name."""
    decided = cohort(selection).filter(ROW_SETS["decided"].condition, decided_by__isnull=False)
    counted = decided.order_by().values_list("decided_by").annotate(count=Count("pk"))
    return {person for person, count in counted if person is not None and count >= PERSON_NEEDS}


def span_days(selection: Selection) -> int:
    """How many days one span of this selection covers: at most about fifty spans fit a chart."""
    return 1 if selection.days <= 45 else 7


_COUNTED = tuple(field.name for field in fields(Figures) if field.name in ROW_SETS)


@dataclass(frozen=True, slots=True)
class _Cell:
    """The counts of one combination of keys, in the order of _COUNTED."""

    keys: Mapping[str, str]
    counts: Sequence[int]


_Times = tuple[timedelta | None, timedelta | None]


def _counted(approvals: QuerySet[Approval], keys: Mapping[str, Expression | F]) -> list[_Cell]:
    named = {f"by_{name}": key for name, key in keys.items()}  # "agent" alone is a field of the row
    counts = {
        name: Count("pk", filter=ROW_SETS[name].condition) if ROW_SETS[name].condition else Count("pk")
        for name in _COUNTED
    }
    rows = cast(Iterable[dict[str, int]], approvals.order_by().values(**named).annotate(**counts).iterator())
    return [_Cell({name: str(row[f"by_{name}"]) for name in keys}, [row[name] for name in _COUNTED]) for row in rows]


def _times(decided: QuerySet[Approval], key: Combinable) -> dict[str, _Times]:
    took = ExpressionWrapper(F("decided_at") - F("created_at"), output_field=DurationField())
    rows = decided.order_by().values(key=key).annotate(median=Percentile(took, 0.5), p95=Percentile(took, 0.95))
    return {str(row["key"]): (row["median"], row["p95"]) for row in rows}


def _grouped(cells: Iterable[_Cell], name: str, times: Mapping[str, _Times]) -> dict[str, Figures]:
    """The cells added up by one of their keys, with the times of each group; no name adds up everything."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * len(_COUNTED))
    for cell in cells:
        group = sums[cell.keys.get(name, "")]
        for index, count in enumerate(cell.counts):
            group[index] += count
    made = {}
    for key, counts in sums.items():
        median, p95 = times.get(key, (None, None))
        made[key] = Figures(**dict(zip(_COUNTED, counts, strict=True)), median=median, p95=p95)
    return made


def _named(
    groups: Mapping[str, Figures], things: QuerySet[ActionType] | QuerySet[Agent] | QuerySet[Tier] | QuerySet[User]
) -> list[FigureGroup]:
    """The groups under the names of their things, the largest first."""
    named = [
        FigureGroup(str(thing.pk), thing.name if isinstance(thing, User) else str(thing), groups[str(thing.pk)])
        for thing in things
    ]
    return sorted(named, key=lambda group: (-group.figures.submitted, group.name))


class _SpanOf(Func):
    """Which span a moment falls into, counted from 0: whole days since the first one, by the span's length."""

    template = "((%(expressions)s) / %(days)s)"
    arg_joiner = " - "
    output_field = IntegerField()

    def __init__(self, selection: Selection) -> None:
        super().__init__(
            TruncDate("created_at", tzinfo=selection.zone), Value(selection.first), days=span_days(selection)
        )


def _spans(selection: Selection, groups: Mapping[str, Figures]) -> list[Span]:
    width = span_days(selection)
    spans = []
    for number, offset in enumerate(range(0, selection.days, width)):
        first = selection.first + timedelta(days=offset)
        last = min(first + timedelta(days=width - 1), selection.last)
        spans.append(Span(first, last, groups.get(str(number), Figures())))
    return spans


def _trends(selection: Selection, cells: Iterable[_Cell]) -> dict[str, list[int]]:
    many = len(range(0, selection.days, span_days(selection)))
    trends: dict[str, list[int]] = defaultdict(lambda: [0] * many)
    for cell in cells:
        trends[cell.keys["type"]][int(cell.keys["span"])] += cell.counts[0]
    return dict(trends)
