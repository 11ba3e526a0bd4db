"""A rule's condition in words: `value > 250.0 && has(args.tags)` is "the value is above 250 and tags is given".

What has no words of its own stands there as it is written: an explanation that guesses is worse than none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.policy.rules.expressions import BadExpression, compiled_expression
from approvals.policy.rules.operands import VARIABLES, Closed, Schema, Shape, Shapes
from approvals.policy.rules.trees import Call, Constant, Field, Items, Loop, Name, Node, Unreadable, reads, written

_COMPARED = {
    "_>_": gettext_lazy("%(one)s is above %(other)s"),
    "_>=_": gettext_lazy("%(one)s is at least %(other)s"),
    "_<_": gettext_lazy("%(one)s is below %(other)s"),
    "_<=_": gettext_lazy("%(one)s is at most %(other)s"),
    "_==_": gettext_lazy("%(one)s is %(other)s"),
    "_!=_": gettext_lazy("%(one)s is not %(other)s"),
}
_TURNED = {"_>_": "_<_", "_>=_": "_<=_", "_<_": "_>_", "_<=_": "_>=_", "_==_": "_==_", "_!=_": "_!=_"}
_DENIED = {"_>_": "_<=_", "_>=_": "_<_", "_<_": "_>=_", "_<=_": "_>_", "_==_": "_!=_", "_!=_": "_==_"}
_IN_TIME = {
    "_>_": gettext_lazy("it is after %(time)s"),
    "_>=_": gettext_lazy("it is %(time)s or later"),
    "_<_": gettext_lazy("it is before %(time)s"),
    "_<=_": gettext_lazy("it is %(time)s or earlier"),
}
_TEXTS = {
    "startsWith": (
        gettext_lazy("%(one)s begins with %(other)s"),
        gettext_lazy("%(one)s does not begin with %(other)s"),
    ),
    "endsWith": (gettext_lazy("%(one)s ends with %(other)s"), gettext_lazy("%(one)s does not end with %(other)s")),
    "contains": (gettext_lazy("%(one)s contains %(other)s"), gettext_lazy("%(one)s does not contain %(other)s")),
    "matches": (
        gettext_lazy("%(one)s matches the pattern %(other)s"),
        gettext_lazy("%(one)s does not match the pattern %(other)s"),
    ),
}
_PLAIN = re.compile(r"(\(\?i\))?[\w ]+(\|[\w ]+)*")  # a pattern that is nothing but words
_SIGNS = {"_+_": "+", "_-_": "\N{MINUS SIGN}", "_*_": "\N{MULTIPLICATION SIGN}", "_/_": "/"}
_LOOPS = {
    "all": gettext_lazy("for every one of %(list)s, %(inner)s"),
    "exists": gettext_lazy("for at least one of %(list)s, %(inner)s"),
    "exists_one": gettext_lazy("for exactly one of %(list)s, %(inner)s"),
}
_DAYS = (
    *(gettext_lazy("Sunday"), gettext_lazy("Monday"), gettext_lazy("Tuesday"), gettext_lazy("Wednesday")),
    *(gettext_lazy("Thursday"), gettext_lazy("Friday"), gettext_lazy("Saturday")),
)
_MONTHS = (
    *(gettext_lazy("January"), gettext_lazy("February"), gettext_lazy("March"), gettext_lazy("April")),
    *(gettext_lazy("May"), gettext_lazy("June"), gettext_lazy("July"), gettext_lazy("August")),
    *(gettext_lazy("September"), gettext_lazy("October"), gettext_lazy("November"), gettext_lazy("December")),
)
_CLOCK = {
    "getHours": gettext_lazy("the hour"),
    "getMinutes": gettext_lazy("the minute"),
    "getDate": gettext_lazy("the day of the month"),
    "getFullYear": gettext_lazy("the year"),
}
_CONVERTS = {"double", "int", "string", "dyn", "uint"}


class _NotExplainable(Exception):
    """There are no words for this."""


def explained(text: str, schema: Schema | None = None) -> str:
    """An expression in words, with the titles of the schema; the expression itself where it does not compile."""
    try:
        tree = compiled_expression(text).tree
    except (BadExpression, Unreadable):
        return text
    return _Explainer(Shapes(schema or {})).clause(tree)


@dataclass(frozen=True)
class _Explainer:
    shapes: Shapes
    it: str = ""  # what the loop around calls its item

    def clause(self, node: Node, *, denied: bool = False) -> str:
        """Something true or false, or the opposite of it."""
        try:
            return self._clause(node, denied=denied)
        except (_NotExplainable, Closed):
            text = written(node)
            return _("not (%(said)s)") % {"said": text} if denied else text

    def _clause(self, node: Node, *, denied: bool) -> str:
        match node:
            case Call("!_", (operand,)):
                return self.clause(operand, denied=not denied)
            case Call("_&&_" | "_||_" as function):
                return self._joined(node, (function == "_&&_") != denied, denied=denied)
            case Field(test_only=True):
                facts = {"one": self._path(replace(node, test_only=False))}
                return (_("%(one)s is not given") if denied else _("%(one)s is given")) % facts
            case Call("_==_" | "_!=_" as function, (operand, Constant(bool() as value))):
                return self.clause(operand, denied=denied != (value != (function == "_==_")))
            case Call(function, (operand, other)) if function in _COMPARED:
                return self._compared(_DENIED[function] if denied else function, operand, other)
            case Call("@in", (operand, other)):
                return self._among(operand, other, denied=denied)
            case Call("matches", (operand, Constant(str() as pattern))) if _PLAIN.fullmatch(pattern):
                alternatives = pattern.removeprefix("(?i)").split("|")
                listed = (
                    ", ".join(alternatives[:-1]) + _(" or ") + alternatives[-1]
                    if len(alternatives) > 1
                    else alternatives[0]
                )
                return str(_TEXTS["contains"][denied]) % {"one": self._value(operand), "other": listed}
            case Call(function, (operand, other)) if function in _TEXTS:
                return str(_TEXTS[function][denied]) % {"one": self._value(operand), "other": self._value(other)}
            case Loop(macro) if macro in _LOOPS and not denied and not self.it:
                inner = _Explainer(self.shapes.within(node), node.name).clause(node.inner[0])
                return str(_LOOPS[macro]) % {"list": self._path(node.over), "inner": inner}
            case Constant(bool() as value):
                return _("always") if value != denied else _("never")
            case Name() | Field() | Call("_[_]"):
                return (_("%(one)s is no") if denied else _("%(one)s is yes")) % {"one": self._path(node)}
        raise _NotExplainable

    def _joined(self, node: Node, all_of: bool, *, denied: bool) -> str:
        function = node.function if isinstance(node, Call) else ""
        parts = _chain(node, function)
        if function == "_&&_" and not denied:
            parts = _without_guards(parts)
        clauses = []
        for part in parts:
            clause = self.clause(part, denied=denied)
            mixed = isinstance(part, Call) and part.function in {"_&&_", "_||_"} and len(parts) > 1
            clauses.append(f"({clause})" if mixed else clause)
        if len(clauses) > 2:
            last = _("%(most)s, and %(last)s") if all_of else _("%(most)s, or %(last)s")
            return last % {"most": ", ".join(clauses[:-1]), "last": clauses[-1]}
        return (_(" and ") if all_of else _(" or ")).join(clauses)

    def _compared(self, function: str, left: Node, right: Node) -> str:
        if isinstance(left, Constant) and not isinstance(right, Constant):
            function, left, right = _TURNED[function], right, left
        if clock := self._in_time(function, left, right):
            return clock
        if isinstance(right, Constant) and right.value is None and function in ("_==_", "_!=_"):
            there = function == "_!=_"
            return (_("%(one)s is there") if there else _("%(one)s is not there")) % {"one": self._value(left)}
        match left, right:
            case Call("size", (of,)), Constant(int() as none) if none == 0 and function in ("_>_", "_==_", "_!=_"):
                phrase = _("%(one)s is empty") if function == "_==_" else _("%(one)s is not empty")
                return phrase % {"one": self._value(of)}
        return str(_COMPARED[function]) % {"one": self._value(left), "other": self._value(right)}

    def _in_time(self, function: str, left: Node, right: Node) -> str:
        """Comparisons of the time with a time, of its day or month with one."""
        if isinstance(left, Name) and left.name == "now":
            match right:
                case Call("timestamp", (Constant(str() as moment),)) if function in _IN_TIME:
                    return str(_IN_TIME[function]) % {"time": _moment(moment)}
            raise _NotExplainable
        match left, right:
            case Call("getDayOfWeek" | "getMonth" as part, (Name("now"), *zone)), Constant(int() as number):
                name = _named(part, number)
                if function == "_==_":
                    return _("it is %(name)s%(zone)s") % {"name": name, "zone": _zone(zone)}
                if function == "_!=_":
                    return _("it is not %(name)s%(zone)s") % {"name": name, "zone": _zone(zone)}
                raise _NotExplainable
        return ""

    def _among(self, left: Node, right: Node, *, denied: bool) -> str:
        match left, right:
            case Call("getDayOfWeek" | "getMonth" as part, (Name("now"), *zone)), Items(items):
                names = [_named(part, item.value) for item in items if isinstance(item, Constant)]
                facts = {"name": _(" or ").join(names), "zone": _zone(zone)}
                return (_("it is not %(name)s%(zone)s") if denied else _("it is %(name)s%(zone)s")) % facts
            case _left, Items(items):
                facts = {"one": self._value(left), "list": ", ".join(map(self._value, items))}
                return (_("%(one)s is none of %(list)s") if denied else _("%(one)s is one of %(list)s")) % facts
        facts = {"one": self._value(left), "list": self._value(right)}
        return (_("%(one)s is not among %(list)s") if denied else _("%(one)s is among %(list)s")) % facts

    def _value(self, node: Node) -> str:
        match node:
            case Constant(value):
                return _shown(value)
            case Call("timestamp", (Constant(str() as moment),)):
                return _moment(moment)
            case Call(function, (operand,)) if function in _CONVERTS:
                return self._value(operand)
            case Call("size", (operand,)):
                kind = self.shapes.resolved(self.shapes.of(operand)).get("type")
                phrase = _("the length of %(one)s") if kind == "string" else _("the number of %(one)s")
                return phrase % {"one": self._value(operand)}
            case Call(function, (Name("now"), *zone)) if function in _CLOCK:
                return f"{_CLOCK[function]}{_zone(zone)}"
            case Call("_+_") if any(_blank(part) for part in _chain(node, "_+_")):
                return _(" and ").join(self._value(part) for part in _chain(node, "_+_") if not _blank(part))
            case Call(function, (operand, other)) if function in _SIGNS:
                again = isinstance(operand, Call) and operand.function == function
                return (
                    f"{self._value(operand) if again else self._part(operand)} {_SIGNS[function]} {self._part(other)}"
                )
            case Call("-_", (operand,)):
                return f"{_SIGNS['_-_']}{self._part(operand)}"
        return self._path(node)

    def _part(self, node: Node) -> str:
        mixed = isinstance(node, Call) and node.function in _SIGNS
        return f"({self._value(node)})" if mixed else self._value(node)

    def _path(self, node: Node) -> str:
        """What stands at a path: the title that the schema gives it, else its name."""
        match node:
            case Name(name):
                if name == self.it:
                    return _("it")
                if name in self.shapes.loops or (name not in VARIABLES and name != "args"):
                    raise _NotExplainable
                return _("the arguments") if name == "args" else _title(self.shapes.of(node)) or name
            case Field(of, name):
                return self._within(of, name, self.shapes.of(node))
            case Call("_[_]", (of, Constant(str() as name))):
                return self._within(of, name, self.shapes.of(node))
            case Call("_[_]", (of, Constant(int() as number))) if number >= 0:
                return _("entry %(number)d of %(list)s") % {"number": number + 1, "list": self._path(of)}
        raise _NotExplainable

    def _within(self, of: Node, name: str, shape: Shape) -> str:
        title = _title(shape)
        match of:
            case Name("args") if "args" not in self.shapes.loops:
                return title or name
            case Name("run" | "signals") if title:
                return title
            case Name("context") if "context" not in self.shapes.loops:
                return _("%(name)s (as the agent says)") % {"name": name.replace("_", " ")}
            case Name(item) if item == self.it:
                return _("its %(name)s") % {"name": title or name}
        return f"{self._path(of)} {title or name}"


def _chain(node: Node, function: str) -> list[Node]:
    if isinstance(node, Call) and node.function == function:
        return [part for arg in node.args for part in _chain(arg, function)]
    return [node]


def _blank(node: Node) -> bool:
    """A space between two texts that are looked at as one."""
    return isinstance(node, Constant) and isinstance(node.value, str) and not node.value.strip()


def _without_guards(parts: Sequence[Node]) -> list[Node]:
    """Without `has(args.a)` where the rest asks more of `args.a`, which only what is there can be."""
    read = [{(name, steps) for name, steps, _at in reads(part)} for part in parts]
    kept = []
    for index, part in enumerate(parts):
        more = set().union(*(read[other] for other in range(len(parts)) if other != index and not _guard(parts[other])))
        if not _guard(part) or not read[index] <= more:
            kept.append(part)
    return kept


def _guard(node: Node) -> bool:
    return isinstance(node, Field) and node.test_only


def _title(shape: Shape) -> str:
    title = str(shape.schema.get("title") or "")
    # "Order" within a sentence is order, IBAN stays.
    return title[:1].lower() + title[1:] if title[1:2].islower() or " " in title[:2] else title


def _shown(value: object) -> str:
    match value:
        case None:
            return _("nothing")
        case bool():
            return _("true") if value else _("false")
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.6f}".rstrip("0").rstrip(".")
        case str() if value and value.replace("_", "").replace("-", "").isalnum():
            return value
    return f"“{value}”"


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _NotExplainable from None
    zone = "UTC" if moment.utcoffset() is not None and not moment.utcoffset() else moment.strftime("%:z")
    return f"{moment:%Y-%m-%d %H:%M} {zone if zone[:1] in '+-U' else moment.isoformat()[19:]}".strip()


def _named(part: str, number: object) -> str:
    """The day of the week (0 is Sunday) or the month (0 is January)."""
    names = _DAYS if part == "getDayOfWeek" else _MONTHS
    if not isinstance(number, int) or not 0 <= number < len(names):
        raise _NotExplainable
    return str(names[number])


def _zone(zone: Sequence[Node]) -> str:
    if not zone:
        return " (UTC)"
    match zone[0]:
        case Constant(str() as name):
            return f" ({name})"
    raise _NotExplainable
