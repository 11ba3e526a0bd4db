"""Servers of the Model Context Protocol: a tool that asks first, and tells the client's model why not.

    @server.tool()
    @gated("refund")
    def refund(order: str, amount: str) -> str: ...

Servers hide errors that they do not know: a person's no would read "Error executing tool refund". Clients give up on a
tool after about a minute: before that the tool answers "ask again", and the same call finds the same request.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import ParamSpec, TypeVar, Unpack, cast

from mcp.server.mcpserver.exceptions import ToolError

from assent import defaults
from assent.advice import tool_message
from assent.binding import is_coroutine_function
from assent.errors import AssentError, FailedInside
from assent.shapes import Describe, GuardOptions, RunOf

T = TypeVar("T")
P = ParamSpec("P")
WAIT_S = 45.0  # clients wait for about 60 s


def gated(
    action: str,
    *,
    run: RunOf = None,
    without: Collection[str] = (),
    describe: Describe | None = None,
    **guarding: Unpack[GuardOptions],
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """`assent.requires_approval` for a tool of a server, with the same arguments; `wait_s` is 45 without it.

    The request's own context is not proposed if the tool's parameter for it is named in `without`.
    """
    guarding.setdefault("wait_s", WAIT_S)
    asking = defaults.requires_approval(action, run=run, without=without, describe=describe, **guarding)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        through = asking(function)
        if is_coroutine_function(function):

            @functools.wraps(function)
            async def tool_of_coroutines(*args: P.args, **kwargs: P.kwargs) -> object:
                try:
                    return await through(*args, **kwargs)  # type: ignore[misc]  # a coroutine function's
                except (AssentError, FailedInside) as no:
                    raise ToolError(tool_message(no)) from no

            return cast("Callable[P, T]", tool_of_coroutines)

        @functools.wraps(function)
        def tool(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return through(*args, **kwargs)
            except (AssentError, FailedInside) as no:
                raise ToolError(tool_message(no)) from no

        return tool

    return decorate
