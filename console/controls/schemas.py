"""What a JSON Schema says of one value, as far as a control needs it: any schema, however it is written, gives a shape.

Schemas come from agents and admins: references that lead nowhere or in a circle, keywords of a wrong type and unions
without an end are read as "anything". Whether a value is allowed is not decided here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from approvals.values.edits import same
from approvals.values.schema import Json, pick

Node = Mapping[str, Json]

DEEPEST = 24  # references, unions and merges within each other
MOST_BRANCHES = 100
TYPES = ("string", "number", "integer", "boolean", "object", "array")
_UNIONS = ("anyOf", "oneOf")


@dataclass(frozen=True, slots=True)
class Option:
    """One value that a schema lists, and what it calls it."""

    value: Json
    title: str


@dataclass(frozen=True)
class ValueShape:
    """A schema node with its references followed and its parts merged.

    `types` are those of JSON Schema without null, empty for any; `branches` are those of a union that stayed several.
    """

    node: Node
    types: tuple[str, ...]
    nullable: bool
    options: tuple[Option, ...] = ()
    branches: tuple[Node, ...] = ()

    @property
    def any(self) -> bool:
        return not self.types and not self.options

    @cached_property
    def properties(self) -> Mapping[str, Json]:
        listed = self.node.get("properties")
        return listed if isinstance(listed, Mapping) else {}

    @cached_property
    def required(self) -> frozenset[str]:
        return frozenset(name for name in _listed(self.node.get("required")) if isinstance(name, str))

    @property
    def grows(self) -> bool:
        """Whether it is an object to which fields of any name may be added."""
        if isinstance(self.node.get("patternProperties"), Mapping):
            return True
        more = self.node.get("additionalProperties", self.node.get("unevaluatedProperties"))
        return isinstance(more, Mapping) or more is True or (more is None and not self.properties)

    def of_key(self, name: str) -> Json:
        """The schema of a field that the properties do not list."""
        patterns = self.node.get("patternProperties")
        if isinstance(patterns, Mapping) and len(patterns) == 1:
            return next(iter(patterns.values()))
        return self.node.get("additionalProperties", {})

    def of_entry(self, index: int) -> Json:
        """The schema of a list's entry; False where there may be none."""
        prefix = self.node.get("prefixItems")
        items = self.node.get("items", {})
        if not isinstance(prefix, list | tuple):
            tupled = isinstance(items, list | tuple)
            prefix, items = (_listed(items), self.node.get("additionalItems", {})) if tupled else ((), items)
        return prefix[index] if index < len(prefix) else items

    def text(self, name: str) -> str:
        """A keyword that is a text, else ""."""
        value = self.node.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | float | None:
        value = self.node.get(name)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def shape_of(node: Json, root: Node) -> ValueShape:
    """The shape that a node of the schema `root` gives its value."""
    merged = _merged(node, root, frozenset(), 0)
    union = next((name for name in _UNIONS if _is_list(merged.get(name))), "")
    if not union:
        return _shape_without_union(merged)
    rest = {name: value for name, value in merged.items() if name != union}
    branches = [_merged(one, root, frozenset(), 0) for one in _listed(merged[union])[:MOST_BRANCHES]]
    return _united(rest, list(_flattened(branches, root, 0)))


def branch_for(shape: ValueShape, value: Json, root: Node) -> ValueShape | None:
    """The shape for a value: of a union the branch that fits it; None where none does."""
    if not shape.branches:
        return shape if not shape.types or type_of(value) in _widened(shape.types) else None
    fitting = (shape_of(node, root) for node in shape.branches)
    return next((branch for branch in fitting if _matches_types(branch, value, root)), None)


