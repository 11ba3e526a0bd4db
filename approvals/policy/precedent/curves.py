"""Score curves: of the proposals with about this score, the share that people approved unchanged.

It opens no gate and refuses nothing: it may only lower a score, so that a person is asked (`Assessment.score`).

A curve is a rising step function with at least LEAST decisions in each step (pool adjacent violators: R. E. Barlow and
others, "Statistical Inference under Order Restrictions", 1972), fitted to FEWEST decisions or more. Between two steps
the lower one holds. Outside of what people saw nothing is claimed, and the composite speaks for itself: what passes
without a person is seen by nobody, so that its upper end says nothing of what lies above.

The curve is of all agents together. What counts for one agent is its own record at that step, shrunk towards the
pool's share by PULL decisions: (own approved + PULL * share) / (own decided + PULL), the mean of a Beta distribution
whose prior is the pool (B. Efron and C. Morris, "Stein's Paradox in Statistics", 1977).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple
from uuid import UUID

FEWEST = 200  # decisions of an action type
LEAST = 20  # of one step; fewer say more about chance
PULL = 20  # how many decisions of an agent's own weigh as much as the pool

FITTED = """
SELECT pair.agent, curve.action_type_id, curve.points::text, curve.decided, curve.weights::text, own.counts::text
FROM unnest(%(agents)s::uuid[], %(names)s::text[]) AS pair (agent, name)
JOIN approvals_curve AS curve ON curve.action_type_id = pair.name
LEFT JOIN approvals_agentcurve AS own ON own.curve_id = curve.action_type_id AND own.agent_id = pair.agent
"""
_PLACES = Decimal("0.001")


class Point(NamedTuple):
    """One step: scores from `low` to `high`, and what people decided of them."""

    low: Decimal
    high: Decimal
    approved: int
    decided: int

    def share(self, own: "AgentTally") -> Decimal:
        """The share approved unchanged of an agent with this record of its own, rounded down like every score."""
        pool = Decimal(self.approved) / Decimal(self.decided)
        return ((own.approved + PULL * pool) / (own.decided + PULL)).quantize(_PLACES, rounding=ROUND_FLOOR)


class AgentTally(NamedTuple):
    """What people decided of one agent's proposals at one step."""

    approved: int = 0
    decided: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """What people made of such scores: the share they approved unchanged, of how many, `own` of them this agent's."""

    share: Decimal
    decided: int
    own: int = 0


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """The fit of one action type, the weights its scores were made of, and one agent's record at each step."""

    points: tuple[Point, ...]
    decided: int
    weights: Mapping[str, float]
    own: tuple[AgentTally, ...] = ()

    def at(self, score: Decimal | None, weights: Mapping[str, float]) -> Observed | None:
        """What was observed of a score that these weights made; None where it was made otherwise, or seen by nobody."""
        if score is None or dict(weights) != dict(self.weights):
            return None
        if not self.points or not self.points[0].low <= score <= self.points[-1].high:
            return None
        index = max(index for index, point in enumerate(self.points) if point.low <= score)
        step, own = self.points[index], self.own[index] if self.own else AgentTally()
        return Observed(step.share(own), step.decided, own.decided)


class ScoreDecisions(NamedTuple):
    """What people decided of one score."""

    score: Decimal
    approved: int
    decided: int


def fit(judged: Iterable[ScoreDecisions]) -> list[Point]:
    """The rising steps that are nearest to what was decided, by least squares; each of LEAST decisions where possible.

    `judged` may come in any order, each score once.
    """
    points: list[Point] = []
    for judgment in sorted(judged):
        points.append(Point(judgment.score, judgment.score, judgment.approved, judgment.decided))
        # A step that is not above the one before is no step: both are one.
        while len(points) > 1 and not _above(points[-1], points[-2]):
            points[-2:] = [_joined(points[-2], points[-1])]
    return _broad(points)


def _above(upper: Point, lower: Point) -> bool:
    return upper.approved * lower.decided > lower.approved * upper.decided


def _joined(lower: Point, upper: Point) -> Point:
    return Point(lower.low, upper.high, lower.approved + upper.approved, lower.decided + upper.decided)


def _broad(points: Sequence[Point]) -> list[Point]:
    """The same without steps that few decisions carry; joining neighbours keeps what rises rising."""
    broad: list[Point] = []
    for point in points:
        if broad and broad[-1].decided < LEAST:
            broad[-1] = _joined(broad[-1], point)
        else:
            broad.append(point)
    if len(broad) > 1 and broad[-1].decided < LEAST:
        broad[-2:] = [_joined(broad[-2], broad[-1])]
    return broad


def counts(points: Sequence[Point], judged: Iterable[ScoreDecisions]) -> list[AgentTally]:
    """One agent's record at each step; every judged score lies within one of the steps."""
    tallies = [AgentTally()] * len(points)
    for score, approved, decided in judged:
        index = next(index for index, point in enumerate(points) if point.low <= score <= point.high)
        tally = tallies[index]
        tallies[index] = AgentTally(tally.approved + approved, tally.decided + decided)
    return tallies


def read(rows: Iterable[tuple[UUID, str, str, int, str, str | None]]) -> dict[tuple[UUID, str], ScoreCurve]:
    """The rows of FITTED by agent and action type."""
    return {
        (agent, name): ScoreCurve(
            points=tuple(
                Point(Decimal(str(low)), Decimal(str(high)), int(approved), int(many))
                for low, high, approved, many in json.loads(points)
            ),
            decided=decided,
            weights=json.loads(weights),
            own=tuple(AgentTally(approved, many) for approved, many in json.loads(own or "[]")),
        )
        for agent, name, points, decided, weights, own in rows
    }
