"""With a clock and a worker of their own: what waits arrives, and what was decided does not, however often tried."""

import time

import pytest

from approvals.models import Channel, Delivery
from approvals.review import notices
from approvals.review.decisions import decide, seen
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


def wait_until(true, seconds: float) -> bool:
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
    told = channel(alice)
    sink.status = 503
    decided, waiting = propose(order="one"), propose(order="two")
    web.run("-m", "celery", "-A", "console.celery", "worker", "-P", "solo", "-l", "warning")
    web.clock()
    assert wait_until(lambda: Delivery.objects.filter(attempts=1).count() == 2, 25), web.log.read_text()[-2000:]

    decide(seen(decided), by=alice, verdict="approve")
    sink.status = 200
    assert wait_until(lambda: len(sink.got) == 1, 25), web.log.read_text()[-2000:]
    assert wait_until(lambda: Delivery.objects.get(approval=decided).status == "dropped", 25)

    [text] = sink.texts
    assert str(waiting.pk) in text
    assert str(decided.pk) not in text
    assert wait_until(lambda: Channel.objects.get(pk=told.pk).state == "works", 25)  # written after it was sent


def test_two_workers_that_are_rung_for_one_channel_send_once(sink, channel, alice, propose):
    told = channel(alice)
    for _ in range(3):
        propose()
    together(*[lambda: notices.carry(told.pk) for _ in range(6)])

    assert len(sink.got) == 1
    assert set(Delivery.objects.values_list("status", "attempts")) == {("done", 1)}


def test_a_worker_that_died_with_a_channel_is_followed_by_another(sink, channel, alice, propose):
    told = channel(alice)
    propose()
    now = notices.times.now()
    Channel.objects.filter(pk=told.pk).update(leased_until=now + notices.LEASE)
    notices.carry(told.pk)
    assert not sink.got
    with notices.times.at(now + notices.LEASE):
        notices.carry(told.pk)
    assert len(sink.got) == 1
