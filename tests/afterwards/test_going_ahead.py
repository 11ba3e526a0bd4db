"""Which proposals go on before anybody has looked, and which wait all the same."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from agents.api.openapi import document
from approvals import times
from approvals.models import ActionType, Approval, Audit, Rule
from approvals.policy import snapshot
from approvals.policy.ahead import goes_ahead
from approvals.policy.assess import Question
from approvals.policy.routing import Routing
from approvals.review import intake
from approvals.review.amend import amend
from approvals.review.submission import Item, RunRef, Submission
from tests.afterwards.conftest import UNDO, WINDOW, fresh, look
from tests.runs.conftest import KEY


def test_a_soft_gate_may_let_the_agent_go_on_with_a_window_to_stop_it(noted):
    row = look(noted)

    assert (noted.status, noted.route, noted.source, noted.reason_code) == ("released", "auto", "policy", "ahead")
    assert (row.why, row.finding, row.until) == ("veto", "open", noted.created_at + WINDOW)
    assert (row.tier_id, row.domain_id, row.run.key) == (1, "commerce", KEY)
    assert "stop it until its deadline" in noted.reasons[-1]
    assert noted.events.get(kind="released").facts["audit"] == "veto"


def test_a_run_may_go_on_and_is_reviewed_as_a_whole(labelled):
    assert (labelled.status, labelled.reason_code, look(labelled).why) == ("released", "ahead", "review")


def test_outside_a_run_it_waits(noting, labelling, propose):
    assert [propose(action=one).status for one in ("note", "label")] == ["pending", "pending"]
    assert Audit.objects.count() == 0


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
def test_what_more_than_its_own_strategy_asks_for_waits(action_type, go, more):
    action_type("label", reversibility="reversible", ahead="review", **more)

    assert go("label").status == "pending"


def test_what_a_rule_asks_for_waits(labelling, go):
    Rule.objects.create(name="big", action_type=labelling, expression="args.amount > 100.0", message="big", tier_id=2)
    snapshot.publish(by=None, note="a rule")

    assert [go("label", amount=amount).status for amount in (99, 101)] == ["released", "pending"]


def test_what_did_not_parse_and_what_has_no_known_value_wait(labelling, go):
    assert go("label", args='{"order": "1"', parsed=False).status == "pending"
    assert go("label", args={"order": "1", "amount": 1, "currency": "GBP"}).status == "released"


def test_what_is_partly_reversible_goes_ahead_only_with_its_undo_in_the_request(action_type, go):
    action_type("label", reversibility="partial", ahead="review")
    waits, goes = go("label", order="1"), go("label", order="2", undo=UNDO)

    assert (waits.status, waits.reasons[-1]) == (
        "pending",
        "It waits, because the request names nothing that undoes it.",
    )
    assert (goes.status, look(goes).why, goes.proposal.undo) == ("released", "review", UNDO)


def test_what_undoes_it_in_the_request_is_what_undoes_the_step(action_type, go, course):
    action_type("label", reversibility="partial", ahead="review")
    approval = go("label", undo={"name": "unlabel"})
    course.step("label", request=str(approval.pause_id), item=approval.item)

    assert course.read()["steps"][0]["undo"] == {"name": "unlabel", "args": approval.proposal.args}


@pytest.mark.parametrize("ahead", ["veto", "review"])
@pytest.mark.parametrize(
    "what", [{"reversibility": "irreversible"}, {"gate": "manual"}, {"gate": "soft", "reversibility": "partial"}]
)
def test_routing_does_not_trust_a_version_that_lets_go_what_may_not(labelling, ahead, what):
    kind = replace(snapshot.current().types["label"], ahead=ahead, **what)
    question = Question(kind, uuid4(), "robot", {}, "sha256:", times.now(), run=KEY, undoable=True)
    routing = Routing("review", kind.gate, 1, 1, "fixed")

    assert goes_ahead(routing, question).route == "review"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ahead": "veto", "gate": "hard", "reversibility": "reversible"},
        {"ahead": "veto", "gate": "soft", "reversibility": "partial"},
        {"ahead": "review", "gate": "hard", "reversibility": "irreversible", "strategy": "always"},
        {"ahead": "review", "gate": "manual", "reversibility": "partial"},
    ],
)
def test_the_database_keeps_no_action_type_that_would(noting, wrong):
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
def test_the_database_keeps_no_approval_that_did(noted, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=noted.pk).update(on_timeout="reject", **wrong)


def test_an_agent_cannot_shorten_the_window_by_its_own_timeout(noting, go):
    approval = go("note", timeout=timedelta(seconds=1))

    assert look(approval).until == approval.created_at + WINDOW


def test_it_and_its_look_are_stored_together_or_not_at_all(noting, go, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("approvals.review.audits._made", broken)
    with pytest.raises(RuntimeError):
        go("note")
    assert (Approval.objects.count(), Audit.objects.count()) == (0, 0)


def test_a_plan_with_such_a_step_is_read_before_it_begins(labelling, action_type, robot):
    action_type("plan", schema={}, value_path="", currency_path="", subject_path="", headline="carry out {steps}")
    step = {"id": "a", "action": {"name": "label", "args": {"order": "1", "amount": 1, "currency": "EUR"}}}
    item = Item(id="p", subject="plan", steps=[step])
    [answer] = intake.submit(robot, [Submission((item,), "sha256:p", run=RunRef(KEY))])

    assert answer.approvals[0].status == "pending"


def test_an_amendment_of_what_waits_does_not_let_it_go(labelling, propose, robot):
    approval = propose(action="label")
    amend(approval.pk, lambda item: replace(item, summary="better said"), by=robot)

    assert fresh(approval).status == "pending"


# --- What the agent is told


def test_the_answer_says_that_it_goes_ahead_and_until_when_it_can_be_stopped(noting, api, asked):
    answer = api.post("requests", {**asked(action="note"), "run": {"id": KEY}})
    [item] = answer.json()["items"]

    assert (item["route"], item["reason_code"], item["status"]) == ("auto", "ahead", "decided")
    assert item["ahead"]["why"] == "veto"
    assert item["ahead"]["finding"] == "open"
    assert item["ahead"]["until"].endswith("Z")
    assert answer.json()["decision"]["items"][0]["permit"]


def test_a_run_to_be_reviewed_has_no_hurry(labelling, api, asked):
    body = {**asked(action="label"), "run": {"id": KEY}}
    [item] = api.post("requests", body).json()["items"]

    assert item["ahead"] == {"why": "review", "until": None, "finding": "open"}
    known = api.get(f"requests/{Approval.objects.get().pause_id}").json()["items"][0]
    assert known["ahead"] == item["ahead"]


def test_evaluate_says_the_same_beforehand_and_stores_nothing(labelling, api, asked):
    [item] = api.post("evaluate", {**asked(action="label"), "run": {"id": KEY}}).json()["items"]

    assert (item["route"], item["reason_code"]) == ("auto", "ahead")
    assert Audit.objects.count() == 0


def test_an_undo_goes_with_an_action(api, asked, action_type):
    body = {"question": {"prompt": "Which?"}, "undo": {"name": "x"}}

    assert api.post("requests", body).status_code == 422
    assert "ahead" in document()["components"]["schemas"]["ItemState"]["properties"]
