"""LangChain: the permit is used where a tool runs, behind HumanInTheLoopMiddleware in either of its modes.

    agent = create_agent(model, tools, checkpointer=…, middleware=[
        HumanInTheLoopMiddleware(interrupt_on={"refund": True}),
        Permits("refund"),                         # behind it: it sees what really runs
    ])
    threads = assent.langgraph.Threads(agent)      # asks people what the middleware asks, and resumes

A tool that is named runs with a permit or not at all, also where somebody else resumed the thread. What fails is
reported as failed; what may not run is told to the model, with the reviewer's reason and what to do next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, NotRequired

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain_core.messages import ToolMessage
from langgraph.config import get_config

from assent import defaults
from assent.advice import tool_message
from assent.aio.client import AsyncAssent
from assent.digest import canonical
from assent.errors import AlreadyRan, AssentError, FailedInside, NotSerialisable, PermitRefused
from assent.langgraph import DECISIONS
from assent.shapes import Decision, Object
from assent.sync.client import Assent
from assent.values import encode


def _merged(old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> Mapping[str, str]:
    return {**(old or {}), **(new or {})}


class _State(AgentState[Any]):  # a TypedDict, which type checkers see where langchain is installed
    """Which request decided which call: kept with the thread, for whoever goes on with it."""

    assent_requests: NotRequired[Annotated[Mapping[str, str], _merged]]  # type: ignore[valid-type]  # likewise


class _ToolFailed(Exception):
    """The tool answered that it failed; `message` is its answer."""

    def __init__(self, message: ToolMessage) -> None:
        super().__init__(str(message.content))
        self.message = message


class Permits(AgentMiddleware[Any, Any, Any]):
    """Runs the tools that are named by the permit of their decision, once, and reports what became of them.

    `client` decides where permits are used; without it the environment says so. Put it behind the middleware that
    asks. `check_coverage(tools, middleware)` says what an agent has that nobody gates.
    """

    state_schema = _State

    def __init__(self, *tools: str, client: Assent | None = None) -> None:
        super().__init__()
        if not tools:
            raise TypeError('Name the tools that need a permit: Permits("refund").')
        self.gated = frozenset(tools)
        self._client = client

    @property
    def client(self) -> Assent:
        """The client that uses the permits."""
        return self._client or defaults.client()

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Run a tool's `request` through `handler` if its permit says so."""
        if request.tool_call["name"] not in self.gated:
            return handler(request)

        def run(**args: Any) -> Any:
            return _checked(handler(request))

        try:
            pk = self._request_of(request)
            decision = self._held(request, self.client.read(pk).decision)
            return self.client.execute(decision, run, item=request.tool_call["id"], action=request.tool_call["name"])
        except _ToolFailed as failed:
            return failed.message
        except (AssentError, FailedInside) as no:
            return _told(request, no)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """As `wrap_tool_call`, for coroutines."""
        if request.tool_call["name"] not in self.gated:
            return await handler(request)
        client: AsyncAssent = self.client.asynchronous()

        async def run(**args: Any) -> Any:
            return _checked(await handler(request))

        try:
            pk = self._request_of(request)
            decision = self._held(request, (await client.read(pk)).decision)
            return await client.execute(decision, run, item=request.tool_call["id"], action=request.tool_call["name"])
        except _ToolFailed as failed:
            return failed.message
        except (AssentError, FailedInside) as no:
            return _told(request, no)

    def check_coverage(self, tools: Sequence[Any], middleware: Sequence[Any] = ()) -> Mapping[str, Collection[str]]:
        """What is `gated`, what runs `ungated`, and what of it cannot be seen from here (`refused`): tools of the
        model's provider, which run on its own machines. `middleware` brings tools of its own."""
        names, hosted = set(), set()
        for tool in [*tools, *(tool for each in middleware for tool in getattr(each, "tools", ()))]:
            if isinstance(tool, Mapping):  # a provider's own: {"type": "web_search"}
                hosted.add(str(tool.get("name") or tool.get("type")))
            else:
                names.add(str(getattr(tool, "name", None) or getattr(tool, "__name__", tool)))
        return {
            "gated": sorted(names & self.gated),
            "ungated": sorted(names - self.gated),
            "refused": sorted(hosted | (self.gated - names)),
        }

    def _request_of(self, request: Any) -> str:
        """The id of the request that decided a call. Raises PermitRefused (missing)."""
        carried: Mapping[str, str] = get_config()["configurable"].get(DECISIONS, {})
        kept: dict[str, str] = {**(request.state.get(DECISIONS) or {}), **carried}
        pk = kept.get(request.tool_call["id"])
        if pk is None:
            raise PermitRefused(f"Nobody was asked about this call of {request.tool_call['name']}.", reason="missing")
        return pk

    def _held(self, request: Any, decision: Decision | None) -> Decision:
        """The decision. Raises PermitRefused where what is about to run is not what was decided."""
        if decision is None:
            raise PermitRefused("Nobody has decided this call yet.", reason="missing")
        approved = next((item.args for item in decision.items if item.id == request.tool_call["id"]), None)
        try:
            same = canonical(approved) == canonical(encode(request.tool_call["args"]))
        except NotSerialisable:
            same = False
        if approved is not None and not same:
            raise PermitRefused("What is about to run is not what was approved.", reason="arguments")
        return decision


def _checked(result: Any) -> Any:
    """A tool's result. Raises _ToolFailed where it says so itself: a framework has caught the tool's own error."""
    if isinstance(result, ToolMessage) and result.status == "error":
        raise _ToolFailed(result)
    return result


def _told(request: Any, no: AssentError | FailedInside) -> ToolMessage:
    """What the model reads in place of the tool's result."""
    text, status = tool_message(no), "error"
    if isinstance(no, AlreadyRan) and no.outcome == "succeeded":
        status = "success"
    call: Object = request.tool_call
    return ToolMessage(content=text, name=str(call["name"]), tool_call_id=str(call["id"]), status=status)
