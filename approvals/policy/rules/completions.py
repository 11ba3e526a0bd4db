"""What may be typed into a rule's condition: paths of the action type's arguments, other variables, functions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.policy.rules.operands import VARIABLES, Schema, Shape, Shapes

MOST = 400
_DEEPEST = 6
_KINDS = {"string": "text", "integer": "whole", "number": "number", "boolean": "truth", "array": "list"}


@dataclass(frozen=True, slots=True)
class Completion:
    """`insert` is typed in full. `kind` is what stands there; of a method, `of` is the kind that it is called on."""

    insert: str
    kind: str
    kind_words: str
    title: str
    of: str = ""

    def as_json(self) -> dict[str, str]:
        return {"insert": self.insert, "kind": self.kind, "words": self.kind_words, "title": self.title, "of": self.of}


def completions(schema: Schema) -> list[Completion]:
    """Everything that a rule of an action type with this schema may name, the arguments first."""
    shapes = Shapes(schema)
    suggestions = list(_paths(Shape("args", schema), shapes, 0))[:MOST]
    for name, part in VARIABLES.items():
        suggestions += _paths(Shape(name, part), shapes, 0)
    return [*suggestions, *_functions()]


def _paths(shape: Shape, shapes: Shapes, depth: int) -> Iterator[Completion]:
    part = shapes.resolved(shape)
    fields = part.get("properties")
    if isinstance(fields, Mapping) and fields and depth < _DEEPEST:
        if depth:
            yield _completion(shape, part)
        for name in fields:
            inner = fields[name]
            if isinstance(inner, Mapping):
                path = f"{shape.path}.{name}" if name.isidentifier() else f'{shape.path}["{name}"]'
                yield from _paths(Shape(path, inner), shapes, depth + 1)
        return
    yield _completion(shape, part)


def _completion(shape: Shape, part: Schema) -> Completion:
    named = part.get("type")
    kind = "time" if shape.path == "now" else _KINDS.get(named, "") if isinstance(named, str) else ""
    if not kind and isinstance(options := part.get("enum"), list | tuple) and all(isinstance(o, str) for o in options):
        kind = "text"
    title = str(part.get("title") or "")
    return Completion(shape.path, kind, _kind_label(kind), title)


def _kind_label(kind: str) -> str:
    labels = {
        "text": _("text"),
        "whole": _("whole number"),
        "number": _("number"),
        "truth": _("true or false"),
        "list": _("list"),
        "time": _("time"),
        "function": _("function"),
    }
    return labels.get(kind, "")


def _functions() -> Iterator[Completion]:
    label = _kind_label("function")
    for insert, title in (
        ("has(", _("whether it is given: has(args.note)")),
        ("size(", _("how long a text is, how many a list has: size(args.to) > 50")),
        ("double(", _("as a number: double(args.count) * 1.5")),
        ("int(", _("as a whole number")),
        ("string(", _("as text")),
        ("timestamp(", _('a moment: timestamp("2026-12-24T18:00:00+01:00")')),
        ("duration(", _('a span of time: duration("36h")')),
    ):
        yield Completion(insert, "function", label, title)
    for of, insert, title in (
        ("text", "startsWith(", _("begins with a text")),
        ("text", "endsWith(", _("ends with a text")),
        ("text", "contains(", _("contains a text")),
        ("text", "matches(", _('matches a pattern: matches("(?i)refund|voucher")')),
        ("list", "exists(", _("whether one at least: exists(x, x > 5)")),
        ("list", "all(", _("whether every one: all(x, x > 5)")),
        ("list", "exists_one(", _("whether exactly one: exists_one(x, x > 5)")),
        ("list", "size()", _("how many")),
        ("time", "getDayOfWeek(", _('day of the week, 0 is Sunday: getDayOfWeek("Europe/Berlin") == 5')),
        ("time", "getHours(", _('hour of the day: getHours("Europe/Berlin") >= 17')),
        ("time", "getDate(", _("day of the month, from 1")),
        ("time", "getMonth(", _("month, 0 is January")),
        ("time", "getFullYear(", _("year")),
    ):
        yield Completion(insert, "function", label, title, of)
