"""The gate as a decorator."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from assent import options
from assent.aio import guards as aio_guards
from assent.approved_call import ProposedCall
from assent.binding import Bound, Gated, is_coroutine_function, name_of
from assent.core import Core
from assent.shapes import Describe, GuardOptions, RunOf
from assent.sync import guards
from assent.wire import Flow

T = TypeVar("T")
P = ParamSpec("P")


class Client(Protocol):
    """What a decorator needs of a client."""

    _core: Core

    def do(self, flow: Flow[T]) -> T: ...

    def asynchronous(self) -> AsyncClient: ...


class AsyncClient(Protocol):
    """What a decorator needs of an asynchronous client."""

    _core: Core

    def do(self, flow: Flow[T]) -> Coroutine[Any, Any, T]: ...


def decorator(
    client: Callable[[], Client],
    action: str,
    run: RunOf,
    without: Collection[str],
    describe: Describe | None,
    guarding: GuardOptions,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator for functions and coroutine functions; the client is looked up when one is called."""

    for_coroutines = async_decorator(lambda: client().asynchronous(), action, run, without, describe, guarding)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        if is_coroutine_function(function):
            return cast("Callable[P, T]", for_coroutines(function))
        bind_call = _call_binder(Gated(function, without), action, run, describe, guarding)

        @functools.wraps(function)
        def through(*args: P.args, **kwargs: P.kwargs) -> T:
            at = client()
            proposed_call, bound = bind_call(at._core, args, kwargs)
            return cast(T, guards.call_guarded(at.do, proposed_call, bound))

        return through

    return decorate


def async_decorator(
    client: Callable[[], AsyncClient],
    action: str,
    run: RunOf,
    without: Collection[str],
    describe: Describe | None,
    guarding: GuardOptions,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator for coroutine functions. Raises TypeError for others."""
    options.guarding(guarding, "requires_approval")

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        gated = Gated(function, without, coroutines=True)
        if not is_coroutine_function(function):
            raise TypeError(f"{name_of(function)} is no coroutine function: decorate it with an Assent.")
        bind_call = _call_binder(gated, action, run, describe, guarding)

        @functools.wraps(function)
        async def through(*args: P.args, **kwargs: P.kwargs) -> Any:  # what the coroutine returns
            at = client()
            proposed_call, bound = bind_call(at._core, args, kwargs)
            return await aio_guards.call_guarded(at.do, proposed_call, bound)

        return cast("Callable[P, T]", through)

    return decorate


def _call_binder(
    gated: Gated[T], action: str, run: RunOf, describe: Describe | None, guarding: GuardOptions
) -> Callable[[Core, tuple[object, ...], dict[str, object]], tuple[ProposedCall, Bound[T]]]:
    """From one call's arguments to what is asked, and the function that waits for the answer."""

    def bind_call(core: Core, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[ProposedCall, Bound[T]]:
        sent, bound = gated.bind(args, kwargs)
        described = dict(describe(dict(sent))) if describe else {}
        named = described.pop("run", None) or (run(dict(sent)) if callable(run) else run)
        options.guarding(described, "describe")
        return ProposedCall.by(
            core, action, sent, cast("str | None", named), cast(GuardOptions, {**guarding, **described}), function=bound
        ), bound

    return bind_call
