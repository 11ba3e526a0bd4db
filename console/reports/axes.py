"""Round steps for an axis, and numbers as people say them: counts, shares, spans of time."""

from collections.abc import Callable, Sequence
from math import ceil, floor, log10

from django.utils.translation import gettext as _

DASH = "\N{EN DASH}"  # between two ends, and where there is no number

Format = Callable[[float], str]


def count_steps(most: float, *, step_count: int = 4) -> list[float]:
    """From 0 to at least `most` in about `step_count` steps of 1, 2 or 5 times a power of ten; never below 1."""
    return _steps(max(most, 1), step_count, least=1)


def share_steps(most: float) -> list[float]:
    """From 0 in round percents to at least `most`, at most 1."""
    steps = _steps(min(max(most, 0.04), 1), 4, least=0.01)
    return [step for step in steps if step <= 1] if steps[-1] > 1 else steps


def time_steps(most: float) -> list[float]:
    """From 0 to at least `most` seconds, in the steps of a clock."""
    clock = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400]
    step = next((step for step in clock if most <= 5 * step), None)
    if step is None:
        return [86400 * days for days in _steps(most / 86400, 4, least=1)]
    return [float(step * number) for number in range(max(ceil(most / step), 1) + 1)]


def time_label(steps: Sequence[float]) -> Format:
    """Names the steps of an axis of seconds in one unit, the one of its step: 30 min, 60 min, 90 min."""
    step = steps[1]
    units = ((86400, _("%(n)d d")), (3600, _("%(n)d h")), (60, _("%(n)d min")), (1, _("%(n)d s")))
    size, name = next((size, name) for size, name in units if step % size == 0)
    return lambda seconds: name % {"n": seconds // size} if seconds else "0"


def percent(share: float) -> str:
    """37 %, and 0.4 % where a whole number would say nothing."""
    value = share * 100
    return f"{value:.1f} %" if 0 < value < 1 else f"{value:.0f} %"


def length(seconds: float) -> str:
    """A span of time in its two largest units: 40 s, 12 min, 3 h 20 min, 2 d 4 h."""
    if 0 < seconds < 1:
        return _("< 1 s")
    whole = round(seconds)
    if whole < 60:
        return _("%(n)d s") % {"n": whole}
    minutes = round(whole / 60)
    if minutes < 60:
        rest = whole % 60
        return (
            _("%(min)d min %(s)d s") % {"min": whole // 60, "s": rest}
            if rest and whole < 600
            else _("%(min)d min") % {"min": minutes}
        )
    if minutes < 24 * 60:
        hours, rest = divmod(minutes, 60)
        return _("%(h)d h %(min)d min") % {"h": hours, "min": rest} if rest else _("%(h)d h") % {"h": hours}
    days, rest = divmod(round(minutes / 60), 24)
    return _("%(d)d d %(h)d h") % {"d": days, "h": rest} if rest else _("%(d)d d") % {"d": days}


def _steps(most: float, step_count: int, *, least: float) -> list[float]:
    rough = most / step_count
    power = 10 ** floor(log10(rough))
    # A hair of tolerance: 0.3 / 0.1 is 2.9999999999999996.
    step = max(next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough * (1 - 1e-9)), least)
    return [round(step * number, 6) for number in range(ceil(most / step * (1 - 1e-9)) + 1)]
