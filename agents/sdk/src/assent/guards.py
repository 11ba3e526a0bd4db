"""What the guards for threads and those for coroutines share."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from assent.approved_call import ApprovedCall, ProposedCall
from assent.errors import AlreadyRan, Denied
from assent.gate import enter
from assent.wire import Flow

T = TypeVar("T")


class Drive(Protocol):
    """The driver of a client: runs a flow to its end."""

    def __call__(self, flow: Flow[T]) -> T: ...


class AsyncDrive(Protocol):
    """The driver of an asynchronous client."""

    def __call__(self, flow: Flow[T]) -> Coroutine[Any, Any, T]: ...


def enter_gate(proposed_call: ProposedCall, on_no: Callable[[Denied], Flow[None]] | None) -> Flow[ApprovedCall]:
    """Through the gate; a no is first given to `on_no`, the run that it ends."""
    try:
        return (yield from enter(proposed_call))
    except Denied as no:
        if on_no is not None:
            yield from on_no(no)
        raise


def kept_result(ran: AlreadyRan) -> Any:  # what the function returned, as JSON carried it
    if ran.kept and ran.outcome == "succeeded":
        return ran.result
    raise ran


def finished(result: Any) -> Any:  # what the function returned, or what a pool of threads makes of it
    """The result of a function that has run."""
    return result.result() if isinstance(result, Future) else result


async def finished_async(result: Any) -> Any:  # what the function returned, or what its coroutine or thread makes of it
    """As `finished`; the function may be a coroutine function."""
    if isinstance(result, Future):
        result = asyncio.wrap_future(result)
    return await result if inspect.isawaitable(result) else result
