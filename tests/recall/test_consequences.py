"""What follows from a recall: open requests, plans, spending, precedents, outcomes."""

import pytest

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_reports, steps
from approvals.execution.steps import NotApproved, StepReport
from approvals.models import Delivery, Endpoint, Incident, Outcome, Spend
from approvals.requests.submission import Item, RunRef
from tests.checker import check
from tests.recall.builders import use_permit
from tests.recall.conftest import approve, document, executor_of, fresh, mail, step, take_back
from tests.web import database_url


def test_of_a_request_answered_as_they_come_the_item_is_recalled_at_once(propose, alice):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    items = tuple(Item(id=f"call_{n}", action="refund", args=args) for n in range(2))
    first = propose(items=items, decide="independently")
    approve(first, by=alice)
    take_back(first, by=alice)
    second = first.request.approvals.get(item="call_1")
    approve(fresh(second), by=alice)

    first.request.refresh_from_db()
    assert first.request.recalled_answer == ""
    assert [item["status"] for item in document(first, "answer")["items"]] == ["recalled", "decided"]
    assert first.request.status == "decided"


def test_of_a_request_answered_together_its_agent_never_read_the_approval(propose, alice):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    first = propose(items=tuple(Item(id=f"call_{n}", action="refund", args=args) for n in range(2)))
    Endpoint.objects.create(agent=first.agent, url="https://example.com/hook", secret="x")
    approve(first, by=alice)
    take_back(first, by=alice)
    assert not Delivery.objects.filter(topic="request.recalled").exists()
    second = first.request.approvals.get(item="call_1")
    decide(card_version_of(fresh(second)), by=alice, verdict="reject", verdict_input=VerdictInput(reason="policy"))

    assert [item["status"] for item in document(first, "answer")["items"]] == ["recalled", "decided"]


# --- Plans


def test_a_recalled_plan_lets_no_further_step_pass_and_takes_back_what_has_not_run(
    plan, propose_step, robot, alice, api
):
    given = plan(step("a"), step("b"), step("c"), run="thread-7")
    approve(given, by=alice)
    ran, waiting = propose_step(step("a"), run="thread-7"), propose_step(step("b"), run="thread-7")
    use_permit(executor_of(ran, api))
    take_back(given, by=alice)

    assert [fresh(one).status for one in (given, ran, waiting)] == ["recalled", "released", "recalled"]
    [event] = waiting.events.filter(kind="recalled")
    assert event.facts["with_plan"] == str(given.pk)
    assert document(waiting)["items"][0]["status"] == "recalled"
    later = propose_step(step("c"), run="thread-7")
    assert (later.status, later.plan) == ("pending", None)
    assert not any(flag["code"] == "deviates" for flag in later.assessment["flags"])


def test_one_step_of_a_plan_is_recalled_alone(plan, propose_step, alice):
    given = plan(step("a"), step("b"))
    approve(given, by=alice)
    passed = propose_step(step("a"))
    take_back(passed, by=alice)
    assert [fresh(one).status for one in (given, passed)] == ["released", "recalled"]
    assert propose_step(step("b")).source == "grant"


# --- What follows from it


def total_spent() -> float:
    return float(sum(Spend.objects.values_list("amount", flat=True)))


def test_spending_is_given_back_and_counted_again_when_it_ran_all_the_same(executor, alice, robot):
    assert total_spent() == 420
    take_back(executor.approval, by=alice)
    assert total_spent() == 0
    agent_reports.report_outcome(executor.approval, by=robot, result="succeeded")
    assert total_spent() == 420


def test_of_a_plan_what_no_step_has_used_is_given_back(plan, propose_step, alice, api):
    given = plan(step("a", 100), step("b", 20), step("c", 3))
    approve(given, by=alice)
    assert total_spent() == 123
    use_permit(executor_of(propose_step(step("a", 100)), api))
    propose_step(step("b", 20))
    take_back(given, by=alice)
    assert total_spent() == 100


