"""A verdict settles exactly what was seen, once, by somebody who may."""

import json
from datetime import timedelta

import pytest

from approvals.db import times
from approvals.decisions.card_version import CardVersion, card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NoLongerPending, NotAllowed, OutOfDate
from approvals.models import Decision, Tier
from approvals.models.states import Source, Status
from tests.conftest import replace_arguments

NO = VerdictInput(message="too much")


def test_an_approval_is_released_at_once_where_there_is_no_undo_window(refund, alice):
    settled = decide(card_version_of(refund), by=alice, verdict="approve")

    assert (settled.status, settled.verdict, settled.source) == (Status.RELEASED, "approve", Source.HUMAN)
    answer = json.loads(settled.request.answer)
    [item] = answer["items"]
    assert item["action"] == {"name": "refund", "args": {"order": "456", "amount": 420, "currency": "EUR"}}
    assert item["action_digest"] == settled.digest
    assert item["decided_by"] == {"tier": 1, "name": "Alice"}


def test_the_second_of_two_reviewers_is_told_who_settled_it(refund, alice, bob):
    on_bobs_screen = card_version_of(refund)
    decide(card_version_of(refund), by=alice, verdict="approve")

    with pytest.raises(NoLongerPending, match="Alice approved this"):
        decide(on_bobs_screen, by=bob, verdict="reject", verdict_input=NO)

    assert [event.actor for event in refund.events.filter(kind="decided")] == ["user:alice"]


@pytest.mark.parametrize("who", ["mallory", "olga", "mia", "otto", "ada", "root", "oscar"])
def test_nobody_decides_outside_tier_and_domain_or_what_their_own_agent_asks(who, refund, request):
    outsider = request.getfixturevalue(who)

    with pytest.raises(NotAllowed):
        decide(card_version_of(refund), by=outsider, verdict="approve")

    assert load(refund.pk).status == Status.PENDING


def test_a_reviewer_below_the_tier_decides_nothing(propose, alice, bob):
    large = propose(amount=6000)

    assert large.tier_id == 2
    with pytest.raises(NotAllowed):
        decide(card_version_of(large), by=alice, verdict="approve")
    assert decide(card_version_of(large), by=bob, verdict="approve").status == Status.RELEASED


def test_a_verdict_on_another_digest_is_refused(refund, alice):
    other = CardVersion(refund.pk, refund.revision, refund.round, "sha256:" + "0" * 64)

    with pytest.raises(OutOfDate):
        decide(other, by=alice, verdict="approve")

    assert load(refund.pk).status == Status.PENDING


def test_a_verdict_after_the_deadline_is_refused_before_the_clock_came_by(refund, alice):
    with times.at(refund.expires_at), pytest.raises(NoLongerPending):
        decide(card_version_of(refund), by=alice, verdict="approve")

    assert load(refund.pk).status == Status.PENDING


# --- Rejecting


@pytest.mark.parametrize(
    "verdict_input",
    [VerdictInput(), VerdictInput(message="   "), VerdictInput(reason="other"), VerdictInput(reason="no such")],
)
def test_a_rejection_needs_a_reason(verdict_input, refund, alice):
    with pytest.raises(BadVerdict):
        decide(card_version_of(refund), by=alice, verdict="reject", verdict_input=verdict_input)

    assert load(refund.pk).status == Status.PENDING


def test_a_rejection_tells_the_agent_why_and_sends_nothing_to_run(refund, alice):
    settled = decide(
        card_version_of(refund),
        by=alice,
        verdict="reject",
        verdict_input=VerdictInput(message="not delivered yet", stop=True),
    )

    item = json.loads(settled.request.answer)["items"][0]
    assert (item["verdict"], item["message"], item["stop"], item["action"]) == (
        "reject",
        "not delivered yet",
        True,
        None,
    )


def test_a_reason_of_a_megabyte_is_refused(refund, alice):
    with pytest.raises(BadVerdict):
        decide(card_version_of(refund), by=alice, verdict="reject", verdict_input=VerdictInput(message="x" * 1_000_000))


# --- Modifying


def test_a_modification_runs_as_modified_under_a_digest_of_its_own(refund, alice):
    before = refund.digest
    verdict_input = VerdictInput(
        edits=replace_arguments({"order": "456", "amount": 200, "currency": "EUR"}), message="goodwill limit"
    )
    settled = decide(card_version_of(refund), by=alice, verdict="modify", verdict_input=verdict_input)

    item = json.loads(settled.request.answer)["items"][0]
    assert item["verdict"] == "modify"
    assert item["action"]["args"]["amount"] == 200
    assert item["action_digest"] == settled.digest != before
    assert settled.revision == 2
    assert settled.proposal.author == alice
    assert refund.events.get(kind="decided").facts["edited"] == ["/amount"]


@pytest.mark.parametrize(
    "args",
    [
        {"order": "456", "amount": "200", "currency": "EUR"},
        {"order": "456", "amount": 200},
        {"order": "456", "amount": 200, "currency": "EUR", "status": "approved"},
        {"order": "456", "amount": 420, "currency": "EUR"},
        "refund it",
        None,
    ],
)
def test_a_modification_that_is_invalid_or_changes_nothing_is_refused(args, refund, alice):
    with pytest.raises(BadVerdict):
        decide(
            card_version_of(refund),
            by=alice,
            verdict="modify",
            verdict_input=VerdictInput(edits=replace_arguments(args)),
        )

    assert load(refund.pk).status == Status.PENDING
    assert refund.proposals.count() == 1


def test_a_modification_may_not_exceed_the_modifiers_own_authority(refund, alice, bob):
    beyond = VerdictInput(edits=replace_arguments({"order": "456", "amount": 5001, "currency": "EUR"}))

    with pytest.raises(BadVerdict, match="tier 2"):
        decide(card_version_of(refund), by=alice, verdict="modify", verdict_input=beyond)

    assert decide(card_version_of(refund), by=bob, verdict="modify", verdict_input=beyond).verdict == "modify"


