"""An agent tells what its run does: in order, once, and what ran is what was approved."""

import threading
from urllib.parse import quote

import pytest
from django.db import connection

from agents import keys
from agents.models import Scope
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import steps
from approvals.models import Agent, Run, Step
from approvals.requests.submission import Item
from approvals.values.edits import Operation
from tests.agents.conftest import Api
from tests.runs.conftest import KEY, RELEASE, RESERVE, AgentRun


def test_steps_stand_in_the_order_in_which_they_began(course, conforms):
    assert course.step("plan", run_name="Order 4711").status_code == 201
    conforms("StepState", course.step("reserve", action=RESERVE, undo=RELEASE, status="started"))
    course.step("pay")

    run = conforms("RunState", course.api.get(f"runs/{KEY}"))
    assert [(one["id"], one["position"], one["status"]) for one in run["steps"]] == [
        ("plan", 1, "done"),
        ("reserve", 2, "started"),
        ("pay", 3, "done"),
    ]
    assert (run["id"], run["name"], run["stopped"]) == (KEY, "Order 4711", False)


def test_telling_it_again_changes_nothing(course):
    first = course.step("reserve", action=RESERVE, undo=RELEASE)
    again = course.step("reserve", action=RESERVE, undo=RELEASE)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert Step.objects.count() == 1


def test_a_late_word_that_it_began_does_not_take_back_that_it_is_done(course):
    course.step("reserve", action=RESERVE)

    assert course.step("reserve", action=RESERVE, status="started").json()["status"] == "done"


@pytest.mark.parametrize(
    "other",
    [
        {"action": {**RESERVE, "args": {"sku": "A1", "count": 3}}},
        {"undo": {**RELEASE, "args": {"reservation": "R-8"}}},
        {"undo": None},
        {"context": {"mood": "other"}},
        {"status": "failed"},
    ],
)
def test_the_same_step_with_other_content_is_refused(other, reserved, refused):
    refused(reserved.step("reserve", **{"action": RESERVE, "undo": RELEASE, **other}), 409, "step_differs")

    assert reserved.read()["steps"][1]["undo"] == RELEASE


def test_a_number_of_another_kind_is_other_content(course, refused):
    course.step("reserve", action={"name": "reserve", "args": {"count": 1}})

    refused(course.step("reserve", action={"name": "reserve", "args": {"count": True}}), 409, "step_differs")


def test_what_undoes_a_step_may_be_known_only_when_it_is_done(course):
    course.step("reserve", action=RESERVE, undo={"name": "release"}, status="started")
    done = course.step("reserve", undo=RELEASE).json()

    assert (done["status"], done["undo"], done["action"]) == ("done", RELEASE, RESERVE)
    assert done["done_at"]


def test_an_undo_without_arguments_is_given_those_of_the_action(course):
    assert course.step("reserve", action=RESERVE, undo={"name": "release"}).json()["undo"] == {
        "name": "release",
        "args": RESERVE["args"],
    }


def test_a_step_that_was_approved_holds_what_was_approved(course, propose_in_run, give_verdict):
    approval = propose_in_run(amount=420)
    give_verdict("modify", approval, edits=(Operation("replace", "/amount", 400),))
    action = {"name": "refund", "args": {"order": "456", "amount": 420, "currency": "EUR"}}
    step = course.step(
        "pay", action=action, undo={"name": "charge_back"}, request=str(approval.request_id), item=approval.item
    ).json()

    assert step["action"] == {"name": "refund", "args": {"order": "456", "amount": 400, "currency": "EUR"}}
    assert step["undo"] == {"name": "charge_back", "args": {"order": "456", "amount": 400, "currency": "EUR"}}
    assert (step["request"], step["item"]) == (str(approval.request_id), approval.item)


def test_nothing_ran_by_what_is_not_approved(course, propose_in_run, give_verdict, refused):
    approval = propose_in_run()
    named = {"request": str(approval.request_id), "item": approval.item}
    refused(course.step("pay", **named), 409, "not_decided")
    give_verdict("reject", approval)
    refused(course.step("pay", **named), 409, "not_decided")

    assert not Step.objects.exists()


def test_a_verdict_that_is_held_is_not_known_yet(with_undo, course, propose_in_run, give_verdict, refused):
    approval = give_verdict("approve", propose_in_run())

    refused(course.step("pay", request=str(approval.request_id), item=approval.item), 409, "not_decided")


