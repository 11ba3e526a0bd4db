"""What webhooks, notifications and mails share: who takes a row, what a killed worker leaves, and when it is over."""

from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.core import mail

from agents.webhooks import post
from approvals import canary
from approvals.db import times
from approvals.models import Delivery
from approvals.notify import deliveries, letters, services, slack
from approvals.notify.retry_policy import MAIL, NOTIFICATION, POLICIES, WEBHOOK
from tests.concurrency import together


@pytest.fixture
def alarm(mia) -> Delivery:
    """A mail to Mia that is due, and still needed."""
    canary.record_failure("no answer")
    return Delivery.objects.get(channel="mail")


def test_every_kind_has_a_policy_and_a_lease_outlasts_an_attempt():
    assert POLICIES.keys() == set(Delivery.Channel)
    assert WEBHOOK.lease > timedelta(seconds=post.PATIENCE)
    assert NOTIFICATION.lease > timedelta(seconds=services.PATIENCE)
    assert NOTIFICATION.lease > timedelta(seconds=slack.PATIENCE) * (slack.CARDS + 1)
    assert MAIL.lease > timedelta(seconds=configured.EMAIL_TIMEOUT)


def test_what_a_killed_worker_had_taken_is_due_again_when_its_lease_ends(alarm):
    now = times.now()
    [taken] = deliveries.claim(Delivery.objects.all(), now=now)
    assert (taken.pk, taken.attempts) == (alarm.pk, 1)

    letters.deliver(str(alarm.pk))
    assert not mail.outbox
    with times.at(now + MAIL.lease):
        letters.deliver(str(alarm.pk))
    assert len(mail.outbox) == 1
    assert Delivery.objects.get().status == "done"


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_takes_it(alarm):
    together(*[lambda: letters.deliver(str(alarm.pk)) for _ in range(6)])

    assert len(mail.outbox) == 1


def test_a_mail_that_is_refused_waits_twice_as_long_each_time_and_is_listed_as_dead(alarm, monkeypatch):
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError("Connection refused")

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    now, waits = times.now(), []
    for _ in range(MAIL.attempts):
        with times.at(now):
            letters.deliver(str(alarm.pk))
            row = Delivery.objects.get()
            waits.append((row.due_at - now).total_seconds())
        now = row.due_at

    assert waits[:-1] == [30 * 2**n for n in range(7)]
    assert (row.status, row.attempts, row.last_error) == ("dead", 8, "Connection refused")


def test_a_surprise_is_a_failure_like_any_other_and_is_heard_of(alarm, monkeypatch):
    monkeypatch.setattr("django.core.mail.EmailMessage.send", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        letters.deliver(str(alarm.pk))

    row = Delivery.objects.get()
    assert (row.status, row.attempts, row.last_error) == ("due", 1, "ZeroDivisionError")


def test_a_wish_to_wait_is_granted_up_to_a_bound():
    assert WEBHOOK.wait_after(1, timedelta(hours=3)) == timedelta(hours=3)
    assert WEBHOOK.wait_after(1, timedelta(days=365)) == timedelta(hours=24)
    assert WEBHOOK.rest_after(0, timedelta(0)) < timedelta(seconds=6)
