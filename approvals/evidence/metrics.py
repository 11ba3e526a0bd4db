"""What became of the approvals of a period, in numbers: rates, times, volume and deadlines.

Read from the rollups by a fixed number of queries, whatever is selected, and at about the same cost for a year as for a
week. What each figure counts is a row set of `selection`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet

from approvals.evidence import histograms
from approvals.evidence.contributions import COUNTERS
from approvals.evidence.pieces import Piece, pieces
from approvals.evidence.rates import Rate
from approvals.evidence.rollups import Sum, counted_at
from approvals.evidence.selection import Selection, rows
from approvals.evidence.sums import Key, by_values, over_time, sums
from approvals.models import ActionType, Agent, Domain, Tier, User

ESCALATION_LINE = 0.20  # above it, tiers or thresholds are set wrong: too much reaches people who cannot decide it
DECISION_LINE = timedelta(minutes=10)  # what waits longer is waited for, not worked with
PERSON_NEEDS = 20  # decisions; below it a person's figures say more about chance than about the person


@dataclass(frozen=True, slots=True)
class Figures:
    """The counts of one selection, group or span, and the time people took (created to decided).

    `voted` are votes of others than who decided, `viewed` is the time in view of who did, `cost` is what incidents
    cost. Percentiles are within histograms.ERROR.
    """

    submitted: int = 0
    auto: int = 0
    granted: int = 0
    review: int = 0
    refused: int = 0
    open: int = 0
    decided: int = 0
    judged: int = 0
    approved: int = 0
    modified: int = 0
    rejected: int = 0
    needless: int = 0
    let_run: int = 0
    incidents: int = 0
    escalated: int = 0
    expired: int = 0
    late: int = 0
    missed: int = 0
    voted: int = 0
    viewed: timedelta = timedelta(0)
    cost: Decimal = Decimal(0)
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
    def passed(self) -> Rate:
        """Passed by policy / submitted."""
        return Rate(self.auto, self.submitted)

    @property
    def needless_asks(self) -> Rate:
        """Approved as proposed and without a flag / proposals decided by people."""
        return Rate(self.needless, self.judged)

    @property
    def harm(self) -> Rate:
        """With an incident / let run."""
        return Rate(self.incidents, self.let_run)

    @property
    def is_slow(self) -> bool:
        return self.median is not None and self.median > DECISION_LINE

    @property
    def escalates_too_much(self) -> bool:
        return (self.escalation.share or 0) > ESCALATION_LINE


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """One action type, agent, version, tier, domain or person, with its figures; `key` is what a selection narrows to.

    `agent` is the id of a version's agent.
    """

    key: str
    name: str
    figures: Figures
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A day or several, the last one perhaps shorter."""

    first: date
    last: date
    figures: Figures


@dataclass(frozen=True, slots=True)
class Topic:
    """A reason for rejections or a field that people changed, and in how many of what; `percent` is the median change
    of a number, `topic` how rollups name it."""

    name: str
    rate: Rate
    topic: str
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    selection: Selection
    total: Figures
    counted_at: datetime | None  # up to when changes are counted
    spans: Sequence[Span]
    by_type: Sequence[FigureGroup]
    by_agent: Sequence[FigureGroup]
    by_version: Sequence[FigureGroup]
    by_domain: Sequence[FigureGroup]
    by_tier: Sequence[FigureGroup]
    by_person: Sequence[FigureGroup]
    rejected_for: Sequence[Topic]
    edited: Sequence[Topic]  # the fields that were changed
    few: int  # people who decided too few to have a row
    trends: Mapping[str, Sequence[int]]  # submitted per span, by action type


def report(selection: Selection) -> Report:
    """Everything the report page shows of a selection: a query for each grouping, and one for its names."""
    parts = pieces(selection.first, selection.last)
    whole = sums(selection, parts)
    types = sums(selection, parts, ["action_type"])
    agents, tiers, domains, persons = (
        over_time(sums(selection, parts, [name])) for name in ("agent", "tier", "domain", "person")
    )
    people = {key: figures_of(total) for key, total in persons.items() if key}
    enough = {key: figures for key, figures in people.items() if _enough(figures)}
    by_type = _groups(over_time(types))
    total = figures_of(over_time(whole).get("", Sum()))
    return Report(
        selection=selection,
        total=total,
        rejected_for=_topics(selection, parts, "reason", "rejected", total.rejected),
        edited=_topics(selection, parts, "field", "modified", total.modified),
        counted_at=counted_at(),
        spans=_spans(parts, whole),
        by_type=_named(by_type, ActionType.objects.filter(pk__in=by_type)),
        by_agent=_named(_groups(agents), Agent.objects.filter(pk__in=agents)),
        by_version=_versions(selection, parts),
        by_domain=_named(_groups(domains), Domain.objects.filter(pk__in=domains)),
        by_tier=sorted(_named(_groups(tiers), Tier.objects.filter(pk__in=tiers)), key=lambda group: group.key),
        by_person=_named(enough, User.objects.filter(pk__in=enough)),
        few=sum(1 for figures in people.values() if figures.decided or figures.voted) - len(enough),
        trends=_trends(parts, types),
    )


