"""What happens to an agent's requests is written for its endpoints in the same transaction, or not at all."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.webhooks import sender, signing
from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_reports as agents_own
from approvals.models import Agent, Delivery, Endpoint
from approvals.notify import outbox
from approvals.requests.submission import Item
from tests.delivery.conftest import verified
from tests.text_search import mentions

CALLBACK = "https://agent.example.com/callbacks/7?run=3"


def queued_deliveries() -> list[tuple[str, str]]:
    """Topic and status of what is on its way, oldest first."""
    rows = Delivery.objects.filter(channel="webhook").order_by("created_at", "pk")
    return [(row.topic, row.payload["data"]["status"]) for row in rows]


def test_a_decision_is_told_when_the_request_closes(endpoint, refund, alice):
    endpoint("https://example.com/hook")
    assert queued_deliveries() == []
    decide(card_version_of(refund), by=alice, verdict="approve")

    row = Delivery.objects.get()
    assert row.payload["type"] == row.topic == "request.decided"
    assert row.payload["data"] == {
        "request": str(refund.request_id),
        "status": "decided",
        "items": [{"id": "call_1", "status": "decided", "verdict": "approve", "source": "human"}],
        "decision_url": f"http://127.0.0.1:8000/api/v1/requests/{refund.request_id}/decision",
    }
    assert (row.target, row.status, row.approval_id) == ("https://example.com/hook", "due", refund.pk)


def test_neither_arguments_nor_words_leave_the_house(endpoint, propose, alice):
    endpoint("https://example.com/hook")
    approval = propose(order="MRS-SMITH", summary="the customer said")
    decide(
        card_version_of(approval),
        by=alice,
        verdict="reject",
        verdict_input=VerdictInput(message="too much for me"),
    )

    payload = str(Delivery.objects.get().payload)
    assert not mentions(payload, "420")
    assert not [word for word in ("SMITH", "customer", "too much") if word in payload]


def test_of_several_items_the_last_one_settled_tells_of_all(endpoint, propose, alice):
    endpoint("https://example.com/hook")
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    first = propose(items=tuple(Item(id=name, action="refund", args=args) for name in ("a", "b")))
    second = first.request.approvals.get(item="b")
    decide(card_version_of(first), by=alice, verdict="approve")
    assert queued_deliveries() == []
    decide(card_version_of(second), by=alice, verdict="reject", verdict_input=VerdictInput(message="no"))

    [row] = Delivery.objects.all()
    assert [(item["id"], item["verdict"]) for item in row.payload["data"]["items"]] == [
        ("a", "approve"),
        ("b", "reject"),
    ]


def test_a_held_verdict_is_told_at_its_release(endpoint, with_undo, propose, alice):
    endpoint("https://example.com/hook")
    refund = propose()
    decide(card_version_of(refund), by=alice, verdict="approve")
    assert queued_deliveries() == []
    with times.at(times.now() + with_undo):
        clock.sweep()
    assert queued_deliveries() == [("request.decided", "decided")]


def test_silence_withdrawal_and_escalation_are_told(endpoint, propose, alice, bob, robot):
    endpoint("https://example.com/hook")
    escalates, ends, goes = propose(), propose(timeout=timedelta(seconds=1)), propose()
    claims.escalate(escalates.pk, by=alice)
    agents_own.cancel(goes.request, by=robot)
    with times.at(ends.expires_at):
        clock.sweep()

    rows = Delivery.objects.filter(channel="webhook")
    assert sorted(queued_deliveries()) == [
        ("request.cancelled", "cancelled"),
        ("request.escalated", "pending"),
        ("request.expired", "expired"),
    ]
    escalated = rows.get(topic="request.escalated").payload["data"]
    assert (escalated["request"], escalated["item"], escalated["tier"]) == (str(escalates.request_id), "call_1", 2)


def test_the_clocks_escalations_are_told_too(endpoint, propose):
    endpoint("https://example.com/hook", topics=["request.escalated"])
    approvals = [propose(timeout=timedelta(days=1)) for _ in range(3)]
    with times.at(max(one.due_at for one in approvals)):
        clock.sweep()

    assert queued_deliveries() == [("request.escalated", "pending")] * 3


def test_what_policy_settles_at_once_is_told_too(endpoint, propose, action_type):
    action_type("note", strategy="never", reversibility="reversible")
    endpoint("https://example.com/hook")
    propose(action="note")

    assert queued_deliveries() == [("request.decided", "decided")]
    assert Delivery.objects.get().payload["data"]["items"][0]["source"] == "policy"


def test_an_endpoint_hears_of_what_it_wants_and_of_its_own_agent(endpoint, propose, alice, robot):
    stranger = Agent.objects.create(name="stranger")
    endpoint("https://example.com/all")
    endpoint("https://example.com/expired", topics=["request.expired"])
    endpoint("https://example.com/off", active=False)
    endpoint("https://example.com/stranger", agent=stranger)
    refund = propose()
    decide(card_version_of(refund), by=alice, verdict="approve")

    assert [row.target for row in Delivery.objects.all()] == ["https://example.com/all"]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_told_to_nobody(endpoint, refund, alice):
    endpoint("https://example.com/hook")
    with pytest.raises(RuntimeError), transaction.atomic():
        decide(card_version_of(refund), by=alice, verdict="approve")
        raise RuntimeError

    assert queued_deliveries() == []


def test_without_an_endpoint_it_costs_one_query_however_many_close(propose, robot):
    requests = [propose().request for _ in range(5)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        outbox.publish([outbox.AgentMessage(robot.pk, outbox.DECIDED, {}) for _ in requests])
    assert len(queries) <= 2  # and the clock

    with CaptureQueriesContext(connection) as queries:
        outbox.publish([])
        outbox.tell_closed([])
    assert len(queries) == 0


# --- The address that a request names


def test_the_requests_own_address_is_told_with_all_of_it(propose, alice):
    refund = propose(callback_url=CALLBACK)
    decide(card_version_of(refund), by=alice, verdict="approve")

    row = Delivery.objects.select_related("endpoint").get()
    assert row.target == CALLBACK
    assert (row.endpoint.callback, row.endpoint.url) == (True, "https://agent.example.com")


def test_a_thousand_callbacks_to_one_place_queue_as_one(propose, alice, robot):
    for n in range(3):
        refund = propose(callback_url=f"https://agent.example.com/{n}")
        decide(card_version_of(refund), by=alice, verdict="approve")
    other = propose(callback_url="https://other.example.com/")
    decide(card_version_of(other), by=alice, verdict="approve")

    assert Endpoint.objects.filter(callback=True).count() == 2
    assert Delivery.objects.filter(endpoint__url="https://agent.example.com").count() == 3


def test_a_place_that_an_admin_turned_off_is_told_nothing(propose, alice, robot):
    Endpoint.objects.create(agent=robot, url="https://agent.example.com", secret="", callback=True, active=False)
    refund = propose(callback_url=CALLBACK)
    decide(card_version_of(refund), by=alice, verdict="approve")

    assert queued_deliveries() == []


@pytest.mark.django_db(transaction=True)
def test_the_agents_secret_signs_callbacks_and_is_made_when_first_needed(receiver, propose, alice, robot):
    refund = propose(callback_url=receiver.url)
    decide(card_version_of(refund), by=alice, verdict="approve")
    sender.send()
    robot.refresh_from_db()
    assert robot.callback_secret

    robot.callback_secret, secret = signing.rotate(robot.callback_secret, now=times.now())
    robot.save()
    refund = propose(callback_url=receiver.url)
    decide(card_version_of(refund), by=alice, verdict="approve")
    sender.send()
    assert verified(receiver.received[-1], secret)["data"]["request"] == str(refund.request_id)


@pytest.mark.django_db(transaction=True)
def test_410_at_a_callback_speaks_for_that_request_alone(receiver, propose, alice):
    receiver.status = 410
    refund = propose(callback_url=receiver.url)
    decide(card_version_of(refund), by=alice, verdict="approve")
    sender.send()

    assert Endpoint.objects.get().active
    assert Delivery.objects.get(channel="webhook").status == "dead"
