"""What a single setting of policy may be. A check takes a value that is there and says what is wrong with it."""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar
from zoneinfo import available_timezones

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from approvals.models.people import WEEK
from approvals.models.policy import Accompanying
from approvals.policy.certified import GRID
from approvals.policy.checkpoints import HOUR, LONGEST_WINDOW, RUN_LOOK_BACK
from approvals.policy.precedent.flags import LABELS
from approvals.policy.precedent.reader import LOOK_BACK
from approvals.policy.precedent.repeats import REJECTIONS
from approvals.policy.precedent.signals import WEIGHTS
from approvals.policy.rules.paths import not_known_sentence
from approvals.values.schema import Json

# What is wrong with a value, in sentences.
Check: TypeAlias = Callable[[Any], Iterable[str]]
Bound = TypeVar("Bound", int, Decimal, timedelta)
MOST_WAITING = 10_000
LONGEST_SLA = timedelta(days=90)
NOTHING = timedelta(0)


def _within(sentence: Promise, least: Bound, most: Bound) -> Check:
    facts = {"least": least, "most": most, "days": most.days if isinstance(most, timedelta) else most}

    def check(value: Bound) -> Iterator[str]:
        if not least <= value <= most:
            yield str(sentence) % facts

    return check


def _above(bound: Bound, sentence: Promise) -> Check:
    def check(value: Bound) -> Iterator[str]:
        if value <= bound:
            yield str(sentence)

    return check


def _names_of(names: Collection[str]) -> Check:
    def check(value: Iterable[str]) -> Iterator[str]:
        yield from (not_known_sentence(name, list(names)) for name in value if name not in names)

    return check


def window(longest: int) -> Check:
    """At most so many days."""
    sentence = _lazy("More than nothing and at most %(days)d days.")
    return _within(sentence, timedelta.resolution, timedelta(days=longest))


_counted = partial(_within, _lazy("From %(least)d to %(most)d: history counts no further."))
flagged_from, attempts = _counted(2, LOOK_BACK), _counted(1, REJECTIONS)
confidence = _within(_lazy("A confidence lies between 0 and 1: write 0.85 for 85 %%."), Decimal(0), Decimal(1))
share = _within(_lazy("A share lies between 0 and 1: 0.05 is one in twenty."), Decimal(0), Decimal(1))
bar = _within(_lazy("A share between 0.001 and 0.5: 0.05 is one in twenty."), Decimal("0.001"), Decimal("0.5"))
level_time = _within(_lazy("From 0 to %(days)d days."), NOTHING, timedelta(days=366))
few = _within(_lazy("A share from 0 to 0.2: 0.02 is one in fifty."), Decimal(0), Decimal("0.2"))
ratio = _within(_lazy("At least 1: below, every usual value would be unusual."), Decimal(1), Decimal("Infinity"))
lasts = _above(NOTHING, _lazy("A deadline lies ahead: give it more than nothing, such as 4 h."))
claim = _above(NOTHING, _lazy("Nobody answers in no time: give it more than nothing, for example 15 min."))
undo = _within(_lazy("A verdict can be taken back for 0 to 30 seconds."), NOTHING, timedelta(seconds=30))
limit = _above(Decimal(0), _lazy("A limit is above 0; leave it empty for none."))
ceiling = _above(Decimal(0), _lazy("A ceiling is above 0; leave it empty for none."))
rate = _above(Decimal(0), _lazy("A rate is above 0."))
steps = _within(_lazy("From every step (1) to every %(most)d; leave it empty for never."), 1, RUN_LOOK_BACK)
pause = _within(
    _lazy("From a second to %(days)d days, such as 30 min; leave it empty for never."),
    timedelta(seconds=1),
    LONGEST_WINDOW,
)
spending = _within(
    _lazy("Spending is counted by the hour for %(days)d days: give a window between 1 h and %(days)d days."),
    HOUR,
    LONGEST_WINDOW,
)
horizon = _within(_lazy("From a minute to %(days)d days, such as 7 days."), timedelta(minutes=1), timedelta(days=366))
view = _within(_lazy("From 0 to 600 seconds: nobody reads longer than that."), NOTHING, timedelta(minutes=10))
claim_share = _within(_lazy("From 0.001 to 0.5: 0.05 is one in twenty."), Decimal("0.001"), Decimal("0.5"))
cost = _within(_lazy("A cost is 0 or more."), Decimal(0), Decimal("Infinity"))
accompanying, flags = _names_of(Accompanying.values), _names_of(LABELS)


def start(value: Decimal) -> Iterator[str]:
    if value not in GRID:
        yield _("One of %(grid)s; leave it empty for all at once.") % {"grid": ", ".join(f"{one:.2f}" for one in GRID)}


def names(value: Json) -> Iterator[str]:
    """A list of names of arguments."""
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        yield _('A list of names: ["amount", "customer.email"]')


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
    yield from claim(value)
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
