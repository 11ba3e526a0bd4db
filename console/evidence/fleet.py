"""What the fleet's pages show: each version of an agent with an action type, band by band, and what is missing."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, Prefetch, Q, QuerySet

from approvals.autonomy import breakers, levels
from approvals.autonomy.levels import Lack, Missing
from approvals.models import Autonomy, Breaker, Incident, LevelEvidence
from approvals.models.evidence import SEVERE
from approvals.models.policy import Impact
from approvals.policy import snapshot
from approvals.policy.compiled_policy import TypePolicy

PAGE = 50


@dataclass(frozen=True, slots=True)
class BandLine:
    """One band of value of a cell: its level, what was seen since it began, and what the next one lacks."""

    impact: str
    label: str
    level: int
    evidence: LevelEvidence | None
    missing: Sequence[Missing]

    @property
    def earned(self) -> bool:
        """Whether a promotion can be signed."""
        return self.evidence is not None and not self.missing

    @property
    def next_level(self) -> int:
        return self.level + 1

    @property
    def highest(self) -> bool:
        return any(lack.lack == Lack.HIGHEST for lack in self.missing)

    @property
    def progress(self) -> int:
        """How far E is on its way, 0 to 100: by its logarithm, since each label without a fault multiplies it."""
        if self.evidence is None or self.evidence.e <= 1:
            return 0
        if self.evidence.earned:
            return 100
        return min(round(100 * math.log(self.evidence.e) / math.log(self.evidence.e_needed)), 99)


@dataclass(frozen=True, slots=True)
class FleetCell:
    """One version of an agent with one action type."""

    autonomy: Autonomy
    kind: TypePolicy | None
    bands: Sequence[BandLine]
    breakers: Sequence[Breaker]
    incidents: int

    @property
    def bar(self) -> str:
        """Of its proposals at most so many may be wrong, in percent."""
        return f"{float(self.kind.level_bar) * 100:g}" if self.kind else ""

    @property
    def same_level(self) -> int | None:
        """The level of all bands, where they share one."""
        shared = {band.level for band in self.bands}
        return shared.pop() if len(shared) == 1 else None


def rows() -> QuerySet[Autonomy]:
    """The versions with what their pages show, by agent and action type, the newest first."""
    evidence = Prefetch("evidence", LevelEvidence.objects.all(), to_attr="seen")
    ordered = Autonomy.objects.order_by("agent__name", "action_type__title", "-newest", "-pk")
    return ordered.select_related("agent", "action_type").prefetch_related(evidence)


def earned_rows() -> Q:
    """The versions with a band whose evidence suffices."""
    return Q(pk__in=LevelEvidence.objects.filter(earned=True).values("autonomy"))


def gate_rows() -> Q:
    """The versions with a band that may lose its gate."""
    return Q(pk__in=LevelEvidence.objects.filter(may_lose_gate=True).values("autonomy"))


def held_rows() -> Q:
    """The versions over which a breaker is open."""
    held = Q(pk__in=[])
    for agent, action_type in breakers.open_breakers().values_list("agent", "action_type"):
        held |= (Q(agent=agent) if agent else Q()) & (Q(action_type=action_type) if action_type else Q())
    return held


def cells_of(autonomies: Iterable[Autonomy], *, now: datetime) -> list[FleetCell]:
    """What is shown of these, in a constant number of queries."""
    autonomies = list(autonomies)
    types = snapshot.current().types
    open_breakers = list(breakers.open_breakers().select_related("agent", "action_type"))
    incidents = _open_incidents({autonomy.agent_id for autonomy in autonomies})
    return [
        _cell(
            autonomy,
            types.get(autonomy.action_type_id),
            [breaker for breaker in open_breakers if _is_over(breaker, autonomy)],
            incidents.get((autonomy.agent_id, autonomy.action_type_id), 0),
            now=now,
        )
        for autonomy in autonomies
    ]


def _cell(
    autonomy: Autonomy, kind: TypePolicy | None, over: Sequence[Breaker], incidents: int, *, now: datetime
) -> FleetCell:
    beside = {evidence.impact: evidence for evidence in getattr(autonomy, "seen", ())}
    lines = []
    for band in levels.BANDS:
        evidence, lacks = beside.get(band), [Missing(Lack.LABELS)]
        if kind is not None and autonomy.level_in(band) >= levels.highest_level(kind, band):
            lacks = [Missing(Lack.HIGHEST)]
        elif kind is not None and evidence is not None:
            lacks = levels.missing(
                autonomy, evidence, beside, kind, open_incidents=incidents, broken=bool(over), now=now
            )
        lines.append(BandLine(band.value, str(Impact(band).label), autonomy.level_in(band), evidence, lacks))
    # What an irreversible action moves is always of high impact: the other bands do not exist.
    shown = [line for line in lines if line.evidence is not None] or lines[-1:]
    return FleetCell(autonomy, kind, shown, over, incidents)


def _is_over(breaker: Breaker, autonomy: Autonomy) -> bool:
    return breaker.agent_id in (None, autonomy.agent_id) and breaker.action_type_id in (None, autonomy.action_type_id)


def _open_incidents(agents: set[UUID]) -> dict[tuple[UUID, str], int]:
    counts = (
        Incident.objects.filter(severity__in=SEVERE, closed_at=None, approval__agent__in=agents)
        .values(agent=F("approval__agent"), action_type=F("approval__action_type"))
        .annotate(count=Count("pk"))
    )
    return {(row["agent"], row["action_type"]): row["count"] for row in counts}
