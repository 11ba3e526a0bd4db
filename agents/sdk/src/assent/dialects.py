"""What an interrupt of a graph wants to know, as a request of the API, and its decision as the answer that it takes.

`gate` of assent.langgraph, LangChain's HumanInTheLoopMiddleware in both of its modes, and Agent Inbox. Each answer is
held against what the interrupt allows before it leaves here: a wrong one would wedge the thread for good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from assent.advice import tool_message
from assent.errors import PermitRefused
from assent.flows import denial_of
from assent.shapes import Args, Decision, Json, Object, Verdict
from assent.values import encode

OURS = "assent"
_VERDICTS = {"approve": "approve", "edit": "modify", "reject": "reject", "respond": "answer"}


class Dialect(Protocol):
    """One kind of interrupt."""

    def body(self, pause: Any, state: Any) -> Args:
        """The request that a `pause`, the framework's interrupt, makes in a thread with this `state`."""
        ...

    def answer(self, body: Object, decision: Decision) -> Json:
        """The value to resume with. Raises PermitRefused (arguments) for a decision that it cannot digest."""
        ...

    def holds(self, body: Object, answers: Sequence[Any]) -> bool:
        """Whether one of these answers, which the task was given before, is this interrupt's."""
        ...


def dialect_of(value: Any) -> Dialect | None:
    """The dialect that an interrupt's value speaks; None for one that is not Assent's business."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Mapping):
        return None
    if OURS in value:
        return _Gate()
    if "action_requests" in value and "review_configs" in value:
        return _Batched()
    if value.get("type") == "tool_approval":
        return _PerCall()
    if "action_request" in value and "config" in value:
        return _AgentInbox()
    return None


def question_of(action: str, args: Mapping[str, object], asking: Mapping[str, object]) -> Args:
    """The value of an interrupt of `gate`."""
    return {OURS: encode({**asking, "action": {"name": action, "args": dict(args)}})}


_OF_REQUEST = ("timeout_s", "on_timeout", "labels", "agent", "callback_url")


class _Gate:
    """Ours: the decision's document is the answer, whatever it says."""

    def body(self, pause: Any, state: Any) -> Args:
        item = {"id": pause.id, **pause.value[OURS]}
        return {
            "items": [{name: part for name, part in item.items() if name not in _OF_REQUEST}],
            **{name: item[name] for name in _OF_REQUEST if name in item},
        }

    def answer(self, body: Object, decision: Decision) -> Json:
        return dict(decision.document)

    def holds(self, body: Object, answers: Sequence[Any]) -> bool:
        ids = {item["id"] for item in body["items"]}  # type: ignore[index,union-attr,call-overload]  # as made above
        return any(
            isinstance(answer, Mapping) and any(item.get("id") in ids for item in answer.get("items", ()))
            for answer in answers
        )


class _OneAnswer:
    """Interrupts that are alone in their task: whichever answer it holds is theirs."""

    def holds(self, body: Object, answers: Sequence[Any]) -> bool:
        return bool(answers)


class _Batched(_OneAnswer):
    """HumanInTheLoopMiddleware, `batched`: a list of calls, a list of decisions of the same length and order."""

    def body(self, pause: Any, state: Any) -> Args:
        value = pause.value
        allowed = {one["action_name"]: one["allowed_decisions"] for one in value["review_configs"]}
        calls = _last_calls(state)
        items = []
        for number, request in enumerate(value["action_requests"]):
            call = next(
                (one for one in calls if (one["name"], one["args"]) == (request["name"], request["args"])), None
            )
            if call is not None:
                calls.remove(call)
            pk = call["id"] if call is not None else f"{pause.id}/{number}"
            items.append(_item(pk, request["name"], request["args"], allowed[request["name"]], request))
        return {"items": items, "decide": "together"}

    def answer(self, body: Object, decision: Decision) -> Json:
        items = {item.id: item for item in decision.items}
        sent: Any = body["items"]
        if set(items) != {item["id"] for item in sent}:
            raise _indigestible("the decision is about other calls than the graph waits for")
        return {"decisions": [_hitl(item, items[item["id"]], decision.request) for item in sent]}


