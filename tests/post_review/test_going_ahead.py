"""Which proposals go on before anybody has looked, and which wait all the same."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from agents.api.openapi import document
from approvals.db import times
from approvals.models import ActionType, Approval, PostReview, Rule
from approvals.policy import snapshot
from approvals.policy.assessment import EvaluationInput
from approvals.policy.optimistic import runs_before_review
from approvals.policy.routing_decision import Routing
from approvals.requests import intake
from approvals.requests.amend import amend
from approvals.requests.submission import Item, RunRef, Submission
from tests.conftest import sentences_of
from tests.post_review.conftest import UNDO, WINDOW, fresh, review_of
from tests.runs.conftest import KEY


def test_a_soft_gate_may_let_the_agent_go_on_with_a_window_to_stop_it(vetoable):
    row = review_of(vetoable)

    assert (vetoable.status, vetoable.route, vetoable.source, vetoable.reason_code) == (
        "released",
        "auto",
        "policy",
        "before_review",
    )
    assert (row.why, row.finding, row.until) == ("veto", "open", vetoable.created_at + WINDOW)
    assert (row.tier_id, row.domain_id, row.run.key) == (1, "commerce", KEY)
    assert "stop it until its deadline" in sentences_of(vetoable.reasons)[-1]
    assert vetoable.events.get(kind="released").facts["post_review"] == "veto"


def test_a_run_may_go_on_and_is_reviewed_as_a_whole(optimistic):
    assert (optimistic.status, optimistic.reason_code, review_of(optimistic).why) == (
        "released",
        "before_review",
        "review",
    )


def test_outside_a_run_it_waits(veto_type, optimistic_type, propose):
    assert [propose(action=one).status for one in ("note", "label")] == ["pending", "pending"]
    assert PostReview.objects.count() == 0


def test_an_action_type_that_says_nothing_of_it_waits(propose, refunds):
    assert propose(run=RunRef(KEY)).status == "pending"


@pytest.mark.parametrize(
    "more",
    [
        {"flags": ["first_time"]},
        {"approvers": 2},
        {"level": 1},
    ],
)
def test_what_more_than_its_own_strategy_asks_for_waits(action_type, propose_in_run, more):
    action_type("label", reversibility="reversible", runs_before_review="review", **more)

    assert propose_in_run("label").status == "pending"


def test_what_a_rule_asks_for_waits(optimistic_type, propose_in_run):
    Rule.objects.create(
        name="big", action_type=optimistic_type, expression="args.amount > 100.0", message="big", tier_id=2
    )
    snapshot.publish(by=None, note="a rule")

    assert [propose_in_run("label", amount=amount).status for amount in (99, 101)] == ["released", "pending"]


def test_what_did_not_parse_and_what_has_no_known_value_wait(optimistic_type, propose_in_run):
    assert propose_in_run("label", args='{"order": "1"', parsed=False).status == "pending"
    assert propose_in_run("label", args={"order": "1", "amount": 1, "currency": "GBP"}).status == "released"


def test_what_is_partly_reversible_goes_ahead_only_with_its_undo_in_the_request(action_type, propose_in_run):
    action_type("label", reversibility="partial", runs_before_review="review")
    waits, goes = propose_in_run("label", order="1"), propose_in_run("label", order="2", undo=UNDO)

    assert (waits.status, sentences_of(waits.reasons)[-1]) == (
        "pending",
        "It waits, because the request names nothing that undoes it.",
    )
    assert (goes.status, review_of(goes).why, goes.proposal.undo) == ("released", "review", UNDO)


def test_what_undoes_it_in_the_request_is_what_undoes_the_step(action_type, propose_in_run, course):
    action_type("label", reversibility="partial", runs_before_review="review")
    approval = propose_in_run("label", undo={"name": "unlabel"})
    course.step("label", request=str(approval.request_id), item=approval.item)

    assert course.read()["steps"][0]["undo"] == {"name": "unlabel", "args": approval.proposal.args}


@pytest.mark.parametrize("setting", ["veto", "review"])
@pytest.mark.parametrize(
    "what", [{"reversibility": "irreversible"}, {"gate": "manual"}, {"gate": "soft", "reversibility": "partial"}]
)
def test_routing_does_not_trust_a_version_that_lets_go_what_may_not(optimistic_type, setting, what):
    kind = replace(snapshot.current().types["label"], runs_before_review=setting, **what)
    question = EvaluationInput(kind, uuid4(), "robot", {}, "sha256:", times.now(), run=KEY, undoable=True)
    routing = Routing("review", kind.gate, 1, 1, "fixed")

    assert runs_before_review(routing, question).route == "review"


@pytest.mark.parametrize(
    "wrong",
    [
        {"runs_before_review": "veto", "gate": "hard", "reversibility": "reversible"},
        {"runs_before_review": "veto", "gate": "soft", "reversibility": "partial"},
        {"runs_before_review": "review", "gate": "hard", "reversibility": "irreversible", "strategy": "always"},
        {"runs_before_review": "review", "gate": "manual", "reversibility": "partial"},
    ],
)
def test_the_database_keeps_no_action_type_that_would(veto_type, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        ActionType.objects.filter(pk="note").update(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reversibility": "irreversible"},
        {"reversibility": "partial"},
        {"gate": "manual"},
        {"route": "review"},
    ],
)
def test_the_database_keeps_no_approval_that_did(vetoable, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=vetoable.pk).update(on_timeout="reject", **wrong)


def test_an_agent_cannot_shorten_the_window_by_its_own_timeout(veto_type, propose_in_run):
    approval = propose_in_run("note", timeout=timedelta(seconds=1))

    assert review_of(approval).until == approval.created_at + WINDOW


def test_it_and_its_look_are_stored_together_or_not_at_all(veto_type, propose_in_run, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("approvals.execution.post_review_queue._made", broken)
    with pytest.raises(RuntimeError):
        propose_in_run("note")
    assert (Approval.objects.count(), PostReview.objects.count()) == (0, 0)


def test_a_plan_with_such_a_step_is_read_before_it_begins(optimistic_type, action_type, robot):
    action_type("plan", schema={}, value_path="", currency_path="", subject_path="", headline="carry out {steps}")
    step = {"id": "a", "action": {"name": "label", "args": {"order": "1", "amount": 1, "currency": "EUR"}}}
    item = Item(id="p", item_type="plan", steps=[step])
    [answer] = intake.submit(robot, [Submission((item,), "sha256:p", run=RunRef(KEY))])

    assert answer.approvals[0].status == "pending"


def test_an_amendment_of_what_waits_does_not_let_it_go(optimistic_type, propose, robot):
    approval = propose(action="label")
    amend(approval.pk, lambda item: replace(item, summary="better said"), by=robot)

    assert fresh(approval).status == "pending"


# --- What the agent is told


def test_the_answer_says_that_it_goes_ahead_and_until_when_it_can_be_stopped(veto_type, api, request_body):
    answer = api.post("requests", {**request_body(action="note"), "run": {"id": KEY}})
    [item] = answer.json()["items"]

    assert (item["route"], item["reason_code"], item["status"]) == ("auto", "before_review", "decided")
    assert item["runs_before_review"]["why"] == "veto"
    assert item["runs_before_review"]["finding"] == "open"
    assert item["runs_before_review"]["until"].endswith("Z")
    assert answer.json()["decision"]["items"][0]["permit"]


def test_a_run_to_be_reviewed_has_no_hurry(optimistic_type, api, request_body):
    body = {**request_body(action="label"), "run": {"id": KEY}}
    [item] = api.post("requests", body).json()["items"]

    assert item["runs_before_review"] == {"why": "review", "until": None, "finding": "open"}
    request_item = api.get(f"requests/{Approval.objects.get().request_id}").json()["items"][0]
    assert request_item["runs_before_review"] == item["runs_before_review"]


def test_evaluate_says_the_same_beforehand_and_stores_nothing(optimistic_type, api, request_body):
    [item] = api.post("evaluate", {**request_body(action="label"), "run": {"id": KEY}}).json()["items"]

    assert (item["route"], item["reason_code"]) == ("auto", "before_review")
    assert PostReview.objects.count() == 0


def test_an_undo_goes_with_an_action(api, request_body, action_type):
    body = {"question": {"prompt": "Which?"}, "undo": {"name": "x"}}

    assert api.post("requests", body).status_code == 422
    assert "runs_before_review" in document()["components"]["schemas"]["ItemState"]["properties"]
