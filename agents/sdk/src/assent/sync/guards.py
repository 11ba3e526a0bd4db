# Made by agents/sdk/make_sync.py of assent/aio/guards.py: change that one.

"""The gate as Python has it: a `with`, and a function that is run."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from assent.approved_call import ApprovedCall, ProposedCall
from assent.binding import Bound
from assent.errors import AlreadyRan, Denied
from assent.guards import Drive, enter_gate, finished, kept_result
from assent.reporting import leave
from assent.wire import Flow


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


def call_guarded(
    do: Drive, proposed_call: ProposedCall, bound: Bound[Any], on_no: Callable[[Denied], Flow[None]] | None = None
) -> Any:  # what the function returns
    """Run a function through the gate; what an earlier life ran and kept is returned instead."""
    return run_entered(do, enter_gate(proposed_call, on_no), bound)


def run_entered(do: Drive, entering: Flow[ApprovedCall], bound: Bound[Any]) -> Any:  # what it returns
    """Enter, run a function with the approved arguments, and leave; what an earlier life ran and kept is returned."""
    try:
        go = do(entering)
    except AlreadyRan as ran:
        return kept_result(ran)
    try:
        go.result = result = finished(bound.call(go.args))  # kept if it is JSON
    except BaseException as error:
        do(leave(go, error))
        raise
    do(leave(go, None))
    return result
