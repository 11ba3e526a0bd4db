"""A request's JSON as the domain's Submission, or faults that point into what the agent sent."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from agents import schemas
from agents.problems import Problem, invalid
from agents.webhooks import addresses
from approvals.models import ApprovalRequest
from approvals.models.states import ItemType
from approvals.requests.submission import RESERVED, BadSubmission, Item, RunRef, Submission
from approvals.values import schema
from approvals.values.schema import Fault, Json

RESUME = 64 * 1024  # bytes
_FLAT_ID = "1"
_ONCE = "idempotency_key"
# Where the flat form keeps what the domain points at in the first item.
_FLAT_PREFIXES = (("/items/0/action/args", "/args"), ("/items/0/action/name", "/action"), ("/items/0", ""))

Object: TypeAlias = Mapping[str, Json]


def read(body: Object, header: str | None = None) -> Submission:
    """The submission in a body; `header` is the Idempotency-Key. Raises Problem 422."""
    flat = "items" not in body
    schemas.check("FlatRequest" if flat else "ItemsRequest", body)
    items = [_item(one) for one in ([_unflattened(body)] if flat else _objects(body["items"]))]
    faults = _faults(items, body)
    if faults:
        raise invalid([at_sent_pointer(fault, body) for fault in faults])
    timeout = body.get("timeout_s")
    versions = _object(body.get("agent"))
    return Submission(
        items=tuple(items),
        content_hash=_content_hash(body),
        key=_key(body, header),
        run=_run(_object(body.get("run"))),
        decide=_text(body.get("decide")) or ApprovalRequest.Decide.TOGETHER,
        timeout=timedelta(seconds=timeout) if isinstance(timeout, int | float) else None,
        on_timeout=_text(body.get("on_timeout")) or None,
        model=_text(versions.get("model")),
        prompt_version=_text(versions.get("prompt_version")),
        tool_version=_text(versions.get("tool_version")),
        resume=_object(body.get("resume")),
        callback_url=_text(body.get("callback_url")),
        labels={name: _text(value) for name, value in _object(body.get("labels")).items()},
    )


def revision(body: Object) -> Callable[[Item], Item]:
    """What an amendment's body makes of an item; what it does not name stays."""

    def revise(item: Item) -> Item:
        sent = _item({"id": item.id, "action": {"name": item.action, "args": body.get("args")}, **_without_args(body)})
        changed = {name: getattr(sent, name) for name in body if name != "args"}
        if "args" in body:
            changed |= {"args": sent.args, "parsed": sent.parsed}
        return replace(item, **changed)

    return revise


def _without_args(body: Object) -> Object:
    return {name: value for name, value in body.items() if name != "args"}


def at_sent_pointer(fault: Fault, body: Object) -> Fault:
    """The fault with its pointer into the body as it was sent, flat or with items."""
    if "items" not in body:
        for prefix, flat in _FLAT_PREFIXES:
            if fault.pointer.startswith(prefix):
                return Fault(flat + fault.pointer[len(prefix) :], fault.message)
    return fault


def refused(error: BadSubmission, body: Object) -> Problem:
    """The 422 of a submission that the domain cannot take."""
    return invalid([at_sent_pointer(fault, body) for fault in error.faults])


def _unflattened(body: Object) -> Object:
    item = {"id": _FLAT_ID, **body}
    if "action" in body:
        item["action"] = {"name": body["action"], "args": body.get("args", {})}
    return item


