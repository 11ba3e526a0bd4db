"""An expression as a tree, with the place of each part: what bounds its cost, names what it reads and says it in words.

The library parses; its own serialised form (`cel.expr.CheckedExpr`, a protocol buffer) is read here, so that the tree
is what will be evaluated and not a second opinion of ours. Loops (`all`, `exists`, `exists_one`, `filter`, `map`) come
out of it expanded; they are put together again.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Literal: TypeAlias = bool | int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Constant:
    value: Literal
    at: int = 0  # characters from the beginning of the text


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """`of.name`; `test_only`: whether it is there, `has(of.name)`."""

    of: "Node"
    name: str
    test_only: bool = False
    at: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator (`_>_`, `_&&_`, `startsWith`); a method has what it is called on as its first argument."""

    function: str
    args: "tuple[Node, ...]"
    method: bool = False
    at: int = 0


@dataclass(frozen=True, slots=True)
class Items:
    items: "tuple[Node, ...]"
    at: int = 0


@dataclass(frozen=True, slots=True)
class Entries:
    """A map or a message that the expression builds."""

    entries: "tuple[tuple[Node, Node], ...]"
    at: int = 0


@dataclass(frozen=True, slots=True)
class Loop:
    """`over.macro(name, *inner)`."""

    macro: str
    name: str
    over: "Node"
    inner: "tuple[Node, ...]"
    at: int = 0


Node: TypeAlias = Constant | Name | Field | Call | Items | Entries | Loop


class Unreadable(ValueError):
    """A form of expression that the library gained since, or a loop that is none of the known."""


def tree_of(serialised: bytes) -> Node:
    """The tree of a compiled expression, from what the library serialises. Raises Unreadable."""
    checked = _fields(_single_field(_fields(serialised), 2))  # google.protobuf.Any
    places = {
        _int(entry, 1): _int(entry, 2) for entry in map(_fields, _repeated_field(_fields(_single_field(checked, 5)), 4))
    }  # id: offset
    return _node(_single_field(checked, 4), places)


def inner(node: Node) -> Iterator[Node]:
    """The parts that a node is made of, from the left."""
    match node:
        case Field():
            yield node.of
        case Call():
            yield from node.args
        case Items():
            yield from node.items
        case Entries():
            for pair in node.entries:
                yield from pair
        case Loop():
            yield node.over
            yield from node.inner


def line_and_column(text: str, at: int) -> tuple[int, int]:
    """Line and column, from 1."""
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def reads(node: Node, bound: frozenset[str] = frozenset()) -> Iterator[tuple[str, tuple[str | int | None, ...], int]]:
    """The variables that are read: name, steps into it as far as they are written down (None: computed), place.

    What a loop calls by the same name is none of them.
    """
    steps: list[str | int | None] = []
    here: Node = node
    while True:
        if isinstance(here, Field):
            steps.append(here.name)
            here = here.of
        elif isinstance(here, Call) and here.function == "_[_]":
            key = here.args[1]
            is_literal = isinstance(key, Constant) and isinstance(key.value, str | int)
            steps.append(key.value if is_literal else None)  # type: ignore[union-attr, arg-type]  # just asked
            yield from () if is_literal else reads(key, bound)
            here = here.args[0]
        else:
            break
    if isinstance(here, Name):
        if here.name not in bound:
            yield here.name, tuple(reversed(steps)), here.at
        return
    if isinstance(here, Loop):
        yield from reads(here.over, bound)
        for part in here.inner:
            yield from reads(part, bound | {here.name})
        return
    for part in inner(here):
        yield from reads(part, bound)


# --- Written again


_INFIX = {
    **{"_||_": (" || ", 1), "_&&_": (" && ", 2)},
    **{f"_{sign}_": (f" {sign} ", 3) for sign in ("<", "<=", ">", ">=", "==", "!=")},
    "@in": (" in ", 3),
    **{"_+_": (" + ", 4), "_-_": (" - ", 4), "_*_": (" * ", 5), "_/_": (" / ", 5), "_%_": (" % ", 5)},
}


def written(node: Node, strength: int = 0) -> str:
    """The expression of a tree."""
    match node:
        case Constant(value):
            return literal(value)
        case Name(name):
            return name
        case Field(of, name, test_only):
            path = f"{written(of, 9)}.{name}"
            return f"has({path})" if test_only else path
        case Call(function, args):
            return _called(function, args, node.method, strength)
        case Items(items):
            return f"[{', '.join(map(written, items))}]"
        case Entries(entries):
            return "{" + ", ".join(f"{written(key)}: {written(value)}" for key, value in entries) + "}"
        case Loop(macro, name, over, parts):
            return f"{written(over, 9)}.{macro}({', '.join([name, *map(written, parts)])})"


