"""What the fake takes: the fields of the gateway's own reference. A test on the server holds them against it."""

from collections.abc import Iterable, Mapping

from assent.shapes import Json, Object
from assent.testing.told import Document

_WORDS = frozenset(["question", "plan", "summary", "reasoning", "context", "alternatives", "signals", "attachments"])
ASKED = _WORDS | frozenset(
    ["allowed", "value", "subject", "current", "preconditions", "rename_to", "remember", "args_schema", "undo"]
)
ENVELOPE = frozenset(
    ["idempotency_key", "run", "decide", "timeout_s", "on_timeout", "agent", "resume", "callback_url", "labels"]
)
ITEM = ASKED | {"id", "action"}
FLAT = ASKED | ENVELOPE | {"id", "action", "args"}
MANY = ENVELOPE | {"items"}
OUTCOME = frozenset(["result", "detail", "data"])
RESULTS = frozenset(["succeeded", "failed", "skipped", "compensated"])
AMENDMENT = frozenset(
    ["args", "summary", "reasoning", "context", "alternatives", "signals", "current", "preconditions", "attachments"]
)
CONSUMPTION = frozenset(["permit", "action_digest", "attempt", "executor", "preconditions"])
LEASE = frozenset(["worker", "seconds", "release"])
STEP = frozenset(["id", "action", "undo", "request", "item", "status", "context", "run_name"])
UNDO = frozenset(["result", "detail"])
USE = frozenset(["key", "at", "action", "action_digest", "subject", "outcome", "detail"])
SEVERITIES = frozenset(["low", "high", "critical"])
INCIDENT = frozenset(["request", "item", "severity", "text"])


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


def only(body: Json, known: Iterable[str], *, required: Iterable[str] = (), at: str = "") -> Object:
    """The body as an object of known fields. Raises Refusal 422, which names the field, as the gateway does."""
    if not isinstance(body, Mapping):
        raise invalid(at, "An object is needed here.")
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise invalid(f"{at}/{unknown[0]}", "This field is not known.")
    missing = [name for name in required if name not in body]
    if missing:
        raise invalid(f"{at}/{missing[0]}", "This field is needed.")
    return body


def invalid(pointer: str, message: str) -> Refusal:
    """422 for one field."""
    detail = f"{pointer or 'the request'}: {message}"
    return Refusal(422, "invalid_request", detail, errors=[{"pointer": pointer, "message": message}])


def not_found() -> Refusal:
    """404, the same for what is not there and what is another's."""
    return Refusal(404, "not_found", "There is nothing here that this key may read.")


def items_of(body: Json) -> list[Object]:
    """The items of a request, a flat one included, each with `action` as an object. Raises Refusal 422."""
    if isinstance(body, Mapping) and "items" not in body:
        flat = dict(only(body, FLAT))
        item = {name: flat[name] for name in flat if name in ASKED | {"id"}}
        if "action" in flat:
            item["action"] = {"name": flat["action"], "args": flat.get("args", {})}
        return [_checked({"id": "1", **item}, "")]
    sent = only(body, MANY)["items"]
    if not isinstance(sent, list) or not sent:
        raise invalid("/items", "A list of at least one item is needed here.")
    items = [_checked(one, f"/items/{place}") for place, one in enumerate(sent)]
    if len({str(one["id"]) for one in items}) < len(items):
        raise invalid("/items", "Another item of this request has this id.")
    return items


def _checked(sent: Json, at: str) -> Object:
    item = only(sent, ITEM, required=["id"], at=at)
    if sum(name in item for name in ("action", "question", "plan")) != 1:
        raise invalid(at, "Send exactly one of action, question and plan.")
    if "action" in item:
        only(item["action"], ["name", "args"], required=["name"], at=f"{at}/action")
    return item
