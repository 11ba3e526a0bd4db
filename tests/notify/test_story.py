"""With a clock and a worker of their own: what waits arrives, and what was decided does not, however often tried."""

import time

import pytest

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import Channel, Delivery
from approvals.notify import sending
from approvals.notify.retry_policy import NOTIFICATION
from tests.concurrency import together

pytestmark = pytest.mark.django_db(transaction=True)


def until(true, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return bool(true())


@pytest.mark.slow
def test_after_a_decision_nothing_more_arrives_of_it_while_the_retries_of_the_others_go_on(
    web, sink, channel, alice, propose, monkeypatch
):
    monkeypatch.setenv("ASSENT_TELL_PRIVATE", f"127.0.0.1:{sink.port}")
    alices_channel = channel(alice)
    sink.status = 503
    decided, waiting = propose(order="one"), propose(order="two")
    web.run("-m", "celery", "-A", "console.celery", "worker", "-P", "solo", "-l", "warning")
    web.clock()
    failed = Delivery.objects.filter(attempts=1).exclude(last_error="")
    assert until(lambda: failed.count() == 2, 25), web.log.read_text()[-2000:]

    decide(card_version_of(decided), by=alice, verdict="approve")
    sink.status = 200
    assert until(lambda: len(sink.got) == 1, 25), web.log.read_text()[-2000:]
    assert until(lambda: Delivery.objects.get(approval=decided).status == "dropped", 25)

    [text] = sink.texts
    assert str(waiting.pk) in text
    assert str(decided.pk) not in text
    assert until(lambda: Channel.objects.get(pk=alices_channel.pk).state == "works", 25)  # written after it was sent


def test_two_workers_that_are_rung_for_one_channel_send_once(sink, channel, alice, propose):
    alices_channel = channel(alice)
    for _ in range(3):
        propose()
    together(*[lambda: sending.send_due(alices_channel.pk) for _ in range(6)])

    assert len(sink.got) == 1
    assert set(Delivery.objects.values_list("status", "attempts")) == {("done", 1)}


def test_a_worker_that_died_with_a_channel_is_followed_by_another(sink, channel, alice, propose):
    alices_channel = channel(alice)
    propose()
    now = sending.times.now()
    Channel.objects.filter(pk=alices_channel.pk).update(leased_until=now + NOTIFICATION.lease)
    sending.send_due(alices_channel.pk)
    assert not sink.got
    with sending.times.at(now + NOTIFICATION.lease):
        sending.send_due(alices_channel.pk)
    assert len(sink.got) == 1
