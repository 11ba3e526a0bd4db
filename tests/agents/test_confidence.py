"""Every part of the confidence, and what shadow mode did not ask, over the wire."""

import pytest

from approvals.models import ActionType, Autonomy, Curve
from approvals.policy import snapshot

ITEM = {
    "id": "call_1",
    "action": {"name": "refund", "args": {"order": "456", "amount": 6000, "currency": "EUR"}},
    "signals": {"stated_confidence": 0.8},
}


@pytest.fixture
def evaluated_and_submitted(api, conforms, refunds):
    """The one item as the submit answer and as evaluate tell it."""

    def ask():
        evaluated = conforms("Evaluation", api.post("evaluate", {"items": [ITEM]}))["items"][0]
        return evaluated, conforms("RequestState", api.post("requests", {"items": [ITEM]}))["items"][0]

    return ask


def test_both_tell_every_part_with_its_value_weight_origin_and_note(evaluated_and_submitted):
    evaluated, submitted = evaluated_and_submitted()
    assert evaluated["confidence"] == submitted["confidence"]
    confidence = submitted["confidence"]
    assert {one["name"]: one["ours"] for one in confidence["signals"]} == {
        "stated_confidence": False,
        "precedent": True,
        "policy": True,
        "impact": True,
    }
    assert confidence["signals"][0] == {
        "name": "stated_confidence",
        "value": 0.8,
        "weight": 0.15,
        "ours": False,
        "note": "as the agent states it",
    }
    assert confidence["missing"] == ["tool_validity", "retrieval_relevance"]
    assert confidence["thresholds"] == {"auto": 0.85, "review": 0.6}
    assert (confidence["shown"], confidence["impact"], confidence["observed"]) == ("composite", "high", None)
    assert confidence["score"] == confidence["composite"]
    assert 0 < confidence["own"] < 1


@pytest.mark.parametrize(("approved", "share", "shown"), [(383, 0.929, "composite"), (41, 0.099, "observed")])
def test_what_people_made_of_it_is_the_score_where_it_is_less(evaluated_and_submitted, refunds, approved, share, shown):
    at = "2026-11-01T00:00:00Z"
    Curve.objects.create(action_type=refunds, points=[["0.000", "1.000", approved, 412]], decided=412, fitted_at=at)
    _, submitted = evaluated_and_submitted()
    confidence = submitted["confidence"]
    assert confidence["observed"] == {"share": share, "decided": 412, "own": 0}
    assert share != confidence["composite"]
    assert (confidence["shown"], confidence["score"]) == (shown, min(share, confidence["composite"]))


def test_shadow_is_told_by_the_answer_evaluate_and_the_decision(api, evaluated_and_submitted, robot, refunds, conforms):
    Autonomy.objects.create(agent=robot, action_type=refunds, level=2, shadow=True)
    evaluated, submitted = evaluated_and_submitted()
    assert evaluated["shadow"] == submitted["shadow"]
    shadow = submitted["shadow"]
    assert (submitted["route"], submitted["reason_code"], submitted["status"]) == ("auto", "shadow", "decided")
    assert (shadow["route"], shadow["tier"], shadow["reason_code"]) == ("review", 2, "high_risk")
    listed = api.get("requests").json()["requests"][0]
    document = conforms("DecisionDocument", api.get(f"requests/{listed['id']}/decision"))
    assert document["items"][0]["shadow"] == shadow
    assert document["items"][0]["permit"]


def test_without_shadow_nothing_is_said_of_it(evaluated_and_submitted):
    evaluated, submitted = evaluated_and_submitted()
    assert evaluated["shadow"] is submitted["shadow"] is None


def test_a_persons_tool_reads_the_same(api, token, evaluated_and_submitted, alice, bob, conforms):
    evaluated_and_submitted()
    [entry] = token(bob).get("inbox").json()["approvals"]
    card = conforms("Card", token(bob).get(f"inbox/{entry['id']}"))
    assert (card["confidence"]["shown"], card["shadow"]) == ("composite", None)
    assert len(card["confidence"]["signals"]) == 4


def test_a_limit_says_its_numbers_to_the_agent(api, refunds, conforms):
    ActionType.objects.filter(pk="refund").update(strategy="never", spend_limit=1000)
    snapshot.publish(by=None, note="a limit")
    item = conforms("RequestState", api.post("requests", {"items": [ITEM]}))["items"][0]
    assert (item["route"], item["reason_code"]) == ("review", "cost_threshold")
    assert "6,000.00 EUR more would be above the limit of 1,000.00 EUR" in item["reasons"][0]["text"]
