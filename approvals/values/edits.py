"""What differs between two arguments, and edits of them as operations of RFC 6902 (JSON Patch).

A person's edit is the operations for what was touched, applied to the arguments as they are stored: what no operation
names cannot change, in value or in type.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from django.utils.translation import gettext as _

from approvals.values.schema import Fault, Json, pointer_of

Side: TypeAlias = tuple[Json] | tuple[()]  # () for what is not there: null is a value, too
Edit: TypeAlias = tuple[str, Side, Side]
Path: TypeAlias = tuple[str | int, ...]

MOST_OPERATIONS = 10_000
_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z")
_WITH_VALUE = frozenset({"add", "replace"})


class BadEdit(ValueError):
    """The operations do not fit the value that they are applied to; `fault` says which, and why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of an edit: add, remove or replace at a JSON pointer; `value` is nothing for remove."""

    op: str
    path: str
    value: Json = None

    def as_json(self) -> dict[str, Json]:
        bare: dict[str, Json] = {"op": self.op, "path": self.path}
        return bare if self.op == "remove" else {**bare, "value": self.value}


def read_operations(listed: Json) -> tuple[Operation, ...]:
    """Operations as they came over the wire. Raises BadEdit: another operation, a path that is no JSON pointer."""
    if not isinstance(listed, list | tuple):
        raise BadEdit(Fault("", _("An edit is a list of operations: add, remove or replace, each with a path.")))
    if len(listed) > MOST_OPERATIONS:
        raise BadEdit(Fault("", _("At most %(most)d operations.") % {"most": MOST_OPERATIONS}))
    return tuple(_operation(f"/{number}", given) for number, given in enumerate(listed))


def apply(value: Json, operations: Sequence[Operation]) -> Json:
    """The value with the operations done in their order; the value that was given stays as it is.

    What is removed or replaced must be there, and an entry is added within its list. Raises BadEdit, whose fault
    points at the operation: /<number>.
    """
    for number, operation in enumerate(operations):
        try:
            value = _applied(value, _parts(operation.path), operation)
        except LookupError as error:
            raise BadEdit(Fault(f"/{number}", str(error.args[0]))) from error
    return value


def operations(before: Json, after: Json) -> list[Operation]:
    """The operations that turn `before` into `after`, exactly: 1, 1.0 and true differ, the order of keys does not.

    Of lists of another length, what is alike at both ends stays.
    """
    return list(_operations(before, after, ()))


def same(before: Json, after: Json) -> bool:
    """Whether two JSON values are the same in value and in type, whatever the order of keys."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)
    if _is_list(before) and _is_list(after):
        return len(before) == len(after) and all(map(same, before, after))  # type: ignore[arg-type]  # lists, both
    return type(before) is type(after) and before == after


def changed_paths(before: Json, after: Json, path: str = "") -> list[str]:
    """JSON pointers of what differs, at the leaves; a value of another kind differs as a whole."""
    return [edit[0] for edit in _edits(before, after, path)[0]]


def edits(before: Json, after: Json) -> list[dict[str, Json]]:
    """The same with the values: {"path", "from", "to"}. What is not there is not named: {"path", "to"} was added."""
    changes = []
    for path, was, becomes in _edits(before, after, "")[0]:
        named = (("from", was), ("to", becomes))
        changes.append({"path": path, **{name: value[0] for name, value in named if value}})
    return changes


def compared(before: Json, after: Json) -> tuple[list[Edit], int]:
    """What differs, and how many leaves are the same."""
    return _edits(before, after, "")


def _edits(before: Json, after: Json, path: str) -> tuple[list[Edit], int]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        changes: list[Edit] = []
        alike = 0
        for key in sorted({*before, *after}):
            step = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            if key in before and key in after:
                inner, more = _edits(before[key], after[key], step)
                changes += inner
                alike += more
            else:
                changes.append((step, _side(before, key), _side(after, key)))
        return changes, alike
    return ([], 1) if same(before, after) else ([(path or "/", (before,), (after,))], 0)


