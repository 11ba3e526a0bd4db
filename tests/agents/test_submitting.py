"""An agent asks: flat and with items, many at once, and the same thing twice."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connections, transaction

from approvals.db.times import now
from approvals.models import Approval, ApprovalRequest, Capacity, Decision, DomainTerms
from approvals.policy import snapshot

ITEM = {"id": "call_1", "action": {"name": "refund", "args": {"order": "456", "amount": 420, "currency": "EUR"}}}


def test_a_flat_request_is_one_item_that_waits_for_a_person(api, refunds, request_body, conforms):
    response = api.post("requests", request_body(reasoning="the parcel arrived broken"))

    assert response.status_code == 201
    request = conforms("RequestState", response)
    assert response["Location"] == f"/api/v1/requests/{request['id']}"
    assert request["status"] == "pending"
    assert "decision" not in request
    [item] = request["items"]
    assert (item["id"], item["status"], item["route"], item["gate"], item["tier"]) == (
        "1",
        "pending",
        "review",
        "hard",
        1,
    )
    assert item["reasons"] and item["reason_code"]
    approval = Approval.objects.get()
    assert request["review_url"].endswith(f"/approvals/{approval.pk}/")
    assert request["decision_url"].endswith(f"/api/v1/requests/{request['id']}/decision")
    assert approval.proposal.reasoning == "the parcel arrived broken"


def test_every_field_of_the_contract_is_taken(api, refunds, conforms):
    request = {
        "idempotency_key": "thread-7/refund/1",
        "run": {"id": "thread-7", "name": "support case 456", "step": "refund"},
        "decide": "independently",
        "items": [
            {
                **ITEM,
                "allowed": ["approve", "modify", "reject"],
                "summary": "…",
                "reasoning": "…",
                "context": {"seen": ["photo"]},
                "alternatives": [{"label": "Half", "args": {"order": "456", "amount": 210, "currency": "EUR"}}],
                "signals": {"stated_confidence": 0.82, "tool_validity": 1.0, "retrieval_relevance": 0.74},
                "value": "420.00",
                "subject": "customer:981",
                "current": {"amount": 0},
                "preconditions": {"order_status": "delivered", "version": 7},
                "rename_to": [],
                "remember": [],
                "args_schema": {},
            }
        ],
        "timeout_s": 21600,
        "on_timeout": "reject",
        "agent": {"model": "m", "prompt_version": "p", "tool_version": "t"},
        "resume": {"checkpoint": "c-1"},
        "callback_url": None,
        "labels": {"env": "prod"},
    }
    response = api.post("requests", request)

    assert response.status_code == 201, response.content
    state = conforms("RequestState", response)
    assert state["run"] == {"id": "thread-7", "name": "support case 456", "step": "refund"}
    assert state["labels"] == {"env": "prod"}
    approval = Approval.objects.select_related("request", "proposal").get()
    assert (approval.subject, approval.agent_model, approval.request.resume) == (
        "customer:981",
        "m",
        {"checkpoint": "c-1"},
    )
    assert (approval.expires_at - approval.created_at).total_seconds() == 21600


def test_several_items_are_one_pause_and_one_approval_each(api, refunds, conforms):
    request = conforms("RequestState", api.post("requests", {"items": [ITEM, {**ITEM, "id": "call_2"}]}))

    assert [item["id"] for item in request["items"]] == ["call_1", "call_2"]
    assert ApprovalRequest.objects.count() == 1


def test_a_question_and_a_plan_are_items_too(api, action_type, refunds, conforms):
    for name in ("question", "plan"):
        action_type(name, schema={}, headline=name, allowed=["approve", "reject", "answer", "skip"], value_path="")
    action = {"name": "refund", "args": {"order": "456", "amount": 420, "currency": "EUR"}}
    steps = [{"id": "a", "action": action}, {"id": "b", "action": action, "depends_on": ["a"]}]

    question = api.post("requests", {"question": {"prompt": "Which of the two orders?", "best_guess": "456"}})
    plan = api.post("requests", {"items": [{"id": "p", "plan": {"steps": steps}}]})

    assert conforms("RequestState", question)["items"][0]["action"] == "question"
    assert conforms("RequestState", plan)["items"][0]["action"] == "plan"
    assert Approval.objects.get(item_type="question").proposal.prompt == "Which of the two orders?"
    assert [step["id"] for step in Approval.objects.get(item_type="plan").proposal.steps] == ["a", "b"]


def test_what_policy_lets_through_is_answered_at_once_with_the_decision(api, action_type, request_body, conforms):
    action_type("refund", strategy="never", reversibility="reversible", level=4)
    request = conforms("RequestState", api.post("requests", request_body()))

    assert request["status"] == "decided"
    [decided] = request["decision"]["items"]
    assert (decided["verdict"], decided["source"]) == ("approve", "policy")
    assert decided["action"] == {"name": "refund", "args": {"order": "456", "amount": 420.0, "currency": "EUR"}}


def test_arguments_that_did_not_parse_are_taken_as_they_are(api, refunds, request_body):
    assert api.post("requests", request_body(args='{"order": "456", "amo')).status_code == 201
    proposal = Approval.objects.get().proposal
    assert (proposal.args, proposal.parsed) == ('{"order": "456", "amo', False)


def test_a_paused_agent_is_refused_by_routing_and_told_so(api, robot, refunds, request_body, conforms):
    type(robot).objects.update(paused_at="2026-11-21T00:00:00Z")
    request = conforms("RequestState", api.post("requests", request_body()))

    assert (request["status"], request["items"][0]["route"]) == ("decided", "reject")
    assert Decision.objects.get().verdict == "reject"


def test_the_expected_wait_is_told_once_five_of_the_queue_were_decided(
    api, propose, alice, request_body, settle_many, conforms
):
    assert "expected_wait_s" not in api.post("requests", request_body()).json()["items"][0]
    settle_many(5)
    [item] = conforms("RequestState", api.post("requests", request_body()))["items"]
    assert item["expected_wait_s"] >= 0
    assert item["at_deadline"].startswith("Nothing runs")
    bulk = api.post("requests/bulk", {"requests": [request_body(), request_body()]}).json()
    assert all("expected_wait_s" in one["request"]["items"][0] for one in bulk["results"])


def test_what_passes_is_told_no_wait(api, action_type, request_body, settle_many):
    action_type("tag", reversibility="reversible", strategy="never")
    settle_many(5)
    [item] = api.post("requests", request_body(action="tag")).json()["items"]
    assert item["route"] == "auto"
    assert not {"expected_wait_s", "at_deadline"} & item.keys()


def test_who_finds_no_room_is_told_when_to_ask_again(api, refunds, request_body, conforms):
    Capacity.objects.create(tier_id=1, limit=1, when_full="reject")
    snapshot.publish(by=None, note="one at a time")
    api.post("requests", request_body())
    [item] = conforms("RequestState", api.post("requests", request_body()))["items"]

    assert (item["route"], item["reason_code"]) == ("reject", "degraded")
    assert item["retry_at"].endswith("Z")


# --- Once only


def test_the_same_key_and_content_give_the_same_request(api, refunds, request_body):
    first = api.post("requests", request_body(), Idempotency_Key="k")
    again = api.post("requests", request_body(), Idempotency_Key="k")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert again.json()["id"] == first.json()["id"]


def test_the_key_in_the_body_is_the_key_in_the_header(api, refunds, request_body):
    first = api.post("requests", request_body(idempotency_key="k"))
    again = api.post("requests", request_body(), Idempotency_Key="k")
    assert again.json()["id"] == first.json()["id"]


def test_the_same_key_with_other_content_is_refused(api, refunds, request_body, refused):
    api.post("requests", request_body(), Idempotency_Key="k")
    refused(api.post("requests", request_body(summary="other"), Idempotency_Key="k"), 422, "idempotency_key_reused")
    assert ApprovalRequest.objects.count() == 1


def test_two_agents_may_use_the_same_key(api, stranger, refunds, request_body):
    first = api.post("requests", request_body(), Idempotency_Key="k")
    second = stranger.post("requests", request_body(), Idempotency_Key="k")
    assert (first.status_code, second.status_code) == (201, 201)


def test_a_header_and_a_field_that_differ_are_refused(api, refunds, request_body, refused):
    response = api.post("requests", request_body(idempotency_key="a"), Idempotency_Key="b")
    refused(response, 422, "invalid_request", "/idempotency_key")


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_1_to_255_characters(key, api, refunds, request_body, refused):
    refused(api.post("requests", request_body(), Idempotency_Key=key), 422)
    refused(api.post("requests", request_body(idempotency_key=key)), 422, "invalid_request", "/idempotency_key")


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_submissions_with_one_key_one_is_stored(api, refunds, request_body):
    def submit(_: int) -> tuple[int, str]:
        try:
            response = api.post("requests", request_body(), Idempotency_Key="k")
            return response.status_code, response.json()["id"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(submit, range(8)))

    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({pk for _, pk in answers}) == 1
    assert ApprovalRequest.objects.count() == Approval.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_key_that_another_transaction_holds_is_waited_for_a_second_and_then_409(
    api, robot, refunds, request_body, refused
):
    held, over = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                ApprovalRequest.objects.create(
                    agent=robot, key="k", content_hash="sha256:x", open_items=1, created_at=now()
                )
                held.set()
                over.wait(10)
                transaction.set_rollback(True)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        holding = threads.submit(hold)
        held.wait(5)
        problem = api.post("requests", request_body(), Idempotency_Key="k")
        over.set()
        holding.result()

    refused(problem, 409, "idempotency_key_in_flight")
    assert problem["Retry-After"] == "1"
    assert api.post("requests", request_body(), Idempotency_Key="k").status_code == 201


# --- Many


def test_a_bulk_call_answers_each_request_as_it_would_be_alone(api, refunds, request_body, conforms):
    requests = [
        request_body(idempotency_key="a"),
        request_body(status="decided"),
        request_body(action="launch"),
        request_body(idempotency_key="a"),
        request_body(idempotency_key="a", summary="other"),
    ]
    results = conforms("BulkAnswer", api.post("requests/bulk", {"requests": requests}))["results"]

    assert [one["status"] for one in results] == [201, 422, 422, 200, 422]
    assert results[3]["request"]["id"] == results[0]["request"]["id"]
    assert results[1]["problem"]["errors"][0]["pointer"] == "/status"
    assert results[2]["problem"]["errors"][0]["pointer"] == "/action"
    assert results[4]["problem"]["code"] == "idempotency_key_reused"
    assert ApprovalRequest.objects.count() == 1


def test_a_bulk_call_takes_500_and_no_more(api, refunds, request_body, refused):
    answered = api.post("requests/bulk", {"requests": [request_body()] * 500})
    assert [one["status"] for one in answered.json()["results"]] == [201] * 500
    refused(api.post("requests/bulk", {"requests": [request_body()] * 501}), 422, "invalid_request", "/requests")


# --- Before asking


def test_evaluating_says_what_policy_would_do_and_stores_nothing(api, refunds, request_body, conforms, refused):
    evaluation = conforms("Evaluation", api.post("evaluate", request_body()))
    assert (evaluation["items"][0]["route"], evaluation["items"][0]["tier"]) == ("review", 1)

    refused(api.post("evaluate", request_body(action="launch")), 422, "invalid_request", "/action")
    assert not ApprovalRequest.objects.exists() and not Approval.objects.exists()


def test_an_agent_reads_the_action_types_before_it_asks(api, refunds, conforms, refused):
    listed = conforms("ActionTypeList", api.get("action-types"))
    assert [one["name"] for one in listed["action_types"]] == ["refund"]
    refund_type = conforms("ActionType", api.get("action-types/refund"))
    assert (refund_type["schema"]["required"], refund_type["value_ceiling"]) == (
        ["order", "amount", "currency"],
        "5000.00",
    )
    refused(api.get("action-types/launch"), 404, "not_found")


def test_an_agent_reads_the_ceiling_that_holds_in_the_domain(api, tiers, commerce, refunds):
    DomainTerms.objects.create(tier=tiers[1], domain=commerce, ceiling=100)
    snapshot.publish(by=None, note="less in commerce")

    assert api.get("action-types/refund").json()["value_ceiling"] == "100.00"


def test_before_any_policy_was_published_nothing_is_taken(api, request_body, refused):
    refused(api.post("requests", request_body()), 503, "no_policy")
    refused(api.get("action-types"), 503, "no_policy")
