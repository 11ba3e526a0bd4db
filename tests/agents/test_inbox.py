"""People's tools: the same cards and the same authority as on the page."""

from datetime import timedelta
from uuid import uuid4

import pytest

from approvals.db import times
from approvals.models import Approval, Decision


def seen(approval: Approval, **more: object) -> dict[str, object]:
    return {"revision": approval.revision, "round": approval.round, "digest": approval.digest, **more}


def test_the_inbox_shows_what_waits_with_its_urgency(token, alice, propose, conforms):
    late = propose(order="1", timeout=timedelta(minutes=10))
    propose(order="2")
    with times.at(late.created_at + timedelta(minutes=8)):
        listed = conforms("InboxList", token(alice).get("inbox"))["approvals"]

    assert [one["headline"] for one in listed] == ["refund 420 EUR to order 1", "refund 420 EUR to order 2"]
    assert [one["urgency"] for one in listed] == ["critical", "low"]
    assert listed[0]["pending_s"] == 480
    assert (listed[0]["agent"], listed[0]["queue"]) == ("robot", "1.commerce")


@pytest.mark.parametrize(
    ("share", "word"),
    [(0.0, "low"), (0.25, "low"), (0.26, "medium"), (0.5, "medium"), (0.51, "high"), (0.76, "critical")],
)
def test_urgency_is_the_used_share_of_the_time(share, word, token, alice, propose):
    refund = propose(timeout=timedelta(minutes=10))
    with times.at(refund.created_at + timedelta(minutes=10) * share):
        assert token(alice).get(f"inbox/{refund.pk}").json()["urgency"] == word


def test_the_inbox_goes_on_where_it_ended(token, alice, propose):
    orders = [str(number) for number in range(5)]
    for order in orders:
        propose(order=order)
    tool = token(alice)
    listed_orders, cursor = [], ""
    while cursor is not None:
        page = tool.get("inbox", limit=2, **({"cursor": cursor} if cursor else {})).json()
        listed_orders += [one["headline"][-1] for one in page["approvals"]]
        cursor = page["next"]
    assert listed_orders == orders


def test_a_card_has_everything_a_decision_needs(token, alice, propose, conforms):
    refund = propose(reasoning="the parcel arrived broken", summary="Refund 456")
    card = conforms("Card", token(alice).get(f"inbox/{refund.pk}"))

    assert card["headline"] == "refund 420 EUR to order 456"
    assert card["arguments"] == {"order": "456", "amount": 420, "currency": "EUR"}
    assert (card["reasoning"], card["summary"]) == ("the parcel arrived broken", "Refund 456")
    assert card["allowed"] == ["approve", "modify", "reject"]
    assert (card["revision"], card["round"], card["digest"]) == (1, 1, refund.digest)
    assert card["reasons"] and card["signals"]
    assert (card["on_timeout"], card["status"]) == ("reject", "pending")
    assert [event["kind"] for event in card["timeline"]] == ["submitted"]


# --- Who may


def test_who_sees_and_decides_is_who_does_on_the_page(
    token, refund, alice, bob, mallory, olga, mia, otto, ada, root, refused
):
    path = f"inbox/{refund.pk}"
    for person in (alice, bob):
        assert "approve" in token(person).get(path).json()["allowed"]
    for person in (olga, mia, otto):
        assert token(person).get(path).json()["allowed"] == []
    for person in (mallory, ada):
        refused(token(person).get(path), 404, "not_found")
        refused(token(person).post(f"{path}/decide", seen(refund, verdict="approve")), 404, "not_found")
        refused(token(person).post(f"{path}/claim"), 404, "not_found")
    for person in (olga, mia, otto, root):
        refused(token(person).post(f"{path}/decide", seen(refund, verdict="approve")), 403, "not_allowed")
        refused(token(person).post(f"{path}/claim"), 403, "not_allowed")
    assert not Decision.objects.exists()


def test_a_superuser_reads_that_it_exists_and_nothing_of_what_it_says(token, propose, root, conforms):
    refund = propose(reasoning="secret words", summary="secret words", context={"x": "secret words"})
    response = token(root).get(f"inbox/{refund.pk}")
    card = conforms("Card", response)

    assert "secret words" not in response.content.decode()
    assert (card["headline"], card["arguments"], card["reasons"], card["flags"]) == ("Refund", None, [], [])
    assert token(root).get("inbox").json()["approvals"] == []


def test_reviewers_of_a_lower_tier_do_not_decide_a_higher_one(token, propose, alice, refused):
    large = propose(amount=6000)
    refused(token(alice).post(f"inbox/{large.pk}/decide", seen(large, verdict="approve")), 404, "not_found")


# --- Deciding


def test_a_verdict_on_what_was_read_settles_it(token, refund, alice, conforms):
    card = conforms("Card", token(alice).post(f"inbox/{refund.pk}/decide", seen(refund, verdict="approve")))

    assert (card["status"], card["verdict"], card["decided_by"]) == ("released", "approve", "Alice")
    assert card["allowed"] == []
    assert Decision.objects.get().surface == "api"


def test_a_modification_is_what_the_agent_gets(token, refund, alice, api):
    args = {"order": "456", "amount": 200, "currency": "EUR"}
    edits = [{"op": "replace", "path": "/amount", "value": 200}]
    body = seen(refund, verdict="modify", edits=edits, message="goodwill limit")
    assert token(alice).post(f"inbox/{refund.pk}/decide", body).status_code == 200

    [item] = api.get(f"requests/{refund.request_id}/decision").json()["items"]
    assert (item["verdict"], item["action"]["args"], item["message"]) == ("modify", args, "goodwill limit")


