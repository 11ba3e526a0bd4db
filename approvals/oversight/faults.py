"""Makes a past proposal look like a new one, and puts one fault into it. Pure: an item in, an item out.

A fault is only made where the proposal's own words contradict it, so that whoever reads them can find it.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from approvals.models.seeded import FaultClass
from approvals.policy.compiled_policy import TypePolicy
from approvals.requests.submission import Item
from approvals.values.schema import Json, pick, pointer_of

Path = tuple[str | int, ...]
Change = Callable[[str], str]

_DATE = re.compile(r"\b(20\d\d)-(\d\d)-(\d\d)(?!\d)")
# The number of a thing: three digits or more that are no part of a date, a time or an amount.
_NUMBER = re.compile(r"(?<![\d.,:/])(?<!\d-)\d{3,12}(?![\d:/]|[.,-]\d)")
_TEXTS = ("summary", "reasoning", "context", "current")
_REST = (*_TEXTS, "args", "alternatives", "preconditions", "undo", "remember", "subject")
_ADDRESSEES = frozenset(
    {"to", "recipient", "recipients", "payee", "beneficiary", "account", "iban", "email", "patient"}
)


@dataclass(frozen=True, slots=True)
class FaultyItem:
    """One thing that is wrong with an item, where in its arguments, and the item with it."""

    fault_class: FaultClass
    pointer: str
    item: Item


def freshened(item: Item, past: Sequence[Json], *, days: int, dice: random.Random) -> tuple[Item, Change]:
    """The item about another thing and a later day: numbers of things as in the `past` arguments, dates moved on.

    Returns the item and what was changed in it, for texts that stand beside it.
    """
    numbers = {
        number: _number_like(number, path, past, dice)
        for path, text in leaves(item.args)
        if isinstance(text, str)
        for number in _NUMBER.findall(text)
    }

    def change(text: str) -> str:
        text = _DATE.sub(lambda match: _moved(match, days), text)
        return _NUMBER.sub(lambda match: numbers.get(match[0], match[0]), text)

    changed: dict[str, Any] = {name: _changed(getattr(item, name), change) for name in _REST}
    return replace(item, **changed), change


def faults_of(
    item: Item, kind: TypePolicy, currencies: Sequence[str], past: Sequence[Json], dice: random.Random
) -> list[FaultyItem]:
    """Every fault that can be put into the item: the arguments stay valid, and the item's words say otherwise."""
    wording = " ".join(text for name in _TEXTS for _, text in leaves(getattr(item, name)) if isinstance(text, str))
    faulty = []
    for path, value in leaves(item.args):
        for fault_class, other in _faulty(path, value, kind, currencies, past, dice):
            if not _says(wording, value):
                continue
            args = _with(item.args, path, other)
            if other != value and not kind.check(args):
                faulty.append(FaultyItem(fault_class, pointer_of(path), replace(item, args=args)))
    return faulty


def leaves(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Everything in a JSON value that is neither an object nor a list, with its path."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from leaves(inner, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


# --- Fresh


def _changed(value: Json, change: Change) -> Json:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _changed(inner, change) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_changed(inner, change) for inner in value)
    return value


def _number_like(number: str, path: Path, past: Sequence[Json], dice: random.Random) -> str:
    """Another number as long as this one, from the range that the same argument had lately."""
    values = [pick(args, pointer_of(path)) for args in past]
    seen = [
        int(other)
        for value in values
        if isinstance(value, str)
        for other in _NUMBER.findall(value)
        if len(other) == len(number)
    ]
    low, high = (min(seen), max(seen)) if len(set(seen)) > 1 else (10 ** (len(number) - 1), 10 ** len(number) - 1)
    return str(dice.randint(low, high)).zfill(len(number))


def _moved(match: re.Match[str], days: int) -> str:
    try:
        return (date(int(match[1]), int(match[2]), int(match[3])) + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return match[0]


# --- Faulty


def _faulty(
    path: Path, value: Json, kind: TypePolicy, currencies: Sequence[str], past: Sequence[Json], dice: random.Random
) -> Iterator[tuple[FaultClass, Json]]:
    """What one argument could wrongly be."""
    dotted = ".".join(map(str, path))
    if dotted == kind.value_path:
        yield FaultClass.AMOUNT, _tenfold(value)
    elif dotted == kind.currency_path:
        yield FaultClass.CURRENCY, dice.choice([code for code in currencies if code != value] or [value])
    elif dotted == kind.subject_path or str(path[-1]).lower() in _ADDRESSEES:
        others = [other for args in past if (other := pick(args, pointer_of(path))) and other != value]
        yield FaultClass.RECIPIENT, dice.choice(others or [value])
    elif isinstance(value, str) and _DATE.fullmatch(value[:10]) and value[:4] > "2001":
        yield FaultClass.STALE, f"{int(value[:4]) - 1}{value[4:]}"


def _tenfold(value: Json) -> Json:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value * 10
    if isinstance(value, float):
        return round(value * 10, 2)
    if isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation:
            return value
        places = len(value.partition(".")[2])
        return f"{number * 10:.{places}f}"
    return value


def _says(wording: str, value: Json) -> bool:
    """Whether the words name this value: a number in any of the forms in which people write it."""
    if isinstance(value, bool) or value is None or value == "":
        return False
    return any(
        re.search(rf"(?<![\w.,]){re.escape(form)}(?![\w]|[.,]\d)", wording, re.IGNORECASE) for form in _forms(value)
    )


def _forms(value: Json) -> set[str]:
    forms = {str(value)}
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return forms
    if number.is_finite():
        forms |= {f"{number:.2f}", f"{number:,.2f}", f"{number.normalize():f}", f"{number:,f}"}
        forms |= {f"{number:,.0f}"} if number == number.to_integral_value() else set()
    return forms


def _with(args: Json, path: Path, value: Json) -> Json:
    """The arguments with another value at this path."""
    if not path:
        return value
    head, *rest = path
    if isinstance(args, Mapping):
        return {name: _with(inner, tuple(rest), value) if name == head else inner for name, inner in args.items()}
    if isinstance(args, list | tuple):
        return [_with(inner, tuple(rest), value) if index == head else inner for index, inner in enumerate(args)]
    return args
