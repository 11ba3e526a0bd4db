"""A change that is taken back leaves the row as it was; what came back says so after every change."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import returns
from approvals.models import Approval, ApprovalRequest
from approvals.models.states import Status
from approvals.policy import messages, reasons, snapshot
from approvals.requests.amend import amend
from approvals.requests.submission import PROPOSAL_FIELDS, RunRef
from tests.checker import check
from tests.conftest import sentences_of
from tests.decisions.revising import PROSE, args, modify
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401
from tests.web import database_url

# What stands again after an undo, but for where history goes on.
GOES_ON = {
    *("round", "event_seq", "event_head", "claimed_by", "claim_until", "viewed", "tiers_visited", "queues_visited"),
    "remind_at",  # told anew that little time is left
    "first_opened_at",  # who opened it has seen it
}


def row(approval: Approval, *, without: set[str] = frozenset()) -> Mapping[str, object]:
    """Every column of the row as the database has it."""
    fields = [field for field in Approval._meta.concrete_fields if field.name not in without]
    stored = Approval.objects.get(pk=approval.pk)
    return {field.name: getattr(stored, field.attname) for field in fields}


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
