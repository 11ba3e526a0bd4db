"""The gate as Python has it: a `with`, an `async with`, a function that is run, a decorator."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from assent import options
from assent.approved_call import ApprovedCall, ProposedCall
from assent.binding import Bound, Gated, is_coroutine_function, name_of
from assent.core import Core
from assent.errors import AlreadyRan, Denied
from assent.gate import enter
from assent.reporting import leave
from assent.shapes import Describe, GuardOptions, Json
from assent.wire import Flow

T = TypeVar("T")
P = ParamSpec("P")


class Drive(Protocol):
    """The driver of a client: runs a flow to its end."""

    def __call__(self, flow: Flow[T]) -> T: ...


class AsyncDrive(Protocol):
    """The driver of an asynchronous client."""

    def __call__(self, flow: Flow[T]) -> Coroutine[Any, Any, T]: ...


class Client(Protocol):
    """What a decorator needs of a client."""

    _core: Core

    def do(self, flow: Flow[T]) -> T: ...


class AsyncClient(Protocol):
    """What a decorator needs of an asynchronous client."""

    _core: Core

    def do(self, flow: Flow[T]) -> Coroutine[Any, Any, T]: ...


class Guard:
    """`with client.guard(action, args) as go:` the body runs once, with `go.args`; put what is to be kept into
    `go.result`. An exception of the body is reported as failed and goes on."""

    def __init__(
        self, do: Drive, proposed_call: ProposedCall, on_no: Callable[[Denied], Flow[None]] | None = None
    ) -> None:
        self._do, self._asked, self._on_no = do, proposed_call, on_no
        self._go: ApprovedCall | None = None

    def __enter__(self) -> ApprovedCall:
        self._go = self._do(enter_gate(self._asked, self._on_no))
        return self._go

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._go is not None:
            self._do(leave(self._go, error))


class AsyncGuard:
    """`async with client.guard(action, args) as go:` as Guard."""

    def __init__(
        self, do: AsyncDrive, proposed_call: ProposedCall, on_no: Callable[[Denied], Flow[None]] | None = None
    ) -> None:
        self._do, self._asked, self._on_no = do, proposed_call, on_no
        self._go: ApprovedCall | None = None

    async def __aenter__(self) -> ApprovedCall:
        self._go = await self._do(enter_gate(self._asked, self._on_no))
        return self._go

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._go is not None:
            await self._do(leave(self._go, error))


def enter_gate(proposed_call: ProposedCall, on_no: Callable[[Denied], Flow[None]] | None) -> Flow[ApprovedCall]:
    """Through the gate; a no is first given to `on_no`, the run that it ends."""
    try:
        return (yield from enter(proposed_call))
    except Denied as no:
        if on_no is not None:
            yield from on_no(no)
        raise


def call_guarded(
    do: Drive, proposed_call: ProposedCall, bound: Bound[T], on_no: Callable[[Denied], Flow[None]] | None = None
) -> T:
    """Run a function through the gate; what an earlier life ran and kept is returned instead."""
    try:
        go = do(enter_gate(proposed_call, on_no))
    except AlreadyRan as ran:
        return cast(T, _kept(ran))
    try:
        result = bound.call(go.args)
        if isinstance(result, Future):  # of a pool of threads: it has run when it is done
            result = result.result()
        go.result = cast(Json, result)  # kept if it is JSON
    except BaseException as error:
        do(leave(go, error))
        raise
    do(leave(go, None))
    return result


async def call_guarded_async(
    do: AsyncDrive, proposed_call: ProposedCall, bound: Bound[Any], on_no: Callable[[Denied], Flow[None]] | None = None
) -> Any:  # what the function returns, or what its coroutine does
    """As `called`; the function may be a coroutine function."""
    try:
        go = await do(enter_gate(proposed_call, on_no))
    except AlreadyRan as ran:
        return _kept(ran)
    try:
        result = bound.call(go.args)
        if isinstance(result, Future):
            result = asyncio.wrap_future(result)
        go.result = result = await result if inspect.isawaitable(result) else result
    except BaseException as error:
        await do(leave(go, error))
        raise
    await do(leave(go, None))
    return result


def _kept(ran: AlreadyRan) -> Any:  # what the function returned, as JSON carried it
    if ran.kept and ran.outcome == "succeeded":
        return ran.result
    raise ran


def decorator(
    client: Callable[[], Client],
    async_client: Callable[[], AsyncClient],
    action: str,
    run: str | None,
    without: Collection[str],
    describe: Describe | None,
    guarding: GuardOptions,
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator for functions and coroutine functions; the client is looked up when one is called."""

    for_coroutines = async_decorator(async_client, action, run, without, describe, guarding)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        if is_coroutine_function(function):
            return cast("Callable[P, T]", for_coroutines(function))
        bind_call = _call_binder(Gated(function, without), action, run, describe, guarding)

        @functools.wraps(function)
        def through(*args: P.args, **kwargs: P.kwargs) -> T:
            at = client()
            proposed_call, bound = bind_call(at._core, args, kwargs)
            return call_guarded(at.do, proposed_call, bound)

        return through

    return decorate


def async_decorator(
    client: Callable[[], AsyncClient],
    action: str,
    run: str | None,
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
            return await call_guarded_async(at.do, proposed_call, bound)

        return cast("Callable[P, T]", through)

    return decorate


def _call_binder(
    gated: Gated[T], action: str, run: str | None, describe: Describe | None, guarding: GuardOptions
) -> Callable[[Core, tuple[object, ...], dict[str, object]], tuple[ProposedCall, Bound[T]]]:
    """From one call's arguments to what is asked, and the function that waits for the answer."""

    def bind_call(core: Core, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[ProposedCall, Bound[T]]:
        sent, bound = gated.bind(args, kwargs)
        described = options.guarding(describe(dict(sent)), "describe") if describe else {}
        return ProposedCall.by(
            core, action, sent, run, cast(GuardOptions, {**guarding, **described}), function=bound
        ), bound

    return bind_call
