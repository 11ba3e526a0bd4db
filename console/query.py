"""The query language of lists: `tier:2 agent:billing age:>1h is:unclaimed value:>5000 -type:email refund`.

A term is a filter's name, a colon and a value, with a minus before it where it is to exclude; quotes keep a value with
spaces together. Whatever else is typed is searched for in the texts. A name that no filter has is searched for, too,
and said; a value that a filter does not have finds nothing, and is said with those that it has.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from approvals.values import durations

NOTHING = Q(pk__in=[])
MOST = 20  # terms of one query
_TERM = re.compile(r'(-?)([A-Za-z]+):("[^"]*"|\S*)')
_PART = re.compile(r'-?[A-Za-z]+:"[^"]*"|"[^"]*"|\S+')
_COMPARED = re.compile(r"(>=|<=|>|<|=)?(.+)")
_NUMBER = re.compile(r"(-?[0-9][0-9,_']*(?:\.[0-9]+)?)([kKmM]?)")
_LOOKUPS = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "=": "exact"}


class UnknownValue(ValueError):
    """The value is none that this filter has; as text, this says which it has, or how it is written."""


@dataclass(frozen=True, slots=True)
class QueryFilter(ABC):
    """One filter by its name, what it means, and what a person is offered after the colon."""

    name: str
    meaning: str | Promise
    offers: Sequence[str] = ()
    content: bool = False  # whether it tells of the content, which not everybody reads who sees that there is something

    @abstractmethod
    def condition(self, value: str, now: datetime) -> Q:
        """What a value asks. Raises UnknownValue."""


@dataclass(frozen=True, slots=True)
class OneOf(QueryFilter):
    """A value out of a list, or the beginning of several; `titles` are other words for some."""

    conditions: Mapping[str, Q | Callable[[datetime], Q]] | None = None
    titles: Mapping[str, str] | None = None

    def condition(self, value: str, now: datetime) -> Q:
        conditions, typed = self.conditions or {}, value.casefold()
        names = {name.casefold(): name for name in conditions}
        names |= {title.casefold(): name for title, name in (self.titles or {}).items()}
        chosen = {names[typed]} if typed in names else {name for key, name in names.items() if key.startswith(typed)}
        if not chosen:
            raise UnknownValue(_("there are %(values)s") % {"values": ", ".join(self.offers)})
        any_of = Q()
        for name in sorted(chosen):
            condition = conditions[name]
            any_of |= condition(now) if callable(condition) else condition
        return any_of


@dataclass(frozen=True, slots=True)
class TextFilter(QueryFilter):
    """A text as it is, or by its beginning where it ends in a star."""

    lookup: str = ""
    beginnings: bool = False  # whether a beginning is enough without a star

    def condition(self, value: str, now: datetime) -> Q:
        if value.endswith("*") or self.beginnings:
            return Q(**{f"{self.lookup}__istartswith": value.rstrip("*")})
        return Q(**{self.lookup: value})


@dataclass(frozen=True, slots=True)
class NumberFilter(QueryFilter):
    """A number, compared: 5000, >5k, 100..200."""

    column: str = ""

    def condition(self, value: str, now: datetime) -> Q:
        low, dots, high = value.partition("..")
        if dots:
            return Q(**{f"{self.column}__gte": _number(low), f"{self.column}__lte": _number(high)})
        sign, number = _compared(value)
        return Q(**{f"{self.column}__{_LOOKUPS[sign or '=']}": _number(number)})


@dataclass(frozen=True, slots=True)
class TimeFilter(QueryFilter):
    """How long ago, or how long until: >1h, <30m. Without a sign it is up to."""

    made: Callable[[str, datetime], Q] = lambda lookup, moment: NOTHING
    ahead: bool = False

    def condition(self, value: str, now: datetime) -> Q:
        sign, text = _compared(value)
        try:
            span = durations.read(text)
        except durations.NoDuration as fault:
            raise UnknownValue(_("a time, like >1h or <30m")) from fault
        longer = (sign or "<").startswith(">")
        if self.ahead:
            return self.made("gt" if longer else "lte", now + span)
        return self.made("lt" if longer else "gte", now - span)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read: the text to search for, what its terms ask, and what is wrong with it."""

    text: str
    condition: Q
    faults: Sequence[str]
    reads_content: bool  # whether it asks of what only some may read


def read(text: str, filters: Sequence[QueryFilter], now: datetime) -> Query:
    """Read what a person typed. A filter whose value is not typed yet asks nothing."""
    by_name = {each.name: each for each in filters}
    texts, faults, all_of, reads_content = [], [], Q(), False
    for part in _PART.findall(text)[:MOST]:
        term = _TERM.fullmatch(part)
        if term is None:
            texts.append(part.replace('"', " "))
            continue
        minus, name, value = term[1], term[2].casefold(), term[3].strip('"')
        if name not in by_name:
            texts.append(part.lstrip("-"))
            faults.append(_("“%(name)s:” is no filter; it is searched for as text.") % {"name": term[2]})
        elif value:
            try:
                condition = by_name[name].condition(value, now)
            except UnknownValue as fault:
                condition, minus = NOTHING, ""
                faults.append(_("%(term)s finds nothing: %(why)s.") % {"term": f"{name}:{value}", "why": str(fault)})
            all_of &= ~condition if minus else condition
            reads_content = reads_content or by_name[name].content
    return Query(" ".join(texts), all_of, faults, reads_content or bool(texts))


def _compared(value: str) -> tuple[str, str]:
    compared = _COMPARED.fullmatch(value)
    if compared is None:
        raise UnknownValue(_("a number, like >5000"))
    return compared[1] or "", compared[2]


def _number(text: str) -> Decimal:
    number = _NUMBER.fullmatch(text.strip())
    if number is None:
        raise UnknownValue(_("a number, like >5000, 5k or 100..200"))
    try:
        scale = {"": 1, "k": 1000, "m": 1_000_000}[number[2].casefold()]
        return Decimal(re.sub(r"[,_']", "", number[1])) * scale
    except InvalidOperation as fault:
        raise UnknownValue(_("a number, like >5000, 5k or 100..200")) from fault
