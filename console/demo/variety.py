"""Many believable proposals out of a few: the same words, other numbers, still within the action type's schema."""

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from approvals.policy.compiled_policy import TypePolicy
from approvals.values import schema
from approvals.values.schema import Json

NUMBER_OF_A_THING = re.compile(r"(?<![\d.:-])\d{3,12}(?![\d.:-])")  # an order's, not a date's or an amount's


@dataclass(frozen=True, slots=True)
class Pattern:
    """Something that an agent proposes again and again."""

    name: str
    action: str
    args: Mapping[str, Json]
    summary: str = ""
    reasoning: str = ""
    context: Mapping[str, Json] = field(default_factory=dict)
    signals: Mapping[str, float] = field(default_factory=dict)


def varied_args(pattern: Pattern, kind: TypePolicy, dice: random.Random) -> Json:
    """The pattern's arguments about another thing, worth something else; unchanged where the schema allows no other."""
    args = _scaled(_renumbered(dict(pattern.args), dice), kind.value_path, dice.lognormvariate(0, 0.45))
    return dict(pattern.args) if schema.check(kind.schema, args) else args


def adapted_text(text: str, before: Json, after: Json) -> str:
    """The words about `before` as they would be about `after`: every value that changed is put in the other's place."""
    for old, new in _changes(before, after):
        for plain in (str(old), _grouped(old)):
            if plain:
                text = text.replace(plain, _grouped(new) if plain == _grouped(old) else str(new))
    return text


def corrected_args(args: Json, kind: TypePolicy, dice: random.Random) -> Json:
    """The arguments as a reviewer would correct them: a smaller value, else a remark in the longest text."""
    lower = _scaled(args, kind.value_path, dice.uniform(0.4, 0.9))
    if lower != args and not schema.check(kind.schema, lower):
        return lower
    if isinstance(args, dict):
        texts = sorted(
            (name for name, value in args.items() if isinstance(value, str)), key=lambda name: -len(args[name])
        )
        for name in texts:
            longer = {**args, name: f"{args[name]} (checked)"}
            if not schema.check(kind.schema, longer):
                return longer
    return args


def _changes(before: Json, after: Json) -> Iterator[tuple[str | int | float, str | int | float]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before:
            yield from _changes(before[name], after.get(name))
    elif isinstance(before, list) and isinstance(after, list):
        for old, new in zip(before, after, strict=False):
            yield from _changes(old, new)
    elif isinstance(before, str | int | float) and isinstance(after, str | int | float) and before != after:
        yield before, after


def _grouped(value: str | int | float) -> str:
    """18,400.00 for 18400.00; empty where that is no other form of it."""
    try:
        return f"{Decimal(str(value)):,}"
    except InvalidOperation:
        return ""


def _renumbered(value: Json, dice: random.Random) -> Json:
    if isinstance(value, dict):
        return {name: _renumbered(inner, dice) for name, inner in value.items()}
    if isinstance(value, list):
        return [_renumbered(inner, dice) for inner in value]
    if isinstance(value, str):
        return NUMBER_OF_A_THING.sub(lambda match: _other(match[0], dice), value)
    return value


def _other(digits: str, dice: random.Random) -> str:
    return str(dice.randrange(10 ** (len(digits) - 1), 10 ** len(digits)))


def _scaled(args: Json, path: str, factor: float) -> Json:
    """The arguments with the value at a dotted path multiplied, in the form that it has."""
    if not path or not isinstance(args, dict):
        return args
    head, _, rest = path.partition(".")
    if head not in args:
        return args
    value = args[head]
    if rest:
        return {**args, head: _scaled(value, rest, factor)}
    if isinstance(value, bool):
        return args
    if isinstance(value, int):
        return {**args, head: max(1, round(value * factor))}
    if isinstance(value, float):
        return {**args, head: max(0.01, round(value * factor, 2))}
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        places = len(value.partition(".")[2])
        return {**args, head: f"{max(Decimal(1), Decimal(value) * Decimal(repr(factor))):.{places}f}"}
    return args
