"""The rules that admins write: CEL (the Common Expression Language), compiled once, evaluated within a budget.

A rule that fails asks a person, so `holds()` has three answers: it holds, it does not, it could not be told.
The library's habits that this file absorbs: a runtime error comes back as a truthy value, integers beyond 64 bits and
whole numbers against fractions (`args.count * 1.5`) are errors, too many iterations raise RuntimeError, and only
top-level names are checked when compiling.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property, lru_cache

from cel_expr_python import cel  # type: ignore[import-untyped]  # has stubs, lacks the marker
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.policy.rules.paths import not_known_sentence
from approvals.policy.rules.syntax_errors import syntax_sentence
from approvals.policy.rules.trees import Node, Unreadable, reads, tree_of
from approvals.values.schema import Json

LONGEST = 4000
OURS = frozenset({"precedent", "impact"})  # of the signals: those that no agent states
FUNCTIONS = (
    *("has", "all", "exists", "exists_one", "filter", "map", "size", "matches", "contains", "startsWith", "endsWith"),
    *("double", "int", "string", "timestamp", "duration", "getFullYear", "getMonth", "getDate", "getDayOfMonth"),
    *("getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds"),
)

_VARIABLES = {
    "args": cel.Type.DYN,
    "value": cel.Type.DYN,  # a double in base currency, or null
    "currency": cel.Type.STRING,
    "agent": cel.Type.STRING,
    "action": cel.Type.STRING,
    "signals": cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE),
    "context": cel.Type.DYN,
    "run": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "now": cel.Type.TIMESTAMP,
}
_ENVIRONMENT = cel.NewEnv(variables=_VARIABLES)
_POSITION = re.compile(r"<input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '(\w+)'")
_OPERATOR = re.compile(r"no matching overload for '_?([^'_]+)_?' applied to '(\(?.*\)?)'")
_KINDS = {
    "string": gettext_lazy("text"),
    "int": gettext_lazy("a whole number"),
    "double": gettext_lazy("a number"),
    "bool": gettext_lazy("true or false"),
    "google.protobuf.Timestamp": gettext_lazy("a time"),
    "google.protobuf.Duration": gettext_lazy("a span of time"),
    "dyn": gettext_lazy("anything"),
    "null_type": gettext_lazy("null"),
}


class BadExpression(ValueError):
    """The expression does not compile, or may not stand as a rule; `line` and `column` (from 1) say where."""

    def __init__(self, line: int, column: int, message: str, *, raw: str = "") -> None:
        super().__init__(
            _("Line %(line)d, column %(column)d: %(message)s") % {"line": line, "column": column, "message": message}
        )
        self.line = line
        self.column = column
        self.message = message
        self.raw = raw or message  # as the library put it


@dataclass(frozen=True, slots=True)
class Facts:
    """What expressions see of one proposal. `signals` are the agent's stated ones and our precedent and impact."""

    args: Json
    value: Decimal | None
    currency: str
    agent: str
    action: str
    signals: Mapping[str, float]
    context: Json
    run: Mapping[str, Json]
    now: datetime

    def bound(self) -> cel.Activation:
        """The variables, converted once for all the rules of a policy."""
        return _ENVIRONMENT.Activation(
            {
                "args": self.args,
                "value": None if self.value is None else float(self.value),
                "currency": self.currency,
                "agent": self.agent,
                "action": self.action,
                "signals": dict(self.signals),
                "context": self.context,
                "run": dict(self.run),
                "now": self.now,
            }
        )


