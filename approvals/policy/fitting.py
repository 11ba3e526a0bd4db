"""Does a rule fit the arguments that it will see? What compiling alone does not notice, found when it is written.

The library checks only top-level names. Here every argument that the expression names is declared by its own type
from the action type's schema, so that the same compiler finds a text compared with a number.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from cel_expr_python import cel  # type: ignore[import-untyped]  # has stubs, lacks the marker
from django.utils.translation import gettext as _

from approvals.policy.expressions import BadExpression, checked
from approvals.policy.schema import Json
from approvals.policy.signals import STATED

SIGNALS = (*STATED, "precedent", "impact")  # what a rule finds in `signals`

_STRING = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_STEP = r"\.[A-Za-z_]\w*|\[\s*(?:\d+|\"[^\"\\]*\"|'[^'\\]*')\s*\]"
# A string is taken whole, so that what is written inside it names nothing.
_NAMED = re.compile(rf"(?<![\w.])(?P<root>args|signals)(?P<steps>(?:{_STEP})+)(?P<call>\s*\()?|{_STRING}")
_HAS = re.compile(r"(?<![\w.])has\([^()]*\)")
_OPERATOR = re.compile(r"no matching overload for '_?([^'_]+)_?' applied to '\(([^)]*)\)'")
_COMPARES = {"<", "<=", ">", ">=", "==", "!="}
_NUMBERS = {"int", "uint", "double"}
_TYPES = {
    "string": cel.Type.STRING,
    "integer": cel.Type.INT,
    "number": cel.Type.DOUBLE,
    "boolean": cel.Type.BOOL,
    "array": cel.Type.List(cel.Type.DYN),
}


def unknown_paths(text: str, schema: Mapping[str, Json]) -> list[str]:
    """Paths such as `args.amuont` that the schema closes out, and signals that there are not, for the form to name.

    Only what the schema surely forbids is reported: an object that lists its properties and allows no others.
    """
    unknown = []
    for root, steps in _named(text):
        if root == "signals":
            if steps[0] not in SIGNALS:
                unknown.append(f"signals.{steps[0]}")
        elif (depth := _closed_out(schema, steps)) is not None:
            unknown.append(".".join(["args", *map(str, steps[: depth + 1])]))
    return list(dict.fromkeys(unknown))


def misfit(text: str, schema: Mapping[str, Json]) -> BadExpression | None:
    """The first place at which an argument is used as another type than the schema gives it; None: all fits."""
    typed = dict(_typed(text, schema))
    bare = _HAS.sub(lambda found: "true".ljust(len(found.group())), text)
    error = _compiles(bare, typed)
    if error and _mixes_numbers(error.message):
        # 2 < 2.5 is told at run time, whatever the compiler says of it.
        numbers = {cel.Type.INT.name(), cel.Type.DOUBLE.name()}
        error = _compiles(bare, {path: kind for path, kind in typed.items() if kind.name() not in numbers})
    if error is None:
        return None
    kinds = ", ".join(f"{path} = {_WORDS.get(kind.name().lower(), _('a list'))}" for path, kind in typed.items())
    hint = _("By the schema %(kinds)s. Bring both sides to one type, for example by double(args.…).") % {"kinds": kinds}
    return BadExpression(error.line, error.column, f"{error.message}. {hint}")


_WORDS = {"string": "text", "int": "whole number", "double": "number", "bool": "true or false"}


def _named(text: str) -> Iterator[tuple[str, list[str | int]]]:
    for match in _NAMED.finditer(text):
        if match["root"] is None:
            continue
        steps: list[str | int] = []
        for step in re.findall(_STEP, match["steps"]):
            inner = step.strip("[]. \t\n")
            steps.append(int(inner) if inner.isdecimal() else inner.strip("\"'"))
        if match["call"]:  # a method: args.name.startsWith(…)
            steps.pop()
        if steps:
            yield match["root"], steps


def _closed_out(schema: Mapping[str, Json], steps: Sequence[str | int]) -> int | None:
    here: Json = schema
    for depth, step in enumerate(steps):
        if not isinstance(here, Mapping):
            return None
        if isinstance(step, int):
            here = here.get("items")
            continue
        properties = here.get("properties")
        if here.get("additionalProperties") is not False or not isinstance(properties, Mapping):
            return None
        if "patternProperties" in here:
            return None
        if step not in properties:
            return depth
        here = properties[step]
    return None


def _typed(text: str, schema: Mapping[str, Json]) -> Iterator[tuple[str, cel.Type]]:
    """Each argument that is named by dots alone, with the type that the schema gives it, where it gives one."""
    for root, steps in _named(text):
        here: Json = schema
        for step in steps:
            fields = here.get("properties") if isinstance(here, Mapping) else None
            here = fields.get(step) if isinstance(fields, Mapping) and isinstance(step, str) else None
        kind = here.get("type") if isinstance(here, Mapping) else None
        if root == "args" and isinstance(kind, str) and kind in _TYPES:
            yield ".".join(["args", *map(str, steps)]), _TYPES[kind]


def _compiles(text: str, typed: Mapping[str, cel.Type]) -> BadExpression | None:
    try:
        checked(text, typed)
    except BadExpression as error:
        return error
    return None


def _mixes_numbers(message: str) -> bool:
    match = _OPERATOR.search(message)
    return match is not None and match[1] in _COMPARES and set(match[2].split(", ")) <= _NUMBERS
