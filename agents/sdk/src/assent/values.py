"""Arguments as Python has them and as JSON carries them: out by what they are, back by the function's annotations.

Money is text on the wire and Decimal in the function; so are dates, UUIDs, enums, dataclasses and pydantic's models.
What comes back wrong for its annotation is refused before the permit is used.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

from assent.shapes import Json

_PLAIN = (str, bool, int, float, type(None))
_TIMES = (datetime, date, time)  # a datetime is a date: in this order


def encode(value: object) -> Any:  # JSON, and whatever else it was given
    """A value as JSON carries it: Decimal and UUID as text, times in ISO 8601, enums by their value, models as objects.

    What it does not know is left as it is, for `submit` to refuse by name.
    """
    if isinstance(value, Enum):
        return encode(value.value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, _TIMES):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json")
    if isinstance(value, Mapping):
        return {encode(key): encode(part) for key, part in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((encode(part) for part in value), key=repr)
    if isinstance(value, list | tuple):
        return [encode(part) for part in value]
    return value


def decoders(function: Callable[..., object]) -> Mapping[str, Any]:
    """The annotations of a function's parameters by name; empty where they cannot be told."""
    while isinstance(function, functools.partial):
        function = function.func
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # names that exist for type checkers alone, objects without any: there is nothing to go by
        return {}


def is_plain(value: object) -> bool:
    """Whether JSON has the very type of a value."""
    return type(value) in _PLAIN


def decode(value: Json, annotation: Any) -> Any:  # what the annotation says
    """An approved value as its annotation has it. Raises ValueError or TypeError where it is none.

    Where the annotation is no type of this module's business, the value stays as JSON carried it.
    """
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return decode(value, parts[0])
    if origin in (typing.Union, types.UnionType):
        return _decode_union(value, parts)
    if isinstance(origin, type) and isinstance(value, Mapping) and issubclass(origin, Mapping) and len(parts) == 2:
        return {decode(key, parts[0]): decode(part, parts[1]) for key, part in value.items()}
    if isinstance(origin, type) and isinstance(value, list):
        return _decode_list(value, origin, parts)
    if not isinstance(annotation, type):
        return value
    if issubclass(annotation, Enum):
        return annotation(value)
    if annotation in (set, frozenset, tuple) and isinstance(value, list):
        return annotation(value)
    if issubclass(annotation, Decimal) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return _decimal(value)
    if annotation in _TIMES and isinstance(value, str):
        return annotation.fromisoformat(value)
    if issubclass(annotation, UUID | PurePath) and isinstance(value, str):
        return annotation(value)
    if dataclasses.is_dataclass(annotation) and isinstance(value, Mapping):
        hints = decoders(annotation)
        return annotation(**{name: decode(part, hints.get(name)) for name, part in value.items()})
    validate = getattr(annotation, "model_validate", None)
    if callable(validate):
        return validate(value)
    if issubclass(annotation, Decimal | UUID | PurePath | date | time) or dataclasses.is_dataclass(annotation):
        raise TypeError(f"{value!r} is no {annotation.__name__}")
    return value


def _decimal(value: str | int | float) -> Decimal:
    try:
        return Decimal(str(value))
    except ArithmeticError as error:
        raise ValueError(f"{value!r} is no Decimal") from error


def _decode_union(value: Json, parts: Sequence[Any]) -> Any:
    if type(value) in parts:  # text where text will do stays text
        return value
    refused: Exception = TypeError(f"{value!r} is none of {parts}")
    for part in parts:
        try:
            return decode(value, part)
        except (ValueError, TypeError) as error:
            refused = error
    raise refused


def _decode_list(value: Sequence[Json], origin: type, parts: Sequence[Any]) -> Any:
    if issubclass(origin, tuple):
        each = [parts[0]] * len(value) if len(parts) == 2 and parts[1] is Ellipsis else list(parts)
        if len(each) != len(value):
            raise ValueError(f"{len(value)} values where {len(each)} are wanted")
        return tuple(decode(part, kind) for part, kind in zip(value, each, strict=True))
    kind = parts[0] if parts else None
    decoded = [decode(part, kind) for part in value]
    if not issubclass(origin, AbstractSet):
        return decoded
    return frozenset(decoded) if issubclass(origin, frozenset) else set(decoded)
