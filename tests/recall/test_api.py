"""What agents and people's tools see of a recall over REST."""

import json

import pytest

from agents import feed, keys
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.history import seal
from approvals.models import ApprovalRequest
from approvals.requests.submission import Item
from tests.agents.conftest import Api
from tests.recall.conftest import approve, fresh, take_back


@pytest.fixture
def token(db):
    """A person's tool."""
    return lambda person: Api(keys.issue(user=person, name="tool")[1])


def shown(approval) -> dict:
    return {"revision": approval.revision, "round": approval.round, "digest": approval.digest}


def test_consume_answers_409_recalled(executor, alice, refused):
    take_back(executor.approval, by=alice)
    problem = refused(executor.consume(), 409, "recalled")
    assert problem["detail"].startswith("Alice recalled this at ")
    assert problem["type"].endswith("/help/errors/#recalled")


def test_decision_answers_the_newest_and_first_the_first_byte_for_byte(executor, alice, api, conforms, refused):
    path = f"requests/{executor.approval.request_id}/decision"
    before = api.get(path).content
    take_back(executor.approval, by=alice)

    assert api.get(path, first=1).content == before
    newest = api.get(path)
    assert newest.content != before and newest.content == api.get(path, first=0).content
    document = conforms("DecisionDocument", newest)
    assert [item["status"] for item in document["items"]] == ["recalled"]
    refused(api.get(path, first="yes"), 422, "invalid_request")


def test_the_state_of_the_request_says_so_and_so_does_asking_again(propose, alice, api):
    body = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}, "idempotency_key": "once"}
    propose()
    pk = api.post("requests", body).json()["id"]
    approval = fresh(ApprovalRequest.objects.get(pk=pk).approvals.get())
    approve(approval, by=alice)
    take_back(approval, by=alice)

    for request in (api.get(f"requests/{pk}").json(), api.post("requests", body).json()):
        assert (request["status"], request["items"][0]["status"]) == ("decided", "recalled")
        assert request["decision"]["items"][0]["permit"] is None


def test_of_what_is_answered_as_it_comes_the_part_says_recalled(propose, alice, api):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    items = tuple(Item(id=f"call_{n}", action="refund", args=args) for n in range(2))
    first = propose(items=items, decide="independently")
    approve(first, by=alice)
    take_back(first, by=alice)
    response = api.get(f"requests/{first.request_id}/decision")
    assert (response.status_code, [item["status"] for item in response.json()["items"]]) == (202, ["recalled"])


def test_the_stream_of_events_has_it(executor, alice, robot):
    take_back(executor.approval, by=alice)
    seal.seal(now=times.now())
    event = feed.read([robot.pk], 0).events[-1]
    event_data = json.loads(event.data)
    assert (event.name, event_data["reason"], event_data["source"]) == ("recalled", "not_needed", "human")
    assert (event_data["request"], event_data["item"]) == (str(executor.approval.request_id), "call_1")


def test_an_outcome_afterwards_is_taken(executor, alice):
    take_back(executor.approval, by=alice)
    assert executor.report("succeeded").status_code == 200


# --- People's tools


def test_a_persons_tool_recalls_and_reads_who_did(executor, alice, token, conforms):
    tool, path = token(alice), f"inbox/{executor.approval.pk}"
    assert conforms("Card", tool.get(path))["may_recall"] is True
    body = {**shown(executor.approval), "reason": "changed", "message": "The customer called."}
    card = conforms("Card", tool.post(f"{path}/recall", body))

    assert (card["status"], card["may_recall"]) == ("recalled", False)
    assert card["recalled"] == {
        "by": "Alice",
        "tier": 1,
        "reason": "changed",
        "message": "The customer called.",
        "at": card["recalled"]["at"],
    }
    assert card["timeline"][-1]["kind"] == "recalled"


def test_a_manual_gate_is_recalled_by_a_tool_though_none_decides_it(action_type, propose, bob, token):
    action_type("wipe", reversibility="irreversible", gate="manual", tier_id=2)
    approval = propose(action="wipe")
    decide(
        card_version_of(approval),
        by=bob,
        verdict="approve",
        verdict_input=VerdictInput(typed_confirmation="420", freshly_authenticated=True),
    )
    answer = token(bob).post(f"inbox/{approval.pk}/recall", {**shown(approval), "reason": "mistake"})
    assert answer.json()["status"] == "recalled"


def test_what_a_tool_sends_wrong_is_told(executor, alice, mallory, token, refused):
    path, body = f"inbox/{executor.approval.pk}/recall", {**shown(executor.approval), "reason": "changed"}
    tool = token(alice)
    refused(tool.post(path, {**body, "reason": "because"}), 422, "invalid_request")
    refused(tool.post(path, {**body, "reason": "other"}), 422, "invalid_verdict")
    refused(tool.post(path, {**body, "status": "recalled"}), 422, "invalid_request")
    refused(tool.post(path, {**body, "revision": 2}), 409, "out_of_date")
    refused(token(mallory).post(path, body), 404, "not_found")
    assert fresh(executor.approval).status == "released"


def test_a_tool_that_comes_after_the_use_reads_when_it_was(executor, alice, token, refused):
    assert executor.consume().status_code == 200
    body = {**shown(executor.approval), "reason": "changed"}
    problem = refused(token(alice).post(f"inbox/{executor.approval.pk}/recall", body), 409, "permit_consumed")
    assert problem["now"]["status"] == "released" and problem["now"]["consumed_at"]
