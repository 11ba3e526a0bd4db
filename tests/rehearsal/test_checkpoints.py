"""What checkpoints, a limit on spending and shadow mode would have done to the past; and how a change of them reads."""

from datetime import timedelta
from decimal import Decimal

import pytest

from approvals.db import times
from approvals.models import Autonomy, Spend
from approvals.policy.authoring import differences, versions
from approvals.policy.authoring.versions import draft
from approvals.requests.submission import RunRef
from tests.rehearsal.conftest import why_of


@pytest.fixture
def auto_approved_refunds(change_action_type, publish, staffed_refunds):
    change_action_type(strategy="never")
    publish()


def test_a_limit_that_is_new_is_held_against_what_was_spent_then(
    auto_approved_refunds, propose, change_action_type, rehearse_draft
):
    now = times.now()
    amounts = [(60, 400), (28, 400), (3, 400), (2, 400), (0, 250)]
    rows = []
    for hours, amount in amounts:
        with times.at(now - timedelta(hours=hours)):
            rows.append(propose(amount=amount, order=str(hours)))
    change_action_type(spend_limit=1000, spend_window=timedelta(days=1))

    rehearsal_result = rehearse_draft()

    assert [moved.approval_id for moved in rehearsal_result.moved] == [rows[-1].pk]
    assert why_of(rehearsal_result.moved[0]).startswith(
        "Spending of this agent: 800.00 EUR in the last 1 day, and 250.00 EUR more"
    )
    change_action_type(spend_limit=799, spend_window=timedelta(days=1))
    assert {moved.approval_id for moved in rehearse_draft().moved} == {rows[3].pk, rows[4].pk}


def test_what_was_spent_in_the_same_hour_before_counts_and_after_does_not(
    auto_approved_refunds, propose, change_action_type, rehearse_draft
):
    rows = [propose(amount=400, order=str(n)) for n in range(4)]
    Spend.objects.filter(hour__lt=times.now() - timedelta(hours=2)).delete()
    change_action_type(spend_limit=1000)
    assert {moved.approval_id for moved in rehearse_draft().moved} == {rows[2].pk, rows[3].pk}


def test_of_a_run_only_the_run_counts(auto_approved_refunds, propose, change_action_type, rehearse_draft):
    a = [propose(amount=600, order=f"a{n}", run=RunRef("a")) for n in range(2)]
    propose(amount=600, order="b", run=RunRef("b"))
    change_action_type(spend_limit=1000, spend_of="run")
    assert [moved.approval_id for moved in rehearse_draft().moved] == [a[1].pk]


def test_every_so_many_steps_is_told_from_what_was_stored(
    auto_approved_refunds, propose, change_action_type, rehearse_draft
):
    rows = [propose(order=str(n), run=RunRef("a")) for n in range(4)]
    change_action_type(every_steps=4)
    [moved] = rehearse_draft().moved
    assert (moved.approval_id, moved.kind) == (rows[3].pk, "auto_review")
    assert why_of(moved).startswith("Step 4 of the run")


def test_shadow_mode_moves_what_asked_to_what_passes_and_holds_no_content(
    staffed_refunds, propose, change_action_type, rule, publish, rehearse_draft
):
    rule("value > 500.0", message="Above 500.")
    publish()
    propose(amount=900)
    change_action_type(shadow=True)
    [moved] = rehearse_draft().moved
    assert (moved.kind, moved.rank) == ("review_auto", 2)
    assert "Shadow mode: nobody is asked. It would have asked tier 1:" in why_of(moved)


def test_what_an_agent_in_shadow_would_have_been_asked_moves_nothing(
    staffed_refunds, propose, change_action_type, robot, rehearse_draft
):
    Autonomy.objects.create(agent=robot, action_type=staffed_refunds, level=2, shadow=True)
    propose(amount=40)
    change_action_type(tier_id=2)
    assert not rehearse_draft().moved


def test_a_change_reads_in_the_words_of_the_form(staffed_refunds, change_action_type):
    change_action_type(
        every_steps=10, every_time=timedelta(minutes=30), spend_limit=Decimal(1000), spend_of="run", shadow=True
    )
    policy_draft = draft()
    sentences = [str(one) for one in differences.changes(policy_draft.base.snapshot, policy_draft.snapshot)]
    assert sentences == [
        "Refund: a person every so many steps nothing → 10",
        "Refund: a person every so often nothing → 30 min",
        "Refund: a person above this spending nothing → 1000",
        "Refund: whose spending The agent's → One run's",
        "Refund: shadow mode no → yes",
    ]
    assert versions.draft().differs