class _PerCall(_OneAnswer):
    """HumanInTheLoopMiddleware, `per_call`: an interrupt for each call, answered by its decision alone."""

    def body(self, pause: Any, state: Any) -> Args:
        value = pause.value
        # What a call allows stands in the schema that the graph holds the answer against.
        allowed = [name for name in _VERDICTS if name in _constants(pause.response_schema)]
        return {"items": [_item(value["tool_call_id"], value["name"], value["args"], allowed, value)]}

    def answer(self, body: Object, decision: Decision) -> Json:
        sent: Any = body["items"]
        answer: Json = _hitl(sent[0], decision.item, decision.request)
        return answer


class _AgentInbox(_OneAnswer):
    """Agent Inbox: {action_request, config, description}, answered by a list of one."""

    def body(self, pause: Any, state: Any) -> Args:
        ask = pause.value[0] if isinstance(pause.value, list) else pause.value
        config, action = ask["config"], ask["action_request"]
        names = {"allow_accept": "approve", "allow_edit": "edit", "allow_respond": "respond", "allow_ignore": "reject"}
        allowed = [name for flag, name in names.items() if config.get(flag)]
        if "respond" in allowed and "reject" not in allowed:
            allowed.append("reject")  # a no without an ignore is a response that says so
        return {"items": [_item(pause.id, action["action"], action["args"], allowed, ask)]}

    def answer(self, body: Object, decision: Decision) -> Json:
        sent: Any = body["items"]
        hitl = _hitl(sent[0], decision.item, decision.request)
        match hitl["type"]:
            case "approve":
                return [{"type": "accept", "args": None}]
            case "edit":
                edited = hitl["edited_action"]
                return [{"type": "edit", "args": {"action": edited["name"], "args": edited["args"]}}]
            case _ if "answer" in sent[0]["allowed"]:
                return [{"type": "response", "args": hitl["message"]}]
            case _:
                return [{"type": "ignore", "args": None}]


def _item(pk: str, name: str, args: Mapping[str, object], allowed: Sequence[str], about: Mapping[str, Any]) -> Args:
    item: Args = {"id": pk, "action": {"name": name, "args": encode(dict(args))}}
    item["allowed"] = [_VERDICTS[one] for one in allowed]
    if about.get("description"):
        item["summary"] = str(about["description"])[:2000]
    return item


def _hitl(sent: Mapping[str, Any], item: Verdict, request: str) -> Any:
    """A middleware's decision. What nobody decided is a rejection with its own text: the middleware has no other no."""
    no = denial_of(item, request)
    if no is not None:
        return _allowed(sent, "reject", {"type": "reject", "message": tool_message(no)})
    name, args = sent["action"]["name"], sent["action"]["args"]
    if item.verdict == "answer":
        text = item.answer if isinstance(item.answer, str) else repr(item.answer)
        return _allowed(sent, "answer", {"type": "respond", "message": text})
    if item.verdict == "skip":
        message = item.message or "The reviewer said to go on without it."
        return _allowed(sent, "reject", {"type": "reject", "message": message})
    if item.action != name:
        raise _indigestible(f"{item.action!r} was approved instead of {name!r}")
    if item.verdict == "modify" or item.args != args:
        return _allowed(sent, "modify", {"type": "edit", "edited_action": {"name": name, "args": item.args}})
    return _allowed(sent, "approve", {"type": "approve"})


def _allowed(sent: Mapping[str, Any], verdict: str, answer: Args) -> Args:
    # The end of a wait is no verdict, so that nothing declares it allowed; the middleware takes it as a rejection.
    if verdict not in sent["allowed"] and verdict != "reject":
        raise _indigestible(f"{verdict!r} is none of {', '.join(sent['allowed'])}")
    return answer


def _indigestible(why: str) -> PermitRefused:
    text = f"The graph could not digest this decision: {why}. It is not handed over; the thread stays as it is."
    return PermitRefused(text, reason="arguments")


def _constants(schema: Any) -> set[str]:
    """Every text that a JSON Schema names as a constant or in an enumeration."""
    if isinstance(schema, Mapping):
        own = {str(value) for value in (schema.get("const"), *schema.get("enum", ())) if value is not None}
        return own.union(*(_constants(part) for part in schema.values()))
    return set().union(*(_constants(part) for part in schema)) if isinstance(schema, list) else set()


def _last_calls(state: Any) -> list[Any]:
    """The tool calls of the model's last message."""
    messages = state.get("messages") if isinstance(state, Mapping) else None
    for message in reversed(messages or ()):
        if calls := getattr(message, "tool_calls", None):
            return list(calls)
    return []
