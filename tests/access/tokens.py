"""The table of what people's tokens may do over REST: the same authority as on the page."""

from collections.abc import Callable

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.models import Approval
from tests.access.operations import SIGNED_IN, Operation, claimed, recall_body, recalled_by, settled
from tests.access.pages import SEES


def api_call(method: str, name: str, *, on: bool = True, body: Callable[[Approval], object] | None = None):
    def call(client: Client, approval: Approval) -> HttpResponse:
        address = reverse(name, args=[approval.pk] if on else [])
        if method == "get":
            return client.get(address)
        return client.post(address, body(approval) if body else {}, content_type="application/json")

    return call


def verdict_body(approval: Approval) -> dict[str, object]:
    return {
        "verdict": "approve",
        "revision": approval.revision,
        "round": approval.round,
        "digest": approval.digest,
    }


def batch_body(approval: Approval) -> dict[str, object]:
    Approval.objects.filter(pk=approval.pk).update(flagged=0)
    shown = {"id": str(approval.pk), "revision": approval.revision, "round": 1, "digest": approval.digest}
    return {"verdict": "approve", "items": [shown]}


TOKENS = {
    "api:inbox": Operation(SIGNED_IN, api_call("get", "api:inbox", on=False)),
    "api:card": Operation(f"{SEES} superuser", api_call("get", "api:card")),
    "api:claim": Operation("R2 R3", api_call("post", "api:claim"), claimed),
    "api:decide": Operation("R2 R3", api_call("post", "api:decide", body=verdict_body), settled),
    "api:recall": Operation("R2 R3", api_call("post", "api:recall", body=recall_body), recalled_by),
    "api:batch": Operation("R2 R3", api_call("post", "api:batch", on=False, body=batch_body), settled, quiet=True),
}