def test_a_verdict_that_lacks_something_says_what(token, refund, alice, refused):
    tool, path = token(alice), f"inbox/{refund.pk}/decide"
    refused(tool.post(path, seen(refund, verdict="reject")), 422, "invalid_verdict", "/message")
    lots = [{"op": "replace", "path": "/amount", "value": "lots"}]
    refused(tool.post(path, seen(refund, verdict="modify", edits=lots)), 422, "invalid_verdict", "/args/amount")
    nowhere = [{"op": "remove", "path": "/amount/cents"}]
    refused(tool.post(path, seen(refund, verdict="modify", edits=nowhere)), 422, "invalid_verdict", "/edits/0")
    refused(tool.post(path, seen(refund, verdict="modify")), 422, "invalid_verdict", "/args")
    refused(tool.post(path, {"verdict": "approve"}), 422, "invalid_request", "/revision", "/round", "/digest")
    refused(tool.post(path, seen(refund, verdict="bless")), 422, "invalid_request", "/verdict")
    refused(tool.post(path, seen(refund, verdict="approve", decided_by="bob")), 422, "invalid_request", "/decided_by")
    refused(tool.post(path, {**seen(refund), "verdict": "approve", "digest": "x"}), 422, "invalid_request", "/digest")
    assert not Decision.objects.exists()


def test_a_verdict_on_something_else_than_it_now_is_is_refused(token, refund, alice, refused):
    tool, path = token(alice), f"inbox/{refund.pk}/decide"
    for stale in ({"revision": 2}, {"round": 2}, {"digest": "sha256:" + "0" * 64}):
        problem = refused(tool.post(path, {**seen(refund, verdict="approve"), **stale}), 409, "out_of_date")
        assert problem["now"] == {"revision": 1, "round": 1, "digest": refund.digest, "stage": None}
    assert Approval.objects.get().status == "pending"


def test_the_second_of_two_is_told_who_was_first(token, refund, alice, bob, refused):
    body = seen(refund, verdict="approve")
    token(alice).post(f"inbox/{refund.pk}/decide", body)
    problem = refused(token(bob).post(f"inbox/{refund.pk}/decide", body), 409, "no_longer_pending")
    assert "Alice" in problem["detail"]


def test_a_manual_gate_is_never_decided_by_a_tool(token, action_type, propose, carol, refused):
    action_type("erase", gate="manual")
    erase = propose(action="erase")
    tool = token(carol)
    assert tool.get(f"inbox/{erase.pk}").json()["allowed"] == []
    refused(tool.post(f"inbox/{erase.pk}/decide", seen(erase, verdict="approve")), 403, "manual_gate")
    refused(tool.post(f"inbox/{erase.pk}/decide", seen(erase, verdict="reject", message="no")), 403, "manual_gate")
    batch = {"items": [{"id": str(erase.pk), **seen(erase)}], "verdict": "approve"}
    assert [one["ok"] for one in tool.post("inbox/batch", batch).json()["results"]] == [False]
    assert Approval.objects.get().status == "pending"


# --- Claiming


def test_a_claim_is_shown_and_taken_over_only_on_purpose(token, refund, alice, bob, conforms, refused):
    path = f"inbox/{refund.pk}/claim"
    assert conforms("Card", token(alice).post(path))["claimed_by"] == "Alice"
    refused(token(bob).post(path), 403, "not_allowed")
    assert conforms("Card", token(bob).post(path, {"take_over": True}))["claimed_by"] == "Bob"
    refused(token(bob).post(path, {"take_over": "yes"}), 422, "invalid_request", "/take_over")


# --- Together


def test_a_batch_settles_each_by_itself(token, propose, alice, bob, conforms, refused):
    refunds = [propose(order=str(number)) for number in range(3)]
    body = seen(refunds[0], verdict="approve")
    token(bob).post(f"inbox/{refunds[0].pk}/decide", body)
    sent = [{"id": str(one.pk), **seen(one)} for one in refunds]
    answer = conforms("BatchAnswer", token(alice).post("inbox/batch", {"items": sent, "verdict": "approve"}))

    assert [one["ok"] for one in answer["results"]] == [False, True, True]
    assert "Bob" in answer["results"][0]["text"]
    assert set(Approval.objects.values_list("status", flat=True)) == {"released"}


def test_a_batch_reaches_nothing_that_its_sender_cannot_see(token, propose, mallory, refund):
    sent = [{"id": str(refund.pk), **seen(refund)}, {"id": str(uuid4()), **seen(refund)}]
    results = token(mallory).post("inbox/batch", {"items": sent, "verdict": "approve"}).json()["results"]

    assert [(one["ok"], one["text"]) for one in results] == [(False, "There is no such approval.")] * 2
    assert Approval.objects.get().status == "pending"


def test_a_batch_has_1_to_1000_items(token, alice, refund, refused):
    item = {"id": str(refund.pk), **seen(refund)}
    refused(token(alice).post("inbox/batch", {"items": [], "verdict": "approve"}), 422, "", "/items")
    refused(token(alice).post("inbox/batch", {"items": [item] * 1001, "verdict": "approve"}), 422, "", "/items")
    refused(token(alice).post("inbox/batch", {"items": [item], "verdict": "modify"}), 403, "not_allowed")
