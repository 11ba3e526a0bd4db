"""The upper bound of what an expression may cost, checked when it is written: rules run on every proposal.

A bound from the expression and the action type's schema alone: a list is as long as its `maxItems`, a text as its
`maxLength`, and what the schema leaves open is taken for OPEN_ITEMS and OPEN_TEXT, so that one look over an open list
is admitted and a loop in a loop is not. The unit, a step, is about 30 ns on the reference machine; the weights were
measured with cel-expr-python 0.1.3. Beside this bound the library stops at 10,000 rounds of all loops together, and
such a rule then asks a person.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.policy.rules.expressions import BadExpression, Expression
from approvals.policy.rules.operands import Closed, Schema, Shape, Shapes
from approvals.policy.rules.trees import (
    Call,
    Constant,
    Entries,
    Field,
    Items,
    Loop,
    Node,
    Unreadable,
    inner,
    line_and_column,
    written,
)

MOST_STEPS = 65_000  # about 2 ms
MOST_ROUNDS = 9_999  # of all loops together; the library's own budget is one more
OPEN_ITEMS = 1_000
OPEN_TEXT = 20_000
OPEN_ITEM_TEXT = 1_000  # of a text in a list: a request is 1 MiB at most

_ROUND = 3
_COMPILED = 40  # per part of a regular expression: the library compiles it anew at each evaluation
_BUILDS = {"map": 1.6, "filter": 0.6}  # per item and item: the library copies the list so far for each


@dataclass(frozen=True, slots=True)
class Cost:
    """`dearest` is the loop or call that contributes most, `open` the paths in it whose size the schema leaves open."""

    steps: float
    rounds: int
    size: float = 0  # of the value: items of a list, characters of a text
    dearest: Node | None = None
    most: float = 0  # steps of the dearest
    open: tuple[str, ...] = ()


def cost_of(expression: Expression, args: Schema) -> Cost:
    """The bound. Raises Unreadable, or Closed for a path that the schema has not."""
    return _cost(expression.tree, Shapes(args))


def too_dear(expression: Expression, args: Schema) -> BadExpression | None:
    """Why it may cost more than a rule may, with the mend; None where it may not."""
    try:
        tree = expression.tree
    except Unreadable:
        return BadExpression(
            1, 1, _("This form of expression is not known, so its cost cannot be told; write it anew.")
        )
    for node in _every(tree):
        if _pattern(node) is not None and not isinstance(_pattern(node), Constant):
            message = _(
                "The pattern of “matches” must be written in the rule: one that the proposal brings may cost anything."
            )
            return _at(expression.text, node, message)
    try:
        cost = cost_of(expression, args)
    except Closed:
        return None  # said already
    if cost.rounds <= MOST_ROUNDS and cost.steps <= MOST_STEPS:
        return None
    return _at(expression.text, cost.dearest or tree, _mend(cost))


def _mend(cost: Cost) -> str:
    paths = [path for path in cost.open if path.startswith("args")]  # the schema says nothing of the rest
    facts = {
        "rounds": f"{cost.rounds:,}",
        "most": f"{MOST_ROUNDS:,}",
        "steps": f"{cost.steps:,.0f}",
        "limit": f"{MOST_STEPS:,}",
        "open": ", ".join(paths),
        "items": f"{OPEN_ITEMS:,}",
        "loop": cost.dearest.macro if isinstance(cost.dearest, Loop) else "",
    }
    if cost.rounds > MOST_ROUNDS:
        message = _("This may take %(rounds)s rounds through lists; %(most)s are admitted.")
    else:
        message = _("This may take %(steps)s steps; a rule may take %(limit)s.")
    mends = []
    if paths:
        mends.append(_("give %(open)s a “maxItems” in the schema (without one, %(items)s are reckoned with)"))
    if facts["loop"] in _BUILDS:
        mends.append(_("ask with exists(…) or all(…) instead of %(loop)s(…), which copies the list"))
    elif isinstance(cost.dearest, Loop):
        mends.append(_("drop the loop within the loop") if cost.rounds > MOST_ROUNDS else _("do less in each round"))
    else:
        mends.append(_("shorten the pattern") if _pattern(cost.dearest) is not None else _("make it two rules"))
    mend = _(" or ").join(mends)
    return f"{message} {mend[:1].upper()}{mend[1:]}." % facts


def _cost(node: Node, shapes: Shapes) -> Cost:
    match node:
        case Constant(value):
            return Cost(1, 0, len(value) if isinstance(value, str | bytes) else 0)
        case Loop():
            return _loop(node, shapes)
        case Call("_?_:_", (condition, yes, no)):
            either = [_cost(one, shapes) for one in (yes, no)]
            whole = _together([_cost(condition, shapes), max(either, key=lambda cost: cost.steps)])
            return Cost(whole.steps + 1, whole.rounds, max(one.size for one in either), whole.dearest, whole.most)
        case Call():
            return _call(node, shapes)
        case Items() | Entries():
            whole = _together([_cost(one, shapes) for one in inner(node)])
            count = len(list(inner(node)))
            return Cost(whole.steps + count + 1, whole.rounds, count, whole.dearest, whole.most, whole.open)
    shape = shapes.of(node)
    size, is_open = _size(shape, shapes)
    below = _cost(node.of, shapes) if isinstance(node, Field) else Cost(0, 0)
    return Cost(below.steps + 1, below.rounds, size, below.dearest, below.most, (shape.path,) if is_open else ())


def _loop(loop: Loop, shapes: Shapes) -> Cost:
    over = _cost(loop.over, shapes)
    # Whatever is open may be a list, and is reckoned with as one here.
    items = min(over.size, OPEN_ITEMS) if over.open else over.size
    within = shapes.within(loop)
    body = _together([_cost(part, within) for part in loop.inner])
    rounds = int(items * (1 + body.rounds))
    steps = items * (_ROUND + body.steps) + _BUILDS.get(loop.macro, 0) * items * items
    builds = loop.macro in _BUILDS
    # One look over an open list is no reason to ask for its size.
    open_paths = tuple(dict.fromkeys([*over.open, *body.open])) if builds or body.rounds else over.open
    dearest, most = (loop, steps) if steps >= over.most else (over.dearest, over.most)
    return Cost(over.steps + steps, over.rounds + rounds, items if builds else 0, dearest, most, open_paths)


def _call(call: Call, shapes: Shapes) -> Cost:
    parts = [_cost(arg, shapes) for arg in call.args]
    whole = _together(parts)
    sizes = [part.size for part in parts]
    own, size = 1.0, 0.0
    match call.function:
        case "matches":
            pattern = _pattern(call)
            own += _COMPILED * _parts(pattern.value if isinstance(pattern, Constant) else "") + sizes[0] / 25
        case "@in":
            own += sizes[1] / 5
        case "_==_" | "_!=_":
            own += min(sizes) if _both_open(call) else min(sizes) / 250
        case "_+_":
            size = sum(sizes)
            own += size / 250
        case "_[_]":
            shape = shapes.of(call)
            size, _open = _size(shape, shapes)
        case "size":
            own += sizes[0] / 50
        case "contains":
            own += sizes[0] / 250
        case "startsWith" | "endsWith":
            own += min(sizes) / 250
        case name if name.startswith("get") or name in {"timestamp", "duration", "string", "double", "int", "dyn"}:
            own += 8
            size = sizes[0]
    if own > max(whole.most, 100):
        open_paths = tuple(path for part in parts for path in part.open) if call.function == "@in" else ()
        return Cost(whole.steps + own, whole.rounds, size, call, own, open_paths)
    return Cost(whole.steps + own, whole.rounds, size, whole.dearest, whole.most, whole.open if whole.dearest else ())


def _together(parts: list[Cost]) -> Cost:
    """Side by side: all of them are paid, and the dearest is named."""
    dearest = max(parts, key=lambda part: part.most, default=Cost(0, 0))
    return Cost(
        sum(part.steps for part in parts),
        sum(part.rounds for part in parts),
        0,
        dearest.dearest,
        dearest.most,
        tuple(dict.fromkeys(path for part in parts if part.dearest for path in part.open)),
    )


def _size(shape: Shape, shapes: Shapes) -> tuple[float, bool]:
    """How large what stands there may be, and whether the schema leaves that open for a list."""
    part = shapes.resolved(shape)
    open_text = OPEN_ITEM_TEXT if shapes.loops else OPEN_TEXT
    named = part.get("type")
    if isinstance(options := part.get("enum"), list | tuple):
        return max((len(option) for option in options if isinstance(option, str)), default=0), False
    if named in ("integer", "number", "boolean", "null"):
        return 0, False
    if named == "string":
        most = part.get("maxLength")
        return (most if isinstance(most, int) else open_text), False
    most = part.get("maxItems") if named == "array" else part.get("maxProperties") if named == "object" else None
    if isinstance(most, int):
        return most, False
    fields = part.get("properties")
    if named == "object" and isinstance(fields, dict) and part.get("additionalProperties") is False:
        return len(fields), False
    return OPEN_ITEMS if named in ("array", "object") else open_text, True


def _both_open(call: Call) -> bool:
    return not any(isinstance(arg, Constant) for arg in call.args)


def _pattern(node: Node | None) -> Node | None:
    """The pattern of `matches`, which is a method or a function."""
    return node.args[-1] if isinstance(node, Call) and node.function == "matches" else None


_COUNTED = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def _parts(pattern: object) -> float:
    """How large a regular expression becomes when its counted repetitions are written out."""
    text = pattern if isinstance(pattern, str) else ""
    levels: list[float] = [0]
    last, position = 0.0, 0
    while position < len(text):
        counted = _COUNTED.match(text, position)
        if counted:
            times = max(int(counted[1]), int(counted[2] or 0), 1)
            levels[-1] += last * (times - 1)
            position = counted.end()
            continue
        step = 2 if text[position] == "\\" else 1
        if text[position] == "(":
            levels.append(0)
        elif text[position] == ")" and len(levels) > 1:
            last = levels.pop() + 1
            levels[-1] += last
        elif text[position] == "[":
            closed = text.find("]", position + 2)
            step = closed - position + 1 if closed > 0 else 1
            last = 2.0
            levels[-1] += last
        else:
            last = 1.0
            levels[-1] += last
        position += step
    return sum(levels)


def _every(node: Node) -> Iterator[Node]:
    yield node
    for part in inner(node):
        yield from _every(part)


def _at(text: str, node: Node, message: str) -> BadExpression:
    line, column = line_and_column(text, _begin(node))
    return BadExpression(line, column, f"{written(node)[:80]}: {message}")


def _begin(node: Node) -> int:
    """Where a part begins: the library gives the place of its operator or dot."""
    return min(one.at for one in _every(node))
