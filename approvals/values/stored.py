"""Small frozen values as JSON and back, by the types of their fields.

A value is a dataclass of texts, numbers, amounts, times, ids, tuples of them and other such values. What is None is
left out. `from_json` of `to_json` is the value again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, ClassVar, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from approvals.values.schema import Json

_Value = TypeVar("_Value")


class _HasFields(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


_WRITTEN: Mapping[type, Callable[[Any], Json]] = {
    Decimal: str,
    UUID: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
    timedelta: timedelta.total_seconds,
}
_READ: Mapping[object, Callable[[Any], object]] = {
    Decimal: Decimal,
    UUID: UUID,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    timedelta: lambda seconds: timedelta(seconds=seconds),
}


def to_json(value: object) -> Json:
    """As it is stored. Raises TypeError for what no field may hold."""
    written = _WRITTEN.get(type(value))
    if written is not None:
        return written(value)
    if value is None or isinstance(value, str | bool | int | float):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, tuple | list):
        return [to_json(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): to_json(part) for name, part in value.items()}
    if (whole := getattr(value, "as_json", None)) is not None:
        return cast(Json, whole())
    if is_dataclass(value) and not isinstance(value, type):
        return fields_json(value)
    raise TypeError(f"{type(value).__name__} is not stored")


def fields_json(value: _HasFields) -> dict[str, Json]:
    """The fields of a dataclass as they are stored."""
    named = {name: getattr(value, name) for name in hints_of(type(value))}
    return {name: to_json(part) for name, part in named.items() if part is not None}


def from_json(hint: Any, value: Any) -> Any:  # noqa: ANN401  # whatever the type of a field is
    """What was stored of a field of this type."""
    if value is None or hint is Any:
        return value
    if get_origin(hint) in (Union, UnionType):
        choices = [choice for choice in get_args(hint) if choice is not NoneType]
        return from_json(choices[0], value) if len(choices) == 1 else value
    if get_origin(hint) is tuple:
        return tuple(from_json(get_args(hint)[0], part) for part in value)
    if hint in _READ:
        return _READ[hint](value)
    if (whole := getattr(hint, "of_json", None)) is not None:
        return whole(value)
    return read(hint, value) if hasattr(hint, "__dataclass_fields__") else value


def read(kind: type[_Value], value: Mapping[str, Any]) -> _Value:
    """A dataclass of what `fields_json` stored of it."""
    hints = hints_of(kind)
    return kind(**{name: from_json(hints[name], part) for name, part in value.items()})


def hints_of(kind: type) -> Mapping[str, Any]:
    """The types of a dataclass's fields by name, in their order."""
    hints = _hints.get(kind)
    if hints is None:
        every = get_type_hints(kind, localns={"Mapping": Mapping, "Sequence": Sequence})  # of which Json is made
        hints = _hints[kind] = {field.name: every[field.name] for field in fields(kind)}
    return hints


_hints: dict[type, Mapping[str, Any]] = {}
