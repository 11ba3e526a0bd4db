"""An agent reads, withdraws and reports on its own requests, and nobody else's."""

from datetime import timedelta

import pytest

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, ApprovalRequest, AuditEvent, Outcome
from approvals.requests.submission import Item


@pytest.fixture
def approve(alice):
    """Have Alice approve (or give another verdict on) a refund."""

    def settle(approval: Approval, verdict: str = "approve", **verdict_input: object) -> Approval:
        seen = card_version_of(load(approval.pk))
        return decide(seen, by=alice, verdict=verdict, verdict_input=VerdictInput(**verdict_input))

    return settle


def test_a_request_is_read_as_it_was_answered(api, refunds, request_body, conforms):
    request = api.post("requests", request_body()).json()
    assert conforms("RequestState", api.get(f"requests/{request['id']}")) == request


def test_every_path_of_anothers_request_is_404(stranger, refund, refused):
    pk = refund.request_id
    outcome = {"result": "succeeded"}
    refused(stranger.get(f"requests/{pk}"), 404, "not_found")
    refused(stranger.get(f"requests/{pk}/decision"), 404, "not_found")
    refused(stranger.post(f"requests/{pk}/cancel"), 404, "not_found")
    refused(stranger.post(f"requests/{pk}/items/call_1/outcome", outcome), 404, "not_found")
    assert stranger.get("requests").json() == {"requests": [], "next": None}
    assert Approval.objects.get().status == "pending"


def test_the_list_is_filtered_and_goes_on_where_it_ended(api, propose, approve, conforms):
    refunds = [propose(order=str(number)) for number in range(5)]
    approve(refunds[0])

    seen, cursor = [], ""
    while cursor is not None:
        page = conforms("RequestList", api.get("requests", limit=2, **({"cursor": cursor} if cursor else {})))
        seen += [one["id"] for one in page["requests"]]
        cursor = page["next"]
    assert seen == [str(one.request_id) for one in reversed(refunds)]

    assert [one["id"] for one in api.get("requests", status="decided").json()["requests"]] == [seen[-1]]
    assert len(api.get("requests", action="refund").json()["requests"]) == 5
    assert api.get("requests", action="wire").json()["requests"] == []
    since = refunds[3].request.created_at
    assert len(api.get("requests", since=since.isoformat()).json()["requests"]) == 2
    assert api.get("requests", since=(since + timedelta(days=1)).isoformat()).json()["requests"] == []


def test_a_cursor_that_was_tampered_with_or_is_anothers_is_refused(api, stranger, propose, refused):
    for number in range(3):
        propose(order=str(number))
    cursor = api.get("requests", limit=1).json()["next"]

    refused(api.get("requests", limit=1, cursor=cursor[:-1] + ("A" if cursor[-1] != "A" else "B")), 422, "", "/cursor")
    refused(api.get("requests", limit=1, cursor=cursor, status="pending"), 422, "", "/cursor")
    refused(stranger.get("requests", limit=1, cursor=cursor), 422, "", "/cursor")


def test_the_list_costs_the_same_number_of_queries_for_many(api, propose, django_assert_num_queries):
    propose()
    api.get("requests")
    with django_assert_num_queries(2):
        api.get("requests")
    for number in range(5):
        propose(order=str(number))
    with django_assert_num_queries(2):
        api.get("requests")


# --- The decision


def test_while_pending_the_decision_is_202_and_then_the_same_bytes_for_ever(api, refund, approve, conforms):
    path = f"requests/{refund.request_id}/decision"
    waiting = api.get(path)
    assert waiting.status_code == 202
    assert conforms("DecisionDocument", waiting)["items"] == []

    approve(refund, message="goodwill")
    first = api.get(path)
    assert first.status_code == 200
    document = conforms("DecisionDocument", first)
    assert (document["items"][0]["verdict"], document["items"][0]["message"]) == ("approve", "goodwill")
    assert document["items"][0]["decided_by"] == {"tier": 1, "name": "Alice"}

    api.post(f"requests/{refund.request_id}/items/call_1/outcome", {"result": "succeeded"})
    assert api.get(path).content == first.content == ApprovalRequest.objects.get().answer.encode()


