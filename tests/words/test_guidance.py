"""Advice reaches the running agent: with a verdict when the verdict does, or by itself at once."""

from datetime import timedelta

import pytest

from approvals import times
from approvals.models import Delivery, Endpoint, Guidance
from approvals.review import clock, guidance
from approvals.review.decisions import Words, decide, seen, undo
from approvals.review.errors import BadVerdict, NotAllowed
from tests.checker import check
from tests.conftest import database_url


def read(calls, key="thread-7", **query):
    return calls.get(f"runs/{key}/guidance", **query).json()["guidance"]


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_advice_with_a_verdict_reaches_the_run(in_run, alice, calls):
    refund = in_run()
    decide(seen(refund), by=alice, verdict="approve", words=Words(guidance="ask for a photo next time"))

    [told] = read(calls)
    assert (told["text"], told["from"]) == ("ask for a photo next time", "Alice")
    assert (told["request"], told["item"]) == (str(refund.pause_id), "call_1")
    assert check(database_url()) == []


def test_advice_waits_with_its_verdict_and_goes_with_it(with_undo, in_run, alice, calls):
    taken_back, kept = in_run(order="1"), in_run(order="2")
    for one, text in ((taken_back, "no photo needed"), (kept, "ask for a photo")):
        decide(seen(one), by=alice, verdict="approve", words=Words(guidance=text))
    assert read(calls) == []  # the agent would know of the verdict
    undo(taken_back.pk, by=alice)
    with times.at(times.now() + timedelta(seconds=6)):
        clock.sweep()

    assert [told["text"] for told in read(calls)] == ["ask for a photo"]


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_advice_for_the_whole_run_names_no_request(in_run, alice, calls):
    refund = in_run()
    guidance.give(refund.pause.run_id, by=alice, text="be brief")

    [told] = read(calls)
    assert (told["text"], told["request"], told["item"]) == ("be brief", None, None)
    assert refund.events.filter(kind="guided").count() == 1
    assert check(database_url()) == []


def test_what_was_read_is_not_told_again_after_it(in_run, alice, calls):
    refund = in_run()
    for text in ("first", "second"):
        guidance.give(refund.pause.run_id, by=alice, text=text, approval_id=refund.pk)
    assert Guidance.objects.filter(read_at=None).count() == 2
    first, second = read(calls)
    assert Guidance.objects.filter(read_at=None).count() == 0

    assert read(calls, after=first["id"]) == [second]
    assert read(calls, after=second["id"]) == []
    assert calls.get("runs/thread-7/guidance", after="nonsense").status_code == 422


def test_the_key_of_a_run_may_hold_anything(in_run, alice, calls):
    refund = in_run("case/7 a%b")
    guidance.give(refund.pause.run_id, by=alice, text="hello")

    assert [told["text"] for told in read(calls, "case%2F7%20a%25b")] == ["hello"]


def test_the_agents_webhook_hears_of_it(in_run, robot, alice):
    Endpoint.objects.create(agent=robot, url="https://robot.example/hook", secret="s")
    refund = in_run()
    guidance.give(refund.pause.run_id, by=alice, text="be brief")
    decide(seen(refund), by=alice, verdict="approve", words=Words(guidance="and kind"))

    news = [one.payload["data"] for one in Delivery.objects.filter(topic="guidance.given").order_by("created_at")]
    assert [(one["run"], one["item"]) for one in news] == [("thread-7", None), ("thread-7", "call_1")]


def test_who_decides_advises_and_nobody_else(in_run, request):
    refund = in_run(amount=6000)
    gives = set()
    for name in ("alice", "bob", "carol", "olga", "mallory", "mia", "otto", "ada", "root", "oscar"):
        try:
            guidance.give(refund.pause.run_id, by=request.getfixturevalue(name), text="be brief")
            gives.add(name)
        except NotAllowed:
            pass

    assert gives == {"bob", "carol"}


def test_an_approval_of_another_run_is_no_place_for_it(in_run, alice):
    one, other = in_run("a"), in_run("b")
    with pytest.raises(NotAllowed):
        guidance.give(one.pause.run_id, by=alice, text="hello", approval_id=other.pk)


def test_nobody_advises_a_run_that_was_ended(in_run, alice):
    refund = in_run()
    run = refund.pause.run
    run.stopped_at = times.now()
    run.save()
    with pytest.raises(NotAllowed):
        guidance.give(run.pk, by=alice, text="hello")


@pytest.mark.parametrize("text", ["", " ", "x" * 10_001])
def test_advice_has_words_and_not_too_many(text, in_run, alice):
    with pytest.raises(BadVerdict):
        guidance.give(in_run().pause.run_id, by=alice, text=text)


def test_another_agents_run_is_not_there(in_run, alice, stranger):
    guidance.give(in_run().pause.run_id, by=alice, text="hello")

    assert stranger.get("runs/thread-7/guidance").status_code == 404
    assert Guidance.objects.get().read_at is None
