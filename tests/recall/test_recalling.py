"""A person takes back what was released and not used, whoever or whatever released it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from approvals import times
from approvals.models import Approval, Audit, Decision, Delivery, Endpoint, Grant, Incident, Outcome, Recall, Spend
from approvals.policy import packs, snapshot
from approvals.review import agent, clock, consume, findings, grants, steps
from approvals.review.consume import RECALLED, PermitRefused, Use
from approvals.review.decisions import Words, decide, seen
from approvals.review.errors import BadVerdict, NotAllowed, OutOfDate
from approvals.review.grants import Wish
from approvals.review.recall import REASONS, TooLate, recall
from approvals.review.steps import NotApproved, Told
from approvals.review.submission import Item, RunRef
from tests.checker import check
from tests.conftest import database_url, instead
from tests.recall.conftest import WHY, approve, document, executor_of, fresh, mail, step, take_back


def use(held) -> object:
    return consume.consume(Use(held.jti, held.permit, held.digest, "first"), by=held.approval.agent)


def test_who_approved_it_takes_it_back_hours_later_and_it_runs_no_more(bought, alice, robot):
    recalled = take_back(bought.approval, by=alice)

    assert (recalled.status, recalled.consumed_at, recalled.verdict) == ("recalled", None, "approve")
    event = recalled.events.latest("seq")
    facts = {"reason": "not_needed", "tier": 1, "source": "human", "surface": "page"}
    assert (event.kind, event.actor, event.facts) == ("recalled", "user:alice", facts)
    told = Recall.objects.get(pk=recalled.pk)
    assert (told.user, told.reason, told.message) == (alice, "not_needed", "The customer cancelled.")
    with pytest.raises(PermitRefused, match=r"Alice recalled this at .* UTC; nothing may run by its permit") as no:
        use(bought)
    assert no.value.code == RECALLED
    assert Decision.objects.get(approval=recalled).recalled_at == told.recalled_at


def test_the_second_document_has_no_permit_and_the_first_stays_byte_for_byte(bought, alice):
    first = bought.approval.pause.answer
    take_back(bought.approval, by=alice)

    bought.approval.pause.refresh_from_db()
    assert bought.approval.pause.answer == first
    told = document(bought.approval)
    assert told["status"] == "decided"
    [item] = told["items"]
    assert (item["status"], item["verdict"], item["permit"], item["action"]) == ("recalled", None, None, None)
    assert (item["reason"], item["message"]) == ("not_needed", "The customer cancelled.")
    assert item["recalled_by"] == {"tier": 1, "name": "Alice"}


def test_items_are_recalled_one_after_the_other_and_the_others_stay_as_they_were(propose, alice, bob):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    first = propose(items=tuple(Item(id=f"call_{n}", action="refund", args=args) for n in range(3)))
    items = list(first.pause.approvals.order_by("position"))
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
    words = Words(edits=instead({"order": "456", "amount": 200, "currency": "EUR"})) if verdict == "modify" else Words()
    decide(seen(approval), by=alice, verdict=verdict, words=words)
    assert take_back(approval, by=bob).status == "recalled"


def test_what_policy_let_pass(passing, propose, alice):
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
    given = grants.give(Wish(robot.pk, "refund", 3, times.now() + timedelta(days=1), 1), by=alice, origin=fresh(origin))
    passed = propose(order="457")
    assert passed.source == "grant"
    assert take_back(passed, by=alice).status == "recalled"
    given.refresh_from_db()
    assert (given.used, given.revoked_at) == (1, None)


def test_what_was_given_on_its_card_goes_with_it(propose, robot, alice):
    origin = propose()
    approve(origin, by=alice)
    wish = Wish(robot.pk, "refund", 3, times.now() + timedelta(days=1), 1)
    grants.give(wish, by=alice, origin=fresh(origin))
    take_back(origin, by=alice)

    given = Grant.objects.get(origin=origin)
    assert given.revoked_at is not None and given.revoked_by == alice
    assert propose(order="457").status == "pending"
    with pytest.raises(NotAllowed):
        grants.give(wish, by=alice, origin=fresh(origin))


def test_what_runs_before_anybody_has_looked_and_nobody_has_to_look_any_more(action_type, propose, alice):
    action_type("label", reversibility="reversible", ahead="review")
    approval = propose(action="label", run=RunRef("run-1", "Order 1"))
    assert approval.audit.finding == "open"
    take_back(approval, by=alice)

    look = Audit.objects.get(pk=approval.pk)
    assert (look.finding, look.by) == ("recalled", alice)
    with pytest.raises(findings.AlreadyFound, match="Alice recalled this"):
        findings.find([approval.pk], by=alice, finding=findings.OBJECTED, words=findings.Words("no"))


def test_a_manual_gate(action_type, propose, bob):
    action_type("wipe", reversibility="irreversible", gate="manual", tier_id=2)
    approval = propose(action="wipe")
    decide(seen(approval), by=bob, verdict="approve", words=Words(typed="420", fresh=True))
    assert take_back(approval, by=bob).status == "recalled"


# --- Who, and what not


def test_only_who_could_decide_it_now_may(bought, mallory, olga, mia, otto, ada, root, oscar, alice, bob):
    for person in (mallory, olga, mia, otto, ada, root, oscar):
        with pytest.raises(NotAllowed):
            take_back(bought.approval, by=person)
    alice.memberships.all().delete()
    with pytest.raises(NotAllowed):
        take_back(bought.approval, by=alice)
    assert take_back(bought.approval, by=bob).status == "recalled"


def test_a_tier_above_the_recallers_own_is_not_theirs(propose, alice, bob):
    high = propose(amount=9_000)
    approve(high, by=bob)
    with pytest.raises(NotAllowed):
        take_back(high, by=alice)


def test_a_reason_is_needed_and_other_needs_a_text(bought, alice):
    for words in (Words(message="because"), Words(reason="wrong_amount"), Words(reason="other", message="  ")):
        with pytest.raises(BadVerdict):
            take_back(bought.approval, by=alice, words=words)
    with pytest.raises(BadVerdict, match="10000 characters"):
        take_back(bought.approval, by=alice, words=Words(reason="changed", message="x" * 10_001))
    assert fresh(bought.approval).status == "released"
    assert take_back(bought.approval, by=alice, words=Words(reason="other", message="She called.")).status == "recalled"


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_list(reason, bought, alice):
    take_back(bought.approval, by=alice, words=Words(reason=reason, message="so"))
    assert Recall.objects.get().reason == reason


def test_without_a_message_the_agent_reads_what_it_means(bought, alice):
    take_back(bought.approval, by=alice, words=Words(reason="changed"))
    assert document(bought.approval)["items"][0]["message"].startswith("A reviewer recalled this approval")


def test_a_card_that_showed_something_else_recalls_nothing(bought, alice):
    for changed in ({"revision": 2}, {"round": 2}, {"digest": "sha256:0"}):
        shown = seen(bought.approval)
        with pytest.raises(OutOfDate):
            recall(replace(shown, **changed), by=alice, words=WHY)
    assert fresh(bought.approval).status == "released"


def test_who_comes_after_the_use_reads_when_it_was_used(bought, alice):
    at = use(bought).consumption.consumed_at
    with pytest.raises(TooLate, match=f"robot used the permit at {at:%H:%M:%S} UTC") as late:
        take_back(bought.approval, by=alice)
    assert late.value.used_at == at


def test_what_was_recalled_before_or_has_an_outcome_is_too_late(propose, approved, alice, bob, robot):
    taken, done = approved().approval, approved(order="2").approval
    take_back(taken, by=alice)
    with pytest.raises(TooLate, match="Alice recalled this at"):
        take_back(taken, by=bob)
    agent.report_outcome(done, by=robot, result="succeeded")
    with pytest.raises(TooLate):
        take_back(done, by=bob)


def test_nothing_that_was_not_approved_is_recalled(propose, refunds, with_undo, alice, robot):
    pending, held, rejected, gone = (propose(order=str(n)) for n in range(4))
    approve(held, by=alice)
    agent.cancel(gone.pause, by=robot)
    decide(seen(rejected), by=alice, verdict="reject", words=Words(reason="policy"))
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
    [item] = [Item(id="q", subject="question", prompt="Which?", response_schema={"type": "string"})]
    question = propose(items=(item,))
    decide(seen(question), by=alice, verdict="answer", words=Words(answer="this"))
    with pytest.raises(NotAllowed, match="Nothing was approved"):
        take_back(question, by=alice)


@pytest.mark.parametrize(
    "columns",
    [{"consumed_at": "now"}, {"verdict": "reject"}, {"released_at": None}, {"kind": "seeded"}, {"subject": "question"}],
)
def test_the_database_knows_no_other_recalled_one(columns, bought, alice):
    take_back(bought.approval, by=alice)
    columns = {name: times.now() if value == "now" else value for name, value in columns.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=bought.approval.pk).update(**columns)


def test_the_database_keeps_one_standing_decision_and_the_recall(bought, alice):
    take_back(bought.approval, by=alice)
    before = Decision.objects.get(approval=bought.approval)
    with pytest.raises(IntegrityError, match="decision_is_undone_or_recalled"), transaction.atomic():
        Decision.objects.filter(pk=before.pk).update(undone_at=times.now())
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        Recall.objects.update(reason="other")
    rows = {"approval": bought.approval, "verdict": "approve", "source": "human", "tier_id": 1}
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
    second = first.pause.approvals.get(item="call_1")
    approve(fresh(second), by=alice)

    first.pause.refresh_from_db()
    assert first.pause.recalled_answer == ""
    assert [item["status"] for item in document(first, "answer")["items"]] == ["recalled", "decided"]
    assert first.pause.status == "decided"


def test_of_a_request_answered_together_its_agent_never_read_the_approval(propose, alice):
    args = {"order": "1", "amount": 1, "currency": "EUR"}
    first = propose(items=tuple(Item(id=f"call_{n}", action="refund", args=args) for n in range(2)))
    Endpoint.objects.create(agent=first.agent, url="https://example.com/hook", secret="x")
    approve(first, by=alice)
    take_back(first, by=alice)
    assert not Delivery.objects.filter(topic="request.recalled").exists()
    second = first.pause.approvals.get(item="call_1")
    decide(seen(fresh(second)), by=alice, verdict="reject", words=Words(reason="policy"))

    assert [item["status"] for item in document(first, "answer")["items"]] == ["recalled", "decided"]


# --- Plans


def test_a_recalled_plan_lets_no_further_step_pass_and_takes_back_what_has_not_run(plan, carry_out, robot, alice, api):
    given = plan(step("a"), step("b"), step("c"), run="thread-7")
    approve(given, by=alice)
    ran, waiting = carry_out(step("a"), run="thread-7"), carry_out(step("b"), run="thread-7")
    use(executor_of(ran, api))
    take_back(given, by=alice)

    assert [fresh(one).status for one in (given, ran, waiting)] == ["recalled", "released", "recalled"]
    [event] = waiting.events.filter(kind="recalled")
    assert event.facts["with"] == str(given.pk)
    assert document(waiting)["items"][0]["status"] == "recalled"
    later = carry_out(step("c"), run="thread-7")
    assert (later.status, later.plan) == ("pending", None)
    assert not any(flag["name"] == "deviates" for flag in later.assessment["flags"])


def test_one_step_of_a_plan_is_recalled_alone(plan, carry_out, alice):
    given = plan(step("a"), step("b"))
    approve(given, by=alice)
    passed = carry_out(step("a"))
    take_back(passed, by=alice)
    assert [fresh(one).status for one in (given, passed)] == ["released", "recalled"]
    assert carry_out(step("b")).source == "grant"


# --- What follows from it


def spent() -> float:
    return float(sum(Spend.objects.values_list("amount", flat=True)))


def test_spending_is_given_back_and_counted_again_when_it_ran_all_the_same(bought, alice, robot):
    assert spent() == 420
    take_back(bought.approval, by=alice)
    assert spent() == 0
    agent.report_outcome(bought.approval, by=robot, result="succeeded")
    assert spent() == 420


def test_of_a_plan_what_no_step_has_used_is_given_back(plan, carry_out, alice, api):
    given = plan(step("a", 100), step("b", 20), step("c", 3))
    approve(given, by=alice)
    assert spent() == 123
    use(executor_of(carry_out(step("a", 100)), api))
    carry_out(step("b", 20))
    take_back(given, by=alice)
    assert spent() == 100


def test_what_was_recalled_is_no_precedent_no_usual_value_and_no_duplicate(propose, alice):
    first = propose()
    approve(first, by=alice)
    assert propose().assessment["flags"] != []
    take_back(first, by=alice)
    again = propose(order="456")
    assert not any(flag["name"] == "duplicate" and str(first.pk) in str(flag) for flag in again.assessment["flags"])


@pytest.mark.parametrize(
    ("result", "severity"), [("succeeded", "critical"), ("compensated", "critical"), ("failed", "high")]
)
def test_an_outcome_reported_afterwards_is_recorded_and_opens_an_incident(result, severity, bought, alice, robot):
    Endpoint.objects.create(agent=robot, url="https://example.com/hook", secret="x")
    take_back(bought.approval, by=alice)
    agent.report_outcome(bought.approval, by=robot, result=result)
    agent.report_outcome(bought.approval, by=robot, result=result)  # once more is fine

    assert (fresh(bought.approval).status, Outcome.objects.get().result) == ("recalled", result)
    incident = Incident.objects.get(approval=bought.approval)
    assert (incident.severity, incident.opened_by) == (severity, None)
    assert "recalled before its permit was used" in incident.text
    assert Delivery.objects.filter(topic="incident.opened").count() == 1
    kinds = list(bought.approval.events.order_by("seq").values_list("kind", flat=True))[-3:]
    assert kinds == ["recalled", "outcome", "incident"]


def test_an_agent_that_left_it_out_says_so_without_an_incident(bought, alice, robot):
    take_back(bought.approval, by=alice)
    agent.report_outcome(bought.approval, by=robot, result="skipped")
    assert (Outcome.objects.get().result, Incident.objects.exists()) == ("skipped", False)


def test_that_it_was_undone_afterwards_is_recorded_too(bought, alice, robot):
    take_back(bought.approval, by=alice)
    agent.report_outcome(bought.approval, by=robot, result="succeeded")
    agent.report_outcome(bought.approval, by=robot, result="compensated")
    assert (fresh(bought.approval).status, Outcome.objects.get().result) == ("recalled", "compensated")


def test_a_step_that_ran_all_the_same_is_recorded_and_none_begins(propose, alice, robot):
    approval = propose(run=RunRef("run-1", "Order 1"))
    approve(approval, by=alice)
    take_back(approval, by=alice)
    run = fresh(approval).pause.run
    with pytest.raises(NotApproved):
        steps.record(run, Told("refund", "started", approval=fresh(approval)))
    told, _ = steps.record(run, Told("refund", said={"undo": {"name": "charge"}}, approval=fresh(approval)))
    assert told.status == "done"
    assert Incident.objects.get(approval=approval).severity == "critical"


def test_the_webhook_names_request_and_item(bought, alice, robot):
    Endpoint.objects.create(agent=robot, url="https://example.com/hook", secret="x")
    take_back(bought.approval, by=alice)
    delivery = Delivery.objects.get(topic="request.recalled")
    data = delivery.payload["data"]
    assert (data["request"], data["item"], data["status"]) == (str(bought.approval.pause_id), "call_1", "recalled")
    assert data["decision_url"].endswith(f"/api/v1/requests/{bought.approval.pause_id}/decision")


def test_the_checker_finds_nothing_broken_in_any_of_it(transactional_db, approved, plan, carry_out, alice, api, robot):
    first, late = approved(order="1").approval, approved(order="2").approval
    given = plan(step("a"), mail("b", "a"))
    approve(given, by=alice)
    carry_out(step("a"))
    for approval in (first, late, given):
        take_back(approval, by=alice)
    agent.report_outcome(late, by=robot, result="succeeded")
    assert check(database_url()) == []
