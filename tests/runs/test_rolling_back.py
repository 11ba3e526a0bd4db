"""A person's no in a run asks for what was done to be undone, and what becomes of that is tracked to its end."""

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import load
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import rollback, runs, steps
from approvals.models import Approval, Delivery, Outcome, Rule, Run, Step
from approvals.notify import letters
from approvals.policy import snapshot
from approvals.requests.submission import Item
from tests.permits.conftest import executor_of
from tests.runs.conftest import KEY, RELEASE, RESERVE, backdate, document_item


def test_a_rejection_lists_what_is_to_be_undone_newest_first(reserved, propose_in_run, give_verdict):
    reserved.step("book", action={"name": "book", "args": {}}, undo={"name": "unbook", "args": {"n": 1}})
    reserved.step("half", undo={"name": "never"}, status="started")
    rejected = give_verdict("reject", propose_in_run())

    assert document_item(rejected)["compensate"] == [
        {"step": "book", "action": {"name": "book", "args": {}}, "undo": {"name": "unbook", "args": {"n": 1}}},
        {"step": "reserve", "action": RESERVE, "undo": RELEASE},
    ]
    assert [reserved.status(one) for one in ("plan", "reserve", "book", "half")] == [
        "done",
        "undoing",
        "undoing",
        "started",
    ]
    assert Step.objects.get(key="reserve").undo_asked_at is not None


def test_the_answer_is_the_same_bytes_after_everything_is_undone(reserved, propose_in_run, give_verdict):
    rejected = give_verdict("reject", propose_in_run())
    before = reserved.api.get(f"requests/{rejected.request_id}/decision").content
    reserved.undo("reserve")

    assert reserved.api.get(f"requests/{rejected.request_id}/decision").content == before


def test_an_approval_asks_for_nothing_to_be_undone(reserved, propose_in_run, give_verdict):
    approved = give_verdict("approve", propose_in_run())

    assert document_item(approved)["compensate"] == []
    assert reserved.status("reserve") == "done"


def test_a_rejection_in_one_run_leaves_the_others_alone(reserved, propose_in_run, give_verdict):
    give_verdict("reject", propose_in_run(key="another"))

    assert reserved.status("reserve") == "done"


def test_what_policy_refuses_says_what_could_be_undone_and_asks_for_nothing(reserved, propose_in_run, robot):
    robot.paused_at = times.now()
    robot.save()
    refused = propose_in_run()

    assert (refused.verdict, refused.source) == ("reject", "policy")
    assert [one["step"] for one in document_item(refused)["compensate"]] == ["reserve"]
    assert reserved.status("reserve") == "done"


def test_what_policy_refuses_beside_what_a_person_approves_asks_for_nothing(
    reserved, propose_in_run, give_verdict, action_type, refunds
):
    Rule.objects.create(
        action_type=refunds,
        name="never dollars",
        effect="block",
        expression="args.currency == 'USD'",
        message="no dollars",
    )
    snapshot.publish(by=None, note="a rule")
    items = tuple(
        Item(id=currency, action="refund", args={"order": "1", "amount": 5, "currency": currency})
        for currency in ("USD", "EUR")
    )
    refused = propose_in_run(items=items)
    assert (refused.verdict, refused.source, refused.request.status) == ("reject", "policy", "pending")
    give_verdict("approve", load(refused.request.approvals.get(item="EUR").pk))

    assert [one["step"] for one in document_item(refused)["compensate"]] == ["reserve"]
    assert reserved.status("reserve") == "done"


@pytest.mark.django_db(transaction=True)
def test_what_is_listed_is_what_is_asked_whatever_is_told_at_that_moment(
    reserved, propose_in_run, give_verdict, monkeypatch
):
    rejecting, run = propose_in_run(), reserved.row
    late = threading.Thread(target=lambda: _report_late(run))
    really = runs.roll_back

    def and_then(*args: object, **named: object) -> None:
        really(*args, **named)
        late.start()
        late.join(0.5)

    monkeypatch.setattr(runs, "roll_back", and_then)
    give_verdict("reject", rejecting)
    late.join()

    assert {one["step"] for one in document_item(rejecting)["compensate"]} == {"reserve"}
    assert [reserved.status(one) for one in ("reserve", "late")] == ["undoing", "done"]


