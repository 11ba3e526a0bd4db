"""Endpoints take turns: none holds up another, and a worker's shift ends."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections

from agents.webhooks import sender
from agents.webhooks.post import Poster
from approvals.db import times
from approvals.models import Delivery
from approvals.notify import deliveries, webhooks

pytestmark = pytest.mark.django_db(transaction=True)


def test_ten_thousand_behind_a_dead_endpoint_hold_up_nobody(silent_address, receiver, endpoint, queue):
    """Not by the clock: all others are sent while the dead endpoint has had its few attempts, and then it rests."""
    dead = endpoint(silent_address)
    queue(dead, 10_000, due_at=times.now() - timedelta(hours=1))
    living = [endpoint(f"{receiver.url}/{n}") for n in range(20)]
    for webhook in living:
        queue(webhook, 5)
    sender.send(poster=lambda: Poster(patience=6))

    assert Delivery.objects.filter(status="done").count() == 100
    assert Delivery.objects.filter(endpoint=dead, attempts__gt=0).count() == webhooks.EACH
    dead.refresh_from_db()
    assert dead.failures == webhooks.EACH and dead.rests_until > times.now()
    assert not webhooks.ready(), "it rests, so nothing is due"


def test_the_first_of_every_endpoint_comes_before_the_second_of_any(endpoint, queue):
    many = [endpoint(f"https://example.com/{n}") for n in range(6)]
    for age, webhook in enumerate(many):
        queue(webhook, 5, due_at=times.now() - timedelta(minutes=10 * age))
    taken = webhooks.take_due(6, {})

    assert {row.endpoint_id for row in taken} == {one.pk for one in many}


def test_an_endpoint_that_failed_gets_one_attempt_at_a_time(endpoint, queue):
    webhook = endpoint("https://example.com/", failures=3)
    queue(webhook, 10)

    assert len(webhooks.take_due(64, {})) == 1
    assert webhooks.take_due(64, {webhook.pk: 1}) == []


def test_of_one_endpoint_only_a_few_are_under_way_at_once(endpoint, queue):
    webhook = endpoint("https://example.com/")
    queue(webhook, 10)

    assert len(webhooks.take_due(64, {webhook.pk: 1})) == webhooks.EACH - 1


def test_an_endpoint_that_answers_again_rests_no_longer(receiver, endpoint, queue):
    webhook = endpoint(receiver.url, failures=7)
    queue(webhook, 30)
    sender.send()

    webhook.refresh_from_db()
    assert (webhook.failures, webhook.rests_until) == (0, None)
    assert Delivery.objects.filter(status="done").count() == 30


def test_rests_grow_and_end(endpoint, queue):
    webhook = endpoint("https://example.com/")
    [row] = queue(webhook)
    rests = []
    for _ in range(9):
        before = times.now()
        deliveries.record_failure([row], deliveries.NotDelivered("away"))
        webhook.refresh_from_db()
        rests.append((webhook.rests_until - before).total_seconds())

    assert rests == sorted(rests[:6]) + rests[6:]
    assert 4 <= rests[0] <= 6 and all(260 <= rest <= 340 for rest in rests[7:])


def test_one_answer_that_refuses_a_webhook_does_not_hold_up_the_next(endpoint, queue):
    webhook = endpoint("https://example.com/")
    [row] = queue(webhook)
    deliveries.record_failure([row], deliveries.NotDelivered("HTTP 404", 404, alive=True))

    webhook.refresh_from_db()
    assert (webhook.failures, webhook.rests_until) == (0, None)


# --- Again


def test_a_dead_one_is_replayed_under_its_id_and_so_are_all_of_an_endpoint(receiver, endpoint, queue):
    webhook, other = endpoint(receiver.url), endpoint(receiver.url)
    rows = queue(webhook, 3, status="dead", attempts=10)
    queue(other, 1, status="dead", attempts=10)
    assert deliveries.replay(Delivery.objects.filter(pk=rows[0].pk)) == 1
    sender.send()
    assert deliveries.replay(Delivery.objects.filter(endpoint=webhook, status="dead")) == 2
    sender.send()

    assert receiver.received[0].id == str(rows[0].pk)
    assert {got.id for got in receiver.received} == {str(row.pk) for row in rows}
    assert set(Delivery.objects.filter(endpoint=webhook).values_list("status", "attempts")) == {("done", 1)}
    assert Delivery.objects.get(endpoint=other).status == "dead"


def test_what_is_under_way_and_what_belongs_to_an_endpoint_that_is_off_is_not_replayed(endpoint, queue):
    queue(endpoint("https://example.com/"))
    queue(endpoint("https://example.com/", active=False), 1, status="dead")

    assert deliveries.replay(Delivery.objects.all()) == 0


def test_mail_is_no_webhook(bob, endpoint, queue):
    webhook = endpoint("https://example.com/")
    queue(webhook, 1, channel="mail", target=bob.email)

    assert not webhooks.ready()
    assert webhooks.take_due(10, {}) == []
    Delivery.objects.update(status="dead")
    assert deliveries.replay(Delivery.objects.all()) == 0


# --- Shifts


def test_a_shift_that_is_over_lets_the_next_begin_while_an_attempt_lasts(silent_address, receiver, endpoint, queue):
    queue(endpoint(silent_address))
    first = threading.Thread(target=run_sender, kwargs={"seconds": 0.2, "poster": lambda: Poster(patience=8)})
    first.start()
    until(lambda: Delivery.objects.filter(attempts=1).exists())
    webhook = endpoint(receiver.url)
    until(lambda: not sender._at_work.locked())
    queue(webhook, 3)

    assert sender.send() == 3
    assert first.is_alive()
    first.join()


def test_one_process_has_one_sender_at_a_time(silent_address, endpoint, queue, settings):
    settings.ASSENT_WEBHOOK_PRIVATE = ["127.0.0.1"]
    queue(endpoint(silent_address))
    first = threading.Thread(target=run_sender, kwargs={"poster": lambda: Poster(patience=4)})
    first.start()
    until(lambda: Delivery.objects.filter(attempts=1).exists())

    assert sender.send() == 0
    first.join()


def test_a_worker_that_ends_waits_for_nobody(silent_address, endpoint, queue, monkeypatch, settings):
    settings.ASSENT_WEBHOOK_PRIVATE = ["127.0.0.1"]
    monkeypatch.setattr(sender, "_stopping", threading.Event())
    queue(endpoint(silent_address))
    first = threading.Thread(target=run_sender)
    first.start()
    until(lambda: Delivery.objects.filter(attempts=1).exists())
    sender.stop()
    first.join(5)

    assert not first.is_alive()
    assert Delivery.objects.get().status == "due"


def run_sender(**options: object) -> None:
    try:
        sender.send(**options)
    finally:
        connections.close_all()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