def enough_decisions(selection: Selection) -> bool:
    """True where the person of this selection decided or voted enough in it to be shown to somebody else."""
    decided = rows(selection, "decided")[:PERSON_NEEDS].count()
    return decided >= PERSON_NEEDS or decided + rows(selection, "voted")[:PERSON_NEEDS].count() >= PERSON_NEEDS


def people_with_enough(selection: Selection) -> set[UUID]:
    """Who decided or voted enough in the selection to be named."""
    totals = over_time(sums(selection, pieces(selection.first, selection.last), ["person"]))
    return {UUID(key) for key, total in totals.items() if key and _enough(figures_of(total))}


def _enough(figures: Figures) -> bool:
    # Who voted beside others has worked as much as who came last.
    return figures.decided + figures.voted >= PERSON_NEEDS


_AT = {name: index for index, name in enumerate(COUNTERS)}
_COUNTED = tuple(field.name for field in fields(Figures) if field.name in _AT)


def figures_of(total: Sum) -> Figures:
    """The figures of a sum of rollups."""
    if not total.counts:
        return Figures()
    counts = {name: total.counts[_AT[name]] for name in _COUNTED}
    return Figures(
        **counts,
        viewed=timedelta(seconds=total.counts[_AT["viewed_seconds"]]),
        cost=Decimal(total.counts[_AT["cost_cents"]]) / 100,
        median=histograms.percentile(total.histogram, 0.5),
        p95=histograms.percentile(total.histogram, 0.95),
    )


def _groups(totals: Mapping[str, Sum]) -> dict[str, Figures]:
    return {key: figures_of(total) for key, total in totals.items() if key}


_Named = QuerySet[ActionType] | QuerySet[Agent] | QuerySet[Domain] | QuerySet[Tier] | QuerySet[User]


def _named(groups: Mapping[str, Figures], things: _Named) -> list[FigureGroup]:
    """The groups under the names of their things, the largest first."""
    named = [
        FigureGroup(str(thing.pk), thing.name if isinstance(thing, User) else str(thing), groups[str(thing.pk)])
        for thing in things
    ]
    return sorted(named, key=_largest)


def _largest(group: FigureGroup) -> tuple[int, int, str]:
    return -group.figures.submitted, -group.figures.decided - group.figures.voted, group.name


def _versions(selection: Selection, parts: Sequence[Piece]) -> list[FigureGroup]:
    """What each agent stated of itself, where it stated anything."""
    totals = by_values(sums(selection, parts, ["agent", "version"]))
    names = {str(pk): name for pk, name in Agent.objects.values_list("pk", "name")}
    groups = [
        FigureGroup(version, f"{names.get(agent, agent)} · {version}", figures_of(total), agent)
        for (agent, version), total in totals.items()
        if version
    ]
    return sorted(groups, key=_largest)


def _topics(selection: Selection, parts: Sequence[Piece], topic: str, counter: str, whole: int) -> list[Topic]:
    """How often each was named, most often first; one approval may name several."""
    topics = []
    for name, total in over_time(sums(selection, parts, ["topic"], topic=f"{topic}:")).items():
        change = histograms.percentile(total.histogram, 0.5)
        rate = Rate(total.counts[_AT[counter]], whole)
        median = change.total_seconds() if change is not None else None
        topics.append(Topic(name.partition(":")[2], rate, name, median))
    return sorted(topics, key=lambda named: (-named.rate.part, named.name))


def _spans(parts: Sequence[Piece], whole: Mapping[Key, Sum]) -> list[Span]:
    by_piece = {key.piece: figures_of(total) for key, total in whole.items()}
    return [Span(part.first, part.last, by_piece.get(number, Figures())) for number, part in enumerate(parts)]


def _trends(parts: Sequence[Piece], types: Mapping[Key, Sum]) -> dict[str, list[int]]:
    trends: dict[str, list[int]] = defaultdict(lambda: [0] * len(parts))
    for key, total in types.items():
        trends[key.values[0]][key.piece] = total.counts[_AT["submitted"]]
    return dict(trends)
