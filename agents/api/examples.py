"""An example for each operation of the OpenAPI document: what is sent is written here, what is answered is made of its
shape with the words of the same story."""

from collections.abc import Mapping

from agents.schemas import COMPONENTS
from approvals.values.schema import Json

_REQUEST, _APPROVAL = "01939e2c-8a4e-7c3f-9a51-0d2f4b7c8e10", "01939e2c-8a4e-7d10-8b62-4c1e9f3a7b25"
_DIGEST = "sha256:9f2c4b7a1e8d3f6059c1b2a4d7e8f30516273849a0b1c2d3e4f5061728394a5b"
_ACTION: Mapping[str, Json] = {"name": "refund", "args": {"order": "456", "amount": "420.00", "currency": "EUR"}}
_SEEN: Mapping[str, Json] = {"revision": 1, "round": 1, "digest": _DIGEST}

# By the name of the body's shape.
SENT: Mapping[str, Json] = {
    "Request": {
        "idempotency_key": "thread-7/refund/1",
        "run": {"id": "thread-7", "name": "support case 456", "step": "refund"},
        "action": "refund",
        "args": _ACTION["args"],
        "reasoning": "The customer sent a photo of the broken cup.",
        "subject": "customer:981",
        "timeout_s": 21600,
        "labels": {"env": "prod"},
    },
    "BulkRequest": {
        "requests": [{"action": "refund", "args": _ACTION["args"], "idempotency_key": "thread-7/refund/1"}]
    },
    "Cancellation": {"reason": "The customer took it back."},
    "OutcomeReport": {"result": "succeeded", "detail": "refund r-77"},
    "Claiming": {"take_over": False},
    "Verdict": {**_SEEN, "verdict": "reject", "message": "Offer store credit first."},
    "Recall": {**_SEEN, "reason": "not_needed", "message": "The customer withdrew it."},
    "RejectAll": {"message": "It proposes the same refund again and again."},
    "StopOrder": {"why": "The support agent refunds twice."},
    "StopLift": {"password": "correct horse battery staple"},
    "Batch": {"items": [{"id": _APPROVAL, **_SEEN}], "verdict": "approve"},
    "PermitUse": {
        "permit": "eyJhbGciOiJFZERTQSJ9.eyJhY3Rpb24iOiJyZWZ1bmQifQ.c2lnbmF0dXJl",
        "action_digest": _DIGEST,
        "attempt": "3f9a51c2",
        "preconditions": {"order_status": "delivered"},
    },
    "LeaseWish": {"worker": "worker-2:4711", "seconds": 60},
    "StepReport": {
        "id": "reserve",
        "action": {"name": "reserve_stock", "args": {"sku": "A1"}},
        "undo": {"name": "release"},
        "status": "done",
    },
    "UndoReport": {"result": "succeeded"},
    "RunEnd": {},
    "Amendment": {"args": {"order": "456", "amount": "200.00", "currency": "EUR"}, "reasoning": "Half of it broke."},
    "QuestionAnswer": {"answer": "The photo was taken on the day of delivery."},
    "IncidentReport": {
        "request": _REQUEST,
        "item": "1",
        "severity": "high",
        "text": "It was paid to another customer.",
        "cost": "420.00",
    },
    "GrantUses": {
        "uses": [
            {
                "key": "thread-9/refund/1",
                "at": "2026-11-21T09:00:00Z",
                "action": _ACTION,
                "action_digest": _DIGEST,
                "outcome": "succeeded",
            }
        ]
    },
}

_TEXTS: Mapping[str, str] = {
    "action": "refund", "agent": "support-agent", "name": "refund", "title": "Refund", "domain": "commerce",
    "queue": "commerce-1", "headline": "Refund 420.00 EUR to order 456", "text": "Was the photo checked?",
    "item": "1", "step": "reserve", "worker": "worker-2:4711", "prefix": "asn_4f2a", "currency": "EUR",
    "detail": "refund r-77", "code": "invalid_request", "actor": "Alice", "by": "Alice", "from": "Alice",
    "value_ceiling": "250.00", "value": "420.00", "path": "/amount", "pointer": "/args/amount",
    "media_type": "image/jpeg", "key": "thread-9/refund/1", "attempt": "3f9a51c2", "message": "goodwill limit",
}  # fmt: skip
_DEEP = 12


def add(operation: dict[str, Json]) -> None:
    """Put examples beside the shapes of an operation's body, answers and parameters."""
    body = operation.get("requestBody")
    for media in _media(body):
        media.setdefault("example", _sent(media["schema"]))
    responses = operation.get("responses")
    for status, response in responses.items() if isinstance(responses, dict) else ():
        for media in _media(response) if status < "400" else ():
            media.setdefault("example", of(media["schema"]))
    parameters = operation.get("parameters")
    for parameter in parameters if isinstance(parameters, list) else ():
        if isinstance(parameter, dict) and parameter.get("in") == "path":
            parameter.setdefault("example", of(parameter["schema"], str(parameter["name"])))


def _media(holder: Json) -> list[dict[str, Json]]:
    content = holder.get("content") if isinstance(holder, dict) else None
    return [media for media in content.values() if isinstance(media, dict)] if isinstance(content, dict) else []


def _sent(schema: Json) -> Json:
    name = str(schema.get("$ref", "")).rpartition("/")[2] if isinstance(schema, dict) else ""
    return SENT.get(name, of(schema))


def of(schema: Json, name: str = "", depth: int = 0) -> Json:
    """A value of a shape; `name` is the field that holds it."""
    if not isinstance(schema, dict) or depth > _DEEP:
        return None
    if "$ref" in schema:
        return of(COMPONENTS[str(schema["$ref"]).rpartition("/")[2]], name, depth + 1)
    for word in ("oneOf", "anyOf"):
        choices = schema.get(word)
        if isinstance(choices, list):
            return None if {"type": "null"} in choices else of(choices[0], name, depth + 1)
    enum = schema.get("enum")
    if isinstance(enum, list):
        first: Json = enum[0]
        return first
    kind = schema.get("type")
    return _of_type(kind[0] if isinstance(kind, list) else kind, schema, name, depth)


def _of_type(kind: Json, schema: Mapping[str, Json], name: str, depth: int) -> Json:
    match kind:
        case "object":
            properties, needed = schema.get("properties"), schema.get("required")
            fields = properties if isinstance(properties, dict) else {}
            field_names = [field for field in fields if not isinstance(needed, list) or field in needed]
            return {field: of(fields[field], field, depth + 1) for field in field_names}
        case "array":
            return [of(schema.get("items"), name, depth + 1)]
        case "boolean":
            return False
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "string":
            return _text(schema, name)
    return dict(_ACTION) if name == "action" else None


def _text(schema: Mapping[str, Json], name: str) -> str:
    if schema.get("format") == "uuid":
        return _APPROVAL if name == "id" else _REQUEST
    if schema.get("format") == "date-time":
        return "2026-11-21T09:00:00Z"
    if schema.get("format") == "uri":
        return "https://assent.example/approvals/01939e2c/"
    if schema.get("format") == "binary":
        return "a cup, broken"
    pattern = str(schema.get("pattern", ""))
    if pattern.startswith("^sha256"):
        return _DIGEST
    return "1" if pattern.startswith("^[0-9]") else _TEXTS.get(name, "refund" if pattern else "…")
