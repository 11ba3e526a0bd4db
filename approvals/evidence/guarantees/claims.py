"""What is claimed, with which probability it may be wrong, and how well people read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from approvals.evidence.guarantees.evalues import State, Tally, inside, log_closed, within


class CatchRate:
    """How many of the faults people catch at the least, by seeded cases with a known answer.

    `floor` is the lower end of a confidence sequence: it lies above the true rate at any time with a probability of at
    most `delta`. It is one minus the lowest miss rate that `log_closed` refuses at 1/delta (Howard and others, 2021).
    """

    def __init__(self, delta: float = 0.025) -> None:
        inside("delta", delta)
        self.delta = delta
        self.cases = 0
        self.missed = 0
        self._of: tuple[tuple[int, int], float] = (0, 0), 0.0  # the counters of the last floor, and it

    def see(self, *, caught: bool) -> None:
        """Count one seeded fault."""
        self.cases += 1
        self.missed += not caught

    @property
    def floor(self) -> float:
        """0..1; 0 without cases."""
        counters = self.cases, self.missed
        if self._of[0] != counters:
            self._of = counters, self._lower_end()
        return self._of[1]

    @property
    def state(self) -> State:
        """The counters, as JSON."""
        return {"delta": self.delta, "cases": self.cases, "missed": self.missed}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """The catch rate of a `state`."""
        rate = cls(state["delta"])
        rate.cases, rate.missed = state["cases"], state["missed"]
        return rate

    def _lower_end(self) -> float:
        if self.missed == self.cases:
            return 0.0
        low, high = self.missed / self.cases, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            if log_closed(self.cases, self.missed, middle) >= -math.log(self.delta):
                high = middle
            else:
                low = middle
        return 1.0 - high


CatchFloor = float | CatchRate | Sequence[CatchRate] | None


@dataclass(frozen=True)
class Claim:
    """That of what is counted at most `target` is wrong; false with a probability of at most `delta`.

    Readers who catch a share c of the faults show c·target where target is wrong, so that the bar is target times the
    floor of c: a number, a catch rate read at each look, or several, of which the lowest holds. `delta` is the whole.
    Half of it is the catch rate's: that its floor is ever above c. While it is not, every bar so far was at most
    c·target, E rises with the bar, and so E at the bar of any moment was at most E at c·target, which has the other
    half. For the least of several floors the same, c being the least of their rates.
    """

    target: float
    delta: float
    catch_floor: CatchFloor = None

    def __post_init__(self) -> None:
        inside("target", self.target)
        inside("delta", self.delta)
        match self.catch_floor:
            case None:
                return
            case int() | float() as floor:
                within("catch_floor", floor, 0, 1)
            case CatchRate() as rate:
                self._leave_half(rate)
            case rates:
                for rate in rates:
                    self._leave_half(rate)

    @property
    def bar(self) -> float:
        """The error rate among labels that is to be refused, now."""
        match self.catch_floor:
            case None:
                return self.target
            case int() | float() as floor:
                return self.target * floor
            case CatchRate(floor=floor):
                return self.target * floor
            case rates:
                return self.target * min((rate.floor for rate in rates), default=0.0)

    @property
    def level(self) -> float:
        """What E must reach, for one question."""
        return (1 if self.catch_floor is None else 2) / self.delta

    def tally(self, thresholds: int = 1) -> Tally:
        """Counters of an e-process for this claim, for one of so many thresholds without an order."""
        return Tally(fewest=Tally().needed(thresholds * self.level, self.target) or 0)

    def check(self, state: Mapping[str, Any]) -> None:
        """Raise ValueError unless a state of counters is of such a claim: with or without a catch rate."""
        if state["careful"] != (self.catch_floor is None):
            raise ValueError("the counters were kept " + ("without" if state["careful"] else "with") + " a catch rate")

    @property
    def state(self) -> State:
        """The claim as JSON; the catch rate has a state of its own."""
        return {"delta": self.delta, "careful": self.catch_floor is None}

    def _leave_half(self, rate: CatchRate) -> None:
        if rate.delta > self.delta / 2 + 1e-12:
            raise ValueError(f"delta of the catch rate is {rate.delta}: at most half of the whole, {self.delta}")


def labels_needed(
    target: float = 0.05, delta: float = 0.05, *, thresholds: int = 1, catch_floor: CatchFloor = None
) -> int | None:
    """How many fair labels without a fault it takes from the start; None where no number is enough.

    `thresholds` is how many are asked about without an order: 1 for a fixed sequence and for a promotion.
    """
    claim = Claim(target, delta, catch_floor)
    return Tally().needed(thresholds * claim.level, claim.bar)
