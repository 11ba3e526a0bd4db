"""Advice reaches the running agent: with a verdict when the verdict does, or by itself at once."""

from datetime import timedelta

import pytest

from approvals import clock
from approvals.db import times
from approvals.decisions import guidance
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import Delivery, Endpoint, Guidance
from tests.checker import check
from tests.web import database_url


def read(calls, key="thread-7", **query):
    return calls.get(f"runs/{key}/guidance", **query).json()["guidance"]


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_advice_with_a_verdict_reaches_the_run(refund_in_run, alice, api):
    refund = refund_in_run()
    decide(
        card_version_of(refund),
        by=alice,
        verdict="approve",
        verdict_input=VerdictInput(guidance="ask for a photo next time"),
    )

    [advice] = read(api)
    assert (advice["text"], advice["from"]) == ("ask for a photo next time", "Alice")
    assert (advice["request"], advice["item"]) == (str(refund.request_id), "call_1")
    assert check(database_url()) == []


def test_advice_waits_with_its_verdict_and_goes_with_it(with_undo, refund_in_run, alice, api):
    taken_back, kept = refund_in_run(order="1"), refund_in_run(order="2")
    for approval, text in ((taken_back, "no photo needed"), (kept, "ask for a photo")):
        decide(card_version_of(approval), by=alice, verdict="approve", verdict_input=VerdictInput(guidance=text))
    assert read(api) == []  # the agent would know of the verdict
    undo(taken_back.pk, by=alice)
    with times.at(times.now() + timedelta(seconds=6)):
        clock.sweep()

    assert [told["text"] for told in read(api)] == ["ask for a photo"]


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_advice_for_the_whole_run_names_no_request(refund_in_run, alice, api):
    refund = refund_in_run()
    guidance.give(refund.request.run_id, by=alice, text="be brief")

    [advice] = read(api)
    assert (advice["text"], advice["request"], advice["item"]) == ("be brief", None, None)
    assert refund.events.filter(kind="guided").count() == 1
    assert check(database_url()) == []


def test_what_was_read_is_not_told_again_after_it(refund_in_run, alice, api):
    refund = refund_in_run()
    for text in ("first", "second"):
        guidance.give(refund.request.run_id, by=alice, text=text, approval_id=refund.pk)
    assert Guidance.objects.filter(read_at=None).count() == 2
    first, second = read(api)
    assert Guidance.objects.filter(read_at=None).count() == 0

    assert read(api, after=first["id"]) == [second]
    assert read(api, after=second["id"]) == []
    assert api.get("runs/thread-7/guidance", after="nonsense").status_code == 422


def test_the_key_of_a_run_may_hold_anything(refund_in_run, alice, api):
    refund = refund_in_run("case/7 a%b")
    guidance.give(refund.request.run_id, by=alice, text="hello")

    assert [told["text"] for told in read(api, "case%2F7%20a%25b")] == ["hello"]


def test_the_agents_webhook_hears_of_it(refund_in_run, robot, alice):
    Endpoint.objects.create(agent=robot, url="https://robot.example/hook", secret="s")
    refund = refund_in_run()
    guidance.give(refund.request.run_id, by=alice, text="be brief")
    decide(card_version_of(refund), by=alice, verdict="approve", verdict_input=VerdictInput(guidance="and kind"))

    news = [one.payload["data"] for one in Delivery.objects.filter(topic="guidance.given").order_by("created_at")]
    assert [(one["run"], one["item"]) for one in news] == [("thread-7", None), ("thread-7", "call_1")]


def test_who_decides_advises_and_nobody_else(refund_in_run, request):
    refund = refund_in_run(amount=6000)
    gives = set()
    for name in ("alice", "bob", "carol", "olga", "mallory", "mia", "otto", "ada", "root", "oscar"):
        try:
            guidance.give(refund.request.run_id, by=request.getfixturevalue(name), text="be brief")
            gives.add(name)
        except NotAllowed:
            pass

    assert gives == {"bob", "carol"}


def test_an_approval_of_another_run_is_no_place_for_it(refund_in_run, alice):
    first, other = refund_in_run("a"), refund_in_run("b")
    with pytest.raises(NotAllowed):
        guidance.give(first.request.run_id, by=alice, text="hello", approval_id=other.pk)


def test_nobody_advises_a_run_that_was_ended(refund_in_run, alice):
    refund = refund_in_run()
    run = refund.request.run
    run.stopped_at = times.now()
    run.save()
    with pytest.raises(NotAllowed):
        guidance.give(run.pk, by=alice, text="hello")


@pytest.mark.parametrize("text", ["", " ", "x" * 10_001])
def test_advice_has_words_and_not_too_many(text, refund_in_run, alice):
    with pytest.raises(BadVerdict):
        guidance.give(refund_in_run().request.run_id, by=alice, text=text)


def test_another_agents_run_is_not_there(refund_in_run, alice, stranger):
    guidance.give(refund_in_run().request.run_id, by=alice, text="hello")

    assert stranger.get("runs/thread-7/guidance").status_code == 404
    assert Guidance.objects.get().read_at is None
