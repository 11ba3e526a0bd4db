"""How long something took, in buckets that can be added up: percentiles of any sum, within five per cent.

Bucket i holds what is above g^(i-1) and at most g^i seconds, with g = (1 + a)/(1 - a); its middle, 2g^i/(g + 1), is
within a of everything in it. After C. Masson, J. E. Rim, H. K. Lee, "DDSketch: a fast and fully-mergeable quantile
sketch with relative-error guarantees", VLDB 2019, section 2.1.
"""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil, floor, log

ERROR = 0.05  # relative, of every percentile
_BASE = (1 + ERROR) / (1 - ERROR)
_LOG = log(_BASE)


def bucket_of(duration: timedelta) -> int:
    """The bucket of a span of time; what is under a second is in the first, 0."""
    seconds = duration.total_seconds()
    # A hair of tolerance: the logarithm of an end must not carry it into the next bucket.
    return 0 if seconds <= 1 else ceil(log(seconds) / _LOG - 1e-9)


def percentile(histogram: Sequence[int], share: float) -> timedelta | None:
    """The value below which `share` of the counted lie, interpolated between two of them; None where nothing is."""
    count = sum(histogram)
    if not count:
        return None
    position = share * (count - 1)
    rank = floor(position)
    low = _at_rank(histogram, rank)
    high = _at_rank(histogram, min(rank + 1, count - 1))
    return timedelta(seconds=low + (high - low) * (position - rank))


def add(left: Sequence[int], right: Sequence[int]) -> list[int]:
    """Two rows of counts, added place by place; the shorter one ends in zeros."""
    longer, shorter = (left, right) if len(left) >= len(right) else (right, left)
    total = list(longer)
    for index, count in enumerate(shorter):
        total[index] += count
    return total


def _at_rank(histogram: Sequence[int], rank: int) -> float:
    before = 0
    for bucket, count in enumerate(histogram):
        before += count
        if rank < before:
            return 2 * _BASE**bucket / (_BASE + 1)
    raise IndexError(rank)