def _report_late(run: Run) -> None:
    steps.record(run, steps.StepReport("late", fields={"undo": RELEASE}))
    connection.close()


def test_nothing_is_asked_to_be_undone_before_the_agent_may_know(
    with_undo, reserved, propose_in_run, give_verdict, alice, monkeypatch
):
    held = give_verdict("reject", propose_in_run())
    assert (held.status, reserved.status("reserve")) == ("held", "done")

    Approval.objects.filter(pk=held.pk).update(hold_until=times.now() - timedelta(seconds=1))
    clock.sweep()
    assert reserved.status("reserve") == "undoing"


def test_with_several_answered_together_the_last_one_tells(reserved, propose_in_run, give_verdict):
    proposed = {"order": "1", "amount": 5, "currency": "EUR"}
    items = tuple(Item(id=one, action="refund", args=proposed) for one in ("first", "second"))
    first = propose_in_run(items=items)
    give_verdict("reject", first)
    assert reserved.status("reserve") == "done"

    give_verdict("approve", load(first.request.approvals.get(item="second").pk))
    assert reserved.status("reserve") == "undoing"
    assert [one["step"] for one in document_item(first)["compensate"]] == ["reserve"]


def test_answered_as_they_come_the_first_no_tells_and_no_later_yes(reserved, propose_in_run, give_verdict):
    proposed = {"order": "1", "amount": 5, "currency": "EUR"}
    items = tuple(Item(id=one, action="refund", args=proposed) for one in ("first", "second"))
    first = propose_in_run(items=items, decide="independently")
    give_verdict("reject", first)
    assert reserved.status("reserve") == "undoing"

    reserved.step("again", undo={"name": "x"})
    give_verdict("approve", load(first.request.approvals.get(item="second").pk))
    assert reserved.status("again") == "done"


# --- What the agent reports


def test_an_undone_step_is_undone_and_so_is_what_was_approved(reserved, propose_in_run, give_verdict, conforms):
    approval = give_verdict("approve", propose_in_run())
    executor = executor_of(approval, reserved.api)
    executor.consume()
    executor.report("succeeded")
    reserved.step("pay", request=str(approval.request_id), item=approval.item, undo={"name": "charge_back"})
    give_verdict("reject", propose_in_run(order="2"))
    undone = conforms("StepState", reserved.undo("pay"))

    assert undone["status"] == "undone" and undone["undone_at"]
    after = load(approval.pk)
    assert after.status == "compensated"
    assert after.outcome.result == "compensated"
    assert [event.kind for event in after.events.order_by("seq")][-1] == "reversed"
    assert [one["step"] for one in reserved.read()["compensate"]] == ["reserve"]


def test_saying_so_again_is_fine_and_the_contrary_is_not(reserved, propose_in_run, give_verdict, refused):
    give_verdict("reject", propose_in_run())
    first = reserved.undo("reserve").json()

    assert reserved.undo("reserve").json() == first
    refused(reserved.undo("reserve", "failed"), 409, "undo_closed")


def test_an_agent_may_undo_what_nobody_asked_it_to(reserved):
    assert reserved.undo("reserve").json()["status"] == "undone"


def test_what_nothing_undoes_is_not_undone(reserved, refused):
    refused(reserved.undo("plan"), 409, "nothing_undoes_it")
    refused(reserved.undo("unknown"), 404, "not_found")
    refused(reserved.undo("reserve", "perhaps"), 422, "invalid_request", "/result")


