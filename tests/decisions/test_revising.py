"""A changed proposal is one more of its kind: nothing of it is lost, all of it is judged again, undo puts it back."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from approvals import clock
from approvals.db import times
from approvals.decisions import revise
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import returns
from approvals.models import Agent, Approval, ApprovalRequest, Proposal, Rule
from approvals.models.approval import Status
from approvals.policy import messages, reasons, snapshot
from approvals.requests.amend import amend
from approvals.requests.submission import PROPOSAL_FIELDS, Item, RunRef, Submission
from console.card.stages import vote_sentence
from tests.checker import check
from tests.conftest import database_url, flag_names, replace_arguments, sentences_of
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401
from tests.text_search import mentions

UNDO = {"name": "take_back", "args": {"order": "456"}}
PROSE = {
    "summary": "two cables",
    "reasoning": "both broken",
    "context": {"ticket": 12},
    "signals": {"stated_confidence": 0.9},
    "current": {"amount": 0},
    "preconditions": {"order_status": "delivered"},
    "undo": UNDO,
    "rename_to": ("repay",),
    "remember": ["always"],
}
# What stands again after an undo, but for where history goes on.
GOES_ON = {
    *("round", "event_seq", "event_head", "claimed_by", "claim_until", "viewed", "tiers_visited", "queues_visited"),
    "remind_at",  # told anew that little time is left
    "first_opened_at",  # who opened it has seen it
}


def args(amount: float, order: str = "456") -> dict:
    return {"order": order, "amount": amount, "currency": "EUR"}


def modify(approval: Approval, by, amount: float, order: str = "456", **verdict_input: object) -> Approval:
    verdict_input = VerdictInput(edits=replace_arguments(args(amount, order)), **verdict_input)
    return decide(card_version_of(load(approval.pk)), by=by, verdict="modify", verdict_input=verdict_input)


def row(approval: Approval, *, without: set[str] = frozenset()) -> Mapping[str, object]:
    """Every column of the row as the database has it."""
    fields = [field for field in Approval._meta.concrete_fields if field.name not in without]
    stored = Approval.objects.get(pk=approval.pk)
    return {field.name: getattr(stored, field.attname) for field in fields}


@pytest.fixture
def two_person(refunds):
    refunds.approvers = 2
    refunds.save()
    snapshot.publish(by=None, note="two people")


@pytest.fixture
def large(refunds):
    """Refunds above 1,000 match a rule, and are flagged by it."""
    Rule.objects.create(
        action_type=refunds, name="large", expression="args.amount > 1000.0", effect="review", message="large"
    )
    snapshot.publish(by=None, note="large")


# --- Field by field


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


# --- Taken back


@pytest.mark.usefixtures("with_undo", "large")
@pytest.mark.parametrize("amount", [50, 4999])
def test_an_undone_modification_leaves_the_row_as_it_was(amount, propose, alice):
    refund = propose(value=430, **PROSE)
    before = row(refund, without=GOES_ON)
    held = modify(refund, alice, amount, "789")
    assert (held.status, held.value, held.subject) == (Status.HELD, amount, "order:789")
    assert row(refund, without=GOES_ON) != before
    undo(refund.pk, by=alice)

    assert row(refund, without=GOES_ON) == before
    assert modify(refund, alice, 60).status == Status.HELD
    undo(refund.pk, by=alice)
    assert row(refund, without=GOES_ON) == before


@pytest.mark.usefixtures("with_undo", "two_person", "large")
def test_undo_goes_back_to_the_agents_own_over_two_peoples_changes(propose, alice, bob):
    refund = propose()
    before = row(refund, without=GOES_ON)
    modify(refund, alice, 2000)
    modify(refund, bob, 3000)
    held = decide(card_version_of(load(refund.pk)), by=alice, verdict="approve")
    assert (held.status, held.value) == (Status.HELD, 3000)
    undo(refund.pk, by=alice)

    assert row(refund, without=GOES_ON) == before


@pytest.mark.usefixtures("with_undo")
def test_a_change_that_raised_the_tier_and_is_taken_back_goes_to_where_it_was(propose, alice, bob):
    refund = propose()
    held = modify(refund, bob, 6000)
    assert (held.tier_id, held.status) == (2, Status.HELD)
    back = undo(refund.pk, by=bob)

    assert (back.tier_id, back.tiers_visited) == (1, [1, 2, 1])
    assert back.due_at <= back.expires_at
    assert decide(card_version_of(back), by=alice, verdict="approve").status == Status.HELD


@pytest.mark.usefixtures("with_undo", "two_person")
def test_where_it_escalated_meanwhile_it_stays(propose, alice, bob, carol):
    refund = propose()
    modify(refund, alice, 200)
    with times.at(refund.due_at + timedelta(seconds=1)):
        clock.sweep()
        assert load(refund.pk).tier_id == 2
        decide(card_version_of(load(refund.pk)), by=bob, verdict="approve")
        undo(refund.pk, by=bob)

    after = load(refund.pk)
    assert (after.tier_id, after.value, after.approvers) == (2, 420, 2)


@pytest.mark.usefixtures("with_undo")
def test_an_undone_edit_of_a_plan_leaves_the_row_as_it_was(plan, carol):  # noqa: F811
    proposed = plan(step("a"), mail("b", "a"), step("c", 77))
    before = row(proposed, without=GOES_ON)
    wish = VerdictInput(steps=[{"id": "c", "edits": [{"op": "replace", "path": "", "value": args(4000)}]}, {"id": "a"}])
    held = decide(card_version_of(proposed), by=carol, verdict="modify", verdict_input=wish)
    assert (held.value, held.reversibility) == (4420, "partial")
    undo(proposed.pk, by=carol)

    assert row(proposed, without=GOES_ON) == before


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_the_checker_finds_nothing_after_changes_and_undos(with_undo, two_person, propose, alice, bob, robot):
    refund = propose(**PROSE)
    modify(refund, alice, 200, "789")
    modify(refund, bob, 300)
    decide(card_version_of(load(refund.pk)), by=alice, verdict="approve")
    undo(refund.pk, by=alice)
    amend(refund.pk, lambda item: replace(item, args=args(250, "11")), by=robot)
    modify(refund, alice, 240, "12")

    assert load(refund.pk).subject == "order:12"
    assert check(database_url()) == []


# --- What came back, since the world had moved


@pytest.fixture
def returned(propose, alice, robot):
    """A refund that Alice approved, which asks again since its order came back."""
    run = RunRef("thread-7", "case 456", "refund")
    refund = decide(card_version_of(propose(**PROSE, run=run)), by=alice, verdict="approve")
    decision = refund.decisions.get()
    observed = {"order_status": "returned"}
    new = returns.bring_back(load(refund.pk), decision.pk, ["order_status"], observed, by=robot, now=times.now())
    return load(new.pk)


def test_what_came_back_says_so_after_every_change(returned, alice, robot):
    why = messages.sentence(reasons.WorldMoved(("order_status",)))
    assert sentences_of(returned.reasons)[0] == why
    amend(returned.pk, lambda item: replace(item, args=args(300)), by=robot)

    after = load(returned.pk)
    assert (sentences_of(after.reasons)[0], after.reason_code, after.value) == (why, "world_moved", 300)
    assert sentences_of(modify(returned, alice, 200).reasons)[0] == why


def test_what_comes_back_keeps_every_word_and_the_request_it_was_in(returned):
    old = returned.returned_from
    for name in set(PROPOSAL_FIELDS.values()) - {"current", "preconditions"}:
        assert getattr(returned.proposal, name) == getattr(load(old.pk).proposal, name), name
    assert returned.proposal.preconditions == {"order_status": "returned"}
    request, before = ApprovalRequest.objects.get(approvals=returned), ApprovalRequest.objects.get(approvals=old)
    assert (request.run, request.step, request.labels) == (before.run, before.step, before.labels)


def test_a_gate_that_was_manual_stays_so_when_it_comes_back(action_type, propose, alice, robot):
    kind = action_type("wipe", gate="manual")
    wipe = propose(action="wipe", preconditions={"order_status": "delivered"})
    wipe = decide(
        card_version_of(wipe),
        by=alice,
        verdict="approve",
        verdict_input=VerdictInput(typed_confirmation="420", freshly_authenticated=True),
    )
    kind.gate = "hard"
    kind.save()
    snapshot.publish(by=None, note="hard")
    new = returns.bring_back(
        load(wipe.pk), wipe.decisions.get().pk, ["order_status"], {"order_status": "gone"}, by=robot, now=times.now()
    )

    assert new.gate == "manual"
