"""Checks that a rule fits the arguments that it will see, beyond what compiling notices.

The library checks only top-level names. Here every path is held against the schema of what stands there (an argument,
a signal, a fact of the run, an item that a loop looks at), and what the expression names is declared by its own type,
so that the same compiler finds a text compared with a number. What could only ever fail, and what may cost too much, is
found, too.
"""

import difflib
import re
from collections.abc import Iterator, Mapping

from cel_expr_python import cel  # type: ignore[import-untyped]  # has stubs, lacks the marker
from django.utils.translation import gettext as _

from approvals.policy.rules import costs
from approvals.policy.rules.expressions import BadExpression, Expression, checked, constant, mixes_numbers
from approvals.policy.rules.impossible import impossible
from approvals.policy.rules.operands import SIGNALS, Closed, Schema, Shapes, closed_out
from approvals.policy.rules.trees import (
    Call,
    Constant,
    Name,
    Node,
    Unreadable,
    inner,
    line_and_column,
    literal,
    reads,
    written,
)
from approvals.values.schema import Json

__all__ = ["SIGNALS", "misfit", "unfit", "unknown_paths"]

MOST_NAMED = 20  # of the paths that there are
_HAS = re.compile(r"(?<![\w.])has\([^()]*\)")
_TYPES = {
    "string": cel.Type.STRING,
    "integer": cel.Type.INT,
    "number": cel.Type.DOUBLE,
    "boolean": cel.Type.BOOL,
    "array": cel.Type.List(cel.Type.DYN),
}
_WORDS = {"string": "text", "int": "whole number", "double": "number", "bool": "true or false"}


def unfit(expression: Expression, schema: Schema | None, title: str) -> list[BadExpression]:
    """What keeps an expression from being a rule of this action type (None: of every one)."""
    if unknown := list(_unknown(expression, schema or {}, title)):
        return unknown
    if wrong := misfit(expression, schema or {}):
        return [wrong]
    doomed = [*_doomed(expression), *_impossible(expression, schema or {})]
    dear = None if doomed else costs.too_dear(expression, schema or {})
    return [dear] if dear else doomed


def unknown_paths(expression: Expression, schema: Schema) -> list[str]:
    """Paths such as `args.amuont` that the schema closes out, and signals that there are not.

    Only what the schema surely forbids is reported: an object that lists its properties and allows no others.
    """
    return list(dict.fromkeys(closed.path for closed in _closed(expression, schema)))


def misfit(expression: Expression, schema: Mapping[str, Json]) -> BadExpression | None:
    """The first place at which something is used as another type than its schema gives it; None: all fits."""
    typed = dict(_typed(expression, schema))
    bare = _HAS.sub(lambda match: "true".ljust(len(match.group())), expression.text)
    error = _compiles(bare, typed)
    if error and mixes_numbers(error.raw):
        # 2 < 2.5 is told at run time, whatever the compiler says of it.
        numbers = {cel.Type.INT.name(), cel.Type.DOUBLE.name()}
        error = _compiles(bare, {path: kind for path, kind in typed.items() if kind.name() not in numbers})
    if error is None:
        return None
    kinds = ", ".join(f"{path} = {_WORDS.get(kind.name().lower(), _('a list'))}" for path, kind in typed.items())
    if not kinds:
        return error
    hint = _("By the schema %(kinds)s.") % {"kinds": kinds}
    return BadExpression(error.line, error.column, f"{error.message}. {hint} {_mend(typed)}", raw=error.raw)


def _mend(typed: Mapping[str, cel.Type]) -> str:
    """How both sides become one type. A text need not be a number, so that double(…) of one would fail."""
    if any(kind.name() == cel.Type.STRING.name() for kind in typed.values()):
        return _(
            "Write what a text is compared with in quotes; for an amount compare “value”, which is a number in base "
            "currency, whatever the argument is."
        )
    return _("Bring both sides to one type, for example by double(args.…).")


