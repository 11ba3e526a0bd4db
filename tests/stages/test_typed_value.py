"""A rule asks whoever approves to type a value, in every stage and on the page alone."""

import pytest

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import Approval
from approvals.models.states import Status
from tests.stages.builders import HALF, NO


@pytest.fixture
def transfer(staged, propose) -> Approval:
    staged([], name="transfer", typed=True)
    return propose(action="transfer", amount=420)


def test_a_rule_asks_whoever_approves_to_type_the_value_without_the_password(transfer, alice):
    assert (transfer.typed, transfer.gate) == (True, "hard")
    for typed in ("", "421"):
        with pytest.raises(BadVerdict) as refused:
            decide(
                card_version_of(transfer),
                by=alice,
                verdict="approve",
                verdict_input=VerdictInput(typed_confirmation=typed),
            )
        assert [fault.pointer for fault in refused.value.faults] == ["/typed"]
    with pytest.raises(BadVerdict):
        decide(card_version_of(transfer), by=alice, verdict="modify", verdict_input=HALF)
    assert (
        decide(
            card_version_of(transfer), by=alice, verdict="approve", verdict_input=VerdictInput(typed_confirmation="420")
        ).verdict
        == "approve"
    )


def test_a_rejection_asks_to_type_nothing(transfer, alice):
    assert decide(card_version_of(transfer), by=alice, verdict="reject", verdict_input=NO).verdict == "reject"


@pytest.mark.parametrize("surface", ["api", "batch", "slack"])
def test_a_typed_value_is_given_on_the_page_alone(transfer, alice, surface):
    with pytest.raises(NotAllowed):
        decide(
            card_version_of(transfer),
            by=alice,
            verdict="approve",
            verdict_input=VerdictInput(typed_confirmation="420", surface=surface),
        )


def test_every_stage_types(staged, propose, alice, lena):
    staged(typed=True)
    on = decide(
        card_version_of(propose(action="payout")),
        by=alice,
        verdict="approve",
        verdict_input=VerdictInput(typed_confirmation="420"),
    )
    with pytest.raises(BadVerdict):
        decide(card_version_of(on), by=lena, verdict="approve")
    assert (
        decide(
            card_version_of(on), by=lena, verdict="approve", verdict_input=VerdictInput(typed_confirmation="420")
        ).status
        == Status.RELEASED
    )
