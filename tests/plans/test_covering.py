"""What was approved in a plan runs once, as approved, and nothing else does because of it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Agent, Approval, Autonomy, PlannedStep, Rule
from approvals.policy import snapshot
from approvals.requests import intake
from approvals.requests.submission import Item, RunRef, Submission
from tests.checker import check
from tests.conftest import flag_names, sentences_of
from tests.plans.conftest import mail, step, together
from tests.web import database_url


@pytest.fixture
def approved(plan, carol):
    def make(*steps, run=""):
        proposed = plan(*steps, run=run)
        return decide(card_version_of(proposed), by=carol, verdict="approve")

    return make


def test_a_step_that_equals_its_approved_digest_runs_at_once_and_once(approved, propose_step):
    plan = approved(step("a"), mail("b"))
    passed, again = propose_step(step("a")), propose_step(step("a"))

    assert (passed.route, passed.source, passed.plan_id, passed.status) == ("auto", "grant", plan.pk, "released")
    assert passed.reason_code == "covered"
    assert sentences_of(passed.reasons)[0].startswith(f"Covered by plan {plan.pk}, step 1 (a)")
    assert passed.events.get(kind="released").facts == {
        "verdict": "approve", "source": "grant", "plan": str(plan.pk), "step": 1,
    }  # fmt: skip
    assert PlannedStep.objects.get(step="a").used_by == passed
    assert (again.route, again.plan_id) == ("review", None)


def test_an_irreversible_step_that_a_person_read_passes(approved, propose_step):
    approved(mail("b"))

    assert propose_step(mail("b")).source == "grant"


@pytest.mark.parametrize(
    "other",
    [step("a", 421), step("a", 420.5), step("a", action="wipe"), step("a", order="457", currency="EUR")],
    ids=["amount", "fraction", "action", "order"],
)
def test_what_differs_is_asked(other, approved, propose_step):
    approved(step("a"))

    assert propose_step(other).route == "review"


def test_another_agent_has_no_part_in_it(approved, propose_step, robot):
    approved(step("a"))

    assert propose_step(step("a"), agent=Agent.objects.create(name="other")).route == "review"


def test_a_plan_of_a_run_covers_that_run_alone(approved, propose_step):
    approved(step("a"), run="thread-7")

    assert propose_step(step("a"), run="thread-8").route == "review"
    assert propose_step(step("a")).route == "review"
    assert propose_step(step("a"), run="thread-7").route == "auto"


def test_a_stopped_run_runs_no_step_more(approved, propose_step):
    plan = approved(step("a"), run="thread-7")
    run = plan.request.run
    run.stopped_at = times.now()
    run.save()

    assert propose_step(step("a"), run="thread-7").route != "auto"
    assert PlannedStep.objects.get().used_by is None


def test_a_step_waits_for_those_it_depends_on(approved, propose_step):
    approved(step("a"), step("b", 5, after=("a",)))

    assert propose_step(step("b", 5)).route == "review"
    assert propose_step(step("a")).route == "auto"
    assert propose_step(step("b", 5)).route == "auto"


def test_an_approved_step_is_over_when_its_time_is(approved, propose_step, kinds):
    plan = approved(step("a"))
    with times.at(plan.released_at + timedelta(hours=24)):
        assert propose_step(step("a")).route == "review"


@pytest.mark.parametrize("what", ["block", "request", "breaker", "level 1"])
def test_what_stands_before_it_in_the_table_is_not_lifted(what, approved, propose_step, kinds, robot, open_breaker):
    approved(step("a"))
    if what == "block":
        Rule.objects.create(name="no", action_type=kinds["refund"], expression="true", effect="block", message="no")
        snapshot.publish(by=None, note="no")
    elif what == "request":
        Agent.objects.filter(pk=robot.pk).update(paused_at=times.now())
    elif what == "breaker":
        open_breaker(robot, kinds["refund"])
    else:
        Autonomy.objects.create(agent=robot, action_type=kinds["refund"], level=1)

    assert propose_step(step("a")).route == ("reject" if what in ("block", "request") else "review")
    assert PlannedStep.objects.get().used_by is None


def test_a_rule_that_demands_a_person_asked_when_the_plan_was_read(approved, propose_step, kinds):
    Rule.objects.create(name="ask", action_type=kinds["refund"], expression="true", effect="review", message="ask")
    snapshot.publish(by=None, note="ask")
    approved(step("a"))

    assert propose_step(step("a")).route == "auto"


def test_nothing_is_covered_while_the_verdict_can_be_taken_back(with_undo, plan, propose_step, carol):
    proposed = plan(step("a"))
    held = decide(card_version_of(proposed), by=carol, verdict="approve")
    assert propose_step(step("a")).route == "review"
    undo(held.pk, by=carol)
    assert not PlannedStep.objects.exists()

    decide(card_version_of(Approval.objects.get(pk=proposed.pk)), by=carol, verdict="approve")
    with times.at(times.now() + timedelta(seconds=6)):
        clock.sweep()
    assert propose_step(step("a")).route == "auto"


def test_a_rejected_plan_covers_nothing(plan, propose_step, carol):
    decide(card_version_of(plan(step("a"))), by=carol, verdict="reject", verdict_input=VerdictInput(message="no"))

    assert not PlannedStep.objects.exists()
    assert propose_step(step("a")).route == "review"


def test_an_item_of_a_planned_run_that_equals_no_step_deviates_and_says_how(approved, propose_step, kinds):
    kinds["refund"].strategy = "never"
    kinds["refund"].save()
    snapshot.publish(by=None, note="refunds pass")
    approved(step("a"), mail("b"), run="thread-7")

    more = propose_step(step("a", 500), run="thread-7")
    [flag] = [one for one in more.assessment["flags"] if one["code"] == "deviates"]
    assert (more.route, more.reason_code) == ("review", "high_risk")
    assert sentences_of([flag]) == ["Deviates from the approved plan, step 1 (a): /amount is 500, approved was 420"]
    assert flag["differs"] == [{"path": "/amount", "from": 420, "to": 500}]
    unknown = propose_step(step("z", 7), run="thread-7")
    assert "no step of it is like this" in sentences_of(unknown.reasons)[0]
    propose_step(step("a"), run="thread-7")
    assert "has run already" in sentences_of(propose_step(step("a"), run="thread-7").reasons)[0]
    assert propose_step(step("a", 500), run="elsewhere").route == "auto"


def test_a_set_gives_a_step_to_the_first_that_equals_it(approved, robot, kinds):
    approved(step("a"), step("b", 5, after=("a",)))
    items = [("a", 420), ("a", 420), ("b", 5)]
    submissions = [
        Submission((Item(id=name, action="refund", args=step(name, amount)["action"]["args"]),), f"sha256:{n}")
        for n, (name, amount) in enumerate(items)
    ]
    routes = [one.approvals[0].route for one in intake.submit(robot, submissions)]

    assert routes == ["auto", "review", "auto"]


def test_who_has_no_plan_pays_no_query_for_those_who_have(approved, robot, kinds):
    other = Agent.objects.create(name="other")

    def submit(agent, key, count=1):
        args = step("a")["action"]["args"]
        intake.submit(agent, [
            Submission((Item(id="a", action="refund", args=args),), "sha256:x", key=f"{key}{n}", run=RunRef("r"))
            for n in range(count)
        ])  # fmt: skip

    submit(other, "warm")
    with CaptureQueriesContext(connection) as without:
        submit(other, "one")
    approved(step("a"), run="r")
    with CaptureQueriesContext(connection) as beside:
        submit(other, "two")
    submit(robot, "warm", 2)
    with CaptureQueriesContext(connection) as few:
        submit(robot, "three", 2)
    with CaptureQueriesContext(connection) as many:
        submit(robot, "four", 40)

    assert len(beside) == len(without)
    assert len(few) == len(many) == len(without) + 1


def test_the_database_lets_nothing_irreversible_pass_without_a_plan(approved, propose_step, kinds):
    waiting = propose_step(mail("b"))
    with pytest.raises(IntegrityError, match="irreversible_never_passes"), transaction.atomic():
        Approval.objects.filter(pk=waiting.pk).update(route="auto")


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_is_covered_and_the_others_are_asked(approved, propose_step):
    approved(step("a"), run="thread-7")
    approvals = together(lambda: propose_step(step("a"), run="thread-7"), 20)

    assert not [one for one in approvals if isinstance(one, Exception)]
    assert sorted(one.route for one in approvals) == ["auto", *["review"] * 19]
    [covered] = [one for one in approvals if one.route == "auto"]
    assert PlannedStep.objects.get().used_by_id == covered.pk
    assert all("deviates" in flag_names(one.assessment["flags"]) for one in approvals if one != covered)
    assert check(database_url()) == []


@pytest.mark.django_db(transaction=True)
def test_the_same_key_at_once_uses_a_step_once_and_answers_the_same(approved, robot):
    approved(step("a"), step("b", 5))
    args = step("a")["action"]["args"]
    same = Submission((Item(id="a", action="refund", args=args),), "sha256:x", key="once")
    receipts = together(lambda: intake.submit(robot, [same])[0], 10)

    assert {one.request.pk for one in receipts} == {receipts[0].request.pk}
    assert {one.approvals[0].source for one in receipts} == {"grant"}
    assert PlannedStep.objects.filter(used_by__isnull=False).count() == 1
    assert check(database_url()) == []
