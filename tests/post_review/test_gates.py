"""What each gate does when the deadline comes and nobody has said anything."""

from datetime import timedelta

import pytest

from approvals import clock
from approvals.db import times
from approvals.models import PostReview
from approvals.requests.submission import Item
from tests.post_review.conftest import fresh

LATER = timedelta(hours=5)  # the deadline of each is four hours away


@pytest.fixture
def after_silence(propose):
    """Propose, let five hours go by, and see what became of it."""

    def wait(action: str, **fields: object):
        approval = propose(action=action, **fields)
        assert approval.status == "pending"
        for hours in range(6):  # tier after tier
            with times.at(approval.created_at + timedelta(hours=hours)):
                clock.sweep()
        return fresh(approval)

    return wait


def test_soft_proceeds(action_type, after_silence):
    action_type("note", reversibility="reversible", gate="soft", on_timeout="approve")
    after = after_silence("note")

    assert (after.status, after.verdict, after.source) == ("released", "approve", "timeout")


@pytest.mark.parametrize("wish", [{}, {"on_timeout": "proceed"}, {"on_timeout": "approve"}])
@pytest.mark.parametrize("gate", ["soft", "hard"])
def test_what_the_type_flags_proceeds_and_is_looked_at_whatever_the_agent_wishes(
    action_type, after_silence, gate, wish
):
    action_type("note", reversibility="reversible", gate=gate, on_timeout="proceed")
    after = after_silence("note", **wish)

    assert (after.status, PostReview.objects.get().why) == ("released", "silence")


def test_a_veto_before_the_deadline_of_a_soft_gate_that_waits_lets_nothing_run(action_type, propose, alice):
    from approvals.decisions.card_version import card_version_of
    from approvals.decisions.decide import decide
    from approvals.decisions.verdict_input import VerdictInput

    action_type("note", reversibility="reversible", gate="soft", on_timeout="approve")
    note = propose(action="note")
    decide(card_version_of(note), by=alice, verdict="reject", verdict_input=VerdictInput(message="no"))
    with times.at(note.expires_at):
        clock.sweep()

    assert (fresh(note).verdict, fresh(note).status) == ("reject", "released")


def test_hard_lets_nothing_run_and_escalates_on_the_way(action_type, after_silence):
    action_type("refund2", reversibility="reversible", gate="hard")
    after = after_silence("refund2")

    assert (after.status, after.verdict) == ("expired", "")
    assert after.tiers_visited == [1, 2, 3] or after.escalations >= 1


def test_manual_lets_nothing_run(action_type, after_silence):
    action_type("wipe", reversibility="irreversible", gate="manual")
    after = after_silence("wipe")

    assert (after.status, after.verdict) == ("expired", "")


def test_async_has_no_deadline_stays_queued_and_escalates(action_type, after_silence, carol):
    action_type("tidy", reversibility="reversible", gate="async")
    after = after_silence("tidy")

    assert (after.status, after.expires_at) == ("pending", None)
    assert after.escalations >= 1


def test_async_with_a_deadline_of_the_agents_ends_at_it(action_type, propose):
    action_type("tidy", reversibility="reversible", gate="async")
    tidy = propose(action="tidy", timeout=timedelta(minutes=5))
    with times.at(tidy.created_at + timedelta(minutes=5)):
        clock.sweep()

    assert fresh(tidy).status == "expired"


def test_clarify_goes_on_with_the_best_guess_and_without_one_with_nothing(action_type, propose):
    action_type("question", reversibility="reversible", gate="clarify", schema={}, allowed=["answer", "reject"])
    guessed = propose(items=(Item(id="q", item_type="question", prompt="Which?", best_guess="the first"),))
    silent = propose(items=(Item(id="q", item_type="question", prompt="Which?"),))
    with times.at(guessed.created_at + LATER):
        clock.sweep()

    assert (fresh(guessed).verdict, fresh(guessed).source) == ("answer", "timeout")
    assert guessed.decisions.get().answer == "the first"
    assert fresh(silent).status == "expired"
