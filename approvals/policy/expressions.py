"""The rules that admins write: CEL (the Common Expression Language), compiled once, evaluated within a budget.

A rule that fails asks a person, so `holds()` has three answers: it holds, it does not, it could not be told.
The library's habits that this file absorbs: a runtime error comes back as a truthy value, integers beyond 64 bits and
whole numbers against fractions (`args.count * 1.5`) are errors, too many iterations raise RuntimeError, and only
top-level names are checked when compiling.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from cel_expr_python import cel  # type: ignore[import-untyped]  # has stubs, lacks the marker

from approvals.policy.schema import Json

LONGEST = 4000

_VARIABLES = {
    "args": cel.Type.DYN,
    "value": cel.Type.DYN,  # a double in base currency, or null
    "currency": cel.Type.STRING,
    "agent": cel.Type.STRING,
    "action": cel.Type.STRING,
    "signals": cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE),
    "context": cel.Type.DYN,
}
_ENVIRONMENT = cel.NewEnv(variables=_VARIABLES)
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")


class BadExpression(ValueError):
    """The expression does not compile; `line` and `column` (from 1) say where."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"Line {line}, column {column}: {message}")
        self.line = line
        self.column = column
        self.message = message


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
            }
        )


class Expression:
    """A compiled expression. Raises BadExpression when made from a text that does not compile to true or false."""

    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise BadExpression(1, LONGEST, f"longer than {LONGEST} characters")
        try:
            self._compiled = _ENVIRONMENT.compile(text)
        except RuntimeError as error:
            raise _placed(str(error)) from None
        kind = self._compiled.return_type()
        if kind not in (cel.Type.BOOL, cel.Type.DYN):
            raise BadExpression(1, 1, f"must be true or false, but is {kind.name().lower()}")
        self.text = text

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


def compile(text: str) -> Expression:
    """Compile a rule. Raises BadExpression with line and column."""
    return Expression(text)


def checked(text: str, declared: Mapping[str, cel.Type]) -> None:
    """Compile with more names declared (`args.amount`: a text). Raises BadExpression."""
    try:
        cel.NewEnv(variables={**_VARIABLES, **declared}).compile(text)
    except RuntimeError as error:
        raise _placed(str(error)) from None


def _placed(message: str) -> BadExpression:
    match = _PLACE.search(message)
    if not match:
        return BadExpression(1, 1, message.partition("\n")[0])
    line, column, words = match.groups()
    return BadExpression(int(line), int(column), words.removesuffix(" [INVALID_ARGUMENT]"))
