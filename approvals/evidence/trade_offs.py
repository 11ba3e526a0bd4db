"""What a manager reads of thresholds: what is certified of each cell, what it would save, and what it would risk.

Everything here was counted by the worker (`EvidenceCell.states`); a page of it costs the same for a week and a year.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from approvals.evidence.rates import Rate
from approvals.models import ActionType, Certificate, EvidenceCell

MOST = 200  # cells on one page, those with the most proposals
FEW = 50  # labels below which a band says more about chance
NAME, READING = "thresholds", "reading"  # of the states of a cell


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """What was counted of a cell at or above one threshold; `rate` is the share that is wrong, None without labels."""

    threshold: float
    proposals: int
    labels: int
    wrong: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class CellEvidence:
    """One agent's cell: what is in force, what was counted, and how many more labels without a fault are needed.

    `advisory`: that assumes careful readers. `bar` is what labels are held against; 0: people were never tested.
    """

    cell: EvidenceCell
    certificate: Certificate | None
    advisory: Certificate | None
    counted: Sequence[AtThreshold]
    bar: float
    needed: int | None
    needed_if_careful: int | None
    share: float | None

    @property
    def proposals(self) -> int:
        return max((at.proposals for at in self.counted), default=0)

    @property
    def labels(self) -> int:
        return max((at.labels for at in self.counted), default=0)

    @property
    def version(self) -> str:
        """What it states of itself in one line; empty for nothing."""
        return " · ".join(filter(None, (self.cell.agent_model, self.cell.prompt_version, self.cell.tool_version)))


@dataclass(frozen=True, slots=True)
class TradeOffPoint:
    """Were everything at or above `threshold` to pass: of 1,000 proposals, and in money."""

    threshold: float
    passes: float
    minutes: float
    saved: Decimal
    wrong: float
    cost: Decimal | None  # None: nobody said what an error costs

    @property
    def net(self) -> Decimal | None:
        return None if self.cost is None else self.saved - self.cost


@dataclass(frozen=True, slots=True)
class ScoreBand:
    """Proposals from one threshold up to the next tenth, and how many of them were wrong."""

    low: float
    high: float
    wrong: Rate


@dataclass(frozen=True, slots=True)
class TypeEvidence:
    """All cells of one action type, those with the most proposals first; nothing is certified over several of them."""

    type: ActionType
    cells: Sequence[CellEvidence]
    seconds: float | None  # mean time in view of a decision

    @property
    def labels(self) -> int:
        return sum(cell.labels for cell in self.cells)

    @property
    def points(self) -> list[TradeOffPoint]:
        """Minutes saved and errors expected for each threshold; empty where the cells' labels say nothing."""
        whole = sum(cell.proposals for cell in self.cells)
        if not whole or self.seconds is None:
            return []
        points = []
        for number in range(len(self.cells[0].counted)):
            at = [cell.counted[number] for cell in self.cells if len(cell.counted) > number]
            if any(counted.proposals and counted.rate is None for counted in at):
                continue
            passes = 1000 * sum(counted.proposals for counted in at) / whole
            wrong = 1000 * sum(counted.proposals * (counted.rate or 0) for counted in at) / whole
            minutes = passes * self.seconds / 60
            cost = self.type.error_cost
            points.append(
                TradeOffPoint(
                    threshold=at[0].threshold,
                    passes=passes,
                    minutes=minutes,
                    saved=Decimal(minutes) * self.type.minute_cost,
                    wrong=wrong,
                    cost=None if cost is None else Decimal(wrong) * cost,
                )
            )
        return points

    @property
    def bands(self) -> list[ScoreBand]:
        """Tenths of the score with enough labels of equal share to say something."""
        bands = []
        ends = range(0, len(self.cells[0].counted), 2) if self.cells else ()
        for number in ends:
            labels = wrong = 0
            for cell in self.cells:
                here = cell.counted[number]
                above = cell.counted[number + 2] if number + 2 < len(cell.counted) else None
                labels += here.labels - (above.labels if above else 0)
                wrong += here.wrong - (above.wrong if above else 0)
            low = self.cells[0].counted[number].threshold
            if labels >= FEW:
                bands.append(ScoreBand(low, min(low + 0.1, 1.0), Rate(wrong, labels)))
        return bands


def evidence_by_type() -> list[TypeEvidence]:
    """What is known of each action type that has labels. Three queries."""
    held: dict[tuple[object, bool], Certificate] = {
        (row.cell_id, row.advisory): row for row in Certificate.objects.filter(ended_at=None)
    }
    cells = [
        _read(cell, held) for cell in EvidenceCell.objects.select_related("agent", "action_type") if NAME in cell.states
    ]
    cells = sorted(cells, key=lambda cell: -cell.proposals)[:MOST]
    by_type: dict[str, list[CellEvidence]] = {}
    for evidence in cells:
        by_type.setdefault(evidence.cell.action_type_id, []).append(evidence)
    return [
        TypeEvidence(group[0].cell.action_type, group, _seconds(group))
        for _, group in sorted(by_type.items(), key=lambda item: item[1][0].cell.action_type.title)
    ]


def _read(cell: EvidenceCell, held: Mapping[tuple[object, bool], Certificate]) -> CellEvidence:
    figures: dict[str, Any] = cell.states[NAME]["figures"]
    return CellEvidence(
        cell=cell,
        certificate=held.get((cell.pk, False)),
        advisory=held.get((cell.pk, True)),
        counted=[AtThreshold(*row) for row in figures["counted"]],
        bar=figures["bar"],
        needed=figures["needed"],
        needed_if_careful=figures["needed_if_careful"],
        share=figures["share"],
    )


def _seconds(cells: Sequence[CellEvidence]) -> float | None:
    readings = [cell.cell.states[READING] for cell in cells if cell.cell.states.get(READING)]
    return float(readings[0]["seconds"]) if readings else None
