"""The tables of what agents' keys may call over REST."""

import json

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.decisions import agent_questions
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import AgentQuestion, Approval, User
from tests.access.operations import in_a_run, standing_approval, stuck_step


def open_question(approval: Approval) -> AgentQuestion:
    question = approval.inquiries.first()
    return question or agent_questions.ask(approval.pk, by=User.objects.get(username="bob"), text="Which order?")


ASKED = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}


AGENTS = {
    "api:requests": lambda client, _: client.post(reverse("api:requests"), ASKED, content_type="application/json"),
    "api:bulk": lambda client, _: client.post(
        reverse("api:bulk"), {"requests": [ASKED]}, content_type="application/json"
    ),
    "api:evaluate": lambda client, _: client.post(reverse("api:evaluate"), ASKED, content_type="application/json"),
    "api:events": lambda client, _: client.get(reverse("api:events"), {"after": 0}),
    "api:attachments": lambda client, _: client.post(reverse("api:attachments"), b"evidence", "text/plain"),
    "api:grants": lambda client, _: client.get(reverse("api:grants")),
    "api:feedback": lambda client, _: client.get(reverse("api:feedback")),
    "api:action_types": lambda client, _: client.get(reverse("api:action_types")),
    "api:action_type": lambda client, _: client.get(reverse("api:action_type", args=["refund"])),
    "api:steps": lambda client, _: client.post(
        reverse("api:steps", args=["thread-7"]), {"id": "one"}, "application/json"
    ),
    "api:whoami": lambda client, _: client.get(reverse("api:whoami")),
}


def consuming(client: Client, approval: Approval) -> HttpResponse:
    """Bob approves it first: without a verdict there is no permit to use."""
    if load(approval.pk).status == "pending":
        decide(card_version_of(approval), by=User.objects.get(username="bob"), verdict="approve")
    [item] = json.loads(load(approval.pk).request.answer)["items"]
    body = {"permit": item["permit"], "action_digest": item["action_digest"], "attempt": "first"}
    return client.post(reverse("api:consume", args=[approval.decisions.get().pk]), body, "application/json")


OF_A_REQUEST = {
    "api:request": lambda client, it: client.get(reverse("api:request", args=[it.request_id])),
    "api:decision": lambda client, it: client.get(reverse("api:decision", args=[it.request_id])),
    "api:amend": lambda client, it: client.post(
        reverse("api:amend", args=[it.request_id, it.item]), {"summary": "better said"}, "application/json"
    ),
    "api:answer": lambda client, it: client.post(
        reverse("api:answer", args=[open_question(it).pk]), {"answer": "456"}, "application/json"
    ),
    "api:step_undo": lambda client, it: client.post(
        reverse("api:step_undo", args=["thread-7", stuck_step(it).key]), {"result": "succeeded"}, "application/json"
    ),
    "api:run": lambda client, it: client.get(reverse("api:run", args=[in_a_run(it).key])),
    "api:run_end": lambda client, it: client.post(
        reverse("api:run_end", args=[in_a_run(it).key]), {}, "application/json"
    ),
    "api:guidance": lambda client, it: client.get(reverse("api:guidance", args=[in_a_run(it).key])),
    "api:incidents": lambda client, it: client.post(
        reverse("api:incidents"),
        {"request": str(it.request_id), "item": it.item, "severity": "low", "text": "paid twice"},
        "application/json",
    ),
    "api:grant_uses": lambda client, it: client.post(
        reverse("api:grant_uses", args=[standing_approval(it).pk]), {"uses": []}, "application/json"
    ),
    "api:cancel": lambda client, it: client.post(reverse("api:cancel", args=[it.request_id]), {}, "application/json"),
    "api:consume": consuming,
    "api:lease": lambda client, it: client.post(
        reverse("api:lease", args=[it.request_id]), {"worker": "one"}, "application/json"
    ),
    "api:outcome": lambda client, it: client.post(
        reverse("api:outcome", args=[it.request_id, it.item]), {"result": "succeeded"}, "application/json"
    ),
}


def client_of(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})