def literal(value: Literal) -> str:
    """As CEL writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        case bytes():
            return 'b"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
    return repr(value)


def _called(function: str, args: "Sequence[Node]", method: bool, strength: int) -> str:
    if function in _INFIX and len(args) == 2:
        sign, own = _INFIX[function]
        again = own if sign in (" || ", " && ") else own + 1
        text = f"{written(args[0], own)}{sign}{written(args[1], again)}"
        return f"({text})" if own < strength else text
    match function, args:
        case "!_", [operand]:
            return f"!{written(operand, 8)}"
        case "-_", [operand]:
            return f"-{written(operand, 8)}"
        case "_[_]", [of, key]:
            return f"{written(of, 9)}[{written(key)}]"
        case "_?_:_", [operand, yes, no]:
            text = f"{written(operand, 1)} ? {written(yes, 1)} : {written(no)}"
            return f"({text})" if strength else text
    if method:
        return f"{written(args[0], 9)}.{function}({', '.join(map(written, args[1:]))})"
    return f"{function}({', '.join(map(written, args))})"


# --- Reading the library's form


def _node(raw: bytes, places: Mapping[int, int]) -> Node:
    fields = _fields(raw)
    at = places.get(_int(fields, 2), 0)
    for kind, read in _KINDS.items():
        if kind in fields:
            return read(_single_field(fields, kind), places, at)
    raise Unreadable


def _constant(raw: bytes, places: Mapping[int, int], at: int) -> Node:
    for number, [value] in _fields(raw).items():
        match number, value:
            case 2, int():
                return Constant(bool(value), at)
            case 3, int():
                return Constant(value - (1 << 64) if value >= 1 << 63 else value, at)
            case 4, int():
                return Constant(value, at)
            case 5, bytes():
                return Constant(struct.unpack("<d", value)[0], at)
            case 6, bytes():
                return Constant(value.decode(), at)
            case 7, bytes():
                return Constant(value, at)
    return Constant(None, at)


def _name(raw: bytes, places: Mapping[int, int], at: int) -> Node:
    return Name(_text(_fields(raw), 1), at)


def _field(raw: bytes, places: Mapping[int, int], at: int) -> Node:
    fields = _fields(raw)
    return Field(_node(_single_field(fields, 1), places), _text(fields, 2), bool(_int(fields, 3)), at)


def _call(raw: bytes, places: Mapping[int, int], at: int) -> Node:
    fields = _fields(raw)
    target = [_node(one, places) for one in _repeated_field(fields, 1)]
    args = [_node(one, places) for one in _repeated_field(fields, 3)]
    return Call(_text(fields, 2), (*target, *args), bool(target), at)


def _items(raw: bytes, places: Mapping[int, int], at: int) -> Node:
    return Items(tuple(_node(one, places) for one in _repeated_field(_fields(raw), 1)), at)


def _entries(raw: bytes, places: Mapping[int, int], at: int) -> Node:
    pairs = []
    for entry in map(_fields, _repeated_field(_fields(raw), 2)):
        key: Node = Constant(_text(entry, 2)) if 2 in entry else _node(_single_field(entry, 3), places)
        pairs.append((key, _node(_single_field(entry, 4), places)))
    return Entries(tuple(pairs), at)


def _loop(raw: bytes, places: Mapping[int, int], at: int) -> Node:
    fields = _fields(raw)
    name, over = _text(fields, 1), _node(_single_field(fields, 2), places)
    start, step = _node(_single_field(fields, 4), places), _node(_single_field(fields, 6), places)

    def loop(macro: str, *inner: Node) -> Loop:
        return Loop(macro, name, over, inner, over.at if at == 0 else at)

    match start, step:
        case Constant(True), Call("_&&_", (_, body)):
            return loop("all", body)
        case Constant(False), Call("_||_", (_, body)):
            return loop("exists", body)
        case Constant(0), Call("_?_:_", (body, *_)):
            return loop("exists_one", body)
        case Items(()), Call("_?_:_", (body, Call("_+_", (_, Items((Name(taken),)))), _)) if taken == name:
            return loop("filter", body)
        case Items(()), Call("_?_:_", (body, Call("_+_", (_, Items((made,)))), _)):
            return loop("map", body, made)
        case Items(()), Call("_+_", (_, Items((made,)))):
            return loop("map", made)
    raise Unreadable


# By the number of the field that an Expr has set.
_KINDS = {3: _constant, 4: _name, 5: _field, 6: _call, 7: _items, 8: _entries, 9: _loop}

_Fields: TypeAlias = dict[int, list[int | bytes]]


def _fields(raw: bytes) -> _Fields:
    """The fields of a protocol buffer by number: varints as numbers, the rest as bytes."""
    fields: _Fields = {}
    position = 0
    while position < len(raw):
        key, position = _varint(raw, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(raw, position)
            fields.setdefault(number, []).append(value)
            continue
        if wire == 2:
            size, position = _varint(raw, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise Unreadable
        fields.setdefault(number, []).append(raw[position : position + size])
        position += size
    return fields


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7


def _repeated_field(fields: _Fields, number: int) -> list[bytes]:
    return [value for value in fields.get(number, ()) if isinstance(value, bytes)]


def _single_field(fields: _Fields, number: int) -> bytes:
    return next(iter(_repeated_field(fields, number)), b"")


def _int(fields: _Fields, number: int) -> int:
    value = fields.get(number, [0])[0]
    return value if isinstance(value, int) else 0


def _text(fields: _Fields, number: int) -> str:
    return _single_field(fields, number).decode()
