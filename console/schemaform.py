"""A form made from a JSON Schema, and the JSON value read back from it with its types kept.

The schema is policy's, the value is the agent's. Strings stay strings ("420.00"), whole numbers stay whole; what the
form cannot draw (mixed lists, free-form objects) is a JSON field of its own. Whether the value is allowed is not
decided here: the domain checks it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from approvals.policy.schema import Fault, Json

PREFIX = "args"
DEEPEST = 6


@dataclass
class Field:
    """One control. `kind`: text, long, number, integer, boolean, enum, date, lines, json, or object with fields."""

    name: str  # the JSON pointer behind the prefix; what the form posts
    label: str
    kind: str
    required: bool
    text: str = ""
    help: str = ""
    choices: list[tuple[str, str]] = field(default_factory=list)
    fields: list["Field"] = field(default_factory=list)
    item: str = ""  # the type of a list's items
    nullable: bool = False
    given: bool = True  # the value to begin with has this field
    error: str = ""

    @property
    def id(self) -> str:
        return "f-" + self.name.replace("/", "-").replace(" ", "_")

    @property
    def rows(self) -> int:
        return min(8, max(2, self.text.count("\n") + 1 + len(self.text) // 80))


class Unreadable(ValueError):
    """What was typed is no value of its field; `faults` name the fields."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


def fields_of(schema: Mapping[str, Json], value: Json, *, prefix: str = PREFIX) -> list[Field]:
    """The controls for an object's properties, in the schema's order; fields that only the value has come last.

    Empty where the value is not an object: then only the raw JSON can be edited.
    """
    if not isinstance(value, Mapping):
        return []
    return _object_fields(schema, value, prefix, depth=0)


def read(fields: Sequence[Field], posted: Mapping[str, str]) -> dict[str, Json]:
    """The value the form holds. An optional field left empty is left out unless the value had it as ""."""
    faults: list[Fault] = []
    value = _read_object(fields, posted, faults)
    if faults:
        raise Unreadable(faults)
    return value


