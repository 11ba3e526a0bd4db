"""Conditions of a standing approval on the arguments: path, comparison, value. All must hold.

The same table is evaluated by the client library while it cannot reach us, so it is small and has no surprises: a path
that leads nowhere and a value of another kind never hold, whatever the comparison.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from approvals.values import schema
from approvals.values.schema import BadSchema, Fault, Json

OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "in", "starts")
MOST = 20
_ORDERED = {
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
}
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_NOTHING = object()
_DEEPEST = 12


def all_hold(conditions: Sequence[Mapping[str, Json]], args: Json) -> bool:
    """Whether every condition is true of the arguments; none at all holds of anything."""
    return all(holds(condition, args) for condition in conditions)


def holds(condition: Mapping[str, Json], args: Json) -> bool:
    """Whether one condition {"path", "op", "value"} is true of the arguments.

    `eq` and `ne` compare values of one kind, numbers by value (1 is 1.0); `lt le gt ge` compare numbers, also those
    written as text ("420.00"); `in` finds an equal one in a list; `starts` compares the beginning of a text.
    """
    # Whatever is not there is told apart from null, which is a value.
    actual = schema.pick(args, str(condition.get("path", "")), default=_NOTHING)  # type: ignore[arg-type]  # a mark
    if actual is _NOTHING:
        return False
    expected = condition.get("value")
    match condition.get("op"):
        case "eq":
            return _same_kind(actual, expected) and _equal(actual, expected)
        case "ne":
            return _same_kind(actual, expected) and not _equal(actual, expected)
        case "in":
            return isinstance(expected, list | tuple) and any(
                _same_kind(actual, one) and _equal(actual, one) for one in expected
            )
        case "starts":
            return isinstance(actual, str) and isinstance(expected, str) and actual.startswith(expected)
        case "lt" | "le" | "gt" | "ge" as op:
            left, right = number_of(actual), number_of(expected)
            return left is not None and right is not None and _ORDERED[op](left, right)
    return False


def number_of(value: Json) -> Decimal | None:
    """A number, or a text that is nothing but one (ASCII digits, no exponent); None for everything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return Decimal(str(value))
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def faults_of(conditions: Json, type_schema: Mapping[str, Json]) -> list[Fault]:
    """What keeps conditions from ever holding for an action type, each with its place (`/conditions/0/path`)."""
    if not isinstance(conditions, list | tuple):
        return [Fault("/conditions", "A list of conditions.")]
    faults = [] if len(conditions) <= MOST else [Fault("/conditions", f"At most {MOST} conditions.")]
    for index, condition in enumerate(conditions[:MOST]):
        at = f"/conditions/{index}"
        if (
            not isinstance(condition, Mapping)
            or set(condition) != {"path", "op", "value"}
            or not isinstance(condition["path"], str)
        ):
            faults.append(Fault(at, "A condition is a path, a comparison and a value."))
        else:
            faults += [Fault(at + fault.pointer, fault.message) for fault in _faults(condition, type_schema)]
    return faults


def paths_of(type_schema: Mapping[str, Json]) -> list[tuple[str, Mapping[str, Json]]]:
    """The single values that a schema names, by dotted path, in the order of its author; each with its own schema."""
    return list(_leaves(type_schema, type_schema, "", 0))


def part_of(type_schema: Mapping[str, Json], path: str) -> Mapping[str, Json] | None:
    """The schema of what stands at a path; {} where the schema leaves it open, None where it surely closes it out."""
    here: Mapping[str, Json] = _resolved(type_schema, type_schema)
    for part in _parts(path):
        inner = _inner(here, part)
        if inner is None:
            return None
        here = _resolved(inner, type_schema)
    return here


