"""What the wire takes exactly, and how it says what is wrong: numbers, times, verdicts, a database that is away."""

from datetime import timedelta

import psycopg
import pytest
from django.db import OperationalError

from approvals.models import Approval, ApprovalRequest
from approvals.requests import intake
from tests.web import database_url

REFUND = {"order": "456", "amount": 420, "currency": "EUR"}


def pointers(response) -> list[str]:
    assert response.status_code == 422, response.content
    document = response.json()
    assert document["code"] == "invalid_request"
    return [error["pointer"] for error in document["errors"]]


# --- Numbers


BEYOND = [
    "9007199254740992",
    "-9007199254740992",
    "9007199254740993",
    "1e22",
    "1e400",
    "-1e400",
    "9" * 5000,
    "1" + "0" * 30 + ".5",
]


@pytest.mark.parametrize("digits", BEYOND, ids=lambda digits: digits[:20])
def test_a_number_that_readers_read_differently_is_pointed_at(api, refunds, digits):
    raw = b'{"action": "refund", "args": {"lines": [1, {"a/b": %s}]}, "context": {"n": %s}}' % ((digits.encode(),) * 2)
    assert pointers(api.raw("requests", raw)) == ["/args/lines/1/a~1b", "/context/n"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("requests", '{"action": "refund", "args": {}, "signals": {"tool_validity": BIG}}', "/signals/tool_validity"),
        ("requests", '{"action": "refund", "args": {}, "value": BIG}', "/value"),
        ("requests", '{"items": [{"id": "1", "action": {"name": "refund", "args": [BIG]}}]}', "/items/0/action/args/0"),
        ("requests", '{"question": {"prompt": "?", "best_guess": BIG}}', "/question/best_guess"),
        ("requests/bulk", '{"requests": [{"action": "refund", "args": {"n": BIG}}]}', "/requests/0/args/n"),
        ("evaluate", '{"action": "refund", "args": {"n": BIG}}', "/args/n"),
        ("requests/01939e2c-8a4e-7c3f-9a51-0d2f4b7c8e10/items/1/amend", '{"args": {"n": BIG}}', "/args/n"),
        ("requests/01939e2c-8a4e-7c3f-9a51-0d2f4b7c8e10/items/1/outcome", '{"data": {"n": BIG}}', "/data/n"),
        ("runs/r/steps", '{"id": "a", "action": {"name": "x", "args": BIG}}', "/action/args"),
    ],
)
def test_wherever_it_stands(api, refunds, path, body, pointer):
    assert pointer in pointers(api.raw(path, body.replace("BIG", "9007199254740993").encode()))


def test_people_send_no_other_numbers(token, alice, refund):
    raw = b'{"revision": 1, "digest": "x", "verdict": "modify", "args": {"amount": 9007199254740993}}'
    assert pointers(token(alice).raw(f"inbox/{refund.pk}/decide", raw)) == ["/args/amount"]


def test_the_largest_that_all_read_alike_is_taken(api, action_type):
    action_type("count", schema={"type": "object"})
    raw = b'{"action": "count", "args": {"n": 9007199254740991, "m": -9007199254740991}}'
    assert api.raw("requests", raw).status_code == 201


# --- Times


@pytest.mark.parametrize("seconds", [90, 90.5, 1.25, 1])
def test_a_deadline_is_said_in_seconds_with_fractions(api, refunds, conforms, seconds):
    state = conforms("RequestState", api.post("requests", {"action": "refund", "args": REFUND, "timeout_s": seconds}))
    approval = Approval.objects.get(request=state["id"])
    assert approval.expires_at - approval.created_at == timedelta(seconds=seconds)


@pytest.mark.parametrize("seconds", [0, 0.5, -1, 366 * 86_400, "90", True])
def test_other_deadlines_are_refused(api, refunds, seconds):
    response = api.post("requests", {"action": "refund", "args": REFUND, "timeout_s": seconds})
    assert pointers(response) == ["/timeout_s"]