def _item(sent: Object) -> Item:
    action, question, plan = _object(sent.get("action")), _object(sent.get("question")), _object(sent.get("plan"))
    args = action.get("args", {}) if action else None
    value = sent.get("value")
    allowed = sent.get("allowed")
    return Item(
        id=_text(sent["id"]),
        item_type=ItemType.QUESTION if question else ItemType.PLAN if plan else ItemType.ACTION,
        action=_text(action.get("name")),
        args=args,
        # Frameworks ask about calls whose arguments did not parse, too: those arrive as the model wrote them.
        parsed=not isinstance(args, str),
        allowed=None if allowed is None else _texts(allowed),
        summary=_text(sent.get("summary")),
        reasoning=_text(sent.get("reasoning")),
        context=_object(sent.get("context")),
        alternatives=_objects(sent.get("alternatives")),
        signals={name: _number(share) for name, share in _object(sent.get("signals")).items()},
        value=None if value is None else Decimal(str(value)),
        subject=_text(sent.get("subject")),
        current=sent.get("current"),
        preconditions=_object(sent.get("preconditions")),
        undo=_object(sent.get("undo")) or None,
        rename_to=_texts(sent.get("rename_to")),
        remember=_list(sent.get("remember")),
        prompt=_text(question.get("prompt")),
        response_schema=_object(question.get("response_schema")),
        best_guess=question.get("best_guess"),
        steps=_objects(plan.get("steps")),
        attachments=_texts(sent.get("attachments")),
    )


def _faults(items: Sequence[Item], body: Object) -> list[Fault]:
    """What no schema can say."""
    faults = []
    if callback_url := _text(body.get("callback_url")):
        try:
            addresses.read(callback_url)
        except addresses.Forbidden as forbidden:
            faults.append(Fault("/callback_url", str(forbidden)))
    sent = [body] if "items" not in body else _objects(body["items"])
    seen: set[str] = set()
    for position, (item, raw_item) in enumerate(zip(items, sent, strict=True)):
        at = f"/items/{position}"
        if sum(name in raw_item for name in ("action", "question", "plan")) != 1:
            faults.append(Fault(at, "Send exactly one of action, question and plan."))
        if item.item_type == ItemType.ACTION and item.action in RESERVED.values():
            faults.append(Fault(f"{at}/action/name", f"Send {item.action} instead of action."))
        if item.undo is not None and item.item_type != ItemType.ACTION:
            faults.append(Fault(f"{at}/undo", "An undo goes with an action."))
        if item.id in seen:
            faults.append(Fault(f"{at}/id", "Another item of this request has this id."))
        seen.add(item.id)
        faults += _step_faults(item.steps, at)
    if "args" in body and "action" not in body:
        faults.append(Fault("/args", "Arguments go with an action."))
    if len(json.dumps(_object(body.get("resume")), ensure_ascii=False).encode()) > RESUME:
        faults.append(Fault("/resume", "At most 64 KB."))
    return faults


def _step_faults(steps: Sequence[Object], at: str) -> list[Fault]:
    """Steps are named once and depend on earlier ones, so that a plan has an order and no loop."""
    faults = []
    before: set[str] = set()
    for number, step in enumerate(steps):
        pointer = f"{at}/plan/steps/{number}"
        if _text(step["id"]) in before:
            faults.append(Fault(f"{pointer}/id", "Another step of this plan has this id."))
        if not before.issuperset(_texts(step.get("depends_on"))):
            faults.append(Fault(f"{pointer}/depends_on", "A step depends on steps before it."))
        before.add(_text(step["id"]))
    return faults


def _key(body: Object, header: str | None) -> str | None:
    inside = body.get(_ONCE)
    if header is None:
        return _text(inside) or None
    if not 1 <= len(header) <= 255 or not header.isprintable():
        raise invalid([Fault("", "The header Idempotency-Key has 1 to 255 printable characters.")])
    if inside is not None and inside != header:
        raise invalid([Fault(f"/{_ONCE}", "This differs from the header Idempotency-Key.")])
    return header


def _content_hash(body: Object) -> str:
    return schema.digest_of({name: value for name, value in body.items() if name != _ONCE})


def _run(sent: Object) -> RunRef | None:
    return RunRef(_text(sent["id"]), _text(sent.get("name")), _text(sent.get("step"))) if sent else None


# The shape was checked: these only tell the type checker what is known.


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Json) -> Object:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []


def _objects(value: Json) -> list[Object]:
    return [_object(one) for one in _list(value)]


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(_text(one) for one in _list(value))


def _number(value: Json) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
