"""What differs between two policy versions, as lines that a person reads."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from approvals.policy.schema import Json


@dataclass(frozen=True)
class Difference:
    """One place of the snapshot (`types / refund / tier`) and what stood and stands there; None: nothing."""

    place: str
    before: str | None
    after: str | None


def differences(before: Json, after: Json, place: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Walk two snapshots; named rows of a list are compared by name, everything else by position in its object."""
    if before == after:
        return
    left, right = _by_name(before), _by_name(after)
    if left is None or right is None:
        yield Difference(" / ".join(place), _text(before), _text(after))
        return
    for key in [*left, *(key for key in right if key not in left)]:
        if key in left and key in right:
            yield from differences(left[key], right[key], (*place, key))
        else:
            yield Difference(
                " / ".join((*place, key)),
                _text(left[key]) if key in left else None,
                _text(right[key]) if key in right else None,
            )


def _by_name(value: Json) -> Mapping[str, Json] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        named = {str(row["name"]): row for row in value if isinstance(row, Mapping) and "name" in row}
        return named if len(named) == len(value) else None
    return None


def _text(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 600 else text[:599] + "…"
