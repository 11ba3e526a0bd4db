"""The lowest threshold above which little goes wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from approvals.evidence.guarantees.claims import CatchFloor, Claim
from approvals.evidence.guarantees.evalues import State, Tally, drawn, exponential, undrawn, within


class ThresholdCertifier:
    """Of the proposals that score at or above `certified`, at most `target` are wrong; false with probability `delta`.

    For one cell: agent, action type, stated version, impact band. The grid is declared before the labels, and each of
    its thresholds has an e-process over all proposals of the population at or above it (Khosravi and Huo, arXiv
    2605.20270). Without a `start` each of m thresholds is certified at E >= m/delta, so that any order is right
    (Bonferroni). With one they are asked about in a fixed sequence from it downwards, each at E >= 1/delta, until one
    is not certified: none is wrong before the first false one, and that is certified with probability delta at most
    (Angelopoulos and others, "Learn then test", arXiv 2110.01052). A start carries 15 to 30 % of the traffic; the
    strictest threshold, with few proposals, would hold up all others. Other signals, weights, grid, start or target: a
    new certifier.

    A certificate lasts until `end`; what ends it is a detector of decline, an incident, a new version. `delta` is for
    each term. Raises ValueError for a grid that does not rise within 0..1, a start that is not one of it, and a delta
    or target outside (0, 1).
    """

    def __init__(
        self,
        grid: Sequence[float],
        target: float = 0.05,
        delta: float = 0.05,
        *,
        start: float | None = None,
        catch_floor: CatchFloor = None,
    ) -> None:
        self.grid = tuple(float(threshold) for threshold in grid)
        for threshold in self.grid:
            within("threshold", threshold, 0, 1)
        if not self.grid or any(low >= high for low, high in zip(self.grid, self.grid[1:], strict=False)):
            raise ValueError("grid: thresholds in rising order, at least one")
        if start is not None and start not in self.grid:
            raise ValueError(f"start is {start}: one of the grid's thresholds")
        self.start = start
        self.claim = Claim(target, delta, catch_floor)
        self.term = 0
        self.ended_by = ""
        self._begin()

    def see(self, *, score: float, wrong: bool, share: float = 1.0) -> None:
        """One fair label. Raises ValueError for a score outside 0..1 or a share outside (0, 1]."""
        share = drawn(share)
        for tally in self._at_or_below(score):
            tally.see(wrong=wrong, share=share)
        self._look()

    def pass_unseen(self, *, score: float, share: float) -> None:
        """A proposal of the population that was not drawn. Raises ValueError for a share outside [0, 1)."""
        share = undrawn(share)
        for tally in self._at_or_below(score):
            tally.pass_unseen(share=share)
        self._look()

    def correct(self, *, score: float, share: float = 1.0) -> None:
        """A label that was missing, and so counted as wrong, is right. Raises ValueError where none was wrong."""
        for tally in self._at_or_below(score):
            tally.correct(share=share)
        self._look()

    @property
    def certified(self) -> float | None:
        """The lowest threshold certified in this term, or None."""
        if self.claim.catch_floor is not None:  # which may have risen since the last label
            self._look()
        return self._certified

    @property
    def e_values(self) -> dict[float, float]:
        """E of each threshold at present."""
        bar = self.claim.bar
        return {threshold: exponential(tally.log_e(bar)) for threshold, tally in self._tallies.items()}

    @property
    def rates(self) -> dict[float, float | None]:
        """The estimated share that is wrong at or above each threshold."""
        return {threshold: tally.rate for threshold, tally in self._tallies.items()}

    def counts(self, threshold: float) -> tuple[int, int, int]:
        """Proposals, labels and wrong ones at or above one of the grid's thresholds in this term."""
        tally = self._tallies[threshold]
        labels, wrong, _ = tally.stake or (0, 0, 0.0)
        return tally.proposals + labels, tally.labels + labels, sum(tally.wrong.values()) + wrong

    @property
    def needed(self) -> int | None:
        """How many more labels without a fault until the next certificate, at today's bar; None for never."""
        bar = self.claim.bar
        labels = [self._tallies[threshold].needed(self._level, bar) for threshold in self._next()]
        return min((count for count in labels if count is not None), default=None)

    def end(self, reason: str) -> None:
        """End the term and with it the certificate; the next uses later labels only."""
        self.term += 1
        self.ended_by = reason
        self._begin()

    @property
    def state(self) -> State:
        """Everything but the catch rate, as JSON."""
        return self.claim.state | {
            "grid": [*self.grid],
            "target": self.claim.target,
            "start": self.start,
            "term": self.term,
            "ended_by": self.ended_by,
            "certified": self._certified,
            "tallies": [tally.state for tally in self._tallies.values()],
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any], *, catch_floor: CatchFloor = None) -> Self:
        """The certifier of a `state`. Raises ValueError where it had a catch rate and has none now, or the reverse."""
        certifier = cls(state["grid"], state["target"], state["delta"], start=state["start"], catch_floor=catch_floor)
        certifier.claim.check(state)
        certifier.term, certifier.ended_by = state["term"], state["ended_by"]
        certifier._certified = state["certified"]
        tallies = [Tally.restored(tally) for tally in state["tallies"]]
        certifier._tallies = dict(zip(certifier.grid, tallies, strict=True))
        return certifier

    @property
    def _thresholds(self) -> int:
        return len(self.grid) if self.start is None else 1

    @property
    def _level(self) -> float:
        return self._thresholds * self.claim.level

    def _begin(self) -> None:
        fresh = self.claim.tally(self._thresholds)
        self._tallies = {threshold: Tally(fewest=fresh.fewest) for threshold in self.grid}
        self._certified: float | None = None

    def _at_or_below(self, score: float) -> list[Tally]:
        within("score", score, 0, 1)
        return [tally for threshold, tally in self._tallies.items() if threshold <= score]

    def _next(self) -> list[float]:
        """Which thresholds are asked about now, the lowest first."""
        below = [threshold for threshold in self.grid if self._certified is None or threshold < self._certified]
        if self.start is None:
            return below
        return [threshold for threshold in below if threshold <= self.start][-1:]

    def _look(self) -> None:
        bar, level = self.claim.bar, self._level
        while reached := [threshold for threshold in self._next() if self._tallies[threshold].reaches(level, bar)]:
            self._certified = reached[0]
