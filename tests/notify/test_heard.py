"""A request of which nobody who may decide it was told within five minutes is an alarm (I12)."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from agents import keys
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import Channel, Delivery, NotificationRecord
from approvals.notify import letters, reached
from tests.concurrency import together
from tests.notify.conftest import carry_all
from tests.text_search import mentions


def alarm_after(**span: float) -> int:
    """Of how many the clock finds, so long from now, that nobody heard of them."""
    with times.at(times.now() + timedelta(**span)):
        return reached.alarm()


def alarm_mails() -> list[Delivery]:
    return list(Delivery.objects.filter(topic=reached.ALARM).select_related("user"))


def test_after_five_minutes_it_is_alarmed_once_and_managers_are_told(propose, alice, mia, person):
    Channel.objects.create(user=person("quiet", is_manager=True), service="mail", active=False)
    propose()
    assert alarm_after(minutes=4, seconds=59) == 0
    assert alarm_after(minutes=5, seconds=1) == 1
    assert alarm_after(minutes=11) == 0

    [letter] = alarm_mails()
    assert letter.user == mia
    with times.at(times.now() + timedelta(minutes=6)):
        letters.deliver(str(letter.pk))
    [sent] = mail.outbox
    assert "nobody was told" in sent.subject
    assert "1 request has waited in Frontline · Commerce" in sent.body
    assert not mentions(sent.body, "420") and not mentions(sent.body, "456")  # no arguments leave the house


def at_the_inbox(propose, user):
    made = propose()
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    client.get(reverse("inbox:inbox"))
    return made


def through_their_own_tools(propose, user):
    made = propose()
    token = keys.issue(user=user, name="test")[1]
    assert Client(headers={"authorization": f"Bearer {token}"}).get("/api/v1/inbox").status_code == 200
    return made


def on_the_card(propose, user):
    made = propose()
    claims.claim(made.pk, by=user)
    return made


@pytest.mark.parametrize("how", [at_the_inbox, through_their_own_tools, on_the_card])
def test_whoever_may_decide_it_and_sees_it_has_heard(how, propose, alice):
    how(propose, alice)
    assert alarm_after(minutes=6) == 0


def test_a_channel_that_took_the_message_counts_and_one_that_failed_does_not(propose, alice, channel, sink):
    alice.notify_new = "normal"
    alice.save()
    channel(alice)
    sink.status = 500
    propose(order="A")
    carry_all()
    sink.status = 200
    assert NotificationRecord.objects.count() == 0
    with times.at(times.now() + timedelta(minutes=3)):
        propose(order="B")
        carry_all()

    assert {one.by for one in NotificationRecord.objects.all()} == {"channel"}
    assert alarm_after(minutes=20) == 0


@pytest.mark.parametrize("who", ["mia", "operator", "mallory"])
def test_whoever_may_not_decide_it_counts_for_nobody(who, propose, robot, request):
    user = request.getfixturevalue("alice" if who == "operator" else who)
    if who == "operator":
        robot.operators.add(user)
    at_the_inbox(propose, user)
    assert alarm_after(minutes=6) == 1


def test_each_queue_counts_anew(propose, alice, bob):
    approval = at_the_inbox(propose, alice)
    claims.escalate(approval.pk, by=alice)
    assert alarm_after(minutes=4) == 0
    assert alarm_after(minutes=6) == 1
    assert NotificationRecord.objects.get(by="nobody").queue == "2.commerce"


def test_a_queue_has_at_most_one_alarm_in_five_minutes(propose, alice, mia):
    propose(order="A")
    with times.at(times.now() + timedelta(minutes=1)):
        propose(order="B")
    assert alarm_after(minutes=5, seconds=30) == 1
    assert alarm_after(minutes=7) == 0
    assert alarm_after(minutes=11) == 1
    assert len(alarm_mails()) == 2


def test_what_is_settled_alarms_nobody(propose, alice):
    approval = propose()
    decide(card_version_of(approval), by=alice, verdict="approve")
    assert alarm_after(minutes=6) == 0


def test_no_letter_for_what_somebody_opened_meanwhile(propose, alice, mia):
    approval = propose()
    assert alarm_after(minutes=6) == 1
    claims.claim(approval.pk, by=alice)
    [letter] = alarm_mails()
    with times.at(times.now() + timedelta(minutes=7)):
        letters.deliver(str(letter.pk))
    assert not mail.outbox


@pytest.mark.django_db(transaction=True)
def test_two_clocks_raise_one_alarm(propose, mia, alice):
    for number in range(20):
        propose(order=str(number))

    def clock():
        with times.at(times.now() + timedelta(minutes=6)):
            return reached.alarm()

    assert sorted(together(clock, clock)) == [0, 20]
    assert len(alarm_mails()) == 1
