"""A person takes back what was released and not used, whoever or whatever released it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed, OutOfDate
from approvals.execution import agent_reports, consume, grants, post_review, steps
from approvals.execution.consume import RECALLED, PermitRefused, PermitUse
from approvals.execution.grants import GrantRequest
from approvals.execution.recall import REASONS, TooLate, recall
from approvals.execution.steps import NotApproved, StepReport
from approvals.models import Approval, Decision, Delivery, Endpoint, Grant, Incident, Outcome, PostReview, Recall, Spend
from approvals.policy import snapshot
from approvals.policy.authoring import packs
from approvals.requests.submission import Item, RunRef
from tests.checker import check
from tests.conftest import database_url, replace_arguments
from tests.recall.conftest import WHY, approve, document, executor_of, fresh, mail, step, take_back


def use_permit(held) -> object:
    return consume.consume(PermitUse(held.jti, held.permit, held.digest, "first"), by=held.approval.agent)


def test_who_approved_it_takes_it_back_hours_later_and_it_runs_no_more(executor, alice, robot):
    recalled = take_back(executor.approval, by=alice)

    assert (recalled.status, recalled.consumed_at, recalled.verdict) == ("recalled", None, "approve")
    event = recalled.events.latest("seq")
    facts = {"reason": "not_needed", "tier": 1, "source": "human", "surface": "page"}
    assert (event.kind, event.actor, event.facts) == ("recalled", "user:alice", facts)
    recall_row = Recall.objects.get(pk=recalled.pk)
    assert (recall_row.user, recall_row.reason, recall_row.message) == (alice, "not_needed", "The customer cancelled.")
    with pytest.raises(PermitRefused, match=r"Alice recalled this at .* UTC; nothing may run by its permit") as no:
        use_permit(executor)
    assert no.value.code == RECALLED
    assert Decision.objects.get(approval=recalled).recalled_at == recall_row.recalled_at


def test_the_second_document_has_no_permit_and_the_first_stays_byte_for_byte(executor, alice):
    first = executor.approval.request.answer
    take_back(executor.approval, by=alice)

    executor.approval.request.refresh_from_db()
    assert executor.approval.request.answer == first
    newest = document(executor.approval)
    assert newest["status"] == "decided"
    [item] = newest["items"]
    assert (item["status"], item["verdict"], item["permit"], item["action"]) == ("recalled", None, None, None)
    assert (item["reason"], item["message"]) == ("not_needed", "The customer cancelled.")
    assert item["recalled_by"] == {"tier": 1, "name": "Alice"}


def test_items_are_recalled_one_after_the_other_and_the_others_stay_as_they_were(propose, alice, bob):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    first = propose(items=tuple(Item(id=f"call_{n}", action="refund", args=args) for n in range(3)))
    items = list(first.request.approvals.order_by("position"))
    for item in items:
        approve(fresh(item), by=alice)
    before = document(first, "answer")

    take_back(items[0], by=alice)
    second = document(first)
    assert [item["status"] for item in second["items"]] == ["recalled", "decided", "decided"]
    assert second["items"][1:] == before["items"][1:]
    take_back(items[2], by=bob)
    assert [item["status"] for item in document(first)["items"]] == ["recalled", "decided", "recalled"]
    assert document(first, "answer") == before


@pytest.mark.parametrize("verdict", ["approve", "modify"])
def test_what_a_colleague_of_the_tier_or_above_decided(verdict, propose, alice, bob):
    approval = propose()
    verdict_input = (
        VerdictInput(edits=replace_arguments({"order": "456", "amount": 200, "currency": "EUR"}))
        if verdict == "modify"
        else VerdictInput()
    )
    decide(card_version_of(approval), by=alice, verdict=verdict, verdict_input=verdict_input)
    assert take_back(approval, by=bob).status == "recalled"


def test_what_policy_let_pass(auto_approved_type, propose, alice):
    approval = propose(action="label")
    assert (approval.source, approval.status) == ("policy", "released")
    assert take_back(approval, by=alice).status == "recalled"


def test_what_silence_let_run(action_type, propose, alice):
    action_type("note", reversibility="reversible", gate="soft", on_timeout="approve")
    approval = propose(action="note", timeout=timedelta(hours=5))
    with times.at(approval.expires_at + timedelta(seconds=1)):
        clock.sweep()
    assert fresh(approval).source == "timeout"
    assert take_back(approval, by=alice).status == "recalled"


def test_what_a_standing_approval_let_pass(propose, robot, alice, refunds):
    origin = propose()
    approve(origin, by=alice)
    given = grants.give(
        GrantRequest(robot.pk, "refund", 3, times.now() + timedelta(days=1), 1), by=alice, origin=fresh(origin)
    )
    passed = propose(order="457")
    assert passed.source == "grant"
    assert take_back(passed, by=alice).status == "recalled"
    given.refresh_from_db()
    assert (given.used, given.revoked_at) == (1, None)


def test_what_was_given_on_its_card_goes_with_it(propose, robot, alice):
    origin = propose()
    approve(origin, by=alice)
    wish = GrantRequest(robot.pk, "refund", 3, times.now() + timedelta(days=1), 1)
    grants.give(wish, by=alice, origin=fresh(origin))
    take_back(origin, by=alice)

    given = Grant.objects.get(origin=origin)
    assert given.revoked_at is not None and given.revoked_by == alice
    assert propose(order="457").status == "pending"
    with pytest.raises(NotAllowed):
        grants.give(wish, by=alice, origin=fresh(origin))


def test_what_runs_before_anybody_has_looked_and_nobody_has_to_look_any_more(action_type, propose, alice):
    action_type("label", reversibility="reversible", runs_before_review="review")
    approval = propose(action="label", run=RunRef("run-1", "Order 1"))
    assert approval.audit.finding == "open"
    take_back(approval, by=alice)

    look = PostReview.objects.get(pk=approval.pk)
    assert (look.finding, look.by) == ("recalled", alice)
    with pytest.raises(post_review.AlreadyReviewed, match="Alice recalled this"):
        post_review.record_finding(
            [approval.pk], by=alice, finding=post_review.OBJECTED, finding_input=post_review.FindingInput("no")
        )


def test_a_manual_gate(action_type, propose, bob):
    action_type("wipe", reversibility="irreversible", gate="manual", tier_id=2)
    approval = propose(action="wipe")
    decide(
        card_version_of(approval),
        by=bob,
        verdict="approve",
        verdict_input=VerdictInput(typed_confirmation="420", freshly_authenticated=True),
    )
    assert take_back(approval, by=bob).status == "recalled"


# --- Who, and what not


def test_only_who_could_decide_it_now_may(executor, mallory, olga, mia, otto, ada, root, oscar, alice, bob):
    for person in (mallory, olga, mia, otto, ada, root, oscar):
        with pytest.raises(NotAllowed):
            take_back(executor.approval, by=person)
    alice.memberships.all().delete()
    with pytest.raises(NotAllowed):
        take_back(executor.approval, by=alice)
    assert take_back(executor.approval, by=bob).status == "recalled"


def test_a_tier_above_the_recallers_own_is_not_theirs(propose, alice, bob):
    high = propose(amount=9_000)
    approve(high, by=bob)
    with pytest.raises(NotAllowed):
        take_back(high, by=alice)


def test_a_reason_is_needed_and_other_needs_a_text(executor, alice):
    for verdict_input in (
        VerdictInput(message="because"),
        VerdictInput(reason="wrong_amount"),
        VerdictInput(reason="other", message="  "),
    ):
        with pytest.raises(BadVerdict):
            take_back(executor.approval, by=alice, verdict_input=verdict_input)
    with pytest.raises(BadVerdict, match="10000 characters"):
        take_back(executor.approval, by=alice, verdict_input=VerdictInput(reason="changed", message="x" * 10_001))
    assert fresh(executor.approval).status == "released"
    assert (
        take_back(executor.approval, by=alice, verdict_input=VerdictInput(reason="other", message="She called.")).status
        == "recalled"
    )


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_list(reason, executor, alice):
    take_back(executor.approval, by=alice, verdict_input=VerdictInput(reason=reason, message="so"))
    assert Recall.objects.get().reason == reason


def test_without_a_message_the_agent_reads_what_it_means(executor, alice):
    take_back(executor.approval, by=alice, verdict_input=VerdictInput(reason="changed"))
    assert document(executor.approval)["items"][0]["message"].startswith("A reviewer recalled this approval")


def test_a_card_that_showed_something_else_recalls_nothing(executor, alice):
    for changed in ({"revision": 2}, {"round": 2}, {"digest": "sha256:0"}):
        shown = card_version_of(executor.approval)
        with pytest.raises(OutOfDate):
            recall(replace(shown, **changed), by=alice, verdict_input=WHY)
    assert fresh(executor.approval).status == "released"


def test_who_comes_after_the_use_reads_when_it_was_used(executor, alice):
    at = use_permit(executor).consumption.consumed_at
    with pytest.raises(TooLate, match=f"robot used the permit at {at:%H:%M:%S} UTC") as late:
        take_back(executor.approval, by=alice)
    assert late.value.used_at == at


def test_what_was_recalled_before_or_has_an_outcome_is_too_late(propose, approved_executor, alice, bob, robot):
    taken, done = approved_executor().approval, approved_executor(order="2").approval
    take_back(taken, by=alice)
    with pytest.raises(TooLate, match="Alice recalled this at"):
        take_back(taken, by=bob)
    agent_reports.report_outcome(done, by=robot, result="succeeded")
    with pytest.raises(TooLate):
        take_back(done, by=bob)


def test_nothing_that_was_not_approved_is_recalled(propose, refunds, with_undo, alice, robot):
    pending, held, rejected, gone = (propose(order=str(n)) for n in range(4))
    approve(held, by=alice)
    agent_reports.cancel(gone.request, by=robot)
    decide(card_version_of(rejected), by=alice, verdict="reject", verdict_input=VerdictInput(reason="policy"))
    with times.at(times.now() + timedelta(seconds=6)):
        Approval.objects.filter(pk=held.pk).update(hold_until=times.now() + timedelta(minutes=5))
        clock.sweep()
    for approval in (pending, held, rejected, gone):
        with pytest.raises(NotAllowed):
            take_back(approval, by=alice)


def test_an_answer_to_a_question_is_no_permit(tiers, propose, alice):
    packs.load("core")
    snapshot.publish(by=None, note="core")
    alice.memberships.update(domain=None)
    [item] = [Item(id="q", item_type="question", prompt="Which?", response_schema={"type": "string"})]
    question = propose(items=(item,))
    decide(card_version_of(question), by=alice, verdict="answer", verdict_input=VerdictInput(answer="this"))
    with pytest.raises(NotAllowed, match="Nothing was approved"):
        take_back(question, by=alice)


@pytest.mark.parametrize(
    "columns",
    [
        {"consumed_at": "now"},
        {"verdict": "reject"},
        {"released_at": None},
        {"kind": "seeded"},
        {"item_type": "question"},
    ],
)
def test_the_database_knows_no_other_recalled_one(columns, executor, alice):
    take_back(executor.approval, by=alice)
    columns = {name: times.now() if value == "now" else value for name, value in columns.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=executor.approval.pk).update(**columns)


def test_the_database_keeps_one_standing_decision_and_the_recall(executor, alice):
    take_back(executor.approval, by=alice)
    before = Decision.objects.get(approval=executor.approval)
    with pytest.raises(IntegrityError, match="decision_is_undone_or_recalled"), transaction.atomic():
        Decision.objects.filter(pk=before.pk).update(undone_at=times.now())
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        Recall.objects.update(reason="other")
    rows = {"approval": executor.approval, "verdict": "approve", "source": "human", "tier_id": 1}
    Decision.objects.create(**rows, revision=1, round=2, decided_at=times.now())
    with pytest.raises(IntegrityError, match="one_decision_stands"), transaction.atomic():
        Decision.objects.create(**rows, revision=1, round=3, decided_at=times.now())


# --- Requests that are still open


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
