"""Made-up agents and readers for `bench evidence`, and what the certifier says of them, for whole careers at once.

The arithmetic of approvals/evidence/guarantees is here a second time, on arrays, since thousands of careers are looked
at after each of their decisions; `evidence` holds a part of them against the shipped code and refuses a difference.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaln

from approvals.evidence.guarantees import CatchRate, ThresholdCertifier, labels_needed
from approvals.evidence.guarantees.evalues import BETS

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Chance = np.random.Generator

GRID = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
START = 0.9
LONGEST = 1 << 16  # labels of a career, out of reach
_SCORES = np.linspace(0.0005, 0.9995, 1000)
_DENSITY = _SCORES**2 * (1 - _SCORES) ** 0.3  # of Beta(3, 1.3), but for a factor


@dataclass(frozen=True, slots=True)
class Career:
    """Labels in the order in which they enter: score, what the label says, the share it was drawn with, if it was."""

    scores: Floats
    wrong: Flags
    shares: Floats
    drawn: Flags
    corrects: Counts | None = None  # which earlier label, that counted as wrong, is right after all; -1 for none
    seeded: Flags | None = None  # at each of the first decisions, a seeded fault: caught or missed

    @property
    def length(self) -> int:
        return len(self.scores)


def scores_of(chance: Chance, length: int) -> Floats:
    return chance.beta(3, 1.3, length)


def error_at(scores: Floats) -> Floats:
    """How often a proposal of that score is wrong."""
    return 0.6 / (1 + np.exp(10 * (scores - 0.62)))


def selective_error(threshold: float) -> float:
    """How often a proposal at or above the threshold is wrong."""
    above = threshold <= _SCORES
    return float(np.average(error_at(_SCORES[above]), weights=_DENSITY[above]))


def let_through(threshold: float) -> float:
    """How many proposals are at or above the threshold, of 1."""
    return float(_DENSITY[threshold <= _SCORES].sum() / _DENSITY.sum())


def all_read(scores: Floats, wrong: Flags) -> Career:
    """A career of which every proposal is labelled."""
    length = len(scores)
    return Career(scores, wrong, np.ones(length), np.ones(length, dtype=np.bool_))


def by_share(chance: Chance, scores: Floats, wrong: Flags, shares: Floats) -> Career:
    """A career of which each proposal is drawn with its share."""
    return Career(scores, wrong, shares, chance.random(len(scores)) < shares)


@cache
def floor_of(cases: int, missed: int) -> float:
    """The floor of a catch rate."""
    rate = CatchRate()
    rate.cases, rate.missed = cases, missed
    return rate.floor


def log_closed(labels: Counts, wrong: Counts, bar: float) -> Floats:
    """The closed form for arrays of counters."""
    right = labels - wrong
    with np.errstate(divide="ignore"):
        below = np.log(betainc(1 + wrong, 1 + right, bar))
    return np.asarray(betaln(1 + wrong, 1 + right) + below - (wrong + 1) * math.log(bar) - right * math.log1p(-bar))


@cache
def labels_at(bar: float, level: float) -> Counts:
    """With how many labels the closed form reaches its level, by the number of wrong ones; out of reach at the end."""
    wrong = np.arange(math.ceil(bar * LONGEST) + 1)
    low = np.minimum(np.floor(wrong / bar).astype(np.int64), LONGEST)  # E is 0 there
    high = np.full(len(wrong), LONGEST)
    while (high - low > 1).any():
        middle = (low + high) // 2
        reaches = log_closed(middle, wrong, bar) >= math.log(level)
        low, high = np.where(reaches, low, middle), np.where(reaches, middle, high)
    return high


def closed_reaches(labels: Counts, wrong: Counts, bar: float, level: float) -> Flags:
    """Where the closed form is at least the level."""
    fewest = labels_at(bar, level)
    return np.asarray(labels >= fewest[np.minimum(wrong, len(fewest) - 1)])


def bets_reach(shares: Floats, wrong: Flags, bar: float, log_level: float) -> Flags:
    """After which proposals the log of the mean over the bets is so large; `wrong` are those drawn and wrong."""
    faults = {float(share): counted(wrong & (shares == share)) for share in np.unique(shares)}
    right = np.arange(1, len(shares) + 1) - sum(faults.values())
    logs = np.full((len(BETS), len(shares)), -np.inf)
    for row, bet in enumerate(BETS):
        alive = first(1 + bet * (bar - 1 / shares) < 0)
        logs[row, :alive] = math.log1p(bet * bar) * right[:alive]
        for share, counts in faults.items():
            factor = 1 + bet * (bar - 1 / share)
            if factor > 0:
                logs[row, :alive] += math.log(factor) * counts[:alive]
            else:
                logs[row, :alive][counts[:alive] > 0] = -np.inf
    reaches = np.asarray(logs.max(axis=0) >= log_level)
    near = np.flatnonzero(reaches)
    reaches[near] = np.logaddexp.reduce(logs[:, near], axis=0) - math.log(len(BETS)) >= log_level
    return reaches


def counted(events: Flags) -> Counts:
    """How many there were until each, along the last axis."""
    return np.cumsum(events, axis=-1, dtype=np.int64)


def first(hits: Flags, since: int = 0) -> int:
    """The index of the first hit from `since` on; the length where there is none."""
    return since + int(hits[since:].argmax()) if hits[since:].any() else len(hits)


def reached(career: Career, threshold: float, level: float, bar: float, since: int) -> int:
    """After which proposal E of a threshold was at its level for the first time from `since` on."""
    at = career.scores >= threshold
    shares, wrong = career.shares[at], career.wrong & career.drawn & at
    other = first(shares != shares[0])
    if other == len(shares):
        faults = counted(wrong)
        if career.corrects is not None:
            faults -= counted((career.corrects >= 0) & at[career.corrects])
        return first(closed_reaches(counted(career.drawn & at), faults, bar, level), since)
    where = np.flatnonzero(at)
    labels, faults = counted(career.drawn[at]), counted(wrong[at])
    hits = np.zeros(len(shares), dtype=np.bool_)
    hits[:other] = closed_reaches(labels[:other], faults[:other], bar, level)
    stake, begun = 0.0, 0
    if labels[other - 1] >= (labels_needed(bar, 1 / level) or 0):
        stake, begun = float(log_closed(labels[other - 1], faults[other - 1], bar)), other
    later = bets_reach(shares[begun:], wrong[at][begun:], bar, math.log(level) - stake)
    hits[other:] = later[other - begun :]
    hit = first(hits, int(np.searchsorted(where, since)))
    return int(where[hit]) if hit < len(where) else career.length


def certificates(career: Career, target: float, start: float | None, delta: float = 0.05) -> dict[float, int]:
    """Each threshold that is certified, with the index of the proposal after which it is."""
    bar, since = target, 0
    if career.seeded is not None:  # one before each of the first decisions, with which nothing can be certified yet
        bar *= floor_of(len(career.seeded), int((~career.seeded).sum()))
        delta, since = delta / 2, len(career.seeded) - 1
    if start is None:
        hits = {low: reached(career, low, len(GRID) / delta, bar, since) for low in GRID}
        return {low: hit for low, hit in hits.items() if hit < career.length}
    certified: dict[float, int] = {}
    for threshold in (low for low in reversed(GRID) if low <= start):
        since = reached(career, threshold, 1 / delta, bar, since)
        if since == career.length:
            break
        certified[threshold] = since
    return certified


def shipped_certificate(career: Career, target: float, start: float | None) -> tuple[float | None, int]:
    """The lowest threshold certified in the end and the index of the first certificate, by the shipped code."""
    rate = None if career.seeded is None else CatchRate()
    certifier = ThresholdCertifier(GRID, target, start=start, catch_floor=rate)
    begun = career.length
    cases = [] if career.seeded is None else career.seeded.tolist()
    rows = zip(
        career.scores.tolist(), career.wrong.tolist(), career.shares.tolist(), career.drawn.tolist(), strict=True
    )
    for index, (score, wrong, share, drawn) in enumerate(rows):
        if rate is not None and index < len(cases):
            rate.see(caught=cases[index])
        if drawn:
            certifier.see(score=score, wrong=wrong, share=share)
        else:
            certifier.pass_unseen(score=score, share=share)
        if career.corrects is not None and career.corrects[index] >= 0:
            certifier.correct(score=float(career.scores[career.corrects[index]]))
        if begun == career.length and certifier.certified is not None:
            begun = index
    return certifier.certified, begun
