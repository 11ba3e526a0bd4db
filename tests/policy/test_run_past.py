"""What happened in a run before: how many steps since a person decided, and how long ago."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import ActionType, Approval
from approvals.policy import checkpoints, snapshot
from approvals.policy.evaluation_input import EvaluationInput, RunPast
from approvals.policy.precedent.reader import read_histories
from approvals.requests import intake
from approvals.requests.submission import Item, RunRef, Submission
from approvals.values.schema import digest_of
from tests.concurrency import together


@pytest.fixture
def checkpointed_refunds(refunds):
    """Refunds pass by themselves, and every fifth step of a run asks."""
    ActionType.objects.filter(pk="refund").update(strategy="never", every_steps=5)
    snapshot.publish(by=None, note="every fifth")
    return snapshot.current().types["refund"]


@pytest.fixture
def run_past_of(robot, checkpointed_refunds):
    """The past of a refund of robot in a run, now."""

    def read(run="thread-7", count=1, **changes):
        now = changes.pop("now", None) or times.now()
        question = EvaluationInput(
            checkpointed_refunds, robot.pk, robot.name, {}, digest_of({}), now, run=run, **changes
        )
        runs = [history.run for history in read_histories([question] * count)]
        return runs[0] if count == 1 else runs

    return read


RUN = RunRef("thread-7")


def test_outside_a_run_and_in_a_new_one_there_is_no_past(run_past_of, propose):
    propose(run=RUN)
    assert run_past_of(run="") == run_past_of(run="another") == RunPast()


def test_counts_steps_and_refusals_of_this_run_alone(run_past_of, propose, alice, robot):
    for number in range(3):
        propose(order=str(number), run=RUN)
    propose(order="9", run=RunRef("other"))
    run_past = run_past_of()
    assert (run_past.proposed, run_past.rejected, run_past.steps) == (3, 0, 3)


def test_a_persons_decision_begins_anew(run_past_of, propose, alice):
    for number in range(5):
        approval = propose(order=str(number), run=RUN)
    assert (approval.status, approval.reason_code) == ("pending", "periodic_checkpoint")
    assert propose(order="6", run=RUN).status == "pending"  # goes on asking until somebody decided
    decide(card_version_of(approval), by=alice, verdict="reject", verdict_input=VerdictInput(message="no"))

    run_past = run_past_of()
    assert (run_past.proposed, run_past.rejected, run_past.steps) == (6, 1, 0)
    assert run_past.since < timedelta(seconds=30)
    assert propose(order="7", run=RUN).status == "released"


def test_a_verdict_that_is_held_counts_and_one_taken_back_does_not(with_undo, run_past_of, propose, alice):
    for number in range(5):
        approval = propose(order=str(number), run=RUN)
    held = decide(card_version_of(approval), by=alice, verdict="approve")
    assert run_past_of().steps == 0
    undo(held.pk, by=alice)
    assert run_past_of().steps == 5


def test_time_runs_from_the_beginning_of_the_run(run_past_of, propose):
    now = times.now()
    with times.at(now - timedelta(minutes=90)):
        propose(run=RUN)
    with times.at(now - timedelta(minutes=10)):
        propose(order="2", run=RUN)
    assert run_past_of(now=now).since == timedelta(minutes=90)


def test_earlier_ones_of_the_same_set_count(run_past_of, propose):
    propose(run=RUN)
    assert [one.steps for one in run_past_of(count=3)] == [1, 2, 3]
    assert [one.steps for one in run_past_of(run="unknown", count=3)] == [0, 1, 2]


def test_what_is_revised_is_no_past_of_itself(run_past_of, propose):
    first = propose(run=RUN)
    assert run_past_of(approval_id=first.pk).steps == 0


def test_a_set_of_ten_steps_of_a_new_run_asks_from_the_fifth_on(checkpointed_refunds, robot):
    args = [{"order": str(n), "amount": 1, "currency": "EUR"} for n in range(10)]
    items = tuple(Item(id=str(n), action="refund", args=one) for n, one in enumerate(args))
    [answer] = intake.submit(robot, [Submission(items, "x", run=RunRef("new"))])
    assert [one.route for one in answer.approvals] == ["auto"] * 4 + ["review"] * 6


def test_the_work_is_bounded_and_the_queries_constant(run_past_of, propose, monkeypatch):
    propose(run=RUN)
    with CaptureQueriesContext(connection) as few:
        run_past_of(now=times.now())
    for number in range(6):
        propose(order=str(number), run=RUN)
    monkeypatch.setattr(checkpoints, "RUN_LOOK_BACK", 4)
    with CaptureQueriesContext(connection) as many:
        assert run_past_of(now=times.now()).proposed == 4
    assert len(few) == len(many) == 2  # the clock, and one message


@pytest.mark.django_db(transaction=True)
def test_steps_at_the_same_moment_do_not_slip_past_for_ever(checkpointed_refunds, robot):
    """Eight at once may each not see the others; the next one asks all the same."""
    for round_ in range(3):
        run = RunRef(f"thread-{round_}")

        def submit_step(number=0, run=run):
            args = {"order": str(number), "amount": 1, "currency": "EUR"}
            [answer] = intake.submit(robot, [Submission((Item(id="1", action="refund", args=args),), "x", run=run)])
            return answer.approvals[0]

        answers = together(*[lambda n=n: submit_step(n) for n in range(8)])
        assert all(isinstance(answer, Approval) for answer in answers), answers
        assert submit_step(9).reason_code == "periodic_checkpoint"