def test_what_was_recalled_is_no_precedent_no_usual_value_and_no_duplicate(propose, alice):
    first = propose()
    approve(first, by=alice)
    assert propose().assessment["flags"] != []
    take_back(first, by=alice)
    again = propose(order="456")
    assert not any(flag["code"] == "duplicate" and str(first.pk) in str(flag) for flag in again.assessment["flags"])


@pytest.mark.parametrize(
    ("result", "severity"), [("succeeded", "critical"), ("compensated", "critical"), ("failed", "high")]
)
def test_an_outcome_reported_afterwards_is_recorded_and_opens_an_incident(result, severity, executor, alice, robot):
    Endpoint.objects.create(agent=robot, url="https://example.com/hook", secret="x")
    take_back(executor.approval, by=alice)
    agent_reports.report_outcome(executor.approval, by=robot, result=result)
    agent_reports.report_outcome(executor.approval, by=robot, result=result)  # once more is fine

    assert (fresh(executor.approval).status, Outcome.objects.get().result) == ("recalled", result)
    incident = Incident.objects.get(approval=executor.approval)
    assert (incident.severity, incident.opened_by) == (severity, None)
    assert "recalled before its permit was used" in incident.text
    assert Delivery.objects.filter(topic="incident.opened").count() == 1
    kinds = list(executor.approval.events.order_by("seq").values_list("kind", flat=True))[-3:]
    assert kinds == ["recalled", "outcome", "incident"]


def test_an_agent_that_left_it_out_says_so_without_an_incident(executor, alice, robot):
    take_back(executor.approval, by=alice)
    agent_reports.report_outcome(executor.approval, by=robot, result="skipped")
    assert (Outcome.objects.get().result, Incident.objects.exists()) == ("skipped", False)


def test_that_it_was_undone_afterwards_is_recorded_too(executor, alice, robot):
    take_back(executor.approval, by=alice)
    agent_reports.report_outcome(executor.approval, by=robot, result="succeeded")
    agent_reports.report_outcome(executor.approval, by=robot, result="compensated")
    assert (fresh(executor.approval).status, Outcome.objects.get().result) == ("recalled", "compensated")


def test_a_step_that_ran_all_the_same_is_recorded_and_none_begins(propose, alice, robot):
    approval = propose(run=RunRef("run-1", "Order 1"))
    approve(approval, by=alice)
    take_back(approval, by=alice)
    run = fresh(approval).request.run
    with pytest.raises(NotApproved):
        steps.record(run, StepReport("refund", "started", approval=fresh(approval)))
    refund_step, _ = steps.record(
        run, StepReport("refund", fields={"undo": {"name": "charge"}}, approval=fresh(approval))
    )
    assert refund_step.status == "done"
    assert Incident.objects.get(approval=approval).severity == "critical"


def test_the_webhook_names_request_and_item(executor, alice, robot):
    Endpoint.objects.create(agent=robot, url="https://example.com/hook", secret="x")
    take_back(executor.approval, by=alice)
    delivery = Delivery.objects.get(topic="request.recalled")
    data = delivery.payload["data"]
    assert (data["request"], data["item"], data["status"]) == (str(executor.approval.request_id), "call_1", "recalled")
    assert data["decision_url"].endswith(f"/api/v1/requests/{executor.approval.request_id}/decision")


def test_the_checker_finds_nothing_broken_in_any_of_it(
    transactional_db, approved_executor, plan, propose_step, alice, api, robot
):
    first, late = approved_executor(order="1").approval, approved_executor(order="2").approval
    given = plan(step("a"), mail("b", "a"))
    approve(given, by=alice)
    propose_step(step("a"))
    for approval in (first, late, given):
        take_back(approval, by=alice)
    agent_reports.report_outcome(late, by=robot, result="succeeded")
    assert check(database_url()) == []
