"""What agents and people's tools see of a recall over REST."""

import json

import pytest

from agents import feed, keys
from approvals import seal, times
from approvals.models import Pause
from approvals.review.decisions import Words, decide, seen
from approvals.review.submission import Item
from tests.agents.conftest import Api
from tests.recall.conftest import approve, fresh, take_back


@pytest.fixture
def token(db):
    """A person's tool."""
    return lambda person: Api(keys.issue(user=person, name="tool")[1])


def shown(approval) -> dict:
    return {"revision": approval.revision, "round": approval.round, "digest": approval.digest}


def test_consume_answers_409_recalled(bought, alice, refused):
    take_back(bought.approval, by=alice)
    problem = refused(bought.consume(), 409, "recalled")
    assert problem["detail"].startswith("Alice recalled this at ")
    assert problem["type"].endswith("/help/errors/#recalled")


def test_decision_answers_the_newest_and_first_the_first_byte_for_byte(bought, alice, api, conforms, refused):
    place = f"requests/{bought.approval.pause_id}/decision"
    before = api.get(place).content
    take_back(bought.approval, by=alice)

    assert api.get(place, first=1).content == before
    newest = api.get(place)
    assert newest.content != before and newest.content == api.get(place, first=0).content
    told = conforms("DecisionDocument", newest)
    assert [item["status"] for item in told["items"]] == ["recalled"]
    refused(api.get(place, first="yes"), 422, "invalid_request")


def test_the_state_of_the_request_says_so_and_so_does_asking_again(propose, alice, api):
    body = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}, "idempotency_key": "once"}
    propose()
    pk = api.post("requests", body).json()["id"]
    approval = fresh(Pause.objects.get(pk=pk).approvals.get())
    approve(approval, by=alice)
    take_back(approval, by=alice)

    for told in (api.get(f"requests/{pk}").json(), api.post("requests", body).json()):
        assert (told["status"], told["items"][0]["status"]) == ("decided", "recalled")
        assert told["decision"]["items"][0]["permit"] is None


def test_of_what_is_answered_as_it_comes_the_part_says_recalled(propose, alice, api):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    items = tuple(Item(id=f"call_{n}", action="refund", args=args) for n in range(2))
    first = propose(items=items, decide="independently")
    approve(first, by=alice)
    take_back(first, by=alice)
    told = api.get(f"requests/{first.pause_id}/decision")
    assert (told.status_code, [item["status"] for item in told.json()["items"]]) == (202, ["recalled"])


def test_the_stream_of_events_has_it(bought, alice, robot):
    take_back(bought.approval, by=alice)
    seal.seal(now=times.now())
    event = feed.read([robot.pk], 0).events[-1]
    told = json.loads(event.data)
    assert (event.name, told["reason"], told["source"]) == ("recalled", "not_needed", "human")
    assert (told["request"], told["item"]) == (str(bought.approval.pause_id), "call_1")


def test_an_outcome_afterwards_is_taken(bought, alice):
    take_back(bought.approval, by=alice)
    assert bought.report("succeeded").status_code == 200


# --- People's tools


def test_a_persons_tool_recalls_and_reads_who_did(bought, alice, token, conforms):
    tool, place = token(alice), f"inbox/{bought.approval.pk}"
    assert conforms("Card", tool.get(place))["may_recall"] is True
    body = {**shown(bought.approval), "reason": "changed", "message": "The customer called."}
    told = conforms("Card", tool.post(f"{place}/recall", body))

    assert (told["status"], told["may_recall"]) == ("recalled", False)
    assert told["recalled"] == {
        "by": "Alice",
        "tier": 1,
        "reason": "changed",
        "message": "The customer called.",
        "at": told["recalled"]["at"],
    }
    assert told["timeline"][-1]["kind"] == "recalled"


def test_a_manual_gate_is_recalled_by_a_tool_though_none_decides_it(action_type, propose, bob, token):
    action_type("wipe", reversibility="irreversible", gate="manual", tier_id=2)
    approval = propose(action="wipe")
    decide(seen(approval), by=bob, verdict="approve", words=Words(typed="420", fresh=True))
    answer = token(bob).post(f"inbox/{approval.pk}/recall", {**shown(approval), "reason": "mistake"})
    assert answer.json()["status"] == "recalled"


def test_what_a_tool_sends_wrong_is_told(bought, alice, mallory, token, refused):
    place, body = f"inbox/{bought.approval.pk}/recall", {**shown(bought.approval), "reason": "changed"}
    tool = token(alice)
    refused(tool.post(place, {**body, "reason": "because"}), 422, "invalid_request")
    refused(tool.post(place, {**body, "reason": "other"}), 422, "invalid_verdict")
    refused(tool.post(place, {**body, "status": "recalled"}), 422, "invalid_request")
    refused(tool.post(place, {**body, "revision": 2}), 409, "out_of_date")
    refused(token(mallory).post(place, body), 404, "not_found")
    assert fresh(bought.approval).status == "released"


def test_a_tool_that_comes_after_the_use_reads_when_it_was(bought, alice, token, refused):
    assert bought.consume().status_code == 200
    body = {**shown(bought.approval), "reason": "changed"}
    problem = refused(token(alice).post(f"inbox/{bought.approval.pk}/recall", body), 409, "permit_consumed")
    assert problem["now"]["status"] == "released" and problem["now"]["consumed_at"]
