"""The operands of an expression: their path, and the JSON Schema of what stands there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from django.utils.translation import gettext_lazy as _

from approvals.policy.precedent.signals import STATED
from approvals.policy.rules.expressions import OURS
from approvals.policy.rules.trees import Call, Constant, Field, Loop, Name, Node, inner
from approvals.values import schema as schemas
from approvals.values.schema import Json

SIGNALS = (*STATED, *sorted(OURS, reverse=True))  # what a rule finds in `signals`
_DEEPEST = 12
_OPEN = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties")

Schema: TypeAlias = Mapping[str, Json]


def _text(most: int, title: object) -> Schema:
    return {"type": "string", "maxLength": most, "title": title}  # type: ignore[dict-item]  # a translation is a text


def _object(**fields: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": fields}


def _number(kind: str, title: object) -> Schema:
    return {"type": kind, "title": title}  # type: ignore[dict-item]  # a translation is a text


# Everything a rule may read, but for the arguments, described as arguments are.
VARIABLES: Mapping[str, Schema] = {
    "value": _number("number", _("the value")),
    "currency": _text(200, _("the currency")),
    "agent": _text(200, _("the agent")),
    "action": _text(80, _("the action")),
    "signals": _object(
        stated_confidence=_number("number", _("the confidence the agent states")),
        tool_validity=_number("number", _("the tool validity the agent states")),
        retrieval_relevance=_number("number", _("the retrieval relevance the agent states")),
        precedent=_number("number", _("the precedent")),
        impact=_number("number", _("the harmlessness")),
    ),
    "context": {"title": _("the context the agent sends")},  # type: ignore[dict-item]
    "run": _object(
        key=_text(200, _("the key of the run")),
        name=_text(300, _("the name of the run")),
        step=_text(200, _("the step of the run")),
        proposed=_number("integer", _("proposals in the run before this one")),
        rejected=_number("integer", _("refusals in the run")),
        steps=_number("integer", _("steps since a person last decided in the run")),
        minutes=_number("integer", _("minutes since a person last decided in the run, or it began")),
    ),
    "now": {"title": _("the time")},  # type: ignore[dict-item]
}


@dataclass(frozen=True, slots=True)
class Shape:
    """`path` is empty for what is computed; `schema` is {} where nothing is known of it."""

    path: str = ""
    schema: Schema = field(default_factory=dict)


class Closed(LookupError):
    """The schema lists what is there, and `path` is not; `candidates` are those beside it."""

    def __init__(self, path: str, candidates: list[str], at: int) -> None:
        super().__init__(path)
        self.path = path
        self.candidates = candidates
        self.at = at


@dataclass(frozen=True)
class Shapes:
    """Of the parts of one expression. `args` is the schema of the arguments, `loops` what loops call their items."""

    args: Schema = field(default_factory=dict)
    loops: Mapping[str, Shape] = field(default_factory=dict)

    def within(self, loop: Loop) -> "Shapes":
        """What holds inside of a loop."""
        over = self.of(loop.over)
        # Of an object a loop sees the keys.
        item = Shape() if over.schema.get("type") == "object" else self._item(over)
        return Shapes(self.args, {**self.loops, loop.name: item})

    def of(self, node: Node) -> Shape:
        """Raises Closed."""
        match node:
            case Name(name):
                if name in self.loops:
                    return self.loops[name]
                return Shape(name, self.args if name == "args" else VARIABLES.get(name, {}))
            case Field(of, name, test_only):
                shape = self._field(self.of(of), name, node.at)
                return Shape() if test_only else shape
            case Call("_[_]", (of, Constant(str() as name))):
                return self._field(self.of(of), name, node.at)
            case Call("_[_]", (of, _key)):
                return self._item(self.of(of))
            case Loop("filter", _name, over):
                return self.of(over)
        return Shape()

    def _field(self, shape: Shape, name: str, at: int) -> Shape:
        here = self._resolved(shape.schema)
        path = f"{shape.path}.{name}" if shape.path else name
        fields = here.get("properties")
        if isinstance(fields, Mapping) and isinstance(property_schema := fields.get(name), Mapping):
            return Shape(path, property_schema)
        closed = here.get("additionalProperties") is False and not any(word in here for word in _OPEN)
        if closed and isinstance(fields, Mapping) and name not in fields:
            raise Closed(path, [f"{shape.path}.{field}" for field in fields], at)
        return Shape(path)

    def _item(self, shape: Shape) -> Shape:
        items = self._resolved(shape.schema).get("items")
        path = f"{shape.path}[]" if shape.path else ""
        return Shape(path, items if isinstance(items, Mapping) else {})

    def _resolved(self, part: Schema) -> Schema:
        """The part that a reference within the schema of the arguments names."""
        for _hop in range(_DEEPEST):
            ref = part.get("$ref")
            if not isinstance(ref, str):
                return part
            named = schemas.pick(self.args, ref.removeprefix("#")) if ref.startswith("#/") else None
            part = named if isinstance(named, Mapping) else {}
        return {}

    def resolved(self, shape: Shape) -> Schema:
        """The schema of a shape, references followed."""
        return self._resolved(shape.schema)


def closed_out(node: Node, shapes: Shapes) -> Iterator[Closed]:
    """Every path of the expression that a schema surely forbids."""
    if isinstance(node, Field) or (isinstance(node, Call) and node.function == "_[_]"):
        try:
            shapes.of(node)
        except Closed as closed:
            yield closed
            return
    if isinstance(node, Loop):
        yield from closed_out(node.over, shapes)
        try:
            within = shapes.within(node)
        except Closed:
            return  # said already
        for part in node.inner:
            yield from closed_out(part, within)
        return
    for part in inner(node):
        yield from closed_out(part, shapes)
