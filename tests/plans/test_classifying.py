"""A plan is as strict as its strictest step, and each step is told by itself."""

import pytest

from approvals.models import Autonomy, Rule
from approvals.people import access
from approvals.policy import snapshot
from approvals.requests.submission import BadSubmission
from tests.conftest import flag_names, sentences_of
from tests.plans.conftest import mail, step


def assessed_steps(approval) -> dict[str, dict]:
    return {one["id"]: one for one in approval.proposal.assessed}


def test_each_step_is_classified_like_an_item_of_its_own(plan, propose_step, kinds):
    proposed = plan(step("a", 420), step("b", 6000, after=("a",)))
    a, b = assessed_steps(proposed)["a"], assessed_steps(proposed)["b"]

    assert (a["tier"], a["value"], a["reversibility"], a["headline"]) == (
        1, "420.00", "partial", "refund 420 EUR to order 456",
    )  # fmt: skip
    assert (b["tier"], b["value"]) == (2, "6000.00")
    assert "The value 6,000.00 EUR is above the ceiling of tier 1" in sentences_of(b["reasons"])[-1]
    assert a["digest"] == propose_step(step("x", 420)).digest


def test_the_plan_takes_the_highest_tier_the_strictest_gate_the_most_people_and_every_flag(plan, kinds):
    proposed = plan(step("a", 6000), step("b", 1, action="wipe"), mail("c"))

    assert (proposed.tier_id, proposed.gate, proposed.reversibility) == (2, "manual", "irreversible")
    assert proposed.value == 6001
    assert flag_names(proposed.assessment["flags"]) >= {"first_time"}
    assert any(flag.get("step") == "c" for flag in proposed.assessment["flags"])
    assert any(text.startswith("Step 2, wipe (b): ") for text in sentences_of(proposed.reasons))

    Rule.objects.create(
        name="two", action_type=kinds["refund"], expression="args.amount > 1000", approvers=2, message="two"
    )
    snapshot.publish(by=None, note="two people")
    assert plan(step("a", 2000)).approvers == 2
    assert plan(step("a", 20)).approvers == 1


def test_a_step_that_a_rule_refuses_refuses_the_plan_and_is_named(plan, kinds):
    Rule.objects.create(
        name="never", action_type=kinds["refund"], expression="args.amount > 900", effect="block", message="too much"
    )
    snapshot.publish(by=None, note="block")
    refused = plan(step("a", 10), step("b", 1000))

    assert (refused.route, refused.verdict, refused.status) == ("reject", "reject", "released")
    assert sentences_of(refused.reasons) == ["Step 2, refund (b): Refused by the rule 'never': too much"]


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [
        ([step("a"), step("b", action="nonsense")], "/items/0/plan/steps/1/action/name"),
        ([step("a", action="plan")], "/items/0/plan/steps/0/action/name"),
        ([step("a", amount="much")], "/items/0/plan/steps/0/action/args/amount"),
        ([step("a", action="mail", to="x")], "/items/0/plan/steps/0/action/args/text"),
    ],
)
def test_a_step_that_could_not_be_proposed_by_itself_is_pointed_at(steps, pointer, plan):
    with pytest.raises(BadSubmission) as refused:
        plan(*steps)

    assert pointer in {fault.pointer for fault in refused.value.faults}


def test_arguments_that_did_not_parse_are_no_step(plan):
    unparsed = {"id": "a", "action": {"name": "refund", "args": '{"order": '}, "depends_on": []}
    with pytest.raises(BadSubmission) as refused:
        plan(unparsed)

    assert refused.value.faults[0].pointer == "/items/0/plan/steps/0/action/args"


def test_a_plan_that_needs_nobody_passes_only_if_every_step_would(plan, kinds, propose_step, robot):
    for name in ("plan", "note"):
        kinds[name].strategy = "never"
        kinds[name].reversibility = "reversible"
        kinds[name].save()
    snapshot.publish(by=None, note="free")
    note = step("n", action="note", to="x", text="y")
    passed = plan(note, run="r")
    assert (passed.route, passed.source) == ("auto", "policy")
    assert plan(note, step("a")).route == "review"

    Autonomy.objects.create(agent=robot, action_type=kinds["note"], level=1)
    waiting = plan(note)
    assert waiting.route == "review"
    assert "level 1" in sentences_of(waiting.reasons)[0]


def test_silence_lets_no_plan_run_that_holds_something_irreversible(plan, kinds):
    kinds["plan"].reversibility, kinds["plan"].on_timeout, kinds["plan"].gate = "reversible", "approve", "soft"
    kinds["plan"].save()
    snapshot.publish(by=None, note="soft plans")

    strict = plan(step("a"), mail("b"))
    assert (strict.gate, strict.on_timeout) == ("hard", "reject")
    assert plan(step("n", action="note", to="x", text="y")).gate == "hard"  # its own gate is


def test_a_plan_waits_in_the_field_of_its_steps(plan, kinds, clinical, alice, mallory):
    kinds["mail"].domain = clinical
    kinds["mail"].tier_id = 2
    kinds["mail"].save()
    snapshot.publish(by=None, note="clinical mails")

    assert plan(step("a")).domain_id == "commerce"
    mixed = plan(step("a"), mail("b"))
    assert (mixed.domain_id, mixed.tier_id) == ("clinical", 2)
    assert access.actions_for(mixed, alice) == frozenset()
    may = access.actions_for(mixed, mallory)
    assert "approve" not in may
    assert {"modify", "reject"} <= may
