"""Runs, standing approvals and words, through the SDK and against the real server."""

import time

import httpx
import pytest
from assent import Assent, Rejected, rollback

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, Step
from tests.conftest import replace_arguments
from tests.sdk.conftest import REFUND


def decide_when_asked(action: str, verdict: str, by, **verdict_input: object) -> None:
    """Decide the next request of this kind of action, once it waits."""
    deadline = time.monotonic() + 15
    while (waiting := Approval.objects.filter(status="pending", action_type=action).first()) is None:
        assert time.monotonic() < deadline, f"nobody asks for {action}"
        time.sleep(0.02)
    decide(
        card_version_of(load(waiting.pk)),
        by=by,
        verdict=verdict,
        verdict_input=VerdictInput(**verdict_input),
    )


def test_three_steps_of_which_the_second_is_rejected_end_with_the_first_undone(client, action_type, working, alice):
    for name in ("plan_trip", "reserve", "charge"):
        action_type(name)
    done = []

    def cancel(order, amount, currency):
        done.append(f"cancel {amount}")

    def work():
        with client.run("trip-7", "A trip to Lisbon") as run:
            with run.step("plan", action="plan_trip", args=REFUND, undo=cancel, context={"nights": 3}) as step:
                done.append(f"plan {step.args['amount']}")
            with run.step("resources", action="reserve", args=REFUND, context={"seats": ["12A"]}):
                done.append("reserve")
            with run.step("execution", action="charge", args=REFUND, context={"card": "on file"}):
                done.append("charge")

    ending = working(work)
    decide_when_asked("plan_trip", "modify", alice, edits=replace_arguments({**REFUND, "amount": 100}))
    decide_when_asked("reserve", "reject", alice, message="too expensive")
    with pytest.raises(Rejected, match="too expensive") as no:
        ending.result(30)

    assert done == ["plan 100", "cancel 100"]
    assert no.value.rolled_back.undone == ("plan",)
    assert [one.status for one in Step.objects.order_by("position")] == ["undone"]
    assert Step.objects.get().undo == {"name": "cancel", "args": {**REFUND, "amount": 100}}
    assert Step.objects.get().run.name == "A trip to Lisbon"


def test_a_step_says_its_undo_while_it_runs_and_an_undo_that_fails_is_left_to_people(client, robot, monkeypatch):
    monkeypatch.setattr(rollback, "_FIRST", 0.01)
    run = client.run("trip/8")

    def forget(page):
        raise ConnectionError(f"page {page} is away")

    with run.step("note", undo=forget) as step:
        step.undo_with(page=7)
    ended = run.roll_back()

    assert ended.stuck == {"note": "ConnectionError: page 7 is away"}
    assert (Step.objects.get().status, Step.objects.get().attempts) == ("stuck", 3)


def test_a_standing_approval_covers_an_outage_and_its_use_is_recorded_afterwards(
    web, key, client, offline_grant, tmp_path
):
    state = tmp_path / "state"
    client.grants()

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody listens")

    with Assent(web.url, key, state=state, patience=0.1, transport=httpx.MockTransport(away)) as offline:
        assert offline.call("note", {**REFUND, "amount": 1}, lambda **args: args["amount"], run="r") == 1

    assert client.report() == 1
    used = Approval.objects.get(action_type="note")
    assert (used.status, used.decisions.get().source) == ("executed", "grant")


@pytest.fixture
def offline_grant(action_type, robot, carol):
    """Carol lets robot note without asking, twice also while Assent is out of reach."""
    from datetime import timedelta

    from approvals.db import times
    from approvals.models import Grant

    kind = action_type("note", reversibility="reversible", level=3)
    now = times.now()
    return Grant.objects.create(
        agent=robot,
        action_type=kind,
        conditions=[{"path": "amount", "op": "le", "value": 10}],
        tier_id=3,
        most=5,
        reserved=2,
        expires_at=now + timedelta(hours=1),
        granted_by=carol,
        granted_at=now,
    )


def test_words_go_both_ways(client, working, alice, refunds, tmp_path):
    from approvals.decisions import agent_questions

    (tmp_path / "receipt.txt").write_text("paid in cash")
    attached = client.attach(tmp_path / "receipt.txt")
    request = client.submit("refund", REFUND, attachments=[attached.id], run="thread-7")
    questions = []

    def on_question(question):
        questions.append(question.text)
        return "in March"

    waiting = working(lambda: client.wait(request, timeout=20, on_question=on_question))
    approval = Approval.objects.get()
    agent_questions.ask(approval.pk, by=alice, text="When?")
    deadline = time.monotonic() + 10
    while not approval.inquiries.exclude(answer="").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    decide_when_asked("refund", "approve", alice, guidance="Be brief.")
    decision = waiting.result(20)

    assert questions == ["When?"]
    client.consume(decision, REFUND, attachments=[attached.digest])
    client.outcome(decision, "succeeded", detail="paid")
    assert [one["outcome"] for one in client.feedback("refund")] == ["succeeded"]
    assert client.lease(request, worker="w1").worker == "w1"
    assert client.whoami().agent == "robot"
