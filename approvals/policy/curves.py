"""From a composite to what people made of it: the share that they approved unchanged, of those with such a score.

A curve is a rising step function with at least LEAST decisions in each step (pool adjacent violators: R. E. Barlow and
others, "Statistical Inference under Order Restrictions", 1972), fitted to FEWEST decisions or more. Between two steps
the lower one holds. Outside of what people saw nothing is claimed, and the composite speaks for itself: what passes
without a person is seen by nobody, so that its upper end says nothing of what lies above.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import NamedTuple

FEWEST = 200  # decisions of an action type
LEAST = 20  # of one step; fewer say more about chance

FITTED = """
SELECT action_type_id, points::text, decided, weights::text FROM approvals_curve
WHERE action_type_id = ANY (%(names)s)
"""
_PLACES = Decimal("0.001")


class Point(NamedTuple):
    """One step: scores from `low` to `high`, and what people decided of them."""

    low: Decimal
    high: Decimal
    approved: int
    decided: int

    @property
    def share(self) -> Decimal:
        """Approved unchanged / decided, rounded down like every score."""
        return (Decimal(self.approved) / Decimal(self.decided)).quantize(_PLACES, rounding=ROUND_FLOOR)


@dataclass(frozen=True, slots=True)
class Observed:
    """What people made of such scores: the share they approved unchanged, of how many."""

    share: Decimal
    decided: int


@dataclass(frozen=True, slots=True)
class Curve:
    """The fit of one action type, with the weights that its scores were made of."""

    points: tuple[Point, ...]
    decided: int
    weights: Mapping[str, float]

    def at(self, score: Decimal | None, weights: Mapping[str, float]) -> Observed | None:
        """What was observed of a score that these weights made; None where it was made otherwise, or seen by nobody."""
        if score is None or dict(weights) != dict(self.weights):
            return None
        if not self.points or not self.points[0].low <= score <= self.points[-1].high:
            return None
        step = max((point for point in self.points if point.low <= score), key=lambda point: point.low)
        return Observed(step.share, step.decided)


class Judged(NamedTuple):
    """What people decided of one score."""

    score: Decimal
    approved: int
    decided: int


def fit(judged: Iterable[Judged]) -> list[Point]:
    """The rising steps that are nearest to what was decided, by least squares; each of LEAST decisions where possible.

    `judged` may come in any order, each score once.
    """
    points: list[Point] = []
    for one in sorted(judged):
        points.append(Point(one.score, one.score, one.approved, one.decided))
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


def read(rows: Iterable[tuple[str, str, int, str]]) -> dict[str, Curve]:
    """The rows of FITTED by action type."""
    found = {}
    for name, points, decided, weights in rows:
        steps = tuple(
            Point(Decimal(str(low)), Decimal(str(high)), int(approved), int(many))
            for low, high, approved, many in json.loads(points)
        )
        found[name] = Curve(steps, decided, json.loads(weights))
    return found
