"""A reviewer may change a plan and approve it: what was seen is what runs, within the own authority."""

import json

import pytest

from approvals.decisions import plan_edits
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput, typed_confirmation_of
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import PlannedStep
from approvals.policy import snapshot
from tests.checker import check
from tests.plans.conftest import mail, step
from tests.web import database_url


def replace_arguments(args) -> list[dict]:
    """The edit of a step that replaces all its arguments."""
    return [{"op": "replace", "path": "", "value": args}]


def edit(approval, *steps, by, **verdict_input):
    wish = {"steps": [{"id": one} if isinstance(one, str) else one for one in steps]}
    return decide(
        card_version_of(approval),
        by=by,
        verdict="modify",
        verdict_input=VerdictInput(steps=wish["steps"], **verdict_input),
    )


def document(approval) -> list[dict]:
    return json.loads(load(approval.pk).request.answer)["items"][0]["plan"]["steps"]


def test_an_approved_plan_is_told_step_by_step(plan, carol):
    proposed = plan(step("a"), mail("b", "a"))
    decide(card_version_of(proposed), by=carol, verdict="approve")
    a, b = document(proposed)

    assert (a["id"], a["verdict"], a["depends_on"], a["undo"]) == ("a", "approve", [], None)
    assert a["action"] == {"name": "refund", "args": {"order": "456", "amount": 420, "currency": "EUR"}}
    assert [one["action_digest"] for one in (a, b)] == [one["digest"] for one in proposed.proposal.assessed]


def test_changed_arguments_are_what_runs(plan, propose_step, carol):
    proposed = plan(step("a"), mail("b", "a"))
    changed = {"order": "456", "amount": 200, "currency": "EUR"}
    settled = edit(proposed, {"id": "a", "edits": replace_arguments(changed)}, "b", by=carol)

    assert (settled.verdict, settled.revision) == ("modify", 2)
    assert settled.events.get(kind="decided").facts["edited"] == ["/steps/a"]
    assert [(one["id"], one["verdict"]) for one in document(proposed)] == [("a", "modify"), ("b", "approve")]
    assert document(proposed)[0]["action"]["args"] == changed
    assert propose_step(step("a", 420)).route == "review"
    assert propose_step(step("a", 200)).plan_id == proposed.pk


def test_a_removed_step_is_gone_and_a_rejected_one_is_told_with_its_reason(plan, propose_step, carol):
    proposed = plan(step("a"), step("b", 5), step("c", 6, after=("b",)), step("d", 7))
    edit(proposed, "a", {"id": "d", "verdict": "reject", "message": "not this month"}, by=carol)
    a, d = document(proposed)

    assert (a["verdict"], d["verdict"], d["message"], d["action"]) == ("approve", "reject", "not this month", None)
    assert list(PlannedStep.objects.values_list("step", flat=True)) == ["a"]
    assert propose_step(step("d", 7)).route == "review"


