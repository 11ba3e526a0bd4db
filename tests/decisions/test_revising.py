"""A revision keeps every word of the agent's, is judged again, and says what was changed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from approvals.db import times
from approvals.decisions import revise
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import returns
from approvals.models import Agent, Approval, Proposal, Rule
from approvals.models.states import Status
from approvals.policy import messages, reasons, snapshot
from approvals.requests.amend import amend
from approvals.requests.submission import PROPOSAL_FIELDS, Item, Submission
from console.card.stages import vote_sentence
from tests.checker import check
from tests.conftest import flag_names, sentences_of
from tests.decisions.revising import PROSE, UNDO, args, modify
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401
from tests.text_search import mentions
from tests.web import database_url


def test_every_field_of_a_proposal_is_kept_or_computed():
    fields = {field.name for field in Proposal._meta.concrete_fields}

    assert fields == set(PROPOSAL_FIELDS.values()) | revise.COMPUTED_OF_PROPOSAL
    assert not set(PROPOSAL_FIELDS.values()) & revise.COMPUTED_OF_PROPOSAL
    # The rest of an item is the row's.
    assert set(Item.__dataclass_fields__) == {*PROPOSAL_FIELDS, "id", "item_type", "allowed", "value", "subject"}


def test_every_column_of_an_approval_is_computed_rises_is_entered_or_left_alone():
    rows = [revise.COMPUTED, revise.RISING, revise.OF_ATTEMPTS, revise.ENTERING, revise.LEFT_ALONE]

    assert {field.name for field in Approval._meta.concrete_fields} == set().union(*rows)
    assert sum(len(one) for one in rows) == len(Approval._meta.concrete_fields)


@pytest.mark.parametrize("of_person", [True, False])
def test_a_revision_sets_exactly_the_columns_that_are_declared(of_person, refund, alice):
    item = replace(revise.as_item(refund, refund.proposal), args=args(300))
    made = revise.revise(refund, refund.proposal, item, by=alice if of_person else None, now=times.now())

    declared = revise.COMPUTED | revise.RISING | revise.ENTERING | (set() if of_person else revise.OF_ATTEMPTS)
    assert set(made.columns) == {Approval._meta.get_field(name).attname for name in declared}


def test_every_field_of_a_request_goes_back_to_people_or_is_the_new_ones_own():
    assert set(Submission.__dataclass_fields__) == returns.COPIED | returns.OWN


def test_a_modification_loses_no_word_of_the_agents(propose, two_person, alice):
    refund = propose(**PROSE)
    first = refund.proposal
    second = modify(refund, alice, 200).proposal

    second.refresh_from_db()
    assert second.undo == UNDO
    for name in set(PROPOSAL_FIELDS.values()) - {"args"}:
        assert getattr(second, name) == getattr(first, name), name
    assert (second.args, second.author, second.headline) == (args(200), alice, "refund 200 EUR to order 456")


def test_an_edited_plan_loses_no_word_of_the_agents(plan, carol):  # noqa: F811
    prose = {name: value for name, value in PROSE.items() if name not in ("rename_to", "preconditions", "current")}
    proposed = plan(step("a") | {"undo": UNDO}, mail("b", "a"), **prose)
    wish = {"steps": [{"id": "a", "edits": [{"op": "replace", "path": "", "value": args(200)}]}, {"id": "b"}]}
    edited = decide(
        card_version_of(proposed), by=carol, verdict="modify", verdict_input=VerdictInput(steps=wish["steps"])
    )

    edited.proposal.refresh_from_db()
    for name in set(PROPOSAL_FIELDS.values()) - {"steps"}:
        assert getattr(edited.proposal, name) == getattr(proposed.proposal, name), name
    assert edited.proposal.undo == UNDO and edited.proposal.steps[0]["undo"] == UNDO


# --- Judged again


@pytest.mark.usefixtures("two_person", "large")
def test_a_modification_is_judged_as_an_amendment_to_the_same_would_be(propose, alice, robot):
    modified, amended = propose(50, order="1", **PROSE), propose(50, order="2", **PROSE)
    assert (modified.impact, modified.assessment["rules"]) == ("low", [])
    modify(modified, alice, 4999, "1")
    amend(amended.pk, lambda item: replace(item, args=args(4999, "2")), by=robot)

    modification, other = load(modified.pk), load(amended.pk)
    assert modification.value == other.value == 4999
    assert modification.impact == other.impact == "medium"
    assert [rule["name"] for rule in modification.assessment["rules"]] == ["large"]
    assert messages.sentence(reasons.RuleMatched("large", "large")) in sentences_of(modification.reasons)
    for name in ("assessment", "reasons", "reason_code", "confidence", "flagged", "gate", "typed", "allowed"):
        assert getattr(modification, name) == getattr(other, name), name


def test_a_modification_says_what_its_own_arguments_flag(propose, two_person, alice):
    propose(250, order="789")
    refund = propose(420)
    assert "duplicate" not in flag_names(refund.assessment["flags"])
    modify(refund, alice, 250, "789")

    after = load(refund.pk)
    assert "duplicate" in flag_names(after.assessment["flags"])
    assert after.flagged == len(after.assessment["flags"])


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_whom_it_concerns_follows_the_modified_arguments(propose, alice):
    derived, stated = propose(), propose(subject="customer:981")
    for refund in (derived, stated):
        modify(refund, alice, 420, "789")

    assert (load(derived.pk).subject, load(stated.pk).subject) == ("order:789", "customer:981")
    assert check(database_url()) == []


@pytest.mark.usefixtures("two_person")
def test_what_was_asked_before_is_said_and_stays(propose, alice, bob, carol):
    refund = propose(6000)
    assert refund.reason_code == "high_risk"
    modify(refund, bob, 50)

    after = load(refund.pk)
    assert (after.tier_id, after.approvers, after.value) == (2, 2, 50)
    assert (
        sentences_of(after.reasons)[-1]
        == "Before it was changed it needed more, and that stays: tier 2 commerce (2 people)."
    )
    assert not any(mentions(reason, "6000") for reason in sentences_of(after.reasons))
    with pytest.raises(NotAllowed):
        decide(card_version_of(after), by=alice, verdict="approve")
    assert decide(card_version_of(after), by=carol, verdict="approve").status == Status.RELEASED


@pytest.mark.usefixtures("two_person", "large")
def test_what_would_pass_now_says_so_and_why_it_was_asked(refunds, propose, alice, bob):
    refunds.strategy = "risk"
    refunds.save()
    snapshot.publish(by=None, note="risk")
    refund = propose(2000)
    once = modify(refund, alice, 50)
    twice = modify(refund, bob, 60)

    assert (
        sentences_of(once.reasons)
        == sentences_of(twice.reasons)
        == [messages.sentence(reasons.AskedBeforeChange()), *sentences_of(refund.reasons)]
    )
    assert once.status == Status.PENDING


def test_what_did_not_parse_can_be_approved_by_the_next_once_it_was_mended(propose, two_person, alice, bob):
    refund = propose(args='{"order": "456", "amount": 4', parsed=False)
    assert "approve" not in refund.allowed
    mended = modify(refund, alice, 400)

    assert mended.proposal.parsed and "approve" in mended.allowed
    assert decide(card_version_of(mended), by=bob, verdict="approve").status == Status.RELEASED


def test_a_rule_about_the_run_holds_for_an_edited_plan_too(plan, kinds, carol):  # noqa: F811
    Rule.objects.create(
        action_type=kinds["refund"], name="nightly", expression='run.key == "night"', effect="review", message="night"
    )
    snapshot.publish(by=None, note="nightly")
    proposed = plan(step("a"), step("b", 5), run="night")
    wish = {"steps": [{"id": "a", "edits": [{"op": "replace", "path": "", "value": args(200)}]}, {"id": "b"}]}
    edited = decide(
        card_version_of(proposed), by=carol, verdict="modify", verdict_input=VerdictInput(steps=wish["steps"])
    )

    assert [rule["name"] for rule in edited.proposal.assessed[0]["rules"]] == ["nightly"]


def test_an_edited_plan_can_be_undone_where_all_that_is_left_of_it_can(plan, carol):  # noqa: F811
    proposed = plan(step("a"), mail("b", "a"))
    assert proposed.reversibility == "irreversible"
    edited = decide(
        card_version_of(proposed), by=carol, verdict="modify", verdict_input=VerdictInput(steps=[{"id": "a"}])
    )

    assert edited.reversibility == "partial"


def test_an_agents_pause_keeps_nobody_from_changing_what_waits(propose, plan, alice, carol, robot):  # noqa: F811
    refund, proposed = propose(), plan(step("a"), step("b", 5))
    Agent.objects.filter(pk=robot.pk).update(paused_at=times.now())

    assert modify(refund, alice, 200).verdict == "modify"
    wish = VerdictInput(steps=[{"id": "a"}])
    assert decide(card_version_of(proposed), by=carol, verdict="modify", verdict_input=wish).verdict == "modify"


def test_a_change_that_asks_to_type_a_value_is_not_yet_an_approval(refunds, propose, alice):
    Rule.objects.create(
        action_type=refunds,
        name="typed",
        expression="args.amount > 1000.0",
        effect="review",
        message="large",
        typed=True,
    )
    snapshot.publish(by=None, note="typed")
    waiting = modify(propose(), alice, 2000)

    assert (waiting.status, waiting.typed, waiting.votes) == (Status.PENDING, True, 0)
    assert vote_sentence(waiting) == "Changed. Approving it as it is now asks to type a value."
    with pytest.raises(BadVerdict):
        decide(card_version_of(waiting), by=alice, verdict="approve")
    assert (
        decide(
            card_version_of(waiting), by=alice, verdict="approve", verdict_input=VerdictInput(typed_confirmation="2000")
        ).verdict
        == "modify"
    )


def test_no_deadline_moves(propose, two_person, alice):
    refund = propose()
    with times.at(times.now() + timedelta(minutes=5)):
        modify(refund, alice, 200)

    after = load(refund.pk)
    assert (after.due_at, after.expires_at) == (refund.due_at, refund.expires_at)


def test_the_value_that_was_stated_stays_beside_what_shows_none(action_type, propose, two_person, alice, robot):
    action_type("transfer", value_path="", approvers=2)
    transfer = propose(action="transfer", value=4000)
    modify(transfer, alice, 200)
    assert load(transfer.pk).value == 4000
    amend(transfer.pk, lambda item: replace(item, summary="as I said"), by=robot)
    assert load(transfer.pk).value == 4000


def test_an_amendment_over_a_colleagues_change_goes_by_what_the_agent_had_said(propose, two_person, alice, robot):
    refund = propose(value=4000, subject="customer:981")
    modify(refund, alice, 100, "789")
    assert load(refund.pk).value == 100
    amend(refund.pk, lambda item: replace(item, summary="as I said"), by=robot)

    after = load(refund.pk)
    assert (after.value, after.subject, after.proposal.args) == (4000, "customer:981", args(420))