def test_the_outcome_compensated_says_the_same_as_an_undo(reserved, propose_in_run, give_verdict):
    approval = give_verdict("approve", propose_in_run())
    executor = executor_of(approval, reserved.api)
    executor.consume()
    executor.report("succeeded")
    reserved.step("pay", request=str(approval.request_id), item=approval.item, undo={"name": "charge_back"})

    assert executor.report("compensated").json()["result"] == "compensated"
    assert reserved.status("pay") == "undone"
    assert (load(approval.pk).status, Outcome.objects.get().result) == ("compensated", "compensated")
    assert executor.report("succeeded").status_code == 200  # a late repeat of the first report
    assert executor.report("failed").status_code == 409
    assert load(approval.pk).status == "compensated"


def test_what_was_undone_before_it_was_reported_lets_nothing_run_any_more(
    reserved, propose_in_run, give_verdict, refused
):
    approval = give_verdict("approve", propose_in_run())
    reserved.step("pay", request=str(approval.request_id), item=approval.item, undo={"name": "charge_back"})
    reserved.undo("pay")

    refused(executor_of(approval, reserved.api).consume(), 409, "permit_consumed")


def test_what_failed_stays_failed_when_its_remains_are_cleared_away(reserved, propose_in_run, give_verdict):
    approval = give_verdict("approve", propose_in_run())
    executor = executor_of(approval, reserved.api)
    executor.consume()
    executor.report("failed")
    reserved.step(
        "pay", request=str(approval.request_id), item=approval.item, undo={"name": "charge_back"}, status="failed"
    )
    reserved.undo("pay")

    assert (load(approval.pk).status, Outcome.objects.get().result) == ("failed", "failed")


# --- What does not come about


def test_the_third_failure_tells_people_once_and_the_agent_may_go_on(
    reserved, propose_in_run, give_verdict, mia, olga, caplog
):
    approval = propose_in_run()
    give_verdict("reject", approval)
    for attempt in range(1, 6):
        told_so = reserved.undo("reserve", "failed", detail=f"no. {attempt}").json()
        assert (told_so["attempts"], told_so["last_error"]) == (attempt, f"no. {attempt}")
        assert told_so["status"] == ("stuck" if attempt >= 3 else "undoing")
    assert "could not be undone" in caplog.text
    mails = Delivery.objects.filter(topic="undo.stuck")
    assert sorted(one.user.username for one in mails) == ["mia", "olga"]

    for letter in mails:
        letters.deliver(str(letter.pk))
    assert "robot" in mail.outbox[0].subject and f"/runs/{reserved.row.pk}/" in mail.outbox[0].body
    assert "R-7" not in mail.outbox[0].body
    assert [one["step"] for one in reserved.read()["compensate"]] == ["reserve"]
    assert reserved.undo("reserve").json()["status"] == "undone"


def test_a_letter_about_what_was_undone_meanwhile_is_not_sent(reserved, propose_in_run, give_verdict, mia):
    give_verdict("reject", propose_in_run())
    for _ in range(3):
        reserved.undo("reserve", "failed")
    reserved.undo("reserve")
    letters.deliver(str(Delivery.objects.get(topic="undo.stuck").pk))

    assert not mail.outbox
    assert Delivery.objects.get(topic="undo.stuck").status == "dropped"


def test_an_undo_that_fails_stands_in_the_history_of_what_was_approved(reserved, propose_in_run, give_verdict):
    approval = give_verdict("approve", propose_in_run())
    reserved.step("pay", request=str(approval.request_id), item=approval.item, undo={"name": "charge_back"})
    for _ in range(3):
        reserved.undo("pay", "failed", detail="the bank is closed")

    event = load(approval.pk).events.get(kind="stuck")
    assert event.facts == {"step": "pay", "attempts": 3}


