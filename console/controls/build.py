"""The controls for a value of a schema: one for each field, in the schema's order, whatever the value holds.

`controls_of` never raises for a schema or a value that can be stored; what is too deep, too many or of a kind that the
schema does not foresee is edited as JSON, for that field alone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.values.edits import Side, same
from approvals.values.schema import Json, pointer_of
from console.controls.schemas import Node, ValueShape, branch_for, label_of, shape_of, type_of

DEEPEST = 8  # groups within each other; what lies deeper is JSON
MOST = 4000  # controls of one form
LONG = 80  # characters of a text from which it gets a box of several lines
MOST_FOLDED = 8  # fields of a group that stands open
_PROSE = frozenset(
    {
        *("body", "text", "message", "content", "description", "comment", "note", "notes", "summary", "reason"),
        *("details", "html", "markdown", "prompt", "instructions", "query", "sql", "script", "code"),
    }
)

# How a typed text is read, by JSON Schema type.
_READINGS = {"string": "text", "number": "number", "integer": "integer", "object": "json", "array": "json"}
READINGS = {
    "text": gettext_lazy("text"),
    "number": gettext_lazy("number"),
    "integer": gettext_lazy("whole number"),
    "true": gettext_lazy("true"),
    "false": gettext_lazy("false"),
    "json": "JSON",
    "null": "null",
    "absent": gettext_lazy("not set"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One value to choose: its JSON, "" for leaving the field out; `odd` where the schema does not list it."""

    json: str
    label: str
    chosen: bool
    odd: bool = False


