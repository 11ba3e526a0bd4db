"""Does a score mean what it says? Reliability curves by isotonic regression, without bins chosen by hand. Pure Python.

CORP: T. Dimitriadis, T. Gneiting, A. I. Jordan, "Stable reliability diagrams for probabilistic classifiers", PNAS 118
(2021), e2016191118. A score is the stated probability that a proposal is right; labels are weighted by 1/share.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt
from random import Random

from approvals.evidence.rates import Z_95, wilson

RESAMPLES = 200
SEED = 2021
LEVEL = 0.95
MANY = 400  # the variance from which on a binomial number is drawn as a normal one


@dataclass(frozen=True, slots=True)
class Drawn:
    """Labels of one share: each stands for `weight` proposals; `right` of `count` were right."""

    weight: float
    count: int
    right: int


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Labels of about the same score, and their mean score, 0..1."""

    score: float
    drawn: tuple[Drawn, ...]

    @property
    def weight(self) -> float:
        return sum(part.weight * part.count for part in self.drawn)

    @property
    def right(self) -> float:
        return sum(part.weight * part.right for part in self.drawn)

    @property
    def share(self) -> float:
        """Of what it stands for, how much was right."""
        return self.right / self.weight


@dataclass(frozen=True, slots=True)
class Pooled:
    """Labels taken together: mean score, how many, the share that was right with its interval, all weighted.

    The interval is Wilson's on the effective number (Σw)²/Σw² (L. Kish, "Survey Sampling", 1965, section 11.7).
    """

    low: float
    high: float
    score: float
    count: int
    share: float
    effective: float

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.share * self.effective, self.effective)

    @property
    def gap(self) -> float:
        """Mean score less the observed share: above 0 the score promises too much."""
        return self.score - self.share

    @property
    def gap_interval(self) -> tuple[float, float]:
        low, high = self.interval
        return self.score - high, self.score - low


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Brier score = miscalibration - discrimination + uncertainty (the CORP decomposition); lower is better."""

    brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """What a curve fitted on earlier labels makes of later ones; `gain` is in Brier score, with its 95 % interval."""

    earlier: int
    later: int
    before: float
    after: float
    gain_low: float
    gain_high: float

    @property
    def gain(self) -> float:
        return self.before - self.after


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing values nearest to these in weighted squares, by pooling adjacent violators.

    M. Ayer and others, "An empirical distribution function for sampling with incomplete information", Annals of
    Mathematical Statistics 26 (1955), 641-647.
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many values
    for value, weight in zip(values, weights, strict=True):
        mean, total, length = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, its_weight, its_length = blocks.pop()
            mean = (mean * total + before * its_weight) / (total + its_weight)
            total, length = total + its_weight, length + its_length
        blocks.append((mean, total, length))
    return [mean for mean, _, length in blocks for _ in range(length)]


def curve(bins: Sequence[ScoreBin]) -> list[float]:
    """The calibrated probability of each bin; bins in the order of their scores."""
    return isotonic([each.share for each in bins], [each.weight for each in bins])


def brier_parts(bins: Sequence[ScoreBin]) -> BrierParts:
    """Brier score of the bins' mean scores, and what it is made of (Dimitriadis and others, equation 5)."""
    whole = sum(each.weight for each in bins)
    base = sum(each.right for each in bins) / whole
    brier = _brier(bins, [each.score for each in bins])
    recalibrated = _brier(bins, curve(bins))
    uncertainty = base * (1 - base)
    return BrierParts(brier, brier - recalibrated, uncertainty - recalibrated, uncertainty)


def pool(bins: Sequence[ScoreBin]) -> Pooled | None:
    """Bins taken together; None for no labels."""
    weight = sum(each.weight for each in bins)
    if not weight:
        return None
    squares = sum(part.weight**2 * part.count for each in bins for part in each.drawn)
    return Pooled(
        low=bins[0].score,
        high=bins[-1].score,
        score=sum(each.score * each.weight for each in bins) / weight,
        count=sum(part.count for each in bins for part in each.drawn),
        share=min(sum(each.right for each in bins) / weight, 1.0),
        effective=weight**2 / squares,
    )


def steps(bins: Sequence[ScoreBin]) -> list[Pooled]:
    """The flat pieces of the curve."""
    fitted = curve(bins)
    made: list[list[ScoreBin]] = []
    for index, each in enumerate(bins):
        if index and fitted[index] == fitted[index - 1]:
            made[-1].append(each)
        else:
            made.append([each])
    return [pooled for part in made if (pooled := pool(part))]


