"""A function's arguments as JSON, and the approved arguments as the function's again."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from assent.errors import PermitRefused
from assent.shapes import Args, Json

T = TypeVar("T")
_OWN = ("self", "cls")


@dataclass(frozen=True, slots=True)
class Bound(Generic[T]):
    """A function that waits for its approved arguments. `fixed` are those that were not sent."""

    function: Callable[..., T]
    signature: inspect.Signature | None = None
    fixed: Args = field(default_factory=dict)

    @classmethod
    def plain(cls, function: Callable[..., T]) -> Bound[T]:
        """A function that takes every argument by name."""
        try:
            return cls(function, inspect.signature(function))
        except (TypeError, ValueError):  # some functions written in C do not say
            return cls(function)

    def check(self, args: Mapping[str, Json]) -> None:
        """Raises PermitRefused (arguments) where the function does not take what was approved."""
        try:
            self._bound(args)
        except TypeError as error:
            text = f"What was approved does not fit the function that would run it: {error}. Nothing runs."
            raise PermitRefused(text, reason="arguments") from error

    def call(self, args: Mapping[str, Json]) -> T:
        """Run it with the approved arguments."""
        if self.signature is None:
            return self.function(**args)
        bound = self._bound(args)
        return self.function(*bound.args, **bound.kwargs)

    def _bound(self, args: Mapping[str, Json]) -> inspect.BoundArguments:
        if self.signature is None:
            return inspect.Signature().bind()
        given: dict[str, Any] = {**self.fixed, **args}
        told: OrderedDict[str, Any] = OrderedDict()
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                told[name] = given
                given = {}
            elif name in given:
                told[name] = given.pop(name)
            elif parameter.default is parameter.empty:
                raise TypeError(f"{name} is missing")
        if given:
            raise TypeError(f"there is no parameter {', '.join(sorted(given))}")
        return inspect.BoundArguments(self.signature, told)


class Gated(Generic[T]):
    """A function whose calls are to be approved. Raises TypeError at once for one that cannot be."""

    def __init__(self, function: Callable[..., T], without: Collection[str] = ()) -> None:
        self.function = function
        self.signature = inspect.signature(function)
        names = list(self.signature.parameters)
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                raise TypeError(f"{function.__qualname__}: *{name} has no names that could be shown for approval.")
        unknown = set(without) - set(names)
        if unknown:
            raise TypeError(f"{function.__qualname__} has no parameter {', '.join(sorted(unknown))}.")
        self.without = {*without, *(name for name in names[:1] if name in _OWN)}

    def bind(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[Args, Bound[T]]:
        """The arguments to send, defaults included, and the function that waits for the approved ones."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        sent: Args = {}
        fixed: Args = {}
        for name, value in bound.arguments.items():
            if self.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                sent.update(value)
            elif name in self.without:
                fixed[name] = value
            else:
                sent[name] = value
        return sent, Bound(self.function, self.signature, fixed)
