"""Stages over the API: what an agent is told of them, and what a person's tool may do with them."""

import json

import pytest

from agents import feed
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.history import seal
from approvals.models import Approval, Delivery, Domain, Endpoint, Rule
from approvals.policy import snapshot

ARGS = {"order": "456", "amount": 420, "currency": "EUR"}
STAGES = [{"tier": 1, "domain": "commerce", "approvers": 1}, {"tier": 2, "domain": "legal", "approvers": 1}]


@pytest.fixture
def legal(db):
    return Domain.objects.create(slug="legal", name="Legal")


@pytest.fixture
def lena(person, tiers, legal):
    return person("lena", tier=2, domain=legal)


@pytest.fixture
def publish_stages(action_type, legal):
    def make(*, typed=False, stages=STAGES):
        kind = action_type("payout", strategy="risk", reversibility="reversible")
        Rule.objects.create(name="r", action_type=kind, expression="true", stages=stages, typed=typed, message="All.")
        snapshot.publish(by=None, note="staged")

    return make


def test_the_answer_and_the_rehearsal_name_the_stages(publish_stages, api, conforms):
    publish_stages()
    response = api.post("requests", {"action": "payout", "args": ARGS})
    [item] = conforms("RequestState", response)["items"]
    assert (item["stages"], item["stage"], item["typed"]) == (STAGES, 1, False)
    assert (item["tier"], item["domain"], item["approvers"], item["votes"]) == (1, "commerce", 1, 0)

    [evaluated_item] = conforms("Evaluation", api.post("evaluate", {"action": "payout", "args": ARGS}))["items"]
    assert (evaluated_item["stages"], evaluated_item["tier"], evaluated_item["domain"], evaluated_item["typed"]) == (
        STAGES,
        1,
        "commerce",
        False,
    )
    assert evaluated_item["reasons"][-1]["text"] == "Two stages: tier 1 commerce, then tier 2 legal."


def test_without_stages_there_is_none_to_be_in(refunds, api):
    [item] = api.post("requests", {"action": "refund", "args": ARGS}).json()["items"]
    assert (item["stages"], item["stage"], item["typed"]) == ([], None, False)


def test_the_agent_sees_where_it_stands_and_who_approved(publish_stages, api, alice, lena, conforms):
    publish_stages()
    request = api.post("requests", {"action": "payout", "args": ARGS}).json()
    approval = load(Approval.objects.get(request=request["id"]).pk)
    on = decide(card_version_of(approval), by=alice, verdict="approve")
    [item] = api.get(f"requests/{request['id']}").json()["items"]
    assert (item["status"], item["stage"], item["tier"], item["domain"]) == ("pending", 2, 2, "legal")
    assert api.get(f"requests/{request['id']}/decision").status_code == 202

    decide(card_version_of(on), by=lena, verdict="approve")
    [item] = conforms("DecisionDocument", api.get(f"requests/{request['id']}/decision"))["items"]
    assert item["decided_by"] == {"tier": 2, "name": "Lena"}
    assert [(one["name"], one["stage"]) for one in item["approved_by"]] == [("Alice", 1), ("Lena", 2)]


def test_the_feed_and_the_webhook_say_that_it_went_on(publish_stages, api, robot, alice):
    publish_stages()
    Endpoint.objects.create(agent=robot, url="https://robot.example/hook", secret="x")
    request = api.post("requests", {"action": "payout", "args": ARGS}).json()
    approval = load(Approval.objects.get(request=request["id"]).pk)
    decide(card_version_of(approval), by=alice, verdict="approve")

    sent = Delivery.objects.get(topic="request.staged")
    webhook_data = sent.payload["data"]
    assert (webhook_data["tier"], webhook_data["domain"], webhook_data["stage"], webhook_data["stages"]) == (
        2,
        "legal",
        2,
        2,
    )
    seal.seal(now=times.now(), everything=True)
    [staged_event] = [json.loads(one.data) for one in feed.read([robot.pk], 0).events if one.name == "staged"]
    assert (staged_event["stage"], staged_event["stages"], staged_event["to_tier"], staged_event["to_domain"]) == (
        1,
        2,
        2,
        "legal",
    )


def _item(approval):
    return {"id": str(approval.pk), "revision": 1, "round": 1, "digest": approval.digest}


def test_a_tool_approves_the_stage_that_it_read(publish_stages, propose, token, alice, bob, conforms):
    publish_stages(stages=[{"tier": 1, "domain": "", "approvers": 1}, {"tier": 2, "domain": "", "approvers": 1}])
    approval = propose(action="payout")
    tool = token(bob)
    card = conforms("Card", tool.get(f"inbox/{approval.pk}"))
    assert (card["stage"], len(card["stages"]), card["approved_by"]) == (1, 2, [])
    decide(card_version_of(approval), by=alice, verdict="approve")

    read = {"verdict": "approve", "revision": 1, "round": 1, "digest": card["digest"]}
    unread = tool.post(f"inbox/{approval.pk}/decide", read)
    assert (unread.status_code, unread.json()["errors"][0]["pointer"]) == (422, "/stage")
    together = tool.post("inbox/batch", {"verdict": "approve", "items": [_item(approval)]})
    assert (together.status_code, together.json()["errors"][0]["pointer"]) == (422, "/items/0/stage")
    late = tool.post(f"inbox/{approval.pk}/decide", {**read, "stage": card["stage"]})
    assert (late.status_code, late.json()["code"]) == (409, "out_of_date")
    assert late.json()["now"] == {"revision": 1, "round": 1, "digest": card["digest"], "stage": 2}
    done = tool.post(f"inbox/{approval.pk}/decide", {**read, "stage": 2})
    assert done.status_code == 200
    assert [one["name"] for one in done.json()["approved_by"]] == ["Alice", "Bob"]


def test_what_is_typed_is_not_decided_by_a_tool(publish_stages, propose, token, alice):
    publish_stages(typed=True, stages=[])
    approval = propose(action="payout")
    tool = token(alice)
    card = tool.get(f"inbox/{approval.pk}").json()
    assert (card["typed"], card["allowed"]) == (True, [])
    read = {"verdict": "approve", "revision": 1, "round": 1, "digest": card["digest"]}
    refused = tool.post(f"inbox/{approval.pk}/decide", read)
    assert (refused.status_code, refused.json()["code"]) == (403, "manual_gate")
    [result] = tool.post("inbox/batch", {"verdict": "approve", "items": [_item(approval)]}).json()["results"]
    assert not result["ok"]
