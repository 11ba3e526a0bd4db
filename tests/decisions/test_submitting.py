"""What an agent submits is durable when acknowledged, routed with reasons, and answered once."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_reports
from approvals.models import Agent, Approval, ApprovalRequest, AuditEvent
from approvals.models.states import Status
from approvals.requests import intake
from approvals.requests.submission import AgentSubmission, BadSubmission, Item, KeyReused, Receipt, RunRef, Submission
from tests.conftest import sentences_of

ARGS = {"order": "456", "amount": 420, "currency": "EUR"}
ITEM = Item(id="call_1", action="refund", args=ARGS)


def submission(*items: Item, content: str = "sha256:a", **fields) -> Submission:
    return Submission(items=items or (ITEM,), content_hash=content, **fields)


def test_a_request_waits_with_route_tier_deadlines_and_reasons(refund):
    assert (refund.status, refund.route, refund.gate, refund.tier_id) == (Status.PENDING, "review", "hard", 1)
    assert sentences_of(refund.reasons)
    assert refund.proposal.headline == "refund 420 EUR to order 456"
    assert refund.subject == "order:456"
    assert refund.due_at < refund.expires_at == refund.created_at + timedelta(hours=4)
    assert [event.kind for event in refund.events.all()] == ["submitted"]


def test_what_policy_lets_through_is_answered_at_once(action_type, propose):
    action_type("tag", strategy="never", reversibility="reversible")
    tag = propose(action="tag")

    [item] = json.loads(tag.request.answer)["items"]
    assert (tag.status, item["verdict"], item["source"], item["decided_by"]) == ("released", "approve", "policy", None)


def test_a_paused_agent_is_refused_in_words(propose, robot):
    robot.paused_at = times.now()
    robot.save()
    refund = propose()

    [item] = json.loads(refund.request.answer)["items"]
    assert (refund.route, item["verdict"], item["action"]) == ("reject", "reject", None)
    assert item["message"]


def test_a_set_answers_each_and_one_that_cannot_be_taken_holds_up_none(refunds, robot):
    bad = Item(id="a", action="refund", args={"order": 1})
    answers = intake.submit(
        robot,
        [
            submission(),
            submission(bad),
            submission(Item(id="a", action="nonsense")),
            submission(timeout=timedelta(days=366)),
            submission(ITEM, Item(id="call_2", action="refund", args=ARGS)),
        ],
    )

    assert [type(one) for one in answers] == [Receipt, BadSubmission, BadSubmission, BadSubmission, Receipt]
    assert "/items/0/action/args/order" in {fault.pointer for fault in answers[1].faults}
    assert ApprovalRequest.objects.count() == 2
    assert Approval.objects.count() == 3


@pytest.mark.parametrize("wish", ["approve", "proceed"])
def test_an_agent_cannot_wish_for_approval_by_silence(wish, action_type, refunds, robot):
    action_type("tag", reversibility="reversible")
    [partly, reversible] = intake.submit(
        robot,
        [
            submission(on_timeout=wish),
            submission(Item(id="a", action="tag", args=ARGS), on_timeout=wish),
        ],
    )

    assert isinstance(partly, BadSubmission)
    assert isinstance(reversible, BadSubmission)


def test_verdicts_the_agents_framework_cannot_honour_are_not_offered(propose):
    assert propose(allowed=("reject", "approve")).allowed == ["approve", "reject"]
    with pytest.raises(BadSubmission):
        propose(allowed=("skip",))


def test_an_agent_that_understates_its_value_is_valued_by_its_arguments(propose):
    from decimal import Decimal

    assert propose(amount=6000, value=Decimal(1)).tier_id == 2
    assert propose(amount=1, value=Decimal(6000)).tier_id == 2


def test_arguments_that_did_not_parse_are_shown_and_cannot_be_approved(propose, alice):
    broken = propose(args='{"order": "456", "amount":', parsed=False)

    assert "approve" not in broken.allowed
    assert (
        decide(
            card_version_of(broken), by=alice, verdict="reject", verdict_input=VerdictInput(reason="unclear")
        ).verdict
        == "reject"
    )


# --- Sets of several agents


def test_a_set_may_hold_what_several_agents_submit(refunds, robot):
    other = Agent.objects.create(name="other")
    same = submission(key="k", run=RunRef("thread-7"))
    first, second, again = intake.take(
        [AgentSubmission(robot.pk, same), AgentSubmission(other.pk, same), AgentSubmission(robot.pk, same)]
    )

    assert [one.replayed for one in (first, second, again)] == [False, False, True]
    assert again.request == first.request != second.request
    assert first.request.run_id != second.request.run_id
    assert first.approvals[0].digest != second.approvals[0].digest
    assert [event.actor for event in AuditEvent.objects.order_by("id")] == ["agent:robot", "agent:other"]


def test_pauses_and_trust_are_each_agents_own(refunds, robot, open_breaker):
    """Read when the set is taken: whoever was paused a moment ago is refused."""
    paused = Agent.objects.create(name="paused", paused_at=times.now())
    bound = Agent.objects.create(name="bound")
    open_breaker(bound, refunds)
    submissions = [AgentSubmission(agent.pk, submission()) for agent in (robot, paused, bound)]
    routes = [(one.approvals[0].route, one.approvals[0].reason_code) for one in intake.take(submissions)]

    assert routes == [("review", "fixed"), ("reject", "policy_violation"), ("review", "high_risk")]


def test_a_set_is_taken_in_as_many_queries_as_one(refunds, robot, django_assert_num_queries):
    others = [Agent.objects.create(name=f"robot-{number}") for number in range(20)]
    intake.take([AgentSubmission(robot.pk, submission(key="warm", run=RunRef("a")))])
    with CaptureQueriesContext(connection) as queries:
        intake.take([AgentSubmission(robot.pk, submission(key="b", run=RunRef("b")))])
    with django_assert_num_queries(len(queries)):
        intake.take(
            [AgentSubmission(agent.pk, submission(key=key, run=RunRef("b"))) for agent in others for key in "bcd"]
        )
    assert len(queries) <= 14


# --- Idempotency


def test_the_same_key_and_content_is_the_same_request_also_after_the_decision(refunds, robot, alice):
    [first] = intake.submit(robot, [submission(key="k")])
    decide(card_version_of(load(first.approvals[0].pk)), by=alice, verdict="approve")
    [again] = intake.submit(robot, [submission(key="k")])

    assert (again.request.pk, again.replayed, again.request.status) == (first.request.pk, True, "decided")
    assert Approval.objects.count() == 1


def test_the_same_key_with_other_content_is_refused(refunds, robot):
    intake.submit(robot, [submission(key="k")])

    assert isinstance(intake.submit(robot, [submission(key="k", content="sha256:b")])[0], KeyReused)


def test_a_key_repeated_within_a_set_is_one_request(refunds, robot):
    first, again, other = intake.submit(
        robot, [submission(key="k"), submission(key="k"), submission(key="k", content="sha256:b")]
    )

    assert (again.request.pk, again.replayed) == (first.request.pk, True)
    assert isinstance(other, KeyReused)


def test_a_run_is_found_again_by_the_agents_own_name_for_it(refunds, robot):
    run = RunRef("thread-7", "support case", "refund")
    first, second = intake.submit(robot, [submission(run=run), submission(run=run)])

    assert first.request.run_id == second.request.run_id is not None
    assert first.request.step == "refund"


# --- Several items


def test_together_answers_when_all_are_settled_and_the_bytes_stay(propose, alice):
    items = (ITEM, Item(id="call_2", action="refund", args=ARGS))
    first = propose(items=items)
    second = load(first.request.approvals.get(item="call_2").pk)
    decide(card_version_of(first), by=alice, verdict="approve")
    assert ApprovalRequest.objects.get(pk=first.request_id).answer == ""
    settled = decide(
        card_version_of(second), by=alice, verdict="reject", verdict_input=VerdictInput(reason="duplicate")
    )

    document = json.loads(settled.request.answer)
    assert [item["id"] for item in document["items"]] == ["call_1", "call_2"]
    assert [item["verdict"] for item in document["items"]] == ["approve", "reject"]


# --- Afterwards


def test_a_withdrawn_request_says_so_and_runs_nothing(refund, robot):
    request = agent_reports.cancel(refund.request, by=robot, reason="the customer called")

    assert request.status == "cancelled"
    assert json.loads(request.answer)["items"][0]["verdict"] is None
    with pytest.raises(agent_reports.RequestAlreadyClosed):
        agent_reports.cancel(request, by=robot)


def test_a_held_verdict_goes_with_the_withdrawal(with_undo, refund, robot, alice):
    decide(card_version_of(refund), by=alice, verdict="approve")
    agent_reports.cancel(refund.request, by=robot)

    assert load(refund.pk).status == Status.CANCELLED


def test_the_first_outcome_counts_a_repeat_is_fine_a_contradiction_is_not(refund, robot, alice):
    with pytest.raises(agent_reports.NotDecided):
        agent_reports.report_outcome(refund, by=robot, result="succeeded")
    decide(card_version_of(refund), by=alice, verdict="approve")
    agent_reports.report_outcome(refund, by=robot, result="succeeded", detail="ref 1")
    agent_reports.report_outcome(refund, by=robot, result="succeeded", detail="ref 1")
    with pytest.raises(agent_reports.Contradiction):
        agent_reports.report_outcome(refund, by=robot, result="failed")

    assert load(refund.pk).status == Status.EXECUTED
    assert refund.events.filter(kind="outcome").count() == 1


def test_nothing_rejected_can_have_run(refund, robot, alice):
    decide(card_version_of(refund), by=alice, verdict="reject", verdict_input=VerdictInput(reason="policy"))

    with pytest.raises(agent_reports.NotDecided):
        agent_reports.report_outcome(refund, by=robot, result="succeeded")


def test_evaluating_stores_nothing(refunds, robot):
    [(_, _domain, routing, assessment)] = intake.evaluate(robot, submission())

    assert (routing.route, Approval.objects.count()) == ("review", 0)
    assert assessment.as_json()["signals"]


def test_independently_an_item_can_report_while_another_still_waits(propose, robot, alice):
    items = (ITEM, Item(id="call_2", action="refund", args=ARGS))
    first = propose(items=items, decide="independently")
    decide(card_version_of(first), by=alice, verdict="approve")

    agent_reports.report_outcome(first, by=robot, result="succeeded")

    assert load(first.pk).status == Status.EXECUTED
    assert first.request.status == "pending"


def test_together_nothing_has_run_before_all_are_settled(propose, robot, alice):
    items = (ITEM, Item(id="call_2", action="refund", args=ARGS))
    first = propose(items=items)
    decide(card_version_of(first), by=alice, verdict="approve")

    with pytest.raises(agent_reports.NotDecided):
        agent_reports.report_outcome(first, by=robot, result="succeeded")


def test_where_more_than_its_own_strategy_asks_for_a_person_silence_lets_nothing_run(
    action_type, propose, robot, open_breaker
):
    tag = action_type("tag", reversibility="reversible", gate="soft", strategy="always", on_timeout="approve")
    assert (propose(action="tag").gate, propose(action="tag").on_timeout) == ("soft", "approve")
    open_breaker(robot, tag)

    approval = propose(action="tag", on_timeout="approve")

    assert (approval.gate, approval.on_timeout) == ("hard", "reject")