def test_choosing_an_alternative_is_a_modification_that_names_it(propose, alice):
    refund = propose(alternatives=[{"label": "Half", "args": {"order": "456", "amount": 210, "currency": "EUR"}}])
    settled = decide(
        card_version_of(refund), by=alice, verdict="modify", verdict_input=VerdictInput(alternative="Half")
    )

    item = json.loads(settled.request.answer)["items"][0]
    assert (item["verdict"], item["alternative"], item["action"]["args"]["amount"]) == ("modify", "Half", 210)


def test_an_alternative_that_was_not_offered_is_refused(refund, alice):
    with pytest.raises(BadVerdict):
        decide(card_version_of(refund), by=alice, verdict="modify", verdict_input=VerdictInput(alternative="Half"))


# --- Several approvers


@pytest.fixture
def two_person(action_type):
    return action_type("payout", approvers=2)


def test_two_people_must_approve_and_the_same_one_counts_once(two_person, propose, alice, bob):
    payout = propose(action="payout")
    first = decide(card_version_of(payout), by=alice, verdict="approve")
    assert (first.status, first.votes) == (Status.PENDING, 1)

    with pytest.raises(NotAllowed):
        decide(card_version_of(first), by=alice, verdict="approve")
    assert load(payout.pk).votes == 1

    second = decide(card_version_of(first), by=bob, verdict="approve")
    assert (second.status, second.votes) == (Status.RELEASED, 2)


def test_any_rejection_ends_it(two_person, propose, alice, bob):
    payout = propose(action="payout")
    decide(card_version_of(payout), by=alice, verdict="approve")

    settled = decide(card_version_of(load(payout.pk)), by=bob, verdict="reject", verdict_input=NO)

    assert (settled.status, settled.verdict) == (Status.RELEASED, "reject")


def test_a_modification_voids_the_votes_before_it(two_person, propose, alice, bob, carol):
    payout = propose(action="payout")
    decide(card_version_of(payout), by=alice, verdict="approve")
    verdict_input = VerdictInput(edits=replace_arguments({"order": "456", "amount": 100, "currency": "EUR"}))
    modified = decide(card_version_of(load(payout.pk)), by=bob, verdict="modify", verdict_input=verdict_input)

    assert (modified.status, modified.revision, modified.votes) == (Status.PENDING, 2, 1)
    settled = decide(card_version_of(modified), by=carol, verdict="approve")
    assert (settled.status, settled.verdict) == (Status.RELEASED, "modify")
    assert json.loads(settled.request.answer)["items"][0]["action"]["args"]["amount"] == 100


# --- Manual gates


@pytest.fixture
def deletion(action_type, propose):
    action_type("delete", gate="manual", reversibility="irreversible")
    return propose(action="delete", amount=77.5)


def test_a_manual_gate_asks_for_the_value_and_for_the_password(deletion, alice):
    for verdict_input in (
        VerdictInput(),
        VerdictInput(typed_confirmation="77.5"),
        VerdictInput(freshly_authenticated=True),
        VerdictInput(typed_confirmation="77", freshly_authenticated=True),
    ):
        with pytest.raises(BadVerdict):
            decide(card_version_of(deletion), by=alice, verdict="approve", verdict_input=verdict_input)

    assert decide(
        card_version_of(deletion),
        by=alice,
        verdict="approve",
        verdict_input=VerdictInput(typed_confirmation="77.5", freshly_authenticated=True),
    ).verdict


def test_a_manual_gate_is_never_passed_over_the_api(deletion, alice):
    with pytest.raises(NotAllowed):
        decide(
            card_version_of(deletion),
            by=alice,
            verdict="approve",
            verdict_input=VerdictInput(typed_confirmation="77.5", freshly_authenticated=True, surface="api"),
        )


# --- Undo


def test_a_verdict_is_held_and_can_be_taken_back(with_undo, refund, alice):
    held = decide(card_version_of(refund), by=alice, verdict="approve")
    assert (held.status, held.request.status) == (Status.HELD, "pending")

    back = undo(refund.pk, by=alice)

    assert (back.status, back.round, back.verdict) == (Status.PENDING, 2, "")
    assert Decision.objects.get(approval=refund).undone_at
    with pytest.raises(OutOfDate):
        decide(card_version_of(refund), by=alice, verdict="approve")
    assert decide(card_version_of(back), by=alice, verdict="reject", verdict_input=NO).status == Status.HELD


def test_an_undone_modification_leaves_what_the_agent_proposed(with_undo, refund, alice):
    verdict_input = VerdictInput(edits=replace_arguments({"order": "456", "amount": 1, "currency": "EUR"}))
    decide(card_version_of(refund), by=alice, verdict="modify", verdict_input=verdict_input)
    back = undo(refund.pk, by=alice)

    assert (back.digest, back.proposal.args["amount"]) == (refund.digest, 420)
    again = decide(card_version_of(back), by=alice, verdict="modify", verdict_input=verdict_input)
    assert again.revision == 3


def test_nobody_undoes_anothers_verdict_or_a_released_one(with_undo, refund, alice, bob):
    held = decide(card_version_of(refund), by=alice, verdict="approve")
    with pytest.raises(NotAllowed):
        undo(refund.pk, by=bob)
    with times.at(held.hold_until), pytest.raises(NoLongerPending):
        undo(refund.pk, by=alice)


def test_the_undo_window_of_a_tier_lies_between_0_and_30_seconds(tiers):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError):
        Tier.objects.filter(level=1).update(hold=timedelta(seconds=31))
