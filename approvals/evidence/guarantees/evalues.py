"""E-processes against an error rate, from counters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from scipy.special import betainc, betaln

# What a share q leaves alive is λ up to about q, so that the usual draws each find their own largest bet here.
BETS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
PATIENCE = 1 << 40  # labels, beyond which nothing is needed any more: it is out of reach

State = dict[str, Any]


def log_closed(labels: int, wrong: int, bar: float) -> float:
    """The log of the truncated-Beta mixture over `labels` of equal share; -inf where it underflows.

    The likelihood ratio of an error rate p against the bar, averaged over p uniform in (0, bar): with a = b = 1 in
    E = B(a+k, b+n-k)·I_bar(a+k, b+n-k) / (B(a, b)·I_bar(a, b)·bar^k·(1-bar)^(n-k)). Beta mixtures: H. Robbins,
    "Statistical methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41 (1970);
    truncated for one side: S. R. Howard and others, "Time-uniform, nonparametric, nonasymptotic confidence
    sequences", Annals of Statistics 49 (2021), for thresholds: Khosravi and Huo, arXiv 2605.20270.

    Uniform, because then E rises with the bar: with p = u·bar the ratio is u^k·((1 - u·bar)/(1 - bar))^(n-k), which
    does. A bar that moves below the true one is therefore never too easy (see `Claim`).
    """
    right = labels - wrong
    below = float(betainc(1 + wrong, 1 + right, bar))
    if not below:
        return -math.inf
    return (
        float(betaln(1 + wrong, 1 + right)) + math.log(below) - (wrong + 1) * math.log(bar) - right * math.log1p(-bar)
    )


def log_bets(proposals: int, wrong: Mapping[float, int], least: float, bar: float) -> float:
    """The log of the mean over BETS of ∏(1 + λ(bar - ξ·wrong/q)) over `proposals`, drawn or not.

    `wrong` counts the wrong ones by their share q, `least` is the least share among all. ξ·wrong/q is on average what
    a careful reader would have found, whatever the share depends on; a λ of which a factor could be negative is struck
    out from the first proposal with that share on, and its part of the mean is lost. After Xu, Karampatziakis and
    Mineiro, "Active, anytime-valid risk controlling prediction sets", NeurIPS 2024.
    """
    right = proposals - sum(wrong.values())
    logs = [
        right * math.log1p(bet * bar) + sum(count * _log(1 + bet * (bar - 1 / share)) for share, count in wrong.items())
        for bet in BETS
        if 1 + bet * (bar - 1 / least) >= 0
    ]
    top = max(logs, default=-math.inf)
    if top == -math.inf:
        return top
    return top + math.log(sum(math.exp(log - top) for log in logs) / len(BETS))


@dataclass(slots=True)
class Tally:
    """The counters from which one e-process follows, and the e-process.

    While every share was the same, drawn or not, the labels alone are a fair sample: `log_closed`. Where shares differ
    it is `log_bets` over every proposal, in whatever order they came. Either is a fair bet, but what the first could
    have certified must not get a second try by the second: where a share changes after `fewest` labels, the fewest with
    which the first could have reached its level, what was won until then is the stake of the bets on what follows
    (`stake`: its labels, the wrong ones among them, their share). The claim is then of the time before and since, each.
    """

    fewest: int = 0
    proposals: int = 0
    labels: int = 0
    wrong: dict[float, int] = field(default_factory=dict)
    least: float | None = None
    equal: bool = True
    stake: tuple[int, int, float] | None = None

    def see(self, *, wrong: bool, share: float) -> None:
        """Count a label."""
        self._count(share)
        self.labels += 1
        if wrong:
            self.wrong[share] = self.wrong.get(share, 0) + 1

    def pass_unseen(self, *, share: float) -> None:
        """Count a proposal that was not drawn; a share of 0 ends the bet."""
        self._count(share)

    def correct(self, *, share: float) -> None:
        """A label that was missing, and so counted as wrong, is right. Raises ValueError where none was wrong."""
        if self.wrong.get(share):
            self.wrong[share] -= 1
        elif self.stake and self.stake[1] and self.stake[2] == share:
            self.stake = (self.stake[0], self.stake[1] - 1, share)
        else:
            raise ValueError(f"no label of share {share} was wrong")

    @property
    def rate(self) -> float | None:
        """The share that is wrong, estimated without bias (D. G. Horvitz and D. J. Thompson, JASA 47, 1952).

        It is of what followed, where the share changed late; None without labels.
        """
        if not self.labels:
            return None
        if self.equal:
            return sum(self.wrong.values()) / self.labels
        return sum(count / share for share, count in self.wrong.items()) / self.proposals

    def log_e(self, bar: float) -> float:
        """The log of E against the claim that the error rate is at least `bar`; -inf for 0."""
        if self.least == 0 or bar <= 0:
            return -math.inf
        if self.least is None:
            return 0.0
        if not self.equal:
            won = log_closed(self.stake[0], self.stake[1], bar) if self.stake else 0.0
            return won + log_bets(self.proposals, self.wrong, self.least, bar)
        wrong = sum(self.wrong.values())
        if not self.labels:
            return 0.0
        return -math.inf if wrong >= bar * self.labels else log_closed(self.labels, wrong, bar)

    def reaches(self, level: float, bar: float) -> bool:
        """Whether E is at least `level`."""
        log_level = math.log(level)
        if self.equal and self.labels and bar > 0:
            wrong = sum(self.wrong.values())
            right = self.labels - wrong
            if wrong >= bar * self.labels:
                return False
            # The average of a likelihood ratio is at most the largest, which costs two logarithms.
            largest = wrong * _log(wrong / self.labels / bar) if wrong else 0.0
            if largest + right * math.log(right / self.labels / (1 - bar)) < log_level:
                return False
        if not self.equal and not self.stake and self.least and bar > 0:
            # ∏(1 + λ(bar - x)) is at most (1 + λ(bar - mean of x))^n, and no λ is larger than the least share allows.
            top = min(BETS[0], 1 / (1 / self.least - bar))
            if self.proposals * math.log1p(max(0.0, top * (bar - (self.rate or 0.0)))) < log_level:
                return False
        return self.log_e(bar) >= log_level

    def needed(self, level: float, bar: float) -> int | None:
        """How many more, each seen at share 1 or the same as before and right, until E is `level`; None for never."""
        if bar <= 0 or self.least == 0:
            return None
        low, high = -1, 0
        while not self._with(high).reaches(level, bar):
            low, high = high, 2 * high + 1
            if high > PATIENCE:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._with(middle).reaches(level, bar) else (middle, high)
        return high

    @property
    def state(self) -> State:
        """The counters, as JSON."""
        names = ("fewest", "proposals", "labels", "least", "equal")
        wrong = {repr(share): count for share, count in self.wrong.items()}
        return {name: getattr(self, name) for name in names} | {"wrong": wrong, "stake": self.stake and [*self.stake]}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """The tally of a `state`."""
        wrong = {float(share): count for share, count in state["wrong"].items()}
        return cls(**{**state, "wrong": wrong, "stake": tuple(state["stake"]) if state["stake"] else None})

    def _count(self, share: float) -> None:
        if self.equal and self.least not in (None, share):
            if self.least and self.labels >= self.fewest:
                self.stake = (self.labels, sum(self.wrong.values()), self.least)
                self.proposals, self.labels, self.wrong, self.least = 0, 0, {}, None
            self.equal = False
        self.least = share if self.least is None else min(self.least, share)
        self.proposals += 1

    def _with(self, right: int) -> "Tally":
        least = 1.0 if self.least is None else self.least
        return replace(self, proposals=self.proposals + right, labels=self.labels + right, least=least)


def within(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless the value lies in low..high."""
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}: it lies in {low:g}..{high:g}")


def drawn(share: float) -> float:
    """The share of a label. Raises ValueError outside (0, 1]."""
    within("share", share, 0, 1)
    if share == 0:
        raise ValueError("share is 0: what is never drawn has no label")
    return float(share)


def undrawn(share: float) -> float:
    """The share of a proposal that was not drawn. Raises ValueError outside [0, 1)."""
    within("share", share, 0, 1)
    if share == 1:
        raise ValueError("share is 1: all are drawn, and a label that is missing counts as wrong")
    return float(share)


def inside(name: str, value: float) -> None:
    """Raise ValueError unless the value lies between 0 and 1, both left out."""
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}: it lies between 0 and 1")


def exponential(log: float) -> float:
    """e to the power of it; infinity where that is beyond a float."""
    return math.exp(log) if log < 709 else math.inf


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf
