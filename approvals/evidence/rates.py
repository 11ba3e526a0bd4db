"""A rate with its sample: the share, what it was counted from, and how far to trust it."""

from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959963984540054  # two-sided 95 % of the normal distribution


def wilson(part: float, whole: float) -> tuple[float, float]:
    """The 95 % score interval of a share, as (low, high) in 0..1; (0, 1) when nothing was counted.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927), 209-212:
    centre (p + z²/2n) / (1 + z²/n), half-width z·√(p(1-p)/n + z²/4n²) / (1 + z²/n). Unlike p ± z·√(p(1-p)/n) it stays
    inside 0..1 and keeps its coverage where samples are small or shares extreme, as they are here.
    """
    if whole == 0:
        return 0.0, 1.0
    share = part / whole
    stretch = 1 + Z_95**2 / whole
    centre = (share + Z_95**2 / (2 * whole)) / stretch
    half = Z_95 * sqrt(share * (1 - share) / whole + Z_95**2 / (4 * whole**2)) / stretch
    # At none and at all the formula touches the end; rounding must not carry it past.
    return (0.0 if part == 0 else centre - half), (1.0 if part == whole else centre + half)


@dataclass(frozen=True, slots=True)
class Rate:
    """`part` of `whole`."""

    part: int
    whole: int

    @property
    def share(self) -> float | None:
        """0..1, or None when there is nothing to take a share of."""
        return self.part / self.whole if self.whole else None

    @property
    def low(self) -> float:
        return wilson(self.part, self.whole)[0]

    @property
    def high(self) -> float:
        return wilson(self.part, self.whole)[1]
