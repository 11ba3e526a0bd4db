"""A reviewer's stop ends the whole run: what waits in it, what is asked in it later, and what was permitted before."""

import threading

import pytest
from django.db import connection, transaction

from approvals import times
from approvals.models import Approval, Delivery, Endpoint, Run
from approvals.review import clock, decisions
from approvals.review.decisions import Words, load, seen
from approvals.review.submission import Item
from tests.permits.conftest import executor_of
from tests.runs.conftest import KEY, RELEASE, told

PROPOSED = {"order": "1", "amount": 5, "currency": "EUR"}


def test_a_stop_ends_what_else_waits_in_the_run_with_its_own_text(course, ask, say, alice):
    other, elsewhere = ask(order="2"), ask(order="3", key="another")
    rejected = say("reject", ask(), stop=True)
    after = load(other.pk)

    assert told(rejected)["stop"] is True
    assert (after.status, after.pause.status) == ("cancelled", "cancelled")
    assert told(other) == {
        "id": other.item,
        "status": "cancelled",
        "verdict": None,
        "source": None,
        "message": "A reviewer ended the whole run.",
    }
    event = after.events.get(kind="stopped")
    assert (event.user, event.facts) == (alice, {"run": KEY})
    assert load(elsewhere.pk).status == "pending"
    assert course.read()["stopped"] is True


def test_a_rejection_alone_stops_nothing(course, ask, say):
    other = ask(order="2")
    say("reject", ask())

    assert load(other.pk).status == "pending"
    assert course.read()["stopped"] is False


def test_the_others_of_the_same_pause_end_with_it(ask, say):
    first = ask(items=tuple(Item(id=one, action="refund", args=PROPOSED) for one in ("first", "second")))
    say("reject", first, stop=True)

    assert load(first.pk).pause.status == "decided"
    assert told(load(first.pause.approvals.get(item="second").pk))["message"] == "A reviewer ended the whole run."


def test_a_held_verdict_of_somebody_else_ends_with_it(with_undo, ask, say, bob):
    held = say("approve", ask(order="2"), by=bob)
    stopping = say("reject", ask(), stop=True)
    assert (load(held.pk).status, Run.objects.get().stopped_at) == ("held", None)

    Approval.objects.filter(pk=stopping.pk).update(hold_until=times.now())
    clock.sweep()
    assert (load(held.pk).status, load(held.pk).verdict) == ("cancelled", "")
    assert Run.objects.get().stopped_at is not None


def test_a_stop_that_was_taken_back_stops_nothing(with_undo, ask, say, alice):
    other, held = ask(order="2"), say("reject", ask(), stop=True)
    decisions.undo(held.pk, by=alice)
    clock.sweep()

    assert load(other.pk).status == "pending"
    assert Run.objects.get().stopped_at is None


def test_what_is_asked_in_a_stopped_run_is_refused_with_the_reason(ask, say, api, asked):
    say("reject", ask(), stop=True)
    later = ask(order="9")

    assert (later.status, later.verdict, later.source, later.reason_code) == (
        "released",
        "reject",
        "policy",
        "policy_violation",
    )
    assert later.reasons == ["A reviewer ended the whole run; nothing more of it runs."]
    assert ask(key="another", order="9").status == "pending"
    [judged] = api.post("evaluate", asked(run={"id": KEY})).json()["items"]
    assert judged["route"] == "reject"


def test_a_permit_of_a_stopped_run_lets_nothing_run(ask, say, api, refused):
    approval = say("approve", ask(order="2"))
    executor = executor_of(approval, api)
    say("reject", ask(), stop=True)

    refused(executor.consume(), 409, "run_stopped")


def test_no_step_of_a_stopped_run_begins_and_what_was_under_way_is_to_be_undone(course, ask, say, refused):
    course.step("reserve", undo=RELEASE, status="started")
    say("reject", ask(), stop=True)

    refused(course.step("pay", status="started"), 409, "run_stopped")
    assert course.step("reserve", undo=RELEASE).json()["status"] == "undoing"
    assert course.step("told late", undo=RELEASE).json()["status"] == "undoing"


def test_a_stop_asks_for_everything_to_be_undone(reserved, ask, say):
    say("reject", ask(), stop=True)

    assert reserved.status("reserve") == "undoing"


def test_the_agent_is_told_of_every_request_that_ended(robot, ask, say):
    Endpoint.objects.create(agent=robot, url="https://hooks.example.com/", secret="x")
    ask(order="2")
    say("reject", ask(), stop=True)

    told_of = Delivery.objects.values_list("topic", flat=True)
    assert sorted(told_of) == ["request.cancelled", "request.decided"]


def test_what_slips_in_at_the_moment_of_the_stop_ends_with_the_next_sweep(ask, say):
    slipped = ask(order="2")
    Run.objects.update(stopped_at=times.now())
    assert clock.sweep().stopped == 1

    assert (load(slipped.pk).status, load(slipped.pk).pause.status) == ("cancelled", "cancelled")
    assert load(slipped.pk).events.get(kind="stopped").actor == "clock"
    assert clock.sweep().stopped == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verdicts", [("reject", "reject"), ("reject", "approve")])
def test_two_people_at_once_in_one_run_never_wait_in_a_circle(verdicts, robot, propose, alice, bob, ask):
    for _ in range(10):
        Run.objects.update(stopped_at=None)
        pair = [ask(order="1"), ask(order="2")]
        start = threading.Barrier(2)
        surprises: list[Exception] = []

        def settle(number: int, pair=pair, start=start, surprises=surprises) -> None:
            start.wait()
            try:
                words = Words(message="no", stop=verdicts[number] == "reject")
                decisions.decide(seen(pair[number]), by=(alice, bob)[number], verdict=verdicts[number], words=words)
            except decisions.NoLongerPending:
                pass
            except Exception as error:
                surprises.append(error)
            finally:
                connection.close()

        both = [threading.Thread(target=settle, args=(number,)) for number in (0, 1)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        clock.sweep()
        assert not surprises
        assert {load(one.pk).status for one in pair} <= {"released", "cancelled"}
        assert all(load(one.pk).pause.status != "pending" for one in pair)


@pytest.mark.django_db(transaction=True)
def test_a_colleague_who_is_about_to_decide_does_not_hold_up_the_stop(robot, propose, alice, ask):
    other, stopping = ask(order="2"), ask(order="1")
    with transaction.atomic():
        Approval.objects.select_for_update().get(pk=other.pk)

        def stop() -> None:
            decisions.decide(seen(stopping), by=alice, verdict="reject", words=Words(message="no", stop=True))
            connection.close()

        stopper = threading.Thread(target=stop)
        stopper.start()
        stopper.join(5)
        assert not stopper.is_alive()
    assert load(other.pk).status == "pending"

    clock.sweep()
    assert load(other.pk).status == "cancelled"