def _faults(condition: Mapping[str, Json], type_schema: Mapping[str, Json]) -> list[Fault]:
    path, op, value = str(condition["path"]), condition["op"], condition["value"]
    part = part_of(type_schema, path) if path else None
    if part is None:
        return [Fault("/path", f"{path or 'An empty path'} is no argument of this action.")]
    if op not in OPERATORS:
        return [Fault("/op", f"One of {', '.join(OPERATORS)}.")]
    if op in _ORDERED:
        if not _may_be(part, "number", "integer", "string"):
            return [Fault("/op", f"{path} is no number, so it has no order.")]
        return [] if number_of(value) is not None else [Fault("/value", "A number, such as 420 or 420.00.")]
    if op == "starts":
        if not _may_be(part, "string"):
            return [Fault("/op", f"{path} is no text, so it has no beginning.")]
        return [] if isinstance(value, str) and value else [Fault("/value", "The beginning of a text.")]
    if op == "in":
        if not isinstance(value, list | tuple) or not value or len(value) > 100:
            return [Fault("/value", "A list of 1 to 100 values.")]
        return [fault for one in value for fault in unfit(part, one)][:1]
    return unfit(part, value)


def unfit(part: Mapping[str, Json], value: Json) -> list[Fault]:
    """A value that the argument can never have; its schema says why."""
    faults = schema.storable(value)
    if not faults:
        try:
            faults = schema.check({name: rule for name, rule in part.items() if name != "$ref"}, value)
        except BadSchema:
            return []  # it leans on other parts of the schema; then nothing is known of it here
    return [Fault("/value", fault.message) for fault in faults[:1]]


def _parts(path: str) -> list[str]:
    if path.startswith("/"):
        return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    return path.split(".")


def _inner(here: Mapping[str, Json], part: str) -> Mapping[str, Json] | None:
    properties, items = here.get("properties"), here.get("items")
    if isinstance(properties, Mapping):
        inner = properties.get(part)
        if isinstance(inner, Mapping):
            return inner
        # A schema that names its fields is taken at its word: a misspelt path would silently cover nothing.
        more = here.get("additionalProperties")
        return more if isinstance(more, Mapping) else None
    if part.isdecimal() and isinstance(items, Mapping):
        return items
    return {} if _may_be(here, "object", "array") else None


def _may_be(part: Mapping[str, Json], *kinds: str) -> bool:
    named = part.get("type")
    if named is None and isinstance(options := part.get("enum"), list | tuple):
        return any(_kind(option) in kinds for option in options)
    listed = named if isinstance(named, list | tuple) else [named]
    return named is None or any(one in kinds for one in listed)


def _resolved(part: Mapping[str, Json], root: Mapping[str, Json]) -> Mapping[str, Json]:
    """The part that a reference within the schema names."""
    for _ in range(_DEEPEST):
        ref = part.get("$ref")
        if not isinstance(ref, str):
            return part
        named = schema.pick(root, ref.removeprefix("#")) if ref.startswith("#/") else None
        part = named if isinstance(named, Mapping) else {}
    return {}


def _leaves(
    part: Mapping[str, Json], root: Mapping[str, Json], path: str, depth: int
) -> list[tuple[str, Mapping[str, Json]]]:
    part = _resolved(part, root)
    properties = part.get("properties")
    if not isinstance(properties, Mapping) or depth > _DEEPEST:
        return [(path, part)] if path and _may_be(part, "string", "number", "integer", "boolean") else []
    leaves = []
    for name, inner in properties.items():
        if isinstance(inner, Mapping) and "." not in name and "/" not in name:
            leaves += _leaves(inner, root, f"{path}.{name}" if path else name, depth + 1)
    return leaves


def _kind(value: Json) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
    return "array"


def _same_kind(left: Json, right: Json) -> bool:
    return _kind(left) == _kind(right)


def _equal(left: Json, right: Json) -> bool:
    """By value, and to the letter inside: true is not 1, 1 is 1.0."""
    if not _same_kind(left, right):
        return False
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_equal(left[name], right[name]) for name in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    return left == right
