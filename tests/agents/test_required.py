"""An action type may require agents to say more than the arguments."""

import pytest

from approvals.models import ActionType
from approvals.policy import snapshot
from approvals.policy.authoring import validation

ACTION = {"name": "refund", "args": {"order": "1", "amount": 40, "currency": "EUR"}}
SAID = {
    "summary": "Refund 40 EUR of order 1.",
    "reasoning": "It arrived broken.",
    "context": {"photo": "seen"},
    "preconditions": {"order_status": "paid"},
}


@pytest.fixture
def required_note(refunds):
    ActionType.objects.update(required=list(SAID))
    snapshot.publish(by=None, note="say more")


@pytest.mark.parametrize("left_out", SAID)
@pytest.mark.parametrize("as_what", ["absent", "empty"])
def test_what_is_missing_is_a_422_with_its_place(required_note, api, left_out, as_what):
    item = {"id": "1", "action": ACTION, **{name: said for name, said in SAID.items() if name != left_out}}
    if as_what == "empty":
        item[left_out] = "  " if isinstance(SAID[left_out], str) else {}
    answer = api.post("requests", {"items": [item]})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/items/0/{left_out}"]


def test_with_all_of_it_the_request_is_taken(required_note, api):
    assert api.post("requests", {"items": [{"id": "1", "action": ACTION, **SAID}]}).status_code == 201


def test_without_demands_nothing_is_missing(refunds, api):
    assert api.post("requests", {"items": [{"id": "1", "action": ACTION}]}).status_code == 201


def test_agents_can_read_what_is_required(required_note, api, conforms):
    assert set(conforms("ActionType", api.get("action-types/refund"))["required"]) == set(SAID)


def test_only_what_there_is_can_be_required(refunds):
    columns = {**ActionType.objects.values().get(), "required": ["summery"]}
    assert [name for name, _sentence in validation.of_type(columns)] == ["required"]
