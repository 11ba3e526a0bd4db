"""Webhooks reach their endpoints signed, at least once, each endpoint in its turn; what never arrives is said."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.core import mail
from django.db import connections
from standardwebhooks import WebhookVerificationError

from agents.webhooks import sender, signing
from agents.webhooks.post import Poster
from approvals.db import times
from approvals.models import Channel, Delivery, Endpoint
from approvals.notify import deliveries, letters, webhooks
from approvals.notify.retry_policy import WEBHOOK
from tests.conftest import ROOT, database_url
from tests.delivery.conftest import verified
from tests.text_search import mentions

pytestmark = pytest.mark.django_db(transaction=True)


def make_due() -> None:
    """Let every wait, lease and rest be over."""
    Delivery.objects.filter(status="due").update(due_at=times.now())
    Endpoint.objects.update(rests_until=None)


# --- Arriving


def test_a_webhook_arrives_with_a_signature_that_the_standards_library_verifies(receiver, endpoint, queue):
    webhook = endpoint(receiver.url)
    [row] = queue(webhook)
    assert sender.send() == 1

    [got] = receiver.received
    assert verified(got, webhook.shown) == {"type": "request.decided", "data": {"n": 0}}
    assert (got.id, got.path, got.headers["content-type"]) == (str(row.pk), "/hook", "application/json")
    row.refresh_from_db()
    assert (row.status, row.attempts, row.answered, row.last_error) == ("done", 1, 200, "")


def test_another_secret_does_not_verify_it(receiver, endpoint, queue):
    queue(endpoint(receiver.url))
    sender.send()
    _, other = signing.make()

    with pytest.raises(WebhookVerificationError):
        verified(receiver.received[0], other)


def test_while_a_secret_is_replaced_both_verify_and_afterwards_the_new_one_alone(receiver, endpoint, queue):
    webhook = endpoint(receiver.url)
    now = times.now()
    webhook.secret, new = signing.rotate(webhook.secret, now=now)
    webhook.save()
    queue(webhook)
    sender.send()
    webhook.secret, newest = signing.rotate(webhook.secret, now=now - signing.OVERLAP)
    webhook.save()
    queue(webhook)
    sender.send()

    during, after = receiver.received
    assert verified(during, webhook.shown) and verified(during, new)
    assert verified(after, newest)
    with pytest.raises(WebhookVerificationError):
        verified(after, new)


def test_the_same_webhook_keeps_its_id_over_all_attempts(receiver, endpoint, queue):
    [row] = queue(endpoint(receiver.url))
    for receiver.status in (500, 503, 204):
        sender.send()
        make_due()

    assert [got.id for got in receiver.received] == [str(row.pk)] * 3
    assert len({got.body for got in receiver.received}) == 1
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("done", 3)


def test_what_a_killed_sender_had_under_way_arrives_nevertheless(receiver, endpoint, queue):
    never = threading.Event()
    receiver.answers = lambda request: never.wait(60) or None
    rows = queue(endpoint(receiver.url), 3)
    killed = subprocess.Popen(
        [sys.executable, "-c", "import django; django.setup(); from agents.webhooks import sender; sender.send()"],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "SECRET_KEY": configured.SECRET_KEY,
            "DJANGO_SETTINGS_MODULE": "console.settings",
            "ASSENT_WEBHOOK_PRIVATE": "127.0.0.1",
        },
    )
    deadline = time.monotonic() + 30
    while len(receiver.received) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    receiver.answers = None

    assert sender.send() == 0, "they are taken for the time of an attempt"
    assert Delivery.objects.filter(status="due", due_at__lte=times.now() + WEBHOOK.lease).count() == 3
    make_due()
    assert sender.send() == 3
    assert {got.id for got in receiver.received[3:]} == {str(row.pk) for row in rows}
    assert set(Delivery.objects.values_list("status", "attempts")) == {("done", 2)}


def test_two_senders_at_once_send_everything_once(receiver, endpoint, queue):
    queue(endpoint(receiver.url), 40)
    command = "import django; django.setup(); from agents.webhooks import sender; sender.send()"
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "SECRET_KEY": configured.SECRET_KEY,
        "DJANGO_SETTINGS_MODULE": "console.settings",
        "ASSENT_WEBHOOK_PRIVATE": "127.0.0.1",
    }
    two = [subprocess.Popen([sys.executable, "-c", command], cwd=ROOT, env=environment) for _ in range(2)]
    assert [one.wait(60) for one in two] == [0, 0]

    assert len(receiver.received) == len({got.id for got in receiver.received}) == 40


# --- Failing


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
def test_an_answer_that_is_no_success_is_tried_again_later(status, receiver, endpoint, queue):
    receiver.status = status
    receiver.headers = {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    [row] = queue(endpoint(receiver.url))
    before = times.now()
    sender.send()

    row.refresh_from_db()
    assert (row.status, row.attempts, row.answered) == ("due", 1, status)
    assert timedelta(seconds=4) < row.due_at - before < timedelta(seconds=8)
    assert [got.path for got in receiver.received] == ["/hook"], "a redirect is not followed"


def test_ten_attempts_take_about_75_hours_and_then_it_is_dead_and_said(receiver, endpoint, queue, olga, robot):
    receiver.status = 500
    webhook = endpoint(receiver.url)
    [row] = queue(webhook)
    waited = timedelta()
    for attempt in range(1, 11):
        before = times.now()
        assert sender.send() == 1, attempt
        row.refresh_from_db()
        if row.status == "due":
            waited += row.due_at - before
        make_due()

    assert (row.status, row.attempts, row.last_error) == ("dead", 10, "HTTP 500")
    assert timedelta(hours=67) < waited < timedelta(hours=84)
    assert sender.send() == 0
    letter = Delivery.objects.get(channel="mail")
    letters.deliver(str(letter.pk))
    [sent] = mail.outbox
    assert sent.to == [olga.email]
    assert "robot" in sent.subject and "HTTP 500" in sent.body and f"endpoint__id__exact={webhook.pk}" in sent.body


def test_a_thousand_dead_ones_are_one_letter(receiver, endpoint, queue, olga):
    receiver.status = 500
    webhook = endpoint(receiver.url)
    old = times.now() - timedelta(hours=77)
    queue(webhook, 1000, created_at=old, due_at=old, gives_up_at=times.now())
    sender.send()

    assert Delivery.objects.filter(status="dead").count() == 1000
    assert len(receiver.received) < 10, "one attempt stands for all that wait longer than the schedule"
    assert Delivery.objects.filter(channel="mail").count() == 1


def test_without_an_operator_those_who_configure_agents_are_told(receiver, endpoint, queue, ada):
    receiver.status = 410
    queue(endpoint(receiver.url))
    sender.send()

    assert Delivery.objects.get(channel="mail").target == ada.email


def test_whoever_switched_mail_off_gets_no_alarm_of_it(receiver, endpoint, queue, olga, ada):
    Channel.objects.create(user=olga, service="mail", active=False)
    receiver.status = 410
    queue(endpoint(receiver.url))
    sender.send()

    assert Delivery.objects.get(channel="mail").target == ada.email


def test_410_turns_the_endpoint_off_and_what_it_had_coming_is_listed_as_dead(receiver, endpoint, queue):
    receiver.status = 410
    webhook = endpoint(receiver.url)
    queue(webhook, 20)
    sender.send()

    webhook.refresh_from_db()
    assert not webhook.active and mentions(webhook.ended, "410")
    assert set(Delivery.objects.filter(channel="webhook").values_list("status", flat=True)) == {"dead"}
    assert len(receiver.received) <= webhooks.EACH


def test_what_queued_for_an_endpoint_that_was_turned_off_is_dead_and_not_forgotten(endpoint, queue):
    webhook = endpoint("https://example.com/", active=False)
    queue(webhook)
    assert webhooks.ready()
    assert sender.send() == 0

    assert Delivery.objects.get(channel="webhook").status == "dead"
    assert not webhooks.ready()


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_by_the_whole_endpoint(status, receiver, endpoint, queue):
    receiver.status, receiver.headers = status, {"Retry-After": "1200"}
    webhook = endpoint(receiver.url)
    rows = queue(webhook, 10)
    before = times.now()
    sender.send()

    webhook.refresh_from_db()
    assert webhook.rests_until - before > timedelta(minutes=19)
    assert len(receiver.received) <= webhooks.EACH
    tried = Delivery.objects.filter(pk__in=[row.pk for row in rows], attempts=1)
    assert all(row.due_at - before > timedelta(minutes=19) for row in tried)
    assert sender.send() == 0


def test_retry_after_may_be_a_date_and_may_not_be_a_year(receiver, endpoint, queue):
    receiver.status, receiver.headers = 429, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}
    webhook = endpoint(receiver.url)
    queue(webhook)
    before = times.now()
    sender.send()

    webhook.refresh_from_db()
    assert timedelta(hours=23) < webhook.rests_until - before < timedelta(hours=25)


def test_an_answer_without_end_is_cut_off_and_its_status_counts(receiver, endpoint, queue):
    def endless(request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(2**30))
        request.end_headers()
        while True:
            request.wfile.write(b"x" * 65536)

    receiver.answers = endless
    queue(endpoint(receiver.url))
    started = time.monotonic()
    sender.send()

    assert time.monotonic() - started < 5
    assert Delivery.objects.get().status == "done"


def test_headers_without_end_are_a_failure(receiver, endpoint, queue):
    def endless(request) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            request.wfile.write(b"X-More: " + b"x" * 8192 + b"\r\n")

    receiver.answers = endless
    queue(endpoint(receiver.url))
    sender.send()

    row = Delivery.objects.get()
    assert (row.status, row.answered) == ("due", None)


def test_whoever_says_nothing_is_given_up_after_the_time_of_an_attempt(silent_address, endpoint, queue, settings):
    settings.ASSENT_WEBHOOK_PRIVATE = ["127.0.0.1"]
    queue(endpoint(silent_address))
    sender.send(poster=lambda: Poster(patience=1))

    row = Delivery.objects.get()
    assert (row.status, row.last_error) == ("due", "no answer within 1 s")


def test_nothing_listens(endpoint, queue, settings):
    settings.ASSENT_WEBHOOK_PRIVATE = ["127.0.0.1"]
    queue(endpoint("http://127.0.0.1:9/"))
    sender.send()

    row = Delivery.objects.get()
    assert (row.status, row.attempts) == ("due", 1)
    assert row.last_error


# --- Taking turns


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
