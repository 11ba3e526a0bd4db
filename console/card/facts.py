"""Arguments as a reviewer reads them: every value by its path, nothing hidden, nothing cut without saying so."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import ngettext

from approvals.values import characters
from approvals.values.schema import Json, NotCanonical, canonical
from console.controls.build import in_schema_order

LONG = 400
_GAP = re.compile(r"((?:\r?\n){4,})")

Segments = list[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Value:
    """One value as (text, is_token) segments; `rest` is what stands behind the "+n characters" control."""

    head: Segments
    rest: Segments
    kind: str  # text, number, word, empty

    @property
    def more(self) -> int:
        return sum(len(text) for text, _ in self.rest)


@dataclass(frozen=True, slots=True)
class Fact:
    """One argument: its path, its value, and what stands there now where that is known."""

    path: str
    value: Value | None
    was: Value | None = None
    warnings: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.value != self.was

    @property
    def parts(self) -> list[str]:
        """The path at its joints, so that a narrow column breaks there and nowhere else."""
        return self.path.replace(".", ".\0").replace("[", "\0[").split("\0")


def facts_of(args: Json, schema: Mapping[str, Json] | None = None) -> list[Fact]:
    """Every argument, those that the schema lists in its order and before the others."""
    args = in_schema_order(schema, schema, args) if schema else args
    return [Fact(path, shown(value), warnings=_warnings(value)) for path, value in leaves(args)]


def changes_of(before: Json, after: Json) -> list[Fact]:
    """What is and what will be, by path; a path on one side only has None on the other. Changed ones first."""
    was, will = dict(leaves(before)), dict(leaves(after))
    facts = [
        Fact(
            path,
            shown(will[path]) if path in will else None,
            shown(was[path]) if path in was else None,
            _warnings(will.get(path)),
        )
        for path in {**was, **will}
    ]
    return sorted(facts, key=lambda fact: not fact.changed)


def present_and_future(current: Json, args: Json) -> list[Fact]:
    """The present state against the arguments, for the paths that the agent gave a present state of."""
    was = dict(leaves(current))
    will = dict(leaves(args))
    facts = [
        Fact(path, shown(will[path]) if path in will else shown(value), shown(value), _warnings(will.get(path)))
        for path, value in was.items()
    ]
    return sorted(facts, key=lambda fact: not fact.changed)


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every scalar and every empty container with its path: `items[0].sku`."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            name = characters.plain(str(key))
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def shown(value: Json) -> Value:
    if isinstance(value, str):
        if not value:
            return Value([("", False)], [], "empty")
        return Value(_segments(value[:LONG]), _segments(value[LONG:]), "text")
    kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else "word"
    return Value([(plain(value), False)], [], kind)


def _segments(text: str) -> Segments:
    """The text as it would read, hidden characters and long gaps as tokens: nothing waits below an empty screen."""
    segments: Segments = []
    for index, piece in enumerate(_GAP.split(text)):
        if index % 2:
            breaks = piece.count("\n")
            token = ngettext("%d line break", "%d line breaks", breaks) % breaks
            segments += [("\n", False), (f"\u2039{token}\u203a", True), ("\n", False)]
        else:
            segments += characters.visible(piece)
    return segments


def plain(value: Json) -> str:
    """A value on one line: texts as they are, everything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return canonical(value).decode()
    except NotCanonical:
        return str(value)


def _warnings(value: Json) -> tuple[str, ...]:
    return tuple(sorted(characters.suspicious(value))) if isinstance(value, str) else ()