def _operation(at: str, given: Json) -> Operation:
    if not isinstance(given, Mapping) or not isinstance(given.get("path"), str):
        raise BadEdit(Fault(at, _("An operation says op and path.")))
    op, path = str(given.get("op")), str(given["path"])
    if op not in ("add", "remove", "replace"):
        raise BadEdit(Fault(f"{at}/op", _("An operation is add, remove or replace.")))
    if path[:1] not in ("", "/") or re.search(r"~(?![01])", path):
        raise BadEdit(Fault(f"{at}/path", _("This is no JSON pointer.")))
    if op in _WITH_VALUE and "value" not in given:
        raise BadEdit(Fault(f"{at}/value", _("What is added or replaced has a value.")))
    return Operation(op, path, given["value"] if op in _WITH_VALUE else None)


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _applied(value: Json, parts: Sequence[str], operation: Operation) -> Json:
    """The value after one operation, sharing what is not on its way. Raises LookupError with a sentence."""
    if not parts:
        if operation.op == "remove":
            raise LookupError(_("The whole cannot be removed."))
        return operation.value
    part, rest = parts[0], parts[1:]
    if isinstance(value, Mapping):
        if (rest or operation.op != "add") and part not in value:
            raise LookupError(_("There is nothing at %(path)s.") % {"path": operation.path})
        if not rest and operation.op == "remove":
            return {key: inner for key, inner in value.items() if key != part}
        return {**value, part: _applied(value[part], rest, operation) if rest else operation.value}
    if isinstance(value, list | tuple):
        adds = not rest and operation.op == "add"
        index = _index(part, len(value) + adds, operation, end=adds)
        if adds:
            return [*value[:index], operation.value, *value[index:]]
        if rest:
            return [*value[:index], _applied(value[index], rest, operation), *value[index + 1 :]]
        return [*value[:index], *([operation.value] if operation.op == "replace" else []), *value[index + 1 :]]
    raise LookupError(_("There is nothing at %(path)s.") % {"path": operation.path})


def _index(part: str, length: int, operation: Operation, *, end: bool) -> int:
    if end and part == "-":
        return length - 1
    if not _INDEX.match(part) or int(part) >= length:
        raise LookupError(_("There is no entry at %(path)s.") % {"path": operation.path})
    return int(part)


def _operations(before: Json, after: Json, path: Path) -> Iterator[Operation]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before:
            if key not in after:
                yield Operation("remove", pointer_of([*path, key]))
            else:
                yield from _operations(before[key], after[key], (*path, key))
        yield from (Operation("add", pointer_of([*path, key]), after[key]) for key in after if key not in before)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        yield from _list_operations(before, after, path)
    elif not same(before, after):
        yield Operation("replace", pointer_of(path), after)


def _list_operations(before: Sequence[Json], after: Sequence[Json], path: Path) -> Iterator[Operation]:
    shorter = min(len(before), len(after))
    if len(before) == len(after):
        start, rest = shorter, 0
    else:
        start = next((number for number in range(shorter) if not same(before[number], after[number])), shorter)
        tail = range(1, shorter - start + 1)
        rest = next((number - 1 for number in tail if not same(before[-number], after[-number])), shorter - start)
    # In between, entries at the same place are compared; what there is more of goes, or comes, behind them.
    paired = shorter - start - rest if len(before) != len(after) else 0
    for number in range(start + paired):
        yield from _operations(before[number], after[number], (*path, number))
    end = start + paired
    for _gone in range(len(before) - rest - end):
        yield Operation("remove", pointer_of([*path, end]))
    for number in range(end, len(after) - rest):
        yield Operation("add", pointer_of([*path, number]), after[number])


def _is_list(value: Json) -> bool:
    return isinstance(value, list | tuple)


def _side(mapping: Mapping[str, Json], key: str) -> Side:
    return (mapping[key],) if key in mapping else ()