def type_of(value: Json) -> str:
    """The JSON Schema type of a value; integer for a whole number without a point."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case Mapping():
            return "object"
    return "array"


def _widened(types: Sequence[str]) -> set[str]:
    """A number may be whole, and 5.0 is a whole number."""
    return {*types, *(("integer", "number") if {"number", "integer"} & set(types) else ())}


def _matches_types(branch: ValueShape, value: Json, root: Node) -> bool:
    if branch.options:
        return any(same(option.value, value) for option in branch.options)
    if branch.types and type_of(value) not in _widened(branch.types):
        return False
    if not isinstance(value, Mapping):
        return True
    named = ((shape_of(branch.properties[name], root), value[name]) for name in value if name in branch.properties)
    listed = ((shape.options, held) for shape, held in named if shape.options)
    return branch.required <= value.keys() and all(
        any(same(option.value, held) for option in options) for options, held in listed
    )


# --- References and merges


def _merged(node: Json, root: Node, followed: frozenset[str], depth: int) -> dict[str, Json]:
    if not isinstance(node, Mapping) or depth > DEEPEST:
        return {}
    made: dict[str, Json] = {}
    reference = node.get("$ref", node.get("$dynamicRef"))
    if isinstance(reference, str) and reference not in followed:
        made = _merged(_target(reference, root), root, followed | {reference}, depth + 1)
    for part in _listed(node.get("allOf"))[:MOST_BRANCHES]:
        made = _joined(made, _merged(part, root, followed, depth + 1))
    own = {name: value for name, value in node.items() if name not in ("$ref", "$dynamicRef", "allOf")}
    return _joined(made, own)


def _target(reference: str, root: Node) -> Json:
    if reference == "#":
        return root
    if reference.startswith("#/"):
        return pick(root, unquote(reference[1:]))
    for name in ("$defs", "definitions"):
        listed = root.get(name)
        for definition in listed.values() if isinstance(listed, Mapping) else ():
            names = (
                (definition.get("$anchor"), definition.get("$dynamicAnchor"), definition.get("$id"))
                if isinstance(definition, Mapping)
                else ()
            )
            if reference in names or reference.removeprefix("#") in names[:2]:
                return definition
    return {}


def _joined(first: dict[str, Json], second: dict[str, Json]) -> dict[str, Json]:
    """What two schemas of one value say together; where they cannot be joined the second speaks."""
    made = {**first, **second}
    for name in first.keys() & second.keys():
        was, new = first[name], second[name]
        if name in ("properties", "patternProperties") and isinstance(was, Mapping) and isinstance(new, Mapping):
            shared = {key: {"allOf": [was[key], new[key]]} for key in was if key in new}
            made[name] = {**was, **new, **shared}
        elif name == "required":
            made[name] = [*_listed(was), *(one for one in _listed(new) if one not in _listed(was))]
        elif name == "enum":
            made[name] = [one for one in _listed(new) if any(same(one, other) for other in _listed(was))]
        elif name == "type":
            made[name] = [key for key in _names(new) if key in _names(was)] or new
        elif name in _UNIONS:
            made["allOf"] = [*_listed(made.get("allOf")), {name: was}]
    return made


def _flattened(branches: Sequence[Node], root: Node, depth: int) -> Iterator[Node]:
    """The branches with unions inside them opened."""
    for branch in branches:
        union = next((name for name in _UNIONS if _is_list(branch.get(name))), "")
        if not union or depth > DEEPEST // 4:
            yield branch
            continue
        rest = {name: value for name, value in branch.items() if name != union}
        inner = [_joined(dict(rest), _merged(one, root, frozenset(), 0)) for one in _listed(branch[union])]
        yield from _flattened(inner[:MOST_BRANCHES], root, depth + 1)


def _united(rest: Node, branches: Sequence[Node]) -> ValueShape:
    """A union: a list of values, one schema and null, or several schemas."""
    shapes = [_shape_without_union(branch) for branch in branches]
    real = [(branch, shape) for branch, shape in zip(branches, shapes, strict=True) if not _is_null(branch)]
    nullable = len(real) < len(branches) or any(shape.nullable for _, shape in real)
    if branches and all(shape.options or _is_null(branch) for branch, shape in zip(branches, shapes, strict=True)):
        options = [option for branch, shape in real for option in _titled(branch, shape.options)]
        listed = (*options, Option(None, "null")) if nullable and not _has_null(options) else tuple(options)
        return ValueShape(rest, (), nullable, listed)
    if len(real) == 1:
        branch, shape = real[0]
        subject = {name: rest[name] for name in ("title", "description", "default") if name in rest}
        joined = _shape_without_union({**_joined(dict(rest), dict(branch)), **subject})
        return ValueShape(joined.node, joined.types or shape.types, nullable, joined.options)
    types = tuple(dict.fromkeys(kind for _, shape in real for kind in (shape.types or TYPES)))
    return ValueShape(rest, types, nullable, branches=tuple(_joined(dict(rest), dict(branch)) for branch, _ in real))


def _shape_without_union(node: Node) -> ValueShape:
    names = _names(node.get("type"))
    types = tuple(name for name in names if name in TYPES)
    nullable = "null" in names or node.get("nullable") is True
    options = _options(node)
    if not types and not options and "null" not in names:
        types = ("object",) if isinstance(node.get("properties"), Mapping) else types
        types = ("array",) if not types and isinstance(node.get("prefixItems"), list) else types
    return ValueShape(node, types, nullable or (not types and not options), options)


def _options(node: Node) -> tuple[Option, ...]:
    if "const" in node:
        return (Option(node["const"], label_of(node["const"])),)
    listed = _listed(node.get("enum"))
    names = _listed(node.get("enumNames", node.get("x-enumNames")))
    titles = [name if isinstance(name, str) else "" for name in names] if len(names) == len(listed) else []
    return tuple(
        Option(value, (titles[number] if titles else "") or label_of(value)) for number, value in enumerate(listed)
    )


def _titled(branch: Node, options: Sequence[Option]) -> Sequence[Option]:
    """A branch of a union that is one value is called by the branch's title."""
    title = branch.get("title")
    return [Option(options[0].value, title)] if len(options) == 1 and isinstance(title, str) and title else options


def label_of(value: Json) -> str:
    """A value of a list to choose from: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_null(node: Node) -> bool:
    return (
        _names(node.get("type")) == ["null"]
        or ("const" in node and node["const"] is None)
        or node.get("enum") == [None]
    )


def _has_null(options: Sequence[Option]) -> bool:
    return any(option.value is None for option in options)


def _names(types: Json) -> list[str]:
    return [types] if isinstance(types, str) else [name for name in _listed(types) if isinstance(name, str)]


def _listed(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()


def _is_list(value: Json) -> bool:
    return isinstance(value, list | tuple)
