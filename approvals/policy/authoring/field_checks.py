"""What a single setting of policy may be. A check takes a value that is there and says what is wrong with it."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar
from zoneinfo import available_timezones

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.models.people import WEEK
from approvals.policy.precedent.signals import WEIGHTS
from approvals.policy.rules.paths import not_known_sentence
from approvals.values.schema import Json

# What is wrong with a value, in sentences.
Check: TypeAlias = Callable[[Any], Iterable[str]]
Bound = TypeVar("Bound", int, Decimal, timedelta)
MOST_WAITING = 10_000
LONGEST_SLA = timedelta(days=90)
NOTHING = timedelta(0)


def within(sentence: Promise, least: Bound, most: Bound) -> Check:
    facts = {"least": least, "most": most, "days": most.days if isinstance(most, timedelta) else most}

    def check(value: Bound) -> Iterator[str]:
        if not least <= value <= most:
            yield str(sentence) % facts

    return check


def above(bound: Bound, sentence: Promise) -> Check:
    def check(value: Bound) -> Iterator[str]:
        if value <= bound:
            yield str(sentence)

    return check


def names_of(names: Iterable[str]) -> Check:
    listed = list(names)

    def check(value: Iterable[str]) -> Iterator[str]:
        yield from (not_known_sentence(name, listed) for name in value if name not in listed)

    return check


def window(longest: timedelta) -> Check:
    sentence = gettext_lazy("More than nothing and at most %(days)d days.")
    return within(sentence, timedelta.resolution, longest)


NO_TIME = gettext_lazy("Nobody answers in no time: give it more than nothing, for example 15 min.")
counted = partial(within, gettext_lazy("From %(least)d to %(most)d: history counts no further."))
confidence = within(gettext_lazy("A confidence lies between 0 and 1: write 0.85 for 85 %%."), Decimal(0), Decimal(1))
lasts = above(NOTHING, gettext_lazy("A deadline lies ahead: give it more than nothing, such as 4 h."))


def weights(value: Json) -> Iterator[str]:
    """Weights of the signals, by name."""
    if not isinstance(value, Mapping):
        yield _('Weights are an object of names and numbers: {"precedent": 0.25}')
        return
    for name, weight in value.items():
        if name not in WEIGHTS:
            yield not_known_sentence(name, list(WEIGHTS))
        elif isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            yield _("The weight of “%(name)s” must be a number from 0 to 1.") % {"name": name}
    if value and not any({**WEIGHTS, **value}.values()):
        yield _("At least one weight must be above 0.")


def sla(value: timedelta) -> Iterator[str]:
    yield from above(NOTHING, NO_TIME)(value)
    if value > LONGEST_SLA:
        message = _("At most %(days)d days: what may wait longer goes into a work queue.")
        yield message % {"days": LONGEST_SLA.days}


def zone(value: str) -> Iterator[str]:
    if value not in zones():
        near = difflib.get_close_matches(value, zones(), n=1) or ["Europe/Vienna"]
        yield _("There is no time zone “%(name)s”; name one such as %(near)s.") % {"name": value, "near": near[0]}


def days(value: Iterable[int]) -> Iterator[str]:
    if wrong := sorted(set(value) - set(WEEK)):
        yield _("Days of the week are 1 (Monday) to 7, not %(days)s.") % {"days": ", ".join(map(str, wrong))}


def waiting(value: int) -> Iterator[str]:
    if value <= 0:
        yield _("At least one may wait; leave it empty for no limit.")
    elif value > MOST_WAITING:
        message = _(
            "Nobody works through more than %(most)s; it is counted with every submission. Leave it empty for none."
        )
        yield message % {"most": f"{MOST_WAITING:,}"}


@cache
def zones() -> frozenset[str]:
    """The names of the time zones that this machine knows."""
    return frozenset(available_timezones())