def consistency_band(
    bins: Sequence[ScoreBin], *, resamples: int = RESAMPLES, level: float = LEVEL, seed: int = SEED
) -> list[tuple[float, float]]:
    """Between what the curve of each bin would lie, were the score calibrated: pointwise, the same for the same seed.

    By resampling under the hypothesis of calibration: every label is right with the probability that its score states
    (Dimitriadis and others, section 2; J. Bröcker, L. A. Smith, Weather and Forecasting 22 (2007), 651-661).
    """
    dice = Random(seed)  # noqa: S311  # a simulation, not a secret
    weights = [each.weight for each in bins]
    numbers = [[(part.weight, _binomial(part.count, each.score)) for part in each.drawn] for each in bins]
    fits: list[list[float]] = [[] for _ in bins]
    for _ in range(resamples):
        shares = [
            sum(weight * number.draw(dice) for weight, number in drawn) / total
            for drawn, total in zip(numbers, weights, strict=True)
        ]
        for index, fitted in enumerate(isotonic(shares, weights)):
            fits[index].append(fitted)
    cut = int(resamples * (1 - level) / 2)
    return [(ordered[cut], ordered[-1 - cut]) for ordered in map(sorted, fits)]


def recalibrated(earlier: Sequence[ScoreBin], later: Sequence[ScoreBin]) -> Recalibrated:
    """Judge the later labels by their scores, and by what the curve of the earlier ones makes of these scores.

    The interval is of the weighted mean of each label's difference, by its standard error.
    """
    fitted = curve(earlier)
    mapped = [_interpolated(earlier, fitted, each.score) for each in later]
    whole = sum(each.weight for each in later)
    raw, after = _brier(later, [each.score for each in later]), _brier(later, mapped)
    gain, spread = raw - after, 0.0
    for each, becomes in zip(later, mapped, strict=True):
        if_right = (each.score - 1) ** 2 - (becomes - 1) ** 2 - gain
        if_wrong = each.score**2 - becomes**2 - gain
        for part in each.drawn:
            spread += part.weight**2 * (part.right * if_right**2 + (part.count - part.right) * if_wrong**2)
    half = Z_95 * sqrt(spread) / whole
    counted, judging = (sum(part.count for each in bins for part in each.drawn) for bins in (earlier, later))
    return Recalibrated(counted, judging, raw, after, gain - half, gain + half)


def _brier(bins: Sequence[ScoreBin], scores: Sequence[float]) -> float:
    """Σ w(s - y)² / Σ w, with y 1 for what was right."""
    whole = sum(each.weight for each in bins)
    lost = sum(
        each.right * (score - 1) ** 2 + (each.weight - each.right) * score**2
        for each, score in zip(bins, scores, strict=True)
    )
    return lost / whole


def _interpolated(bins: Sequence[ScoreBin], fitted: Sequence[float], score: float) -> float:
    """The curve at a score: straight between two bins, flat beyond the outermost."""
    index = bisect_left(bins, score, key=lambda each: each.score)
    if index == 0 or index == len(bins):
        return fitted[0 if index == 0 else -1]
    before, after = bins[index - 1], bins[index]
    part = (score - before.score) / (after.score - before.score)
    return fitted[index - 1] + part * (fitted[index] - fitted[index - 1])


@dataclass(frozen=True, slots=True)
class _Binomial:
    """A binomial number to draw: by its distribution function from `first` on, or as a normal one where it is large."""

    count: int
    probability: float
    first: int
    sums: Sequence[float]

    def draw(self, dice: Random) -> float:
        if self.sums:
            return self.first + bisect_left(self.sums, dice.random())
        mean = self.count * self.probability
        return min(max(dice.gauss(mean, sqrt(mean * (1 - self.probability))), 0.0), float(self.count))


def _binomial(count: int, probability: float) -> _Binomial:
    variance = count * probability * (1 - probability)
    if not 0 < variance <= MANY:
        return _Binomial(count, probability, 0, ())
    # p(k + 1) = p(k) · (n - k)/(k + 1) · p/(1 - p), from where less than a billionth lies below.
    first = max(0, int(count * probability - 6 * sqrt(variance) - 6))
    last = min(count, int(count * probability + 6 * sqrt(variance)) + 7)
    each = exp(
        (lgamma(count + 1) - lgamma(first + 1) - lgamma(count - first + 1))
        + (first * log(probability) + (count - first) * log(1 - probability))
    )
    sums, total, odds = [], 0.0, probability / (1 - probability)
    for number in range(first, last):
        total += each
        sums.append(total)
        each *= (count - number) / (number + 1) * odds
    return _Binomial(count, probability, first, sums)  # what rounding leaves above the last sum is the last number
