"""What changes a proposal starts its stages again."""

import pytest

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, OutOfDate
from approvals.models import Vote
from approvals.models.states import Status
from approvals.requests import amend
from tests.conftest import replace_arguments
from tests.stages.builders import HALF, stage_state


def test_a_modification_in_the_first_stage_is_its_makers_approval_of_it(payout, alice, lena):
    on = decide(card_version_of(payout), by=alice, verdict="modify", verdict_input=HALF)

    assert (on.status, on.revision, *stage_state(on)) == (Status.PENDING, 2, 1, 2, "legal", 0, 1)
    facts = on.events.get(kind="modified").facts
    assert (facts["edited"], facts["stage"], facts["to_domain"]) == (["/amount"], 1, "legal")
    done = decide(card_version_of(on), by=lena, verdict="approve")
    assert (done.verdict, done.status) == ("modify", Status.RELEASED)


def test_a_modification_in_a_later_stage_starts_with_the_first_one_again(payout, alice, bob, lena):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    again = decide(card_version_of(on), by=lena, verdict="modify", verdict_input=HALF)

    assert (again.revision, *stage_state(again)) == (2, 0, 1, "commerce", 0, 1)
    assert not Vote.objects.filter(approval=payout, revision=2).exists()  # she does not review the first stage
    on = decide(
        card_version_of(again), by=alice, verdict="approve"
    )  # of another revision than the one that she approved
    assert stage_state(on) == (1, 2, "legal", 0, 1)
    done = decide(card_version_of(on), by=lena, verdict="approve")
    assert (done.status, done.verdict, done.proposal.args["amount"]) == (Status.RELEASED, "modify", 210)


def test_stages_stay_when_the_modified_arguments_no_longer_ask_for_them(payout, alice):
    small = VerdictInput(edits=replace_arguments({"order": "456", "amount": 5, "currency": "EUR"}))
    on = decide(card_version_of(payout), by=alice, verdict="modify", verdict_input=small)
    assert stage_state(on) == (1, 2, "legal", 0, 1)


def test_a_modification_that_asks_for_stages_goes_through_them(staged, propose, alice, lena):
    """Silence would have let the first one run; it does not let this one."""
    staged(gate="soft", on_timeout="approve", strategy="always", typed=True)
    small = propose(action="payout", amount=50)
    assert (small.stages, small.on_timeout) == ([], "approve")

    changed = decide(card_version_of(small), by=alice, verdict="modify", verdict_input=HALF)
    assert (changed.status, *stage_state(changed)) == (Status.PENDING, 0, 1, "commerce", 0, 1)  # she has typed nothing
    assert (changed.typed, changed.on_timeout) == (True, "reject")
    on = decide(
        card_version_of(changed), by=alice, verdict="approve", verdict_input=VerdictInput(typed_confirmation="210")
    )
    assert (on.status, *stage_state(on)) == (Status.PENDING, 1, 2, "legal", 0, 1)
    assert on.queues_so_far == ["1.commerce", "2.legal"]


def test_a_modification_stays_within_the_modifiers_own_authority(payout, alice, bob):
    beyond = VerdictInput(edits=replace_arguments({"order": "456", "amount": 6000, "currency": "EUR"}))
    with pytest.raises(BadVerdict, match="tier 2"):
        decide(card_version_of(payout), by=alice, verdict="modify", verdict_input=beyond)
    on = decide(card_version_of(payout), by=bob, verdict="modify", verdict_input=beyond)
    assert on.stages[0] == {"tier": 2, "domain": "commerce", "approvers": 1}


def test_an_amendment_starts_with_the_first_stage_and_asks_no_less(payout, robot, alice, lena):
    from dataclasses import replace

    on = decide(card_version_of(payout), by=alice, verdict="approve")
    less = {"order": "456", "amount": 5, "currency": "EUR"}
    again = amend.amend(on.pk, lambda item: replace(item, args=less), by=robot)

    assert (again.status, again.revision, *stage_state(again)) == (Status.PENDING, 2, 0, 1, "commerce", 0, 1)
    assert len(again.stages) == 2
    with pytest.raises(OutOfDate):
        decide(card_version_of(on), by=alice, verdict="approve")
    on = decide(card_version_of(again), by=alice, verdict="approve")
    assert decide(card_version_of(on), by=lena, verdict="approve").status == Status.RELEASED


def test_an_amendment_can_lead_into_stages(staged, propose, robot):
    from dataclasses import replace

    staged(strategy="always")
    small = propose(action="payout", amount=50)
    again = amend.amend(small.pk, lambda item: replace(item, args={**item.args, "amount": 420}), by=robot)
    assert (len(again.stages), *stage_state(again)) == (2, 0, 1, "commerce", 0, 1)


def test_taking_the_last_verdict_back_starts_a_round_with_the_first_stage(with_undo, payout, alice, lena, luis):
    on = decide(card_version_of(payout), by=alice, verdict="approve")
    decide(card_version_of(on), by=lena, verdict="approve")
    back = undo(payout.pk, by=lena)

    assert (back.status, back.round, *stage_state(back)) == (Status.PENDING, 2, 0, 1, "commerce", 0, 1)
    on = decide(card_version_of(back), by=alice, verdict="approve")  # another round: the same people may approve again
    assert decide(card_version_of(on), by=lena, verdict="approve").status == Status.HELD
    with times.at(load(payout.pk).hold_until):
        clock.sweep()
