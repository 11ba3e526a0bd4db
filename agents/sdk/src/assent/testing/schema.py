"""What a JSON value has to be: as much of JSON Schema (2020-12) as the wire and action types use, without a library.

Faults point where the gateway's point: at the missing or unknown field itself, else at the value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from functools import cache
from importlib import resources

from assent.shapes import Json, Object

DEEPEST = 32
_LIMIT = 2**53
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
Fault = tuple[str, str]  # a JSON pointer and a sentence


@cache
def wire() -> Object:
    """The shapes of what agents send, as the gateway's own document has them."""
    text = resources.files("assent.testing").joinpath("wire.json").read_text(encoding="utf-8")
    shapes: Object = json.loads(text)
    return shapes


def of_the_wire(name: str, value: Json) -> list[Fault]:
    """What is wrong with a body of that shape."""
    return faults({"$ref": f"#/components/schemas/{name}", "components": {"schemas": wire()}}, value)


def faults(schema: Object, value: Json) -> list[Fault]:
    """All that is wrong with a value; first what no database would give back as it went in."""
    return list(_unstorable(value, "", 0)) or list(Checker(schema).check(schema, value, ""))


class Checker:
    """One schema, in which references lead to other places of it."""

    def __init__(self, root: Object) -> None:
        self.root = root

    def check(self, schema: Json, value: Json, at: str) -> Iterator[Fault]:
        if schema is False:
            yield at, "Nothing may stand here."
        if not isinstance(schema, Mapping):
            return
        if isinstance(reference := schema.get("$ref"), str):
            yield from self.check(self._at(reference), value, at)
        if not _is_of(schema.get("type"), value):
            yield at, f"This is not of the type {schema.get('type')}."
            return
        yield from self._plain(schema, value, at)
        yield from self._combined(schema, value, at)
        if isinstance(value, str):
            yield from _text(schema, value, at)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield from _number(schema, value, at)
        elif isinstance(value, list):
            yield from self._list(schema, value, at)
        elif isinstance(value, Mapping):
            yield from self._object(schema, value, at)

    def fits(self, schema: Json, value: Json) -> bool:
        return next(self.check(schema, value, ""), None) is None

    def _at(self, reference: str) -> Json:
        here: Json = self.root
        for part in reference.lstrip("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            here = here.get(name) if isinstance(here, Mapping) else None
        return here

    def _plain(self, schema: Object, value: Json, at: str) -> Iterator[Fault]:
        enum = schema.get("enum")
        if isinstance(enum, list) and not any(_same(value, choice) for choice in enum):
            yield at, f"One of {', '.join(str(choice) for choice in enum)}."
        if "const" in schema and not _same(value, schema["const"]):
            yield at, "This has to be another value."

    def _combined(self, schema: Object, value: Json, at: str) -> Iterator[Fault]:
        for part in _schemas(schema, "allOf"):
            yield from self.check(part, value, at)
        some = _schemas(schema, "anyOf")
        if some and not any(self.fits(part, value) for part in some):
            yield at, "This is none of what may stand here."
        single = _schemas(schema, "oneOf")
        if single and sum(self.fits(part, value) for part in single) != 1:
            yield at, "This is not exactly one of what may stand here."
        if "not" in schema and self.fits(schema["not"], value):
            yield at, "This may not stand here."
        if "if" in schema:
            then = "then" if self.fits(schema["if"], value) else "else"
            yield from self.check(schema.get(then, True), value, at)

    def _list(self, schema: Object, value: list[Json], at: str) -> Iterator[Fault]:
        yield from _sized(schema, len(value), "Items", "items", at)
        if schema.get("uniqueItems") is True and any(
            _same(value[place], value[before]) for place in range(len(value)) for before in range(place)
        ):
            yield at, "No two of these may be the same."
        before = _schemas(schema, "prefixItems")
        for index, part in enumerate(value):
            each = before[index] if index < len(before) else schema.get("items", True)
            yield from self.check(each, part, f"{at}/{index}")

    def _object(self, schema: Object, value: Object, at: str) -> Iterator[Fault]:
        yield from _sized(schema, len(value), "Properties", "fields", at)
        required, properties = schema.get("required"), schema.get("properties")
        for name in required if isinstance(required, list) else ():
            if name not in value:
                yield f"{at}/{_escaped(str(name))}", "This field is required."
        fields = properties if isinstance(properties, Mapping) else {}
        patterns = schema.get("patternProperties")
        patterned = patterns if isinstance(patterns, Mapping) else {}
        for name, part in value.items():
            where = f"{at}/{_escaped(name)}"
            matching = [patterned[pattern] for pattern in patterned if _matches(pattern, name)]
            for each in [fields[name], *matching] if name in fields else matching:
                yield from self.check(each, part, where)
            if name not in fields and not matching:
                more = schema.get("additionalProperties", True)
                if more is False:
                    yield where, "This field is not known."
                else:
                    yield from self.check(more, part, where)
        if "propertyNames" in schema and not all(self.fits(schema["propertyNames"], name) for name in value):
            yield at, "A field may not be called so."


def _text(schema: Object, value: str, at: str) -> Iterator[Fault]:
    yield from _sized(schema, len(value), "Length", "characters", at)
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not _matches(pattern, value):
        yield at, f"This does not match {pattern}."
    check = _FORMATS.get(str(schema.get("format")))
    if check is not None and not check(value):
        yield at, f"This is no {schema.get('format')}."


def _number(schema: Object, value: float, at: str) -> Iterator[Fault]:
    for name, holds in _BOUNDS.items():
        bound = schema.get(name)
        if isinstance(bound, int | float) and not holds(value, bound):
            yield at, f"The {name} is {bound}."
    step = schema.get("multipleOf")
    if isinstance(step, int | float) and not math.isclose(value / step, round(value / step), abs_tol=1e-9):
        yield at, f"This is no multiple of {step}."


_BOUNDS: Mapping[str, Callable[[float, float], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
}


def _sized(schema: Object, size: int, what: str, noun: str, at: str) -> Iterator[Fault]:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if isinstance(least, int) and size < least:
        yield at, f"At least {least} {noun}."
    if isinstance(most, int) and size > most:
        yield at, f"At most {most} {noun}."


def _schemas(schema: Object, name: str) -> list[Json]:
    listed = schema.get(name)
    return list(listed) if isinstance(listed, list) else []


def _is_of(kind: Json, value: Json) -> bool:
    if isinstance(kind, list):
        return any(_is_of(one, value) for one in kind)
    if isinstance(value, bool):
        return kind in (None, "boolean")
    if isinstance(value, float) and kind == "integer":
        return value.is_integer()
    match kind:
        case "object":
            return isinstance(value, Mapping)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int)
        case "number":
            return isinstance(value, int | float)
        case "null":
            return value is None
    return kind is None


def _same(value: Json, other: Json) -> bool:
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(_same(value[name], other[name]) for name in value)
    return value == other


def _matches(pattern: str, text: str) -> bool:
    # The gateway's `$` is the end of the text; Python's also stands before a last line break.
    ended = pattern[:-1] + r"\Z" if pattern.endswith("$") and not pattern.endswith(r"\$") else pattern
    return re.search(ended, text) is not None


def _is_moment(text: str) -> bool:
    try:
        return "T" in text.upper() and datetime.fromisoformat(text.upper()).tzinfo is not None
    except ValueError:
        return False


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
    "date-time": _is_moment,
    "date": _is_date,
    "uri": lambda text: _URI.fullmatch(text) is not None,
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
}


def _unstorable(value: Json, at: str, depth: int) -> Iterator[Fault]:
    if depth > DEEPEST:
        yield at, f"Nested deeper than {DEEPEST} levels."
    elif isinstance(value, str):
        if problem := _text_problem(value):
            yield at, problem
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or abs(value) >= _LIMIT:
            yield at, "A number of 2^53 or more; send it as a string."
    elif isinstance(value, Mapping):
        if problem := next(filter(None, map(_text_problem, value)), ""):
            yield at, problem
        else:
            for name, part in value.items():
                yield from _unstorable(part, f"{at}/{_escaped(name)}", depth + 1)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _unstorable(part, f"{at}/{index}", depth + 1)


def _text_problem(text: str) -> str:
    if "\x00" in text:
        return "Contains the character NUL."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Contains half of a surrogate pair."
    return ""


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
