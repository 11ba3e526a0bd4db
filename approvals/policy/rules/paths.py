"""Follows an argument path through a JSON Schema, so that a misspelt one is found when it is written."""

import difflib
import re
from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from approvals.values.schema import Json

_OPEN = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties")


class UnknownField(LookupError):
    """The schema has no such field; `known` are those that it has there."""

    def __init__(self, name: str, candidates: Sequence[str]) -> None:
        super().__init__(name)
        self.name = name
        self.candidates = candidates


def not_known_sentence(name: str, candidates: Sequence[str], *, also: Sequence[str] = ()) -> str:
    """A name that there is not, with the nearest that there is; `also` are meant by a near one and never listed."""
    near = difflib.get_close_matches(name, [*candidates, *also], n=1)
    if near:
        return _("“%(name)s” is not known; did you mean “%(near)s”?") % {"name": name, "near": near[0]}
    return _("“%(name)s” is not known; there are: %(known)s.") % {
        "name": name,
        "known": ", ".join(candidates) or _("none"),
    }


def placeholders(template: str) -> list[str]:
    """The paths in braces of a headline: `refund {amount} to {order.id}` has two."""
    return [match.strip() for match in re.findall(r"\{([^{}]*)\}", template)]


def subschema(schema: Mapping[str, Json], path: str) -> Mapping[str, Json] | None:
    """The schema of the argument at a dotted path or JSON pointer; None where the schema leaves open what is there.

    Raises UnknownField where the schema lists its fields and this one is not among them.
    """
    parts = path[1:].split("/") if path.startswith("/") else path.split(".")
    here: Json = schema
    for part in parts:
        if not isinstance(here, Mapping):
            return None
        fields = here.get("properties")
        if isinstance(fields, Mapping) and part in fields:
            here = fields[part]
        elif part.isdecimal() and "items" in here:
            here = here["items"]
        elif any(word in here for word in _OPEN) or here.get("additionalProperties"):
            return None
        elif isinstance(fields, Mapping):
            raise UnknownField(part, list(fields))
        elif here.get("type") in {"string", "number", "integer", "boolean", "array"}:
            raise UnknownField(part, [])
        else:
            return None
    return here if isinstance(here, Mapping) else None