def test_what_was_asked_in_another_run_is_no_step_of_this_one(course, propose_in_run, give_verdict, refused):
    approval = give_verdict("approve", propose_in_run(key="another"))

    refused(course.step("pay", request=str(approval.request_id), item=approval.item), 409, "not_decided")


def test_another_agents_request_is_nothing_here(course, propose_in_run, give_verdict, refused, stranger):
    approval = give_verdict("approve", propose_in_run())
    named = {"request": str(approval.request_id), "item": approval.item}
    refused(AgentRun(stranger).step("pay", **named), 422, "invalid_request", "/request")
    refused(course.step("pay", request=str(approval.request_id)), 422, "invalid_request", "/item")
    refused(course.step("pay", request="nonsense", item="x"), 422, "invalid_request")


def test_two_agents_may_use_the_same_key(course, stranger, refused):
    course.step("plan")
    refused(AgentRun(stranger).undo("plan"), 404, "not_found")
    assert stranger.get(f"runs/{KEY}").status_code == 404
    AgentRun(stranger).step("other")

    assert [one["id"] for one in course.read()["steps"]] == ["plan"]
    assert Run.objects.count() == 2


def test_a_key_may_hold_anything_that_an_address_holds(api):
    course = AgentRun(api, quote("thread/7 #ü?", safe=""))
    assert course.step("a/b #2", undo=RELEASE).status_code == 201
    assert (
        api.post(f"runs/{course.key}/steps/{quote('a/b #2', safe='')}/undo", {"result": "succeeded"}).json()["status"]
        == "undone"
    )

    assert course.read()["id"] == "thread/7 #ü?"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"id": ""}, "/id"),
        ({"id": "x" * 201}, "/id"),
        ({"id": "x", "status": "undone"}, "/status"),
        ({"id": "x", "undo": {"args": {}}}, "/undo"),
        ({"id": "x", "position": 4}, ""),
        ({"id": "x", "context": []}, "/context"),
    ],
)
def test_what_is_no_step_is_refused_by_field(body, pointer, api, refused):
    problem = refused(api.post(f"runs/{KEY}/steps", body), 422, "invalid_request")

    assert any(error["pointer"].startswith(pointer) for error in problem["errors"])
    assert not Run.objects.exists()


@pytest.mark.parametrize("key", ["x" * 201, "a%00b"])
def test_a_key_that_no_run_can_have_is_refused(key, api, refused):
    refused(api.post(f"runs/{key}/steps", {"id": "x"}), 422, "invalid_request")
    refused(api.get(f"runs/{key}"), 404, "not_found")


def test_a_run_has_an_end(course, refused, monkeypatch):
    monkeypatch.setattr(steps, "MOST", 2)
    course.step("one")
    course.step("two")

    refused(course.step("three"), 409, "too_many_steps")
    assert course.step("two").status_code == 200


def test_telling_needs_a_key_that_may_execute(robot, refused):
    reader = Api(keys.issue(agent=robot, name="reader", scopes=[Scope.READ])[1])
    refused(AgentRun(reader).step("plan"), 403, "scope_missing")
    refused(AgentRun(reader).undo("plan"), 403, "scope_missing")


def test_a_question_that_was_answered_can_be_a_step(course, robot, propose_in_run, alice, action_type):
    action_type(
        "question", schema={}, allowed=["answer"], gate="clarify", value_path="", currency_path="", subject_path=""
    )
    question = propose_in_run(
        items=(Item(id="q", item_type="question", prompt="Which?", response_schema={"type": "string"}),)
    )
    decide(card_version_of(question), by=alice, verdict="answer", verdict_input=VerdictInput(answer="this"))

    assert course.step("ask", request=str(question.request_id), item="q").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_steps_told_at_once_have_places_of_their_own():
    run = steps.run_of(Agent.objects.create(name="robot"), KEY)
    start = threading.Barrier(8)

    def tell(number: int) -> None:
        start.wait()
        steps.record(run, steps.StepReport(key=str(number)))
        connection.close()

    workers = [threading.Thread(target=tell, args=(number,)) for number in range(8)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()

    assert sorted(Step.objects.values_list("position", flat=True)) == list(range(1, 9))
