"""A function's arguments as JSON, the approved arguments as the function's again, and whether what it returned ran."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import CoroutineType, GeneratorType
from typing import Any, Generic, TypeVar

from assent import values
from assent.digest import canonical
from assent.errors import PermitRefused
from assent.shapes import Args, Json

T = TypeVar("T")
_OWN = ("self", "cls")
_DEEP = 8  # how far into a result is looked


@dataclass(frozen=True, slots=True)
class Bound(Generic[T]):
    """A function that waits for its approved arguments. `fixed` were not sent, so no approval reaches them.

    `originals` are what was sent in another form, by name, with that form: approved unchanged, they are what runs.
    """

    function: Callable[..., T]
    signature: inspect.Signature | None = None
    fixed: Args = field(default_factory=dict)
    unreached: frozenset[str] = frozenset()  # what a functools.partial holds already
    hints: Mapping[str, Any] = field(default_factory=dict)  # the annotations
    originals: Mapping[str, tuple[Json, object]] = field(default_factory=dict)

    @classmethod
    def plain(cls, function: Callable[..., T], args: Collection[str] = (), *, coroutines: bool = False) -> Bound[T]:
        """A function that takes every argument by name; `args` are those that are proposed.

        Raises TypeError for one whose call runs nothing: a generator function, and without `coroutines` a coroutine
        function.
        """
        refuse_lazy(function, coroutines=coroutines)
        held = frozenset(function.keywords) - set(args) if isinstance(function, functools.partial) else frozenset()
        try:
            signature = inspect.signature(function)
            return cls(function, signature, unreached=held, hints=values.decoders(function))
        except (TypeError, ValueError):  # some functions written in C do not say
            return cls(function, unreached=held)

    def check(self, args: Mapping[str, Json]) -> None:
        """Raises PermitRefused (arguments) where the function does not take what was approved."""
        try:
            self._bound(args)
        except (TypeError, ValueError) as error:
            text = f"What was approved does not fit the function that would run it: {error}. Nothing runs."
            raise PermitRefused(text, reason="arguments") from error

    def call(self, args: Mapping[str, Json]) -> T:
        """Run it with the approved arguments."""
        bound = self._bound(args)
        return self.function(**args) if bound is None else self.function(*bound.args, **bound.kwargs)

    def _bound(self, args: Mapping[str, Json]) -> inspect.BoundArguments | None:
        """The arguments in their places; None where the function does not say which it has."""
        kept = sorted({*self.fixed, *self.unreached} & set(args))
        if kept:
            raise TypeError(f"{kept[0]} was not proposed, and stays as the caller gave it")
        if self.signature is None:
            return None
        given: dict[str, Any] = {**self.fixed, **{name: self._value(name, value) for name, value in args.items()}}
        arguments: OrderedDict[str, Any] = OrderedDict()
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                continue  # nothing that has a name goes there
            if parameter.kind is parameter.VAR_KEYWORD:
                more = self.fixed.get(name)
                arguments[name] = given if more is None else more
                given = {} if more is None else {key: value for key, value in given.items() if key != name}
            elif name in given:
                arguments[name] = given.pop(name)
            elif parameter.default is parameter.empty:
                raise TypeError(f"{name} is missing")
        if given:
            raise TypeError(f"there is no parameter {', '.join(sorted(given))}")
        return inspect.BoundArguments(self.signature, arguments)

    def _value(self, name: str, value: Json) -> Any:
        """An approved argument as it was given, where it was approved so, else as its annotation has it."""
        encoded, original = self.originals.get(name, (None, None))
        if original is not None and canonical(encoded) == canonical(value):
            return original
        parameter = self.signature.parameters.get(name) if self.signature else None
        named = parameter is not None and parameter.kind is not parameter.VAR_KEYWORD
        return values.decode(value, self.hints.get(name)) if named else value


class Gated(Generic[T]):
    """A function whose calls are to be approved. Raises TypeError at once for one that cannot be."""

    def __init__(self, function: Callable[..., T], without: Collection[str] = (), *, coroutines: bool = False) -> None:
        refuse_lazy(function, coroutines=coroutines)
        self.function = function
        self.signature = inspect.signature(function)
        names = list(self.signature.parameters)
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is parameter.VAR_POSITIONAL:
                raise TypeError(f"{name_of(function)}: *{name} has no names that could be shown for approval.")
        if isinstance(without, str):
            raise TypeError(f"without is a list of parameters, not one text: [{without!r}].")
        unknown = set(without) - set(names)
        if unknown:
            raise TypeError(f"{name_of(function)} has no parameter {', '.join(sorted(unknown))}.")
        self.without = {*without, *(name for name in names[:1] if name in _OWN)}
        self.hints = values.decoders(function)

    def bind(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> tuple[Args, Bound[T]]:
        """The arguments to send, defaults included, and the function that waits for the approved ones."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        sent: Args = {}
        fixed: Args = {}
        more: Mapping[str, Any] = {}
        for name, value in bound.arguments.items():
            if name in self.without:
                fixed[name] = value
            elif self.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                more = value
            else:
                sent[name] = value
        twice = sorted(set(more) & {*sent, *fixed})  # def f(a, /, **more) can be called f(1, a=2)
        if twice:
            raise TypeError(f"{name_of(self.function)}: {twice[0]} is given twice, and only one could be shown.")
        given = {**sent, **more}
        encoded = {name: values.encode(value) for name, value in given.items()}
        originals = {name: (encoded[name], value) for name, value in given.items() if not values.is_plain(value)}
        return encoded, Bound(self.function, self.signature, fixed, hints=self.hints, originals=originals)


# --- What has not run when its call returns


def is_coroutine_function(function: object) -> bool:
    """Whether calling it makes a coroutine: `async def`, a partial of one, an object with such a `__call__`."""
    return _makes(function, inspect.iscoroutinefunction)


def refuse_lazy(function: Callable[..., object], *, coroutines: bool) -> None:
    """Raises TypeError for a function whose call runs nothing of it."""
    if _makes(function, inspect.isgeneratorfunction) or _makes(function, inspect.isasyncgenfunction):
        raise TypeError(f"{name_of(function)} is a generator function: calling it runs nothing that could be approved.")
    if not coroutines and is_coroutine_function(function):
        raise TypeError(f"{name_of(function)} is a coroutine function: it needs AsyncAssent.")


def _makes(function: object, test: Callable[[Any], bool]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    called = None if inspect.isroutine(function) or inspect.isclass(function) else getattr(function, "__call__", None)  # noqa: B004
    return test(function) or test(called)


def must_have_run(result: object) -> None:
    """Raises TypeError where a result, or something in it, is yet to run: nobody may say that it succeeded."""
    lazy = _lazy_in(result, 0)
    if lazy is None:
        return
    if isinstance(lazy, CoroutineType | GeneratorType):
        lazy.close()  # what has not begun never will
    raise TypeError(
        f"The action returned a {type(lazy).__name__}, which has not run yet. Nothing is reported of it: people see it "
        "as unconfirmed. Decorate a coroutine function, and return values."
    )


def _lazy_in(value: object, depth: int) -> Any:
    if inspect.isawaitable(value) or inspect.isasyncgen(value) or inspect.isgenerator(value):
        return value
    if isinstance(value, map | filter) or type(value).__module__ == "itertools":
        return value
    if isinstance(value, Future):
        return None if value.done() else value
    parts: Collection[object] = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    return next((lazy for part in parts if depth < _DEEP and (lazy := _lazy_in(part, depth + 1)) is not None), None)


def name_of(function: object) -> str:
    """How a function is called in an error."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))
