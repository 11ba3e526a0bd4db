"""A key does what it was made for; the refusal names what it lacks."""

import asyncio
import json

import pytest

from agents import keys
from agents.models import ApiKey, Scope
from tests.permits.conftest import Api

ASKED = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}


@pytest.fixture
def key_for(robot):
    """A key of robot's for these scopes: key_for("read")."""
    return lambda *scopes: Api(keys.issue(agent=robot, name="narrow", scopes=scopes)[1])


# --- each call, and the one scope that opens it

CALLS = {
    "submit": ("submit", lambda api, it: api.post("requests", ASKED)),
    "bulk": ("submit", lambda api, it: api.post("requests/bulk", {"requests": [ASKED]})),
    "evaluate": ("submit", lambda api, it: api.post("evaluate", ASKED)),
    "cancel": ("submit", lambda api, it: api.post(f"requests/{it.approval.request_id}/cancel", {})),
    "list": ("read", lambda api, it: api.get("requests")),
    "read": ("read", lambda api, it: api.get(f"requests/{it.approval.request_id}")),
    "decision": ("read", lambda api, it: api.get(f"requests/{it.approval.request_id}/decision")),
    "consume": ("execute", lambda api, it: it.consume(by=api)),
    "lease": ("execute", lambda api, it: api.post(f"requests/{it.approval.request_id}/lease", {"worker": "w"})),
    "outcome": (
        "execute",
        lambda api, it: api.post(f"requests/{it.approval.request_id}/items/call_1/outcome", {"result": "succeeded"}),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_needs_its_scope_and_no_other(name, executor, key_for, refused):
    needed, call = CALLS[name]
    problem = refused(call(key_for(*(set(Scope.values) - {needed})), executor), 403, "scope_missing")

    assert problem["scope"] == needed and needed in problem["detail"]
    assert call(key_for(needed), executor).status_code in (200, 201, 409)  # withdrawing what is decided is 409


def test_who_one_is_can_be_asked_with_any_key(key_for, conforms):
    identity = conforms("Whoami", key_for("read").get("whoami"))

    assert identity["agent"] == "robot"
    assert identity["key"]["scopes"] == ["read"] and identity["key"]["name"] == "narrow"
    assert identity["key"]["prefix"].startswith("asn_")


def test_a_person_is_no_agent(alice, refused):
    refused(Api(keys.issue(user=alice)[1]).get("whoami"), 403, "agents_only")


def test_keys_have_every_scope_unless_made_for_less(robot):
    assert keys.issue(agent=robot)[0].scopes == ["submit", "read", "execute"]
    assert ApiKey(agent=robot).scopes == ["submit", "read", "execute"]


def call(method: str, path: str, secret: str, body: bytes = b"", query: bytes = b"") -> tuple[int, dict]:
    """One call through the site's own door."""
    from console.asgi import application

    async def talk() -> tuple[int, dict]:
        sent: list[dict] = []
        inbox = [{"type": "http.request", "body": body}]

        async def receive() -> dict:
            return inbox.pop() if inbox else await asyncio.Event().wait()

        async def send(message: dict) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Bearer {secret}".encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
        await application({**scope, "http_version": "1.1", "scheme": "http"}, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    return asyncio.run(talk())


@pytest.mark.django_db(transaction=True)
def test_the_fast_paths_ask_for_the_scope_too(robot, refund):
    reader = keys.issue(agent=robot, scopes=["read"])[1]
    writer = keys.issue(agent=robot, scopes=["submit"])[1]
    decision = f"/api/v1/requests/{refund.request_id}/decision"

    for path, body in (("/api/v1/requests", ASKED), ("/api/v1/requests/bulk", {"requests": [ASKED]})):
        status, problem = call("POST", path, reader, json.dumps(body).encode())
        assert (status, problem["code"], problem["scope"]) == (403, "scope_missing", "submit")
    status, problem = call("GET", decision, writer, query=b"wait=0")
    assert (status, problem["code"], problem["scope"]) == (403, "scope_missing", "read")
    assert call("GET", decision, reader, query=b"wait=0")[0] == 202
