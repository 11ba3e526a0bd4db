"""How well faults are told from what is fine: signal detection theory, with intervals. Pure, and without scipy."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, StatisticsError, correlation

from approvals.evidence.rates import Z_95, Rate

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Detection:
    """What readers made of cases whose right answer is known: `hits` of `faults` stopped, `alarms` of `clean` ones."""

    faults: int = 0
    hits: int = 0
    clean: int = 0
    alarms: int = 0

    @property
    def hit_rate(self) -> Rate:
        return Rate(self.hits, self.faults)

    @property
    def false_alarms(self) -> Rate:
        return Rate(self.alarms, self.clean)

    @property
    def cases(self) -> int:
        return self.faults + self.clean

    @property
    def right(self) -> Rate:
        return Rate(self.hits + self.clean - self.alarms, self.cases)

    @property
    def sensitivity(self) -> Estimate | None:
        """d' = z(H) - z(F): how far apart faults and clean ones look; 0 is guessing. None without both kinds.

        With the log-linear correction, half a case more on each side (M. J. Hautus, "Corrections for extreme
        proportions", Behavior Research Methods 27 (1995), 46-51); the variance is Gourevitch and Galanter's
        (Psychometrika 32 (1967), 25-33): H(1-H)/(n·φ(z(H))²), and the same of F.
        """
        return self._estimate(1.0, -1.0, 1.0)

    @property
    def criterion(self) -> Estimate | None:
        """c = -(z(H) + z(F))/2: above 0 readers let pass in doubt, below they stop. None without both kinds."""
        return self._estimate(-0.5, -0.5, 0.25)

    def _estimate(self, of_hits: float, of_alarms: float, scale: float) -> Estimate | None:
        if not self.faults or not self.clean:
            return None
        z_hits, hits_variance = _corrected(self.hits, self.faults)
        z_alarms, alarms_variance = _corrected(self.alarms, self.clean)
        value = of_hits * z_hits + of_alarms * z_alarms
        half = Z_95 * sqrt(scale * (hits_variance + alarms_variance))
        return Estimate(value, value - half, value + half)


def _corrected(part: int, whole: int) -> tuple[float, float]:
    """z of a share with the log-linear correction, and its variance."""
    share = (part + 0.5) / (whole + 1)
    z = _NORMAL.inv_cdf(share)
    return z, share * (1 - share) / (whole * _NORMAL.pdf(z) ** 2)


def reliability(answers: Sequence[Sequence[bool]]) -> float | None:
    """How much of the differences between people is theirs and not chance's, at most 1; None where nothing says so.

    `answers` are each person's, right or not, in order. The odd ones' share is correlated with the even ones' over the
    people, and stepped up to the whole length: 2r/(1+r) (Spearman and Brown, British Journal of Psychology 3, 1910).
    """
    halves = [(each[::2], each[1::2]) for each in answers if len(each) >= 2]
    if len(halves) < 3:
        return None
    try:
        r = correlation([sum(odd) / len(odd) for odd, _ in halves], [sum(even) / len(even) for _, even in halves])
    except StatisticsError:
        return None  # all alike: there is no difference to explain
    return None if r <= -1 else 2 * r / (1 + r)