class Expression:
    """A compiled expression; `compiled_expression` makes it."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise BadExpression(1, LONGEST, f"longer than {LONGEST} characters")
        try:
            self._compiled = _ENVIRONMENT.compile(text)
        except RuntimeError as error:
            raise _with_position(str(error)) from None
        kind = self._compiled.return_type()
        if kind not in (cel.Type.BOOL, cel.Type.DYN):
            raise _no_answer(kind)
        self.text = text

    @cached_property
    def tree(self) -> Node:
        """What it is made of. Raises Unreadable."""
        return tree_of(self._compiled.serialize())

    @cached_property
    def stated_names(self) -> tuple[str, ...]:
        """What it reads that an agent says of itself: its own signals, its context, its run.

        A run counts, too: its agent names it, and begins a new one with no past whenever it likes.
        """
        try:
            read = list(reads(self.tree))
        except Unreadable:
            return (self.text[:80],)  # it could read anything
        names = [name for name, _steps, _at in read if name in ("context", "run")]
        for name, steps, _at in read:
            if name == "signals" and (not steps or steps[0] not in OURS):
                names.append(f"signals.{steps[0]}" if steps and steps[0] is not None else "signals")
        return tuple(dict.fromkeys(names))

    def holds(self, facts: Facts | cel.Activation) -> bool | None:
        """Whether it is true of the facts; None when it failed, ran out of budget or gave anything but a boolean."""
        bound = facts.bound() if isinstance(facts, Facts) else facts
        try:
            result = self._compiled.eval(bound)
        except RuntimeError:  # the budget of iterations
            return None
        if result.type() != cel.Type.BOOL:
            return None
        return bool(result.value())


@lru_cache(maxsize=1024)
def compiled_expression(text: str) -> Expression:
    """The expression of a text, compiled once in a process. Raises BadExpression, with line and column, where it does
    not compile to true or false.
    """
    return Expression(text)


def checked(text: str, declared: Mapping[str, cel.Type]) -> None:
    """Compile with more names declared (`args.amount`: a text). Raises BadExpression."""
    try:
        kind = cel.NewEnv(variables={**_VARIABLES, **declared}).compile(text).return_type()
    except RuntimeError as error:
        raise _with_position(str(error)) from None
    if kind not in (cel.Type.BOOL, cel.Type.DYN):
        raise _no_answer(kind)


def _no_answer(kind: cel.Type) -> BadExpression:
    name = kind.name().lower()
    message = _("it must be true or false, but is %(kind)s. Compare it with something: args.amount > 250.0")
    return BadExpression(1, 1, message % {"kind": _KINDS.get(name, name)})


def constant(text: str) -> bool:
    """Whether an expression that reads no variable can be evaluated at all."""
    try:
        result = _ENVIRONMENT.compile(text).eval(data={})
    except RuntimeError:
        return False
    return bool(result.type() != cel.Type.ERROR)


def mixes_numbers(message: str) -> bool:
    """Whether the library refuses nothing but whole numbers compared with fractions, which it can at run time."""
    match = _OPERATOR.search(message)
    if match is None or match[1] not in {"<", "<=", ">", ">=", "==", "!="}:
        return False
    return set(match[2].strip("()").split(", ")) <= {"int", "uint", "double"}


def _with_position(message: str) -> BadExpression:
    match = _POSITION.search(message)
    if not match:
        return BadExpression(1, 1, _admin_message(message.partition("\n")[0]))
    line, column, complaint = match.groups()
    complaint = complaint.removesuffix(" [INVALID_ARGUMENT]")
    return BadExpression(int(line), int(column), _admin_message(complaint), raw=complaint)


def _admin_message(complaint: str) -> str:
    """The library's complaint as an admin would put it."""
    if "recursion" in complaint:
        return _("nested too deeply; make it two rules")
    if match := _UNDECLARED.search(complaint):
        return not_known_sentence(match[1], list(_VARIABLES), also=FUNCTIONS)
    if match := _OPERATOR.search(complaint):
        kinds = [str(_KINDS.get(kind, kind)) for kind in match[2].strip("()").split(", ")]
        message = _("“%(sign)s” does not go with %(kinds)s") % {"sign": match[1], "kinds": _(" and ").join(kinds)}
        if mixes_numbers(complaint):
            message += _(": write both with a point (1.0), or double(…) around what is whole")
        return message
    return syntax_sentence(complaint) or complaint
