"""A reviewer's stop ends the whole run: what waits in it, what is asked in it later, and what was permitted before."""

import threading

import pytest
from django.db import connection, transaction

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NoLongerPending
from approvals.models import Approval, Delivery, Endpoint, Run
from approvals.requests.submission import Item
from tests.conftest import sentences_of
from tests.permits.conftest import executor_of
from tests.runs.conftest import KEY, RELEASE, document_item

PROPOSED = {"order": "1", "amount": 5, "currency": "EUR"}


def test_a_stop_ends_what_else_waits_in_the_run_with_its_own_text(course, propose_in_run, give_verdict, alice):
    other, elsewhere = propose_in_run(order="2"), propose_in_run(order="3", key="another")
    rejected = give_verdict("reject", propose_in_run(), stop=True)
    after = load(other.pk)

    assert document_item(rejected)["stop"] is True
    assert (after.status, after.request.status) == ("cancelled", "cancelled")
    assert document_item(other) == {
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


def test_a_rejection_alone_stops_nothing(course, propose_in_run, give_verdict):
    other = propose_in_run(order="2")
    give_verdict("reject", propose_in_run())

    assert load(other.pk).status == "pending"
    assert course.read()["stopped"] is False


def test_the_others_of_the_same_pause_end_with_it(propose_in_run, give_verdict):
    first = propose_in_run(items=tuple(Item(id=one, action="refund", args=PROPOSED) for one in ("first", "second")))
    give_verdict("reject", first, stop=True)

    assert load(first.pk).request.status == "decided"
    assert (
        document_item(load(first.request.approvals.get(item="second").pk))["message"]
        == "A reviewer ended the whole run."
    )


def test_a_held_verdict_of_somebody_else_ends_with_it(with_undo, propose_in_run, give_verdict, bob):
    held = give_verdict("approve", propose_in_run(order="2"), by=bob)
    stopping = give_verdict("reject", propose_in_run(), stop=True)
    assert (load(held.pk).status, Run.objects.get().stopped_at) == ("held", None)

    Approval.objects.filter(pk=stopping.pk).update(hold_until=times.now())
    clock.sweep()
    assert (load(held.pk).status, load(held.pk).verdict) == ("cancelled", "")
    assert Run.objects.get().stopped_at is not None


def test_a_stop_that_was_taken_back_stops_nothing(with_undo, propose_in_run, give_verdict, alice):
    other, held = propose_in_run(order="2"), give_verdict("reject", propose_in_run(), stop=True)
    undo(held.pk, by=alice)
    clock.sweep()

    assert load(other.pk).status == "pending"
    assert Run.objects.get().stopped_at is None


def test_what_is_asked_in_a_stopped_run_is_refused_with_the_reason(propose_in_run, give_verdict, api, request_body):
    give_verdict("reject", propose_in_run(), stop=True)
    later = propose_in_run(order="9")

    assert (later.status, later.verdict, later.source, later.reason_code) == (
        "released",
        "reject",
        "policy",
        "policy_violation",
    )
    assert sentences_of(later.reasons) == ["A reviewer ended the whole run; nothing more of it runs."]
    assert propose_in_run(key="another", order="9").status == "pending"
    [judged] = api.post("evaluate", request_body(run={"id": KEY})).json()["items"]
    assert judged["route"] == "reject"


def test_a_permit_of_a_stopped_run_lets_nothing_run(propose_in_run, give_verdict, api, refused):
    approval = give_verdict("approve", propose_in_run(order="2"))
    executor = executor_of(approval, api)
    give_verdict("reject", propose_in_run(), stop=True)

    refused(executor.consume(), 409, "run_stopped")


def test_no_step_of_a_stopped_run_begins_and_what_was_under_way_is_to_be_undone(
    course, propose_in_run, give_verdict, refused
):
    course.step("reserve", undo=RELEASE, status="started")
    give_verdict("reject", propose_in_run(), stop=True)

    refused(course.step("pay", status="started"), 409, "run_stopped")
    assert course.step("reserve", undo=RELEASE).json()["status"] == "undoing"
    assert course.step("told late", undo=RELEASE).json()["status"] == "undoing"


def test_a_stop_asks_for_everything_to_be_undone(reserved, propose_in_run, give_verdict):
    give_verdict("reject", propose_in_run(), stop=True)

    assert reserved.status("reserve") == "undoing"


def test_the_agent_is_told_of_every_request_that_ended(robot, propose_in_run, give_verdict):
    Endpoint.objects.create(agent=robot, url="https://hooks.example.com/", secret="x")
    propose_in_run(order="2")
    give_verdict("reject", propose_in_run(), stop=True)

    told_of = Delivery.objects.values_list("topic", flat=True)
    assert sorted(told_of) == ["request.cancelled", "request.decided"]


def test_what_slips_in_at_the_moment_of_the_stop_ends_with_the_next_sweep(propose_in_run, give_verdict):
    slipped = propose_in_run(order="2")
    Run.objects.update(stopped_at=times.now())
    assert clock.sweep().stopped == 1

    assert (load(slipped.pk).status, load(slipped.pk).request.status) == ("cancelled", "cancelled")
    assert load(slipped.pk).events.get(kind="stopped").actor == "clock"
    assert clock.sweep().stopped == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verdicts", [("reject", "reject"), ("reject", "approve")])
def test_two_people_at_once_in_one_run_never_wait_in_a_circle(verdicts, robot, propose, alice, bob, propose_in_run):
    for _ in range(10):
        Run.objects.update(stopped_at=None)
        pair = [propose_in_run(order="1"), propose_in_run(order="2")]
        start = threading.Barrier(2)
        surprises: list[Exception] = []

        def settle(number: int, pair=pair, start=start, surprises=surprises) -> None:
            start.wait()
            try:
                verdict_input = VerdictInput(message="no", stop=verdicts[number] == "reject")
                decide(
                    card_version_of(pair[number]),
                    by=(alice, bob)[number],
                    verdict=verdicts[number],
                    verdict_input=verdict_input,
                )
            except NoLongerPending:
                pass
            except Exception as error:
                surprises.append(error)
            finally:
                connection.close()

        both = [threading.Thread(target=settle, args=(number,)) for number in (0, 1)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        clock.sweep()
        assert not surprises
        assert {load(one.pk).status for one in pair} <= {"released", "cancelled"}
        assert all(load(one.pk).request.status != "pending" for one in pair)


@pytest.mark.django_db(transaction=True)
def test_a_colleague_who_is_about_to_decide_does_not_hold_up_the_stop(robot, propose, alice, propose_in_run):
    other, stopping = propose_in_run(order="2"), propose_in_run(order="1")
    with transaction.atomic():
        Approval.objects.select_for_update().get(pk=other.pk)

        def stop() -> None:
            decide(
                card_version_of(stopping),
                by=alice,
                verdict="reject",
                verdict_input=VerdictInput(message="no", stop=True),
            )
            connection.close()

        stopper = threading.Thread(target=stop)
        stopper.start()
        stopper.join(5)
        assert not stopper.is_alive()
    assert load(other.pk).status == "pending"

    clock.sweep()
    assert load(other.pk).status == "cancelled"
