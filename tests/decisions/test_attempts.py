"""Each press has an id: what it did is recorded with it, once, and what was said not to be recorded never is."""

from datetime import timedelta
from threading import Barrier, Event
from uuid import uuid4

import pytest
from django.db import transaction

from approvals.db import times
from approvals.decisions import attempts, batches
from approvals.decisions.attempts import AttemptVoid, Repeated, change_once, look_up
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NotAllowed, ReviewError
from approvals.models import Attempt, Decision
from tests.concurrency import together

pytestmark = pytest.mark.django_db(transaction=True)


def approve(key, approval, by):
    return change_once(
        key,
        approval.pk,
        by=by,
        does="approve",
        change=lambda: decide(card_version_of(approval), by=by, verdict="approve"),
    )


def test_a_verdict_and_its_attempt_are_recorded_together(refund, alice):
    key = uuid4()
    approve(key, refund, alice)

    attempt = look_up(key, [refund.pk], by=alice)[refund.pk]
    assert (attempt.does, attempt.void) == ("approve", False)
    assert load(refund.pk).verdict == "approve"


def test_the_same_attempt_again_has_no_second_effect(refund, alice):
    key = uuid4()
    approve(key, refund, alice)
    with pytest.raises(Repeated):
        approve(key, refund, alice)

    assert Decision.objects.count() == 1


def test_what_was_refused_leaves_no_attempt(refund, mallory):
    key = uuid4()
    with pytest.raises(NotAllowed):
        approve(key, refund, mallory)

    assert not Attempt.objects.exists()
    assert look_up(key, [refund.pk], by=mallory)[refund.pk].void


def test_after_not_recorded_the_straggler_records_nothing(refund, alice):
    key = uuid4()
    assert look_up(key, [refund.pk], by=alice)[refund.pk].void
    with pytest.raises(AttemptVoid):
        approve(key, refund, alice)

    assert load(refund.pk).status == "pending"
    assert look_up(key, [refund.pk], by=alice)[refund.pk].void
    assert approve(uuid4(), refund, alice).verdict == "approve"


def test_an_id_of_another_person_is_none_of_ones_own(refund, alice, carol):
    key = uuid4()
    approve(key, refund, alice)

    assert attempts.recorded(key, refund.pk, by=carol) is None
    assert look_up(key, [refund.pk], by=carol) == {}
    with pytest.raises(AttemptVoid):
        approve(key, refund, carol)


def test_an_attempt_is_looked_up_by_its_own_id_whatever_others_did(with_undo, propose, alice):
    """One was recorded and taken back; another of the same person never arrived."""
    refund, arrived, never = propose(), uuid4(), uuid4()
    approve(arrived, refund, alice)
    undo(refund.pk, by=alice)

    assert look_up(never, [refund.pk], by=alice)[refund.pk].void
    assert look_up(arrived, [refund.pk], by=alice)[refund.pk].does == "approve"


def test_looking_up_waits_for_what_is_being_recorded(refund, alice):
    key, inside, barrier = uuid4(), Event(), Barrier(2)

    def slow():
        with transaction.atomic():
            approve(key, refund, alice)
            inside.set()
            barrier.wait(10)  # the other is about to ask, and is then held up by this transaction

    def ask():
        assert inside.wait(10)
        barrier.wait(10)
        return look_up(key, [refund.pk], by=alice)[refund.pk].void

    assert together(slow, ask)[1] is False


def test_a_verdict_and_a_look_at_it_at_once_never_disagree(propose, alice):
    for n in range(30):
        approval, key = propose(order=str(n)), uuid4()

        def press(approval=approval, key=key):
            try:
                approve(key, approval, alice)
            except AttemptVoid:
                return "void"
            return "recorded"

        def ask(approval=approval, key=key):
            return "void" if look_up(key, [approval.pk], by=alice)[approval.pk].void else "recorded"

        pressed, looked_up = together(press, ask)
        assert pressed == looked_up
        assert (load(approval.pk).verdict == "approve") == (looked_up == "recorded")


def test_two_of_the_same_attempt_at_once_have_one_effect(propose, alice):
    for n in range(20):
        approval, key = propose(order=str(n)), uuid4()

        def press(approval=approval, key=key):
            try:
                return approve(key, approval, alice).verdict
            except ReviewError as error:
                return type(error)

        assert sorted(map(str, together(press, press))) == sorted([str(Repeated), "approve"])
        assert approval.decisions.count() == 1


def test_of_a_batch_each_is_looked_up_by_itself(propose, alice, carol):
    first, second, third = (propose(order=str(n)) for n in range(3))
    type(first).objects.update(flagged=0)
    decide(card_version_of(second), by=carol, verdict="reject", verdict_input=VerdictInput(reason="policy"))
    key = uuid4()
    batches.decide_many([card_version_of(one) for one in (first, second)], by=alice, verdict="approve", attempt=key)

    attempts_by_id = look_up(key, [one.pk for one in (first, second, third)], by=alice)
    assert [attempts_by_id[one.pk].void for one in (first, second, third)] == [False, True, True]


def test_a_batch_is_taken_back_as_a_whole_while_it_is_held(with_undo, propose, alice, carol):
    made = [propose(order=str(n)) for n in range(3)]
    type(made[0]).objects.update(flagged=0)
    key = uuid4()
    batches.decide_many([card_version_of(load(one.pk)) for one in made], by=alice, verdict="approve", attempt=key)
    assert batches.undo_many(key, by=carol) == []
    results = batches.undo_many(key, by=alice)

    assert [one.ok for one in results] == [True, True, True]
    assert {load(one.pk).status for one in made} == {"pending"}
    assert batches.undo_many(key, by=alice) == []


def test_old_attempts_are_forgotten(refund, alice):
    key = uuid4()
    approve(key, refund, alice)
    assert attempts.forget(times.now()) == 0

    assert attempts.forget(times.now() + attempts.KEPT + timedelta(seconds=1)) == 1
