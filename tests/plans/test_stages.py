"""A plan is as strict as its strictest step: the stages and the typed value of its steps are the plan's."""

import json

import pytest

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import Domain, Rule
from approvals.people import access, authorities
from approvals.policy import snapshot
from tests.conftest import sentences_of
from tests.plans.conftest import mail, step


@pytest.fixture
def legal(db):
    return Domain.objects.create(slug="legal", name="Legal")


@pytest.fixture
def lena(person, tiers, legal):
    return person("lena", tier=2, domain=legal)


@pytest.fixture
def staged(kinds, legal):
    """Refunds above 100 go through tier 1 of commerce and tier 2 of legal."""

    def make(*, typed=False, stages=((1, ""), (2, "legal"))):
        rows = [{"tier": tier, "domain": domain, "approvers": 1} for tier, domain in stages]
        Rule.objects.create(
            name="large",
            action_type=kinds["refund"],
            expression="args.amount > 100.0",
            message="Large.",
            stages=rows,
            typed=typed,
        )
        snapshot.publish(by=None, note="stages")

    return make


def stages_of(approval):
    return [(one["tier"], one["domain"], one["approvers"]) for one in approval.stages]


def edit(proposed, *steps, by):
    wish = {"steps": [one if isinstance(one, dict) else {"id": one} for one in steps]}
    return decide(card_version_of(proposed), by=by, verdict="modify", verdict_input=VerdictInput(steps=wish["steps"]))


def test_the_stages_of_a_step_are_the_plans(staged, plan, alice, lena):
    staged()
    proposed = plan(step("a"), step("b", 5))
    assert stages_of(proposed) == [(1, "commerce", 1), (2, "legal", 1)]
    assert (proposed.tier_id, proposed.domain_id) == (1, "commerce")
    assert sentences_of(proposed.reasons)[-1] == "Two stages: tier 1 commerce, then tier 2 legal."

    on = decide(card_version_of(proposed), by=alice, verdict="approve")
    assert (on.stage, on.queue) == (1, "2.legal")
    # The refunds are the first stage's to read; legal is asked what legal knows.
    assert access.steps_beyond(on, authorities.authority_of(lena)) == []
    done = decide(card_version_of(on), by=lena, verdict="approve")
    [item] = json.loads(done.request.answer)["items"]
    assert [one["verdict"] for one in item["plan"]["steps"]] == ["approve", "approve"]
    assert [one["name"] for one in item["approved_by"]] == ["Alice", "Lena"]


def test_a_step_that_asks_for_more_raises_the_stage_of_its_field(staged, plan):
    staged()
    assert stages_of(plan(step("a"), step("b", 6000))) == [(2, "commerce", 1), (2, "legal", 1)]


def test_a_step_of_a_third_field_is_a_stage_of_its_own(staged, plan, kinds, clinical):
    staged()
    kinds["mail"].domain, kinds["mail"].tier_id = clinical, 3
    kinds["mail"].save()
    snapshot.publish(by=None, note="clinical mails")
    assert stages_of(plan(step("a"), mail("b"))) == [(1, "commerce", 1), (2, "legal", 1), (3, "clinical", 1)]


def test_without_a_step_that_asks_for_them_there_are_none(staged, plan):
    staged()
    proposed = plan(step("a", 50), step("b", 5))
    assert (proposed.stages, proposed.queue) == ([], "1.commerce")


def test_taking_the_step_out_leaves_what_was_asked(staged, plan, alice, lena):
    staged()
    on = edit(plan(step("a"), step("b", 5)), "b", by=alice)
    assert (on.status, on.stage, stages_of(on)) == ("pending", 1, [(1, "commerce", 1), (2, "legal", 1)])


def test_an_edit_can_lead_into_stages(staged, plan, alice, lena):
    staged()
    proposed = plan(step("a", 50), step("b", 5))
    more = {
        "id": "a",
        "edits": [{"op": "replace", "path": "", "value": {"order": "456", "amount": 420, "currency": "EUR"}}],
    }
    on = edit(proposed, more, "b", by=alice)
    assert (on.status, on.stage, on.queue) == ("pending", 1, "2.legal")
    again = edit(on, "b", "a", by=lena)  # not hers to count in the first stage
    assert (again.stage, again.votes, again.queue) == (0, 0, "1.commerce")


def test_nobody_approves_a_step_that_no_stage_reads(staged, plan, kinds, clinical, alice, lena, mallory):
    staged()
    proposed = plan(step("a"), mail("b"))
    kinds["mail"].domain = clinical
    assert access.steps_beyond(proposed, authorities.authority_of(alice)) == []
    with pytest.raises(NotAllowed):
        decide(card_version_of(proposed), by=mallory, verdict="approve")


def test_a_typed_step_is_typed_with_its_plan(staged, plan, alice, lena):
    staged(typed=True, stages=())
    proposed = plan(step("b", 5), step("a", 420))
    assert (proposed.typed, proposed.gate) == (True, "hard")
    for typed in ("", "5"):
        with pytest.raises(BadVerdict):
            decide(
                card_version_of(proposed),
                by=alice,
                verdict="approve",
                verdict_input=VerdictInput(typed_confirmation=typed),
            )
    assert (
        decide(
            card_version_of(proposed), by=alice, verdict="approve", verdict_input=VerdictInput(typed_confirmation="420")
        ).status
        == "released"
    )


def test_what_a_staged_plan_approved_runs_without_asking_again(staged, plan, propose_step, alice, lena):
    staged()
    on = decide(card_version_of(plan(step("a"), run="thread-7")), by=alice, verdict="approve")
    decide(card_version_of(on), by=lena, verdict="approve")
    carried = propose_step(step("a"), run="thread-7")
    assert (carried.route, carried.source, carried.stages) == ("auto", "grant", [])
    assert load(on.pk).status == "released"