def read_raw(text: str) -> Json:
    """The value of the raw JSON tab."""
    try:
        value: Json = json.loads(text, parse_constant=_refuse, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise Unreadable([Fault("/raw", _("This is not JSON: %s") % error)]) from error
    return value


def pretty(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def show_faults(fields: Sequence[Field], faults: Sequence[Fault], *, prefix: str = f"/{PREFIX}") -> list[Fault]:
    """Write each fault beside the field that it points into; returns those that belong to no field."""
    left = []
    flat = _flat(fields)
    for fault in faults:
        pointer = fault.pointer.removeprefix(prefix)
        named = [one for one in flat if _covers(one.name.partition("/")[2], pointer.removeprefix("/"))]
        if named:
            named[-1].error = named[-1].error or fault.message
        else:
            left.append(fault)
    return left


def _covers(name: str, pointer: str) -> bool:
    return pointer == name or pointer.startswith(f"{name}/")


def _flat(fields: Sequence[Field]) -> list[Field]:
    found: list[Field] = []
    for one in fields:
        found += _flat(one.fields) if one.kind == "object" else [one]
    return found


def _ordered(schema: Mapping[str, Json], known: Mapping[str, Json]) -> list[str]:
    """The fields as the schema's author wrote them: the database sorts keys, and packs keep the order in x-order."""
    order = schema.get("x-order")
    first = [str(name) for name in order if name in known] if isinstance(order, list | tuple) else []
    return [*first, *(name for name in known if name not in first)]


def _object_fields(schema: Mapping[str, Json], value: Mapping[str, Json], path: str, *, depth: int) -> list[Field]:
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    needed = set(required) if isinstance(required, Sequence) else set()
    fields = []
    for name in [*_ordered(schema, known), *(name for name in value if name not in known)]:
        inner = known.get(name)
        one = _field(inner if isinstance(inner, Mapping) else {}, value.get(name), f"{path}/{_escape(name)}", depth)
        one.label = str(inner.get("title") or name) if isinstance(inner, Mapping) else str(name)
        one.required = name in needed
        one.given = name in value
        if not one.given and one.kind != "object":
            one.text = ""
        fields.append(one)
    return fields


def _field(schema: Mapping[str, Json], value: Json, name: str, depth: int) -> Field:
    types = schema.get("type")
    listed = types if isinstance(types, Sequence) and not isinstance(types, str) else [types]
    names = [one for one in listed if isinstance(one, str)]
    kind = next((one for one in names if one != "null"), "") or _type_of(value)
    made = Field(name, "", "text", False, help=str(schema.get("description") or ""), nullable="null" in names)
    made.text = _text(value)
    options = schema.get("enum")
    if isinstance(options, Sequence) and not isinstance(options, str):
        made.kind = "enum"
        made.choices = [(_compact(one), _text(one)) for one in options if one is not None]
        made.text = _compact(value) if value is not None else ""
    elif kind == "object":
        _object(made, schema, value, depth)
    elif kind == "array":
        _array(made, schema, value)
    elif kind in {"number", "integer", "boolean"}:
        made.kind = kind
    elif schema.get("format") == "date":
        made.kind = "date"
    elif "\n" in made.text or len(made.text) > 90:
        made.kind = "long"
    return made


def _object(made: Field, schema: Mapping[str, Json], value: Json, depth: int) -> None:
    inner = value if isinstance(value, Mapping) else {}
    fields = _object_fields(schema, inner, made.name, depth=depth + 1) if depth < DEEPEST else []
    if fields:
        made.kind, made.fields = "object", fields
    else:
        made.kind, made.text = "json", pretty(value if value is not None else {})


def _array(made: Field, schema: Mapping[str, Json], value: Json) -> None:
    items = schema.get("items")
    item = items.get("type") if isinstance(items, Mapping) else None
    entries = value if isinstance(value, Sequence) and not isinstance(value, str) else []
    plain = all(isinstance(one, str) and "\n" not in one and one == one.strip() and one for one in entries)
    if item == "string" and plain:
        made.kind, made.item, made.text = "lines", "string", "\n".join(map(str, entries))
        made.help = made.help or _("One per line.")
    elif item in {"number", "integer"}:
        made.kind, made.item, made.text = "lines", str(item), "\n".join(_text(one) for one in entries)
        made.help = made.help or _("One per line.")
    else:
        made.kind, made.text = "json", pretty(list(entries))


def _read_object(fields: Sequence[Field], posted: Mapping[str, str], faults: list[Fault]) -> dict[str, Json]:
    value: dict[str, Json] = {}
    for one in fields:
        key = _unescape(one.name.rsplit("/", 1)[-1])
        if one.kind == "object":
            inner = _read_object(one.fields, posted, faults)
            if inner or one.given or one.required:
                value[key] = inner
            continue
        text = posted.get(one.name, "").replace("\r\n", "\n")
        if text == "" and _left_out(one):
            if one.nullable and one.given:
                value[key] = None
            continue
        if text == "false" and one.kind == "boolean" and not one.given and not one.required:
            continue
        try:
            value[key] = _value(one, text)
        except (ValueError, RecursionError):
            faults.append(Fault("/" + one.name, _no_such_value(one)))
    return value


def _no_such_value(one: Field) -> str:
    return {
        "number": _("%s: this is no number."),
        "integer": _("%s: this is no whole number."),
        "lines": _("%s: one of these lines is no number."),
    }.get(one.kind, _("%s: this is not JSON.")) % one.label


def _left_out(one: Field) -> bool:
    if one.kind in {"text", "long", "date"}:
        return one.nullable or not (one.required or (one.given and one.text == ""))
    return one.kind in {"number", "integer", "enum"} or not one.given


def _value(one: Field, text: str) -> Json:
    match one.kind:
        case "number":
            return _number(text)
        case "integer":
            return int(text.strip())
        case "boolean":
            return text == "true"
        case "enum" | "json":
            return read_raw(text)
        case "lines":
            lines = [line.strip() for line in text.split("\n") if line.strip()]
            if one.item == "string":
                return list(lines)
            return [int(line) if one.item == "integer" else _number(line) for line in lines]
    return text


def _number(text: str) -> int | float:
    value = json.loads(text.strip(), parse_constant=_refuse)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(text)
    return value


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return _compact(value)


def _compact(value: Json) -> str:
    """As JSON, numbers written as they came: 1.0 stays 1.0, or leaving a field alone would change its type."""
    return json.dumps(value, ensure_ascii=False)


def _type_of(value: Json) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case Mapping():
            return "object"
        case str() | None:
            return "string"
    return "array"


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unescape(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def _no_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(_("a name appears twice"))
    return found


def keep(fields: Sequence[Field], posted: Mapping[str, str]) -> None:
    """Show what was typed instead of the value the form began with."""
    for one in _flat(fields):
        if one.name in posted:
            one.text = posted[one.name].replace("\r\n", "\n")


def mirrors(fields: Sequence[Field], value: Json) -> bool:
    """True where the untouched form gives back exactly the value it was made from."""
    shown = {one.name: one.text for one in _flat(fields)}
    try:
        back = read(fields, shown)
    except Unreadable:
        return False
    return json.dumps(back, sort_keys=True) == json.dumps(value, sort_keys=True)


def read_scalar(kind: Json, text: str) -> Json:
    """A single value of a JSON Schema type, typed as text."""
    try:
        return read_raw(text.lower() if kind == "boolean" else text)
    except Unreadable as error:
        raise Unreadable([Fault("/answer", _("This answer is no %s.") % kind)]) from error
