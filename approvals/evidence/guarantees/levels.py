"""Autonomy that is earned and lost, and the cells of a fleet that may lose their gate."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Self, TypeVar, overload

from approvals.evidence.guarantees.claims import CatchFloor, Claim
from approvals.evidence.guarantees.evalues import State, Tally, drawn, exponential, inside, undrawn

# λ·bar. A turn from 2 % to 20 % at a bar of 5 % is soonest met by the first, to 7 % by the last only.
DECLINE_BETS = (0.1, 0.05, 0.025)
# Where shares differ, a wrong label counts 1/share, so that the bets must be smaller for small shares.
DECLINE_BETS_OF_SHARES = (0.1, 0.05, 0.025, 0.01, 0.005, 0.0025)

Cell = TypeVar("Cell", bound=Hashable)


class Promotion:
    """Whether an agent has earned its next level: at most `bar` of its proposals were wrong since the last.

    One for each band of value; false with a probability of at most `delta` in all its time at the level (see `Claim`).
    """

    def __init__(self, bar: float = 0.05, delta: float = 0.05, catch_floor: CatchFloor = None) -> None:
        self.claim = Claim(bar, delta, catch_floor)
        self._tally = self.claim.tally()
        self._earned = False

    def see(self, *, wrong: bool, share: float = 1.0) -> None:
        """One fair label. Raises ValueError for a share outside (0, 1]."""
        self._tally.see(wrong=wrong, share=drawn(share))
        self._look()

    def pass_unseen(self, *, share: float) -> None:
        """A proposal of the population that was not drawn. Raises ValueError for a share outside [0, 1)."""
        self._tally.pass_unseen(share=undrawn(share))
        self._look()

    def correct(self, *, share: float = 1.0) -> None:
        """A label that was missing, and so counted as wrong, is right. Raises ValueError where none was wrong."""
        self._tally.correct(share=share)
        self._look()

    @property
    def e(self) -> float:
        """E at present."""
        return exponential(self._tally.log_e(self.claim.bar))

    @property
    def earned(self) -> bool:
        """Whether E has reached 1/delta at some moment (2/delta with a catch rate, which has the other half)."""
        if self.claim.catch_floor is not None:  # which may have risen since the last label
            self._look()
        return self._earned

    @property
    def rate(self) -> float | None:
        """The estimated share that is wrong; None without labels."""
        return self._tally.rate

    @property
    def needed(self) -> int | None:
        """How many more labels without a fault, at today's bar, until it is earned; None for never."""
        return 0 if self.earned else self._tally.needed(self.claim.level, self.claim.bar)

    @property
    def state(self) -> State:
        """Everything but the catch rate, as JSON."""
        return self.claim.state | {"bar": self.claim.target, "earned": self._earned, "tally": self._tally.state}

    @classmethod
    def restored(cls, state: Mapping[str, Any], *, catch_floor: CatchFloor = None) -> Self:
        """The promotion of a `state`. Raises ValueError where it had a catch rate and has none now, or the reverse."""
        promotion = cls(state["bar"], state["delta"], catch_floor)
        promotion.claim.check(state)
        promotion._tally, promotion._earned = Tally.restored(state["tally"]), state["earned"]
        return promotion

    def _look(self) -> None:
        self._earned = self._earned or self._tally.reaches(self.claim.level, self.claim.bar)


class Decline:
    """Raises an alarm soon after more than `bar` of the proposals are wrong.

    While at most `bar` are, it is false on average not before `false_alarm_every` decisions. An e-detector (J. Shin,
    A. Ramdas and A. Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", New England
    Journal of Statistics in Data Science 2, 2024): M ← (M + 1)(1 + λ(x - bar)), the mean over a few λ in proportion
    to 1/bar, alarm at M >= `false_alarm_every`. At the bar M grows by 1 a step at most on average, hence the promise.

    x is wrong or not over labels of equal share, and ξ·wrong/share over every proposal where shares differ; no λ
    depends on a proposal's share. What was gathered is carried from the first form to the second. A second detector
    with a smaller `false_alarm_every` is a warning. A missing label is left out until it is there.
    """

    def __init__(self, bar: float = 0.05, false_alarm_every: float = 10_000) -> None:
        inside("bar", bar)
        if not false_alarm_every >= 1:
            raise ValueError(f"false_alarm_every is {false_alarm_every}: at least 1 decision")
        self.bar = bar
        self.false_alarm_every = false_alarm_every
        self.alarm = False
        self._share: float | None = None
        self._equal = True
        self._evidence = [0.0 for _ in DECLINE_BETS]

    def see(self, *, wrong: bool, share: float = 1.0) -> None:
        """One fair label. Raises ValueError for a share outside (0, 1]."""
        share = drawn(share)
        self._compare(share)
        self._step(float(wrong) if self._equal else float(wrong) / share)

    def pass_unseen(self, *, share: float) -> None:
        """A proposal of the population that was not drawn; one with a share of 0 teaches nothing.

        Raises ValueError for a share outside [0, 1).
        """
        if undrawn(share):
            self._compare(share)
            if not self._equal:
                self._step(0)

    @property
    def evidence(self) -> float:
        """M at present."""
        return sum(self._evidence) / len(self._evidence)

    @property
    def state(self) -> State:
        """Everything, as JSON."""
        names = ("bar", "false_alarm_every", "alarm")
        inner = {"share": self._share, "equal": self._equal, "evidence": [*self._evidence]}
        return {name: getattr(self, name) for name in names} | inner

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """The detector of a `state`."""
        decline = cls(state["bar"], state["false_alarm_every"])
        decline.alarm, decline._share = state["alarm"], state["share"]
        decline._equal, decline._evidence = state["equal"], [*state["evidence"]]
        return decline

    def _compare(self, share: float) -> None:
        if self._equal and self._share not in (None, share):
            self._equal = False
            self._evidence = [self.evidence for _ in DECLINE_BETS_OF_SHARES]
        self._share = share

    def _step(self, x: float) -> None:
        bets = DECLINE_BETS if self._equal else DECLINE_BETS_OF_SHARES
        self._evidence = [
            (evidence + 1) * (1 + bet / self.bar * (x - self.bar))
            for evidence, bet in zip(self._evidence, bets, strict=True)
        ]
        self.alarm = self.alarm or self.evidence >= self.false_alarm_every


@overload
def may_lose_gate(e_values: Mapping[Cell, float], fdr: float = 0.05) -> set[Cell]: ...
@overload
def may_lose_gate(e_values: Sequence[float], fdr: float = 0.05) -> set[int]: ...
def may_lose_gate(e_values: Mapping[Any, float] | Sequence[float], fdr: float = 0.05) -> set[Any]:
    """Which cells may: of those named at most `fdr` are wrong on average, however the cells hang together.

    `e_values` are present ones, not their maxima: those are no e-values. By the key of a mapping or the index of a
    sequence. e-BH: the k largest, for the greatest k of which the k-th is at least cells/(fdr·k) (R. Wang and A.
    Ramdas, "False discovery rate control with e-values", JRSS B 84, 2022). Raises ValueError for an E below 0 or an fdr
    outside (0, 1).
    """
    inside("fdr", fdr)
    cells = dict(e_values) if isinstance(e_values, Mapping) else dict(enumerate(e_values))
    if not all(e >= 0 for e in cells.values()):
        raise ValueError("e_values: each is at least 0")
    ranked = sorted(cells, key=lambda cell: cells[cell], reverse=True)
    reached = [rank for rank, cell in enumerate(ranked, 1) if rank * cells[cell] >= len(cells) / fdr]
    return set(ranked[: max(reached, default=0)])
