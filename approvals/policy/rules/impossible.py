"""Comparisons that no proposal can meet, because the schema never lets the argument have that value.

`args.line == "boat"` where the schema lists other lines, `args.amount > 500.0` where it ends at 100. Such a rule looks
like one and never matches (or, with `!=`, always), so it is refused when it is written.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.policy import grant_conditions
from approvals.policy.rules.operands import Closed, Schema, Shapes
from approvals.policy.rules.trees import Call, Constant, Items, Loop, Node, inner, written
from approvals.values.schema import Json

_NAMED = 12  # of the values that there are
_MIRRORED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}


@dataclass(frozen=True, slots=True)
class Impossible:
    """The value that is written down, and why the argument never is like it."""

    value: Constant
    why: str


def impossible(node: Node, shapes: Shapes) -> Iterator[Impossible]:
    """Every value of the expression that what it is compared with can never meet."""
    if isinstance(node, Call):
        yield from _compared(node, shapes)
    if isinstance(node, Loop):
        yield from impossible(node.over, shapes)
        try:
            within = shapes.within(node)
        except Closed:
            return  # said of the path
        for part in node.inner:
            yield from impossible(part, within)
        return
    for part in inner(node):
        yield from impossible(part, shapes)


def _compared(call: Call, shapes: Shapes) -> Iterator[Impossible]:
    match call:
        case Call("_==_" | "_!=_", (Constant() as value, argument) | (argument, Constant() as value)):
            yield from _never(argument, [value], shapes)
        case Call("@in" | "_in_" | "in", (argument, Items(items))):
            yield from _never(argument, [item for item in items if isinstance(item, Constant)], shapes)
        case Call("_<_" | "_<=_" | "_>_" | "_>=_" as sign, (argument, Constant() as value)):
            yield from _beyond(argument, sign, value, shapes)
        case Call("_<_" | "_<=_" | "_>_" | "_>=_" as sign, (Constant() as value, argument)):
            yield from _beyond(argument, _MIRRORED[sign], value, shapes)


def _never(argument: Node, values: Sequence[Constant], shapes: Shapes) -> Iterator[Impossible]:
    part = _part(argument, shapes)
    for value in values if part else ():
        # That something is nothing (null) is asked of what may be absent, too.
        if part and isinstance(value.value, bool | int | float | str):
            faults = grant_conditions.unfit(part, value.value)
            if faults:
                yield Impossible(value, _why(argument, value, part, faults[0].message))


def _why(argument: Node, value: Constant, part: Schema, fault: str) -> str:
    facts = {"path": written(argument), "value": written(value)}
    options = part.get("enum")
    if not isinstance(options, list | tuple):
        return _("%(path)s is never %(value)s: %(fault)s.") % {**facts, "fault": fault.rstrip(".")}
    texts = [str(option) for option in options]
    near = difflib.get_close_matches(str(value.value), texts, n=1)
    if near:
        return _("%(path)s is never %(value)s. Did you mean “%(near)s”?") % {**facts, "near": near[0]}
    return _("%(path)s is never %(value)s; it is one of: %(options)s.") % {
        **facts,
        "options": ", ".join(texts[:_NAMED]) + (" …" if len(texts) > _NAMED else ""),
    }


def _beyond(argument: Node, sign: str, value: Constant, shapes: Shapes) -> Iterator[Impossible]:
    """An order that the bounds of a number leave no room for."""
    part, limit = _part(argument, shapes), value.value
    if not part or isinstance(limit, bool) or not isinstance(limit, int | float):
        return
    most, least = _number(part, "maximum"), _number(part, "minimum")
    below, above = _number(part, "exclusiveMaximum"), _number(part, "exclusiveMinimum")
    never = {
        "_>_": _at_most(most, limit) or _at_most(below, limit),
        "_>=_": (most is not None and most < limit) or _at_most(below, limit),
        "_<_": _at_least(least, limit) or _at_least(above, limit),
        "_<=_": (least is not None and least > limit) or _at_least(above, limit),
    }[sign]
    if never:
        facts = {"path": written(argument), "sign": sign.strip("_"), "value": written(value)}
        yield Impossible(value, _("%(path)s is never %(sign)s %(value)s by the schema's own limits.") % facts)


def _at_most(bound: float | None, limit: float) -> bool:
    return bound is not None and bound <= limit


def _at_least(bound: float | None, limit: float) -> bool:
    return bound is not None and bound >= limit


def _number(part: Mapping[str, Json], name: str) -> float | None:
    bound = part.get(name)
    return bound if isinstance(bound, int | float) and not isinstance(bound, bool) else None


def _part(argument: Node, shapes: Shapes) -> Schema:
    """The schema of what stands there, where it is an argument; {} where nothing is known of it."""
    if isinstance(argument, Constant):
        return {}
    try:
        shape = shapes.of(argument)
    except Closed:
        return {}
    return shapes.resolved(shape) if shape.path.startswith("args") else {}