def test_a_held_verdict_is_still_pending_to_the_agent(api, with_undo, propose, approve):
    refund = propose()
    approve(refund)
    assert Approval.objects.get().status == "held"
    assert api.get(f"requests/{refund.request_id}/decision").status_code == 202
    assert api.get(f"requests/{refund.request_id}").json()["items"][0]["status"] == "pending"


def test_answered_as_they_come_a_202_carries_what_is_settled(api, propose, approve, refunds):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    items = tuple(Item(id=name, action="refund", args=args) for name in ("a", "b"))
    first = propose(items=items, decide="independently")
    approve(first)

    response = api.get(f"requests/{first.request_id}/decision")
    assert response.status_code == 202
    assert [(one["id"], one["verdict"]) for one in response.json()["items"]] == [("a", "approve")]


# --- Withdrawing


def test_a_withdrawn_request_is_cancelled_and_says_why_in_its_history(api, refund, conforms, refused):
    request = conforms("RequestState", api.post(f"requests/{refund.request_id}/cancel", {"reason": "customer paid"}))

    assert (request["status"], request["items"][0]["status"]) == ("cancelled", "cancelled")
    assert request["decision"]["items"][0]["status"] == "cancelled"
    assert AuditEvent.objects.get(kind="cancelled").facts == {"reason": "customer paid"}
    refused(api.post(f"requests/{refund.request_id}/cancel"), 409, "already_closed")


def test_what_was_decided_cannot_be_withdrawn(api, refund, approve, refused):
    approve(refund)
    refused(api.post(f"requests/{refund.request_id}/cancel"), 409, "already_closed")


def test_a_withdrawal_takes_a_reason_and_nothing_else(api, refund, refused):
    refused(api.post(f"requests/{refund.request_id}/cancel", {"why": "x"}), 422, "invalid_request", "/why")
    refused(api.post(f"requests/{refund.request_id}/cancel", {"reason": "x" * 201}), 422, "invalid_request", "/reason")


# --- Outcomes


@pytest.mark.parametrize("result", ["succeeded", "failed", "skipped", "compensated"])
def test_the_outcome_is_kept_and_shown(result, api, refund, approve, conforms):
    approve(refund)
    path = f"requests/{refund.request_id}/items/call_1/outcome"
    outcome = conforms("OutcomeState", api.post(path, {"result": result, "detail": "d", "data": {"id": 7}}))

    assert (outcome["result"], outcome["data"]) == (result, {"id": 7})
    assert api.get(f"requests/{refund.request_id}").json()["items"][0]["outcome"] == result


def test_an_identical_outcome_is_fine_and_a_contradiction_is_not(api, refund, approve, refused):
    approve(refund)
    path = f"requests/{refund.request_id}/items/call_1/outcome"
    first = api.post(path, {"result": "succeeded"})
    assert api.post(path, {"result": "succeeded"}).json() == first.json()
    refused(api.post(path, {"result": "failed"}), 409, "contradiction")
    assert Outcome.objects.get().result == "succeeded"


def test_an_outcome_before_the_decision_or_after_a_rejection_is_refused(api, propose, approve, refused):
    refund = propose()
    path = f"requests/{refund.request_id}/items/call_1/outcome"
    refused(api.post(path, {"result": "succeeded"}), 409, "not_decided")
    approve(refund, "reject", message="no")
    refused(api.post(path, {"result": "succeeded"}), 409, "not_decided")


def test_an_outcome_of_an_unknown_item_or_kind_is_refused(api, refund, refused):
    refused(api.post(f"requests/{refund.request_id}/items/call_9/outcome", {"result": "failed"}), 404, "not_found")
    path = f"requests/{refund.request_id}/items/call_1/outcome"
    refused(api.post(path, {"result": "exploded"}), 422, "invalid_request", "/result")
    refused(api.post(path, {}), 422, "invalid_request", "/result")


def test_an_items_id_may_hold_anything_that_a_framework_makes_up(api, refunds, conforms):
    action = {"name": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}
    request = api.post("requests", {"items": [{"id": "a/b c?é", "action": action}]}).json()
    path = f"requests/{request['id']}/items/a%2Fb%20c%3F%C3%A9/outcome"
    assert api.post(path, {"result": "failed"}).json()["code"] == "not_decided"
