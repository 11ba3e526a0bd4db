"""Pydantic AI: deferred tools are put to people, and run by the permit of their decision.

    @agent.tool(requires_approval=True)
    @permitted
    def refund(ctx: RunContext, order: str, amount: Decimal) -> str: ...

    result = agent.run_sync("Refund order 456.")
    while isinstance(result.output, DeferredToolRequests):
        answers = decide(result.output, thread="case-456")
        result = agent.run_sync(message_history=result.all_messages(), deferred_tool_results=answers)

The same call in another process, on the same message history, finds the same requests.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pydantic_ai import DeferredToolRequests, DeferredToolResults, RunContext, ToolApproved, ToolDenied
from pydantic_ai.exceptions import ToolFailed

from assent import defaults
from assent.advice import tool_message
from assent.binding import is_coroutine_function
from assent.errors import AssentError, FailedInside, PermitRefused
from assent.flows import denial_of
from assent.keys import key_for
from assent.shapes import Args, Decision, Object, Request
from assent.sync.client import Assent
from assent.values import encode

_DECISION = "assent"


def decide(
    requests: DeferredToolRequests, *, thread: str, wait_s: float | None = None, client: Assent | None = None
) -> DeferredToolResults:
    """Ask people about every call that wants approval, wait for all of them, and return what the next run takes.

    `thread` is the key of the conversation, the same in every process. After `wait_s` seconds StillPending is raised;
    what is asked stays open, and the same call finds it again. `client` is the environment's without one.
    """
    client = client or defaults.client()
    pending: dict[str, Request] = {}
    for call in requests.approvals:
        item: Args = {"id": call.tool_call_id, "action": {"name": call.tool_name, "args": encode(call.args_as_dict())}}
        item["allowed"] = ["approve", "modify", "reject"]
        body: Args = {"items": [item], "run": {"id": thread, "name": "", "step": ""}}
        pending[call.tool_call_id] = client.send(body, key=key_for(thread=thread, interrupt=call.tool_call_id))
    results = DeferredToolResults()
    for pk, request in pending.items():
        decision = client.wait_all(request, timeout=wait_s)
        results.approvals[pk] = _answer(decision)
        results.metadata[pk] = {_DECISION: dict(decision.document)}
    return results


def _answer(decision: Decision) -> ToolApproved | ToolDenied:
    no = denial_of(decision.item, decision.request)
    if no is not None:
        return ToolDenied(tool_message(no))
    if not decision.item.may_run:
        return ToolDenied("It did not run. The reviewer said to go on without it.")
    return ToolApproved(override_args=decision.args)


def permitted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A tool, of which the context is the first parameter, that runs by its permit or not at all.

    It is given the approved arguments by its annotations. What is refused is told to the model, with what to do next.
    """
    if is_coroutine_function(function):

        @functools.wraps(function)
        async def tool_of_coroutines(ctx: RunContext[Any], *args: Any, **kwargs: Any) -> Any:
            try:
                run = functools.partial(function, ctx)
                client = defaults.async_client()
                return await client.execute(_decision_of(ctx), run, item=ctx.tool_call_id, action=ctx.tool_name)
            except (AssentError, FailedInside) as no:
                raise ToolFailed(tool_message(no)) from no

        return tool_of_coroutines

    @functools.wraps(function)
    def tool(ctx: RunContext[Any], *args: Any, **kwargs: Any) -> Any:
        try:
            run = functools.partial(function, ctx)
            return defaults.client().execute(_decision_of(ctx), run, item=ctx.tool_call_id, action=ctx.tool_name)
        except (AssentError, FailedInside) as no:
            raise ToolFailed(tool_message(no)) from no

    return tool


def _decision_of(ctx: RunContext[Any]) -> Object:
    """The decision that `decide` put beside a call. Raises PermitRefused (missing) where somebody else approved it."""
    kept = ctx.tool_call_metadata
    decision: Object | None = kept.get(_DECISION) if isinstance(kept, dict) else None
    if decision is None:
        raise PermitRefused(f"Nobody was asked about this call of {ctx.tool_name}.", reason="missing")
    return decision
