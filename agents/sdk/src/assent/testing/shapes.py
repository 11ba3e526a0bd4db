"""What the fake takes: the gateway's own shapes (wire.json, which a test on the server holds against the published
document), and what it looks at beyond them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from assent.shapes import Json, Object
from assent.testing import schema
from assent.testing.records import Document
from assent.testing.schema import Fault

VERDICTS = ("approve", "modify", "reject", "answer", "skip")
_RESUME = 64 * 1024  # bytes
_RESERVED = ("question", "plan")
_SUBJECTS = ("action", *_RESERVED)
_CONSENTING = ("approve", "proceed")


class Refusal(Exception):
    """A problem document (RFC 9457) instead of an answer."""

    def __init__(self, status: int, code: str, detail: str, **extra: Json) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.extra = status, code, detail, extra

    def document(self) -> Document:
        return {
            "type": f"https://assent.test/help/errors/#{self.code}",
            "title": self.code.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.extra,
        }


@dataclass(frozen=True, slots=True)
class Kind:
    """An action type as the fake was told of it."""

    name: str
    schema: Object = field(default_factory=dict)
    allowed: Sequence[str] = ("approve", "modify", "reject", "answer", "skip")
    reversible: bool = False

    def faults(self, args: Json) -> list[Fault]:
        """What keeps arguments from being this action's; text that did not parse is shown to people as it is."""
        return [] if isinstance(args, str) or not self.schema else schema.faults(self.schema, args)


def checked(name: str, body: Json) -> Object:
    """The body, if it has the shape of that name. Raises Refusal 422, which points at every field at fault."""
    faults = schema.of_the_wire(name, body)
    if faults or not isinstance(body, Mapping):
        raise refused(faults or [("", "An object is needed here.")])
    return body


def refused(faults: Sequence[Fault]) -> Refusal:
    """422 for these fields."""
    pointer, message = faults[0]
    detail = f"{pointer or 'the request'}: {message}"
    errors: list[Json] = [{"pointer": pointer, "message": message} for pointer, message in faults[:50]]
    return Refusal(422, "invalid_request", detail, errors=errors)


def not_found() -> Refusal:
    """404, the same for what is not there and what is another's."""
    return Refusal(404, "not_found", "There is nothing here that this key may read.")


def items_of(body: Json) -> list[Object]:
    """The items of a request, a flat one included, each with `action` as an object. Raises Refusal 422."""
    sent = body if isinstance(body, Mapping) else {}
    flat = "items" not in sent
    checked("FlatRequest" if flat else "ItemsRequest", body)
    items = [_unflattened(sent)] if flat else objects(sent.get("items"))
    if faults := list(_faults(items, sent)):
        raise refused(at_home(faults, sent))
    return items


def type_faults(items: Sequence[Object], body: Object, kinds: Mapping[str, Kind]) -> list[Fault]:
    """What policy's action types do not take, where the fake was told of any."""
    faults: list[Fault] = []
    for position, item in enumerate(items if kinds else ()):
        action, at = item.get("action"), f"/items/{position}"
        for number, step in enumerate(objects(_member(item.get("plan"), "steps"))):
            faults += _action_faults(step.get("action"), kinds, f"{at}/plan/steps/{number}/action")
        if not isinstance(action, Mapping):
            continue
        faults += _action_faults(action, kinds, f"{at}/action")
        kind = kinds.get(str(action.get("name")))
        if kind is not None:
            faults += _kind_faults(item, body, kind, at)
    return at_home(faults, body)


def _kind_faults(item: Object, body: Object, kind: Kind, at: str) -> Iterator[Fault]:
    for number, other in enumerate(objects(item.get("alternatives"))):
        for pointer, message in kind.faults(other.get("args")):
            yield f"{at}/alternatives/{number}/args{pointer}", message
    allowed = item.get("allowed")
    if isinstance(allowed, list) and not set(allowed) & set(kind.allowed):
        yield f"{at}/allowed", f"none of these is allowed for {kind.name}: {', '.join(kind.allowed)}"
    if body.get("on_timeout") in _CONSENTING and not kind.reversible:
        yield "/on_timeout", f"{kind.name} is not reversible, so silence can never approve it"


def _action_faults(action: Json, kinds: Mapping[str, Kind], at: str) -> Iterator[Fault]:
    name, args = _member(action, "name"), action.get("args", {}) if isinstance(action, Mapping) else {}
    kind = kinds.get(str(name))
    if kind is None:
        yield f"{at}/name", f"unknown action type {name!r}"
        return
    for pointer, message in kind.faults(args):
        yield f"{at}/args{pointer}", message


def at_home(faults: Sequence[Fault], body: Object) -> list[Fault]:
    """The faults with their pointers into the body as it was sent, flat or with items."""
    if "items" in body:
        return list(faults)
    moved = []
    for pointer, message in faults:
        for prefix, flat in (("/items/0/action/args", "/args"), ("/items/0/action/name", "/action"), ("/items/0", "")):
            if pointer.startswith(prefix):
                pointer = flat + pointer[len(prefix) :]
                break
        moved.append((pointer, message))
    return moved


def _unflattened(body: Object) -> Object:
    properties = _member(schema.wire()["Item"], "properties")
    names = set(properties) if isinstance(properties, Mapping) else set()
    item = {"id": "1", **{name: body[name] for name in body if name in names}}
    if "action" in body:
        item["action"] = {"name": body["action"], "args": body.get("args", {})}
    return item


def _faults(items: Sequence[Object], body: Object) -> Iterator[Fault]:
    """What no schema can say."""
    seen: set[str] = set()
    for position, item in enumerate(items):
        at = f"/items/{position}"
        if sum(name in item for name in _SUBJECTS) != 1:
            yield at, "Send exactly one of action, question and plan."
        name = _member(item.get("action"), "name")
        if name in _RESERVED:
            yield f"{at}/action/name", f"Send {name} instead of action."
        if item.get("undo") and "action" not in item:
            yield f"{at}/undo", "An undo goes with an action."
        if str(item["id"]) in seen:
            yield f"{at}/id", "Another item of this request has this id."
        seen.add(str(item["id"]))
        yield from _step_faults(objects(_member(item.get("plan"), "steps")), at)
    if "args" in body and "action" not in body:
        yield "/args", "Arguments go with an action."
    if len(json.dumps(body.get("resume", {}), ensure_ascii=False).encode()) > _RESUME:
        yield "/resume", "At most 64 KB."


def _step_faults(steps: Sequence[Object], at: str) -> Iterator[Fault]:
    before: set[str] = set()
    for number, step in enumerate(steps):
        pointer, needs = f"{at}/plan/steps/{number}", step.get("depends_on")
        if str(step["id"]) in before:
            yield f"{pointer}/id", "Another step of this plan has this id."
        if not before.issuperset(needs if isinstance(needs, list) else ()):
            yield f"{pointer}/depends_on", "A step depends on steps before it."
        before.add(str(step["id"]))


def objects(value: Json) -> list[Object]:
    """The objects of a list; none where there is no list."""
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []


def _member(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, Mapping) else None