def _unknown(expression: Expression, schema: Schema, title: str) -> Iterator[BadExpression]:
    closed_by_path = {closed.path: closed for closed in _closed(expression, schema)}
    arguments = [path for path in closed_by_path if path.startswith("args")]
    for path, closed in closed_by_path.items():
        line, column = line_and_column(expression.text, closed.at)
        if path in arguments:
            message = _("The arguments of “%(type)s” have no %(path)s.") % {"type": title, "path": path}
        else:
            message = _("There is no %(path)s.") % {"path": path}
        near = difflib.get_close_matches(path, closed.candidates, n=1)
        hint = _("Did you mean %(near)s?") % {"near": near[0]} if near else ""
        if not near and closed.candidates:
            hint = _("There are: %(known)s.") % {"known": ", ".join(closed.candidates[:MOST_NAMED])}
        yield BadExpression(line, column, f"{message} {hint}".strip())


def _closed(expression: Expression, schema: Schema) -> list[Closed]:
    try:
        return list(closed_out(expression.tree, Shapes(schema)))
    except Unreadable:
        return []


def _typed(expression: Expression, schema: Schema) -> Iterator[tuple[str, cel.Type]]:
    """Each path that is named by steps alone, with the type that its schema gives it, where it gives one."""
    try:
        read = list(reads(expression.tree))
    except Unreadable:
        return
    shapes = Shapes(schema)
    for name, steps, _at in read:
        here: Node = Name(name)
        path = [name]
        for step in steps:
            if not isinstance(step, str) or not step.isidentifier():
                break
            here, path = Call("_[_]", (here, Constant(step))), [*path, step]
        else:
            kind = shapes.resolved(shapes.of(here)).get("type") if steps else None
            if name in ("args", "run", "signals") and isinstance(kind, str) and kind in _TYPES:
                yield ".".join(path), _TYPES[kind]


def _compiles(text: str, typed: Mapping[str, cel.Type]) -> BadExpression | None:
    try:
        checked(text, typed)
    except BadExpression as error:
        return error
    return None


# Calls whose written-down argument may be nonsense that no proposal makes good: a call to try, and how to mend it.
_TRIED = {"timestamp": "timestamp({})", "duration": "duration({})", "matches": '"".matches({})'}


def _doomed(expression: Expression) -> Iterator[BadExpression]:
    """Times, time zones and patterns that are none: such a rule would fail on every proposal."""
    try:
        nonsense = list(_nonsense(expression.tree))
    except Unreadable:
        return
    for call, value in nonsense:
        mends = {
            "timestamp": _('write a time as "2026-12-24T18:00:00+01:00"'),
            "duration": _('write a span as "36h" or "90m"'),
            "matches": _("write a regular expression of the RE2 kind"),
        }
        mend = mends.get(call.function, _('write a time zone as "Europe/Berlin"'))
        line, column = line_and_column(expression.text, value.at)
        message = _("%(call)s would always fail: %(mend)s.")
        yield BadExpression(line, column, message % {"call": written(call), "mend": mend})


def _impossible(expression: Expression, schema: Schema) -> Iterator[BadExpression]:
    """Values that the schema never lets an argument have: such a rule would never match, or always."""
    try:
        faults = list(impossible(expression.tree, Shapes(schema)))
    except Unreadable:
        return
    for fault in faults:
        line, column = line_and_column(expression.text, fault.value.at)
        yield BadExpression(line, column, fault.why)


def _nonsense(node: Node) -> Iterator[tuple[Call, Constant]]:
    if isinstance(node, Call):
        value = node.args[-1] if node.args else None
        trial = _TRIED.get(node.function, "")
        if node.function.startswith("get") and len(node.args) == 2:
            trial = f'timestamp("2026-01-01T00:00:00Z").{node.function}({{}})'
        match value:
            case Constant(str() as text) if trial and not constant(trial.replace("{}", literal(text), 1)):
                yield node, value
                return
    for part in inner(node):
        yield from _nonsense(part)
