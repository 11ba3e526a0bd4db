"""What differs between two arguments: where, and from what to what."""

from collections.abc import Mapping

from approvals.policy.schema import Json


def changed_paths(before: Json, after: Json, path: str = "") -> list[str]:
    """JSON pointers of what differs, at the leaves; a value of another kind differs as a whole."""
    return [edit[0] for edit in _edits(before, after, path)]


def edits(before: Json, after: Json) -> list[dict[str, Json]]:
    """The same with the values: {"path", "from", "to"}. What is not there is not named: {"path", "to"} was added."""
    found = []
    for path, was, becomes in _edits(before, after, ""):
        named = (("from", was), ("to", becomes))
        found.append({"path": path, **{name: value[0] for name, value in named if value}})
    return found


_Value = tuple[Json] | tuple[()]  # () for what is not there: null is a value, too


def _edits(before: Json, after: Json, path: str) -> list[tuple[str, _Value, _Value]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found = []
        for key in sorted({*before, *after}):
            step = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            if key in before and key in after:
                found += _edits(before[key], after[key], step)
            else:
                found.append((step, _held(before, key), _held(after, key)))
        return found
    same = type(before) is type(after) and before == after
    return [] if same else [(path or "/", (before,), (after,))]


def _held(mapping: Mapping[str, Json], key: str) -> _Value:
    return (mapping[key],) if key in mapping else ()
