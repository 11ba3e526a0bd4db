"""What differs between two arguments: where, and from what to what."""

from collections.abc import Mapping
from typing import TypeAlias

from approvals.policy.schema import Json

Side: TypeAlias = tuple[Json] | tuple[()]  # () for what is not there: null is a value, too
Edit: TypeAlias = tuple[str, Side, Side]


def changed_paths(before: Json, after: Json, path: str = "") -> list[str]:
    """JSON pointers of what differs, at the leaves; a value of another kind differs as a whole."""
    return [edit[0] for edit in _edits(before, after, path)[0]]


def edits(before: Json, after: Json) -> list[dict[str, Json]]:
    """The same with the values: {"path", "from", "to"}. What is not there is not named: {"path", "to"} was added."""
    found = []
    for path, was, becomes in _edits(before, after, "")[0]:
        named = (("from", was), ("to", becomes))
        found.append({"path": path, **{name: value[0] for name, value in named if value}})
    return found


def compared(before: Json, after: Json) -> tuple[list[Edit], int]:
    """What differs, and how many leaves are the same."""
    return _edits(before, after, "")


def _edits(before: Json, after: Json, path: str) -> tuple[list[Edit], int]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: list[Edit] = []
        alike = 0
        for key in sorted({*before, *after}):
            step = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            if key in before and key in after:
                inner, more = _edits(before[key], after[key], step)
                found += inner
                alike += more
            else:
                found.append((step, _held(before, key), _held(after, key)))
        return found, alike
    same = type(before) is type(after) and before == after
    return ([], 1) if same else ([(path or "/", (before,), (after,))], 0)


def _held(mapping: Mapping[str, Json], key: str) -> Side:
    return (mapping[key],) if key in mapping else ()
