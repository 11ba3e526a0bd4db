"""What checkpoints, a limit on spending and shadow mode would have done to the past; and how a change of them reads."""

from datetime import timedelta
from decimal import Decimal

import pytest

from approvals import times
from approvals.models import Autonomy, Spend
from approvals.policy import changes, versions
from approvals.policy.versions import draft
from approvals.review.submission import RunRef


@pytest.fixture
def free(change, publish, staffed):
    change(strategy="never")
    publish()


def test_a_limit_that_is_new_is_held_against_what_was_spent_then(free, propose, change, tried):
    now = times.now()
    amounts = [(60, 400), (28, 400), (3, 400), (2, 400), (0, 250)]
    rows = []
    for hours, amount in amounts:
        with times.at(now - timedelta(hours=hours)):
            rows.append(propose(amount=amount, order=str(hours)))
    change(spend_limit=1000, spend_window=timedelta(days=1))

    told = tried()

    assert [moved.approval_id for moved in told.moved] == [rows[-1].pk]
    assert told.moved[0].why.startswith("Spending of this agent: 800.00 EUR in the last 1 day, and 250.00 EUR more")
    change(spend_limit=799, spend_window=timedelta(days=1))
    assert {moved.approval_id for moved in tried().moved} == {rows[3].pk, rows[4].pk}


def test_what_was_spent_in_the_same_hour_before_counts_and_after_does_not(free, propose, change, tried):
    rows = [propose(amount=400, order=str(n)) for n in range(4)]
    Spend.objects.filter(hour__lt=times.now() - timedelta(hours=2)).delete()
    change(spend_limit=1000)
    assert {moved.approval_id for moved in tried().moved} == {rows[2].pk, rows[3].pk}


def test_of_a_run_only_the_run_counts(free, propose, change, tried):
    a = [propose(amount=600, order=f"a{n}", run=RunRef("a")) for n in range(2)]
    propose(amount=600, order="b", run=RunRef("b"))
    change(spend_limit=1000, spend_of="run")
    assert [moved.approval_id for moved in tried().moved] == [a[1].pk]


def test_every_so_many_steps_is_told_from_what_was_stored(free, propose, change, tried):
    rows = [propose(order=str(n), run=RunRef("a")) for n in range(4)]
    change(every_steps=4)
    [moved] = tried().moved
    assert (moved.approval_id, moved.kind) == (rows[3].pk, "auto_review")
    assert moved.why.startswith("Step 4 of the run")


def test_shadow_mode_moves_what_asked_to_what_passes_and_holds_no_content(
    staffed, propose, change, rule, publish, tried
):
    rule("value > 500.0", message="Above 500.")
    publish()
    propose(amount=900)
    change(shadow=True)
    [moved] = tried().moved
    assert (moved.kind, moved.rank) == ("review_auto", 2)
    assert "Shadow mode: nobody is asked. It would have asked tier 1:" in moved.why


def test_what_an_agent_in_shadow_would_have_been_asked_moves_nothing(staffed, propose, change, robot, tried):
    Autonomy.objects.create(agent=robot, action_type=staffed, level=2, shadow=True)
    propose(amount=40)
    change(tier_id=2)
    assert not tried().moved


def test_a_change_reads_in_the_words_of_the_form(staffed, change):
    change(every_steps=10, every_time=timedelta(minutes=30), spend_limit=Decimal(1000), spend_of="run", shadow=True)
    found = draft()
    said = [str(one) for one in changes.changes(found.base.snapshot, found.snapshot)]
    assert said == [
        "Refund: a person every so many steps nothing → 10",
        "Refund: whose spending The agent's → One run's",
        "Refund: shadow mode no → yes",
        "Refund: a person above this spending nothing → 1000",
        "Refund: a person every so often nothing → 30 min",
    ]
    assert versions.draft().differs