def test_a_lease_lasts_fractions_too(api, refunds, conforms):
    request = api.post("requests", {"action": "refund", "args": REFUND}).json()["id"]
    response = api.post(f"requests/{request}/lease", {"worker": "one", "seconds": 1.5})
    assert response.status_code in (200, 409)  # nothing is settled yet; the wish itself is understood


# --- Verdicts


def test_a_verdict_that_is_not_offered_is_answered_with_those_that_are(token, alice, propose):
    refund = propose(allowed=("approve", "reject"))
    seen = {"revision": 1, "round": 1, "digest": refund.digest}

    response = token(alice).post(
        f"inbox/{refund.pk}/decide",
        {**seen, "verdict": "modify", "edits": [{"op": "replace", "path": "/amount", "value": 1}]},
    )

    assert response.status_code == 422
    problem = response.json()
    assert (problem["code"], problem["offered"]) == ("verdict_not_offered", ["approve", "reject"])
    assert [error["pointer"] for error in problem["errors"]] == ["/verdict"]
    assert "approve, reject" in problem["detail"]
    refund.refresh_from_db()
    assert refund.status == "pending"


def test_who_may_not_decide_is_not_told_what_others_may(token, bob, propose, person):
    refund = propose(allowed=("approve", "reject"))
    outsider = person("mallory")
    seen = {"revision": 1, "round": 1, "digest": refund.digest}
    response = token(outsider).post(f"inbox/{refund.pk}/decide", {**seen, "verdict": "skip"})
    assert response.status_code in (403, 404)


# --- Cards


def test_cards_name_their_request_run_labels_and_siblings(api, token, alice, refunds, conforms):
    sent = {
        "run": {"id": "thread-7", "name": "Case 456", "step": "refund"},
        "labels": {"env": "prod"},
        "items": [
            {"id": f"call_{n}", "action": {"name": "refund", "args": {**REFUND, "order": str(n)}}} for n in (1, 2)
        ],
    }
    request = api.post("requests", sent).json()["id"]

    listed = conforms("InboxList", token(alice).get("inbox"))["approvals"]
    assert {card["request"] for card in listed} == {request}
    assert sorted(card["item"] for card in listed) == ["call_1", "call_2"]
    assert all(card["run"] == sent["run"] and card["labels"] == {"env": "prod"} for card in listed)

    first, second = sorted(listed, key=lambda card: card["item"])
    card = conforms("Card", token(alice).get(f"inbox/{first['id']}"))
    assert (card["request"], card["run"], card["labels"]) == (request, sent["run"], {"env": "prod"})
    [sibling] = card["siblings"]
    assert sibling == {
        "id": second["id"],
        "item": "call_2",
        "headline": second["headline"],
        "status": "pending",
        "verdict": None,
    }


def test_a_card_of_one_item_without_a_run_names_none(token, alice, refund, conforms):
    card = conforms("Card", token(alice).get(f"inbox/{refund.pk}"))
    assert (card["run"], card["labels"], card["siblings"]) == (None, {}, [])


# --- The database


@pytest.mark.parametrize(
    "error", [OperationalError("gone"), psycopg.OperationalError("gone"), psycopg.errors.DiskFull("no space left")]
)
def test_a_database_that_is_away_is_503_and_says_when_to_come_back(api, refunds, monkeypatch, error):
    def away(*args, **kwargs):
        raise error

    monkeypatch.setattr(intake, "take", away)
    response = api.post("requests", {"action": "refund", "args": REFUND})

    assert response.status_code == 503
    assert response.json()["code"] == "unavailable"
    assert response.headers["Retry-After"] == "2"


@pytest.mark.django_db(transaction=True)
def test_a_lock_on_something_else_is_not_a_key_in_flight(api, robot, refunds):
    """Another transaction holds the agent; nobody has sent this key before."""
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT 1 FROM approvals_agent WHERE id = %s FOR UPDATE", [robot.pk])
        response = api.post("requests", {"action": "refund", "args": REFUND, "idempotency_key": "fresh"})
        other.rollback()

    assert response.status_code == 503
    assert response.json()["code"] == "busy"
    assert not ApprovalRequest.objects.filter(key="fresh").exists()
