"""An agent that sends whatever the API takes, and people who open everything that shows it."""

import json
from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from agents import keys
from approvals.decisions.card_version import load
from approvals.models import Approval
from approvals.notify import notification_text
from approvals.policy import snapshot
from approvals.policy.authoring import packs

FRAGMENT = {"HX-Request": "true"}
LISTS = (
    "inbox:inbox",
    "inbox:overview",
    "history:history",
    "runs:runs",
    "post_review:post_review",
    "grants:grants",
    "runs:unconfirmed",
)
PANELS = {
    "question": ("card:actions", "card:reject", "card:escalate", "card:ask"),
    "plan": (
        "card:actions",
        "card:claimed",
        "card:approve",
        "card:reject",
        "plan:plan",
        "card:escalate",
        "card:ask",
        "card:snooze",
        "card:thread",
    ),
    "action": (
        *(
            "card:actions",
            "card:claimed",
            "card:approve",
            "card:reject",
            "card:modify",
            "grants:like",
            "card:escalate",
            "card:ask",
            "card:guide",
        ),
        *("card:incident", "card:snooze", "card:thread"),
    ),
}


class Api:
    """Speaks JSON under a key."""

    def __init__(self, secret: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})

    def get(self, path: str) -> HttpResponse:
        return self.client.get(f"/api/v1/{path}")

    def post(self, path: str, body: object) -> HttpResponse:
        return self.client.post(f"/api/v1/{path}", json.dumps(body), "application/json")


@pytest.fixture
def submit(robot, tiers, refunds, action_type) -> Callable[[list[object]], list[Approval]]:
    """Submit bodies as robot: the approvals of those that are taken; the others are refused with a pointed 422."""
    packs.load("core")
    action_type("anything", schema={}, headline="do {what}", value_path="", currency_path="", subject_path="")
    snapshot.publish(by=None, note="core")
    agent = Api(keys.issue(agent=robot, name="test")[1])

    def send(bodies: list[object]) -> list[Approval]:
        answer = agent.post("requests/bulk", {"requests": bodies})
        if answer.status_code in (400, 422):  # the shape of one of them: then each stands for itself
            assert answer.json()["code"] in ("malformed_json", "invalid_request"), answer.content
            return [] if len(bodies) == 1 else [approval for body in bodies for approval in send([body])]
        assert answer.status_code == 200, answer.content
        taken = []
        for result in answer.json()["results"]:
            assert result["status"] in (201, 422), result
            if result["status"] == 201:
                taken.append(result["request"]["id"])
        return list(Approval.objects.filter(request_id__in=taken).select_related("request", "proposal"))

    return send


@pytest.fixture
def reader(alice, as_, submit) -> Client:
    """Alice reviews everything of tier 1, in every domain."""
    alice.memberships.update(domain=None)
    return as_(alice)


@pytest.fixture
def tools(alice) -> Api:
    """Alice's token."""
    return Api(keys.issue(user=alice, name="test")[1])


@pytest.fixture
def open_card(reader, tools) -> Callable[[Approval], None]:
    """Open the card of an approval and each of its panels. A view that fails raises here."""

    def look(approval: Approval) -> None:
        assert reader.get(reverse("card:card", args=[approval.pk]), headers=FRAGMENT).status_code == 200
        for name in PANELS[approval.item_type]:
            shown = {"version": approval.version}
            check_answer(reader.get(reverse(name, args=[approval.pk]), shown, headers=FRAGMENT), name)
        pick = f"{approval.pk}:{approval.revision}:{approval.round}:{approval.digest}"
        check_answer(reader.get(reverse("batch:batch"), {"pick": pick}, headers=FRAGMENT), "batch")
        if approval.request.run_id:
            check_answer(reader.get(reverse("runs:run", args=[approval.request.run_id])), "run")
        check_answer(tools.get(f"inbox/{approval.pk}"), "api card")
        notification_text.message([approval], "new")

    return look


@pytest.fixture
def open_lists(reader, tools) -> Callable[[], None]:
    """Open every list, with all that was sent standing in it."""

    def look() -> None:
        for name in LISTS:
            assert reader.get(reverse(name)).status_code == 200, name
        assert tools.get("inbox?limit=200").status_code == 200

    return look


def check_answer(answer: HttpResponse, what: str) -> HttpResponse:
    """It answered, if only that this is not possible here."""
    assert answer.status_code in (200, 204, 302, 403, 404, 409, 422), (what, answer.status_code)
    return answer


@pytest.fixture
def post_form(reader) -> Callable[..., HttpResponse]:
    """Send a form about an approval: posts(approval, "card:decide", verdict="answer", …)."""

    def send(approval: Approval, name: str, **form: str) -> HttpResponse:
        current = load(approval.pk)
        sent = {"version": current.version, **form}
        return check_answer(reader.post(reverse(name, args=[approval.pk]), sent, headers=FRAGMENT), name)

    return send


@pytest.fixture
def close_plainly(post_form) -> Callable[[Approval], None]:
    """Have it decided by the plainest verdict that it takes: whatever was sent, somebody gets rid of it."""

    def settle(approval: Approval) -> None:
        for verdict in ("skip", "reject"):
            if verdict in approval.allowed:
                assert post_form(approval, "card:decide", verdict=verdict, message="no").status_code == 200
                return
        assert post_form(approval, "card:escalate", note="not mine").status_code == 200

    return settle