def test_another_order_is_another_revision(plan, carol):
    proposed = plan(step("a"), step("b", 5), step("c", 6, after=("a",)))
    settled = edit(proposed, "b", "a", "c", by=carol)

    assert settled.events.get(kind="decided").facts["edited"] == ["/steps"]
    assert [one["id"] for one in document(proposed)] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [
        (["a", "b", "c"], "/args"),  # nothing changed
        (["b", "c"], "/args/steps/0/id"),  # a is gone, and b needs it
        (["b", "a", "c"], "/args/steps/0/id"),
        (["a", {"id": "b", "verdict": "reject"}], "/args/steps/1/message"),
        ([{"id": "a", "verdict": "reject", "message": "no"}, "b"], "/args/steps/1/id"),
        (["a", "z"], "/args/steps/1/id"),
        (["a", "a"], "/args/steps/1/id"),
        (["a", {"id": "c", "action": "mail"}], "/args/steps/1"),
        (["a", {"id": "c", "verdict": "skip"}], "/args/steps/1/verdict"),
        ([{"id": "a", "edits": replace_arguments({"order": "456"})}], "/args/steps/0/args/amount"),
        (
            ["c", {"id": "a", "edits": replace_arguments({"order": "1", "amount": "x", "currency": "EUR"})}],
            "/args/steps/1/args/amount",
        ),
        ([{"id": "a", "verdict": "reject", "message": "no"}], "/args"),
        ([], "/args"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_and_pointed_at(steps, pointer, plan, carol):
    proposed = plan(step("a"), step("b", 5, after=("a",)), step("c", 6))
    with pytest.raises(BadVerdict) as refused:
        edit(proposed, *steps, by=carol)

    assert pointer in {fault.pointer for fault in refused.value.faults}
    assert load(proposed.pk).status == "pending"


@pytest.mark.parametrize("steps", [None, [], {}, 3, ["a"], [{"id": "a", "args": {}}], [{"id": "a", "edits": {}}]])
def test_a_wish_of_another_shape_is_refused(steps, plan, carol):
    with pytest.raises(BadVerdict):
        decide(card_version_of(plan(step("a"))), by=carol, verdict="modify", verdict_input=VerdictInput(steps=steps))


def test_no_step_is_raised_beyond_the_own_authority(plan, alice):
    proposed = plan(step("a"), step("b", 5))
    with pytest.raises(BadVerdict, match="tier 2"):
        edit(
            proposed,
            {"id": "a", "edits": replace_arguments({"order": "456", "amount": 6000, "currency": "EUR"})},
            "b",
            by=alice,
        )


def test_a_step_of_another_field_is_not_approved_but_can_be_taken_out(plan, kinds, clinical, mallory):
    kinds["mail"].domain, kinds["mail"].tier_id = clinical, 2
    kinds["mail"].save()
    snapshot.publish(by=None, note="clinical mails")
    proposed = plan(step("a"), mail("b"))

    with pytest.raises(NotAllowed):
        decide(card_version_of(proposed), by=mallory, verdict="approve")
    with pytest.raises(BadVerdict, match="Step a needs tier 1 of commerce"):
        edit(proposed, "b", "a", by=mallory)
    assert edit(proposed, "b", by=mallory).status == "released"


def test_a_manual_plan_asks_to_type_the_value_of_the_step_for_whose_sake_it_is_manual(plan, carol):
    proposed = plan(step("a"), step("b", 77, action="wipe"))
    assert typed_confirmation_of(proposed) == "77"
    with pytest.raises(BadVerdict):
        decide(
            card_version_of(proposed),
            by=carol,
            verdict="approve",
            verdict_input=VerdictInput(typed_confirmation="420", freshly_authenticated=True),
        )
    with pytest.raises(BadVerdict):
        decide(
            card_version_of(proposed), by=carol, verdict="approve", verdict_input=VerdictInput(typed_confirmation="77")
        )
    assert (
        decide(
            card_version_of(proposed),
            by=carol,
            verdict="approve",
            verdict_input=VerdictInput(typed_confirmation="77", freshly_authenticated=True),
        ).verdict
        == "approve"
    )


def test_an_edit_that_is_taken_back_leaves_the_agents_plan(with_undo, plan, carol):
    proposed = plan(step("a"), step("b", 5))
    held = edit(proposed, "a", by=carol)
    undo(held.pk, by=carol)
    again = load(proposed.pk)

    assert (again.revision, again.digest, len(again.proposal.assessed)) == (1, proposed.digest, 2)


def test_who_is_named_as_depending_goes_with_a_step():
    steps = [step("a"), step("b", after=("a",)), step("c", after=("b",)), step("d")]

    assert plan_edits.dependents(steps, "a") == ["b", "c"]
    assert plan_edits.dependents(steps, "d") == []
    assert [plan_edits.may_swap(steps, place) for place in (-1, 0, 1, 2, 3)] == [False, False, False, True, False]


@pytest.mark.django_db(transaction=True)
def test_the_row_and_its_steps_agree_whatever_was_edited(plan, propose_step, carol, robot):
    proposed = plan(step("a"), step("b", 5), step("c", 6), run="r")
    edit(
        proposed, "c", {"id": "a", "edits": replace_arguments({"order": "1", "amount": 2, "currency": "EUR"})}, by=carol
    )
    propose_step(step("c", 6), run="r")

    assert check(database_url()) == []