def test_an_undo_that_nobody_reports_is_told_after_ten_minutes_once(
    reserved, propose_in_run, give_verdict, mia, caplog
):
    give_verdict("reject", propose_in_run())
    backdate(reserved, timedelta(minutes=9))
    clock.sweep()
    assert not Delivery.objects.filter(topic="undo.overdue").exists()

    backdate(reserved, timedelta(minutes=2))
    assert clock.sweep().alarmed == 1
    assert clock.sweep().alarmed == 0
    assert [one.user.username for one in Delivery.objects.filter(topic="undo.overdue")] == ["mia"]
    assert "its agent says nothing" in caplog.text
    assert reserved.status("reserve") == "undoing"


# --- Its end by hand


@pytest.fixture
def stuck(reserved, propose_in_run, give_verdict) -> Step:
    """A step that nobody was asked about, in a run whose rejected approval is in tier 1, and its undo failed."""
    give_verdict("reject", propose_in_run())
    for _ in range(3):
        reserved.undo("reserve", "failed", detail="away")
    return Step.objects.get(key="reserve")


def test_a_person_closes_it_with_a_note_and_history_says_so(stuck, alice, reserved, refused):
    closed = rollback.close(stuck, by=alice, note=" called the shop ")

    assert (closed.status, closed.closed_by, closed.closed_note) == ("closed", alice, "called the shop")
    event = Approval.objects.get().events.get(kind="closed")
    assert (event.user, event.facts["step"]) == (alice, "reserve")
    assert reserved.read()["compensate"] == []
    refused(reserved.undo("reserve"), 409, "undo_closed")


@pytest.mark.parametrize("note", ["", "  \n", "x" * 1001])
def test_closing_it_needs_words(stuck, alice, note):
    with pytest.raises(BadVerdict):
        rollback.close(stuck, by=alice, note=note)

    assert Step.objects.get(pk=stuck.pk).status == "stuck"


def test_who_decides_in_the_run_or_manages_closes_it_and_nobody_else(
    stuck, alice, bob, carol, mia, olga, mallory, otto, ada, root, oscar
):
    for user in (olga, mallory, otto, ada, root, oscar):
        with pytest.raises(NotAllowed):
            rollback.close(stuck, by=user, note="mine")
    for user in (alice, bob, carol, mia):
        Step.objects.filter(pk=stuck.pk).update(status="stuck")
        assert rollback.close(stuck, by=user, note="mine").closed_by == user


def test_a_step_that_was_asked_in_a_higher_tier_is_closed_by_who_reaches_that(
    reserved, propose_in_run, give_verdict, alice, bob
):
    approval = give_verdict("approve", propose_in_run(amount=6000), by=bob)
    reserved.step("pay", request=str(approval.request_id), item=approval.item, undo={"name": "charge_back"})
    for _ in range(3):
        reserved.undo("pay", "failed")
    propose_in_run()  # one in alice's own tier
    pay = Step.objects.get(key="pay")

    with pytest.raises(NotAllowed):
        rollback.close(pay, by=alice, note="mine")
    rollback.close(pay, by=bob, note="called the bank")


def test_what_goes_its_way_is_not_closed(reserved, propose_in_run, give_verdict, alice):
    with pytest.raises(NotAllowed):
        rollback.close(Step.objects.get(key="reserve"), by=alice, note="x")
    give_verdict("reject", propose_in_run())
    with pytest.raises(NotAllowed):
        rollback.close(Step.objects.get(key="reserve"), by=alice, note="x")

    backdate(reserved, timedelta(minutes=11))
    assert rollback.close(Step.objects.get(key="reserve"), by=alice, note="x").status == "closed"
    with pytest.raises(NotAllowed):
        rollback.close(Step.objects.get(key="reserve"), by=alice, note="again")


def test_the_key_of_the_run_is_in_no_log_line(reserved, propose_in_run, give_verdict, caplog):
    give_verdict("reject", propose_in_run())
    for _ in range(3):
        reserved.undo("reserve", "failed", detail="agent's words")

    assert KEY not in caplog.text.replace(f"runs/{KEY}", "")
    assert "agent's words" not in caplog.text