@dataclass(slots=True)
class Control:
    """One field of the form.

    `kind`: text, long, choice, json, group, list, absent (a group or list that is not there) or null (one that is
    null). `at` names it to the page and back; `reading` is how a typed text is read, one of `readings`.
    """

    pointer: str
    label: str
    kind: str
    side: Side
    at: str = ""
    reading: str = "text"
    readings: Sequence[tuple[str, str]] = ()
    text: str = ""
    choices: Sequence[Choice] = ()
    fields: list["Control"] = field(default_factory=list)
    shape: ValueShape | None = None
    required: bool = False
    nullable: bool = False
    named: bool = False  # a new field, whose name is typed, too
    name: str = ""
    entry: bool = False  # of a list
    new: bool = False  # a place for an entry or field that is not there yet
    grows: str = ""  # what an "Add" here adds: entry, field
    begins: Json = None  # how a list's new entry begins, where it is not typed at once: {} or []
    touched: bool = False  # typed before, and still to be taken in
    error: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        self.at = self.at or position_id(self.pointer)

    @property
    def help(self) -> str:
        return self.shape.text("description") if self.shape else ""

    @property
    def hint(self) -> str:
        """The schema's default, which nobody applies."""
        if self.shape is None or "default" not in self.shape.node or self.side:
            return ""
        return label_of(self.shape.node["default"])[:LONG]

    @property
    def rows(self) -> int:
        return min(12, max(2, self.text.count("\n") + 1 + len(self.text) // LONG))

    @property
    def folded(self) -> bool:
        return len(self.fields) > MOST_FOLDED and not any(inner.wrong for inner in self.fields)

    @property
    def wrong(self) -> bool:
        return bool(self.error) or any(inner.wrong for inner in self.fields)

    @property
    def numeric(self) -> bool:
        return self.reading in ("number", "integer")

    @property
    def placeholder(self) -> str:
        """What an empty box stands for."""
        return "" if self.reading not in ("absent", "null") or self.new else str(READINGS[self.reading])

    @property
    def home(self) -> str:
        """The group or list that a new place belongs to."""
        return self.at.rpartition("/")[0] or "~"

    @property
    def removable(self) -> bool:
        return self.entry or not self.required

    @property
    def count(self) -> int:
        return len(self.fields) - sum(inner.new for inner in self.fields)


def position_id(pointer: str) -> str:
    """A JSON pointer as an id on the page: ASCII without control characters, which HTML changes; "~" is the whole."""
    return quote(pointer, safe="/~") or "~"


def controls_of(schema: Node, side: Side, *, prefix: str = "c") -> Control:
    """The control of the whole value, a group where it is an object; `side` is () where there is no value yet."""
    builder = Builder(schema)
    whole = builder.control(schema, side, "", "", required=True, depth=0)
    for number, control in enumerate(all_controls(whole)):
        control.id = f"{prefix}{number}"
    return whole


def as_json(schema: Node, value: Json) -> Control:
    """The one control of the JSON tab, with the fields in the schema's order."""
    text = pretty(in_schema_order(schema, schema, value))
    return Control("", "JSON", "json", (value,), reading="json", text=text, id="raw")


def all_controls(control: Control) -> Iterator[Control]:
    """The control and all within it."""
    yield control
    for inner in control.fields:
        yield from all_controls(inner)


def pretty(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def in_schema_order(schema: Json, root: Node, value: Json, depth: int = 0) -> Json:
    """The value with the fields of each object as its schema lists them, then the others."""
    shape = shape_of(schema, root) if depth <= DEEPEST else None
    shape = branch_for(shape, value, root) if shape else None
    if shape is None:
        return value
    if isinstance(value, Mapping):
        names = [
            *(name for name in shape.properties if name in value),
            *(n for n in value if n not in shape.properties),
        ]
        return {name: in_schema_order(_field_schema(shape, name), root, value[name], depth + 1) for name in names}
    if isinstance(value, list | tuple):
        return [in_schema_order(shape.of_entry(number), root, inner, depth + 1) for number, inner in enumerate(value)]
    return value


def _field_schema(shape: ValueShape, name: str) -> Json:
    return shape.properties[name] if name in shape.properties else shape.of_key(name)


class Builder:
    """Makes the controls of one form, and counts them."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.left = MOST

    def control(
        self, node: Json, side: Side, pointer: str, name: str, *, required: bool, depth: int, entry: bool = False
    ) -> Control:
        self.left -= 1
        shape = shape_of(node, self.root)
        label = shape.text("title").strip() or name
        made = Control(pointer, label, "text", side, shape=shape, required=required, entry=entry)
        made.nullable = shape.nullable
        if shape.options:
            self._choice(made, [(option.value, option.title) for option in shape.options])
        elif side and isinstance(side[0], Mapping | list | tuple):
            self._container(made, shape, side[0], depth)
        elif shape.types == ("boolean",):
            self._choice(made, [(True, "true"), (False, "false")])
        elif shape.types in (("object",), ("array",)) and (not side or side[0] is None):
            made.kind = "null" if side else "absent"
            made.grows = "entry" if shape.types == ("array",) else "field"
        else:
            self._text(made, shape)
        return made

    def _container(self, made: Control, shape: ValueShape, value: Json, depth: int) -> None:
        fitting = branch_for(shape, value, self.root)
        size = len(value) if isinstance(value, Mapping | list | tuple) else 0
        if fitting is None or depth > DEEPEST or size > self.left:
            return self._text(made, shape)
        if isinstance(value, Mapping):
            made.kind, made.fields = "group", list(self._fields(fitting, value, made.pointer, depth))
            made.grows = "field" if fitting.grows else ""
        elif isinstance(value, list | tuple):
            made.kind, made.fields = "list", list(self._entries(fitting, value, made.pointer, depth))
            node = fitting.of_entry(len(value))
            made.grows = "entry" if node is not False else ""
            types = shape_of(node, self.root).types
            made.begins = {} if types == ("object",) else [] if types == ("array",) else None
        return None

    def _fields(self, shape: ValueShape, value: Mapping[str, Json], pointer: str, depth: int) -> Iterator[Control]:
        for name in [*shape.properties, *(name for name in value if name not in shape.properties)]:
            side: Side = (value[name],) if name in value else ()
            inner = pointer + pointer_of([name])
            required = name in shape.required
            yield self.control(_field_schema(shape, name), side, inner, name, required=required, depth=depth + 1)
        if shape.grows:
            made = self.control(shape.of_key(""), (), pointer, _("New field"), required=True, depth=depth + 1)
            made.at, made.label = f"{position_id(pointer)}/~new", _("New field")
            made.named = made.new = True
            yield made

    def _entries(self, shape: ValueShape, value: Sequence[Json], pointer: str, depth: int) -> Iterator[Control]:
        for number, inner in enumerate(value):
            where, name = f"{pointer}/{number}", str(number + 1)
            made = self.control(
                shape.of_entry(number), (inner,), where, name, required=True, depth=depth + 1, entry=True
            )
            made.label = name
            yield made
        node = shape.of_entry(len(value))
        if node is False:
            return
        made = self.control(node, (), f"{pointer}/{len(value)}", "", required=False, depth=depth + 1)
        made.label, made.new, made.entry = _("New entry"), True, True
        if made.kind != "absent":  # a list in a list and an object begin empty, by a press
            yield made

    def _choice(self, made: Control, options: Sequence[tuple[Json, str]]) -> None:
        """A choice always offers what stands there, marked where the schema does not list it."""
        made.kind, made.reading = "choice", "json"
        offered = [*options]
        if made.nullable and not any(value is None for value, _title in options):
            offered.append((None, "null"))
        choices = [
            Choice(json.dumps(value), title, any(same(value, now) for now in made.side)) for value, title in offered
        ]
        if not any(choice.chosen for choice in choices):
            choices = [*(Choice(json.dumps(now), label_of(now), chosen=True, odd=True) for now in made.side), *choices]
        if not made.side or not (made.required or made.entry):
            choices.insert(0, Choice("", _("not set"), chosen=not made.side))
        made.choices = choices

    def _text(self, made: Control, shape: ValueShape) -> None:
        """A text box, with how it is read beside it where there is more than one way."""
        types = shape.types or ("string", "number", "boolean", "object")
        readings = list(dict.fromkeys(reading for kind in types for reading in _readings(kind)))
        if "number" in readings and "integer" in readings:
            readings.remove("integer")
        now = _reading_of(made.side, readings)
        if made.nullable:
            readings.append("null")
        if not made.side or not (made.required or made.entry):
            readings.append("absent")
        if now not in readings:
            readings.insert(0, now)
        if made.new and "absent" in readings:
            readings.remove("absent")
            now = readings[0]
        made.reading = now
        made.readings = [(name, str(READINGS[name])) for name in readings] if len(readings) > 1 else ()
        made.text = _display_text(made.side, now)
        made.kind = "json" if readings[0] == now == "json" else "long" if _is_long(made, shape, readings) else "text"


def _readings(kind: str) -> Sequence[str]:
    return ("true", "false") if kind == "boolean" else (_READINGS[kind],)


def _reading_of(side: Side, readings: Sequence[str]) -> str:
    if not side:
        return "absent"
    (value,) = side
    match type_of(value):
        case "null":
            return "null"
        case "boolean":
            return "true" if value else "false"
        case "integer" | "number":
            return "integer" if "integer" in readings else "number"
        case "string":
            return "text"
    return "json"


def _display_text(side: Side, reading: str) -> str:
    match side:
        case (value,) if reading not in ("null", "true", "false", "absent"):
            return str(value) if reading == "text" else pretty(value) if reading == "json" else json.dumps(value)
    return ""


def _is_long(made: Control, shape: ValueShape, readings: Sequence[str]) -> bool:
    if "text" not in readings:
        return "json" in readings and made.reading == "json"
    longest = shape.number("maxLength")
    if any(mark in made.text for mark in "\n\r") or len(made.text) > LONG:
        return True
    if longest is not None:
        return longest > LONG * 1.5
    name = made.pointer.rpartition("/")[2].lower().replace("-", "_").rpartition("_")[2]
    return name in _PROSE and not shape.text("format")
