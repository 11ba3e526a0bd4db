"""A channel that fails silences no other, says so once, and is tried again."""

import socket
import threading
import time
from datetime import timedelta

from approvals.db import secret_box
from approvals.models import Approval, Channel
from approvals.notify import services
from approvals.notify.retry_policy import NOTIFICATION
from tests.notify.conftest import carry_all, later
from tests.notify.rows import rows
from tests.text_search import mentions


def test_one_broken_channel_silences_no_other_and_stands_once_on_the_timeline(alice, channel, propose, sink, caplog):
    broken = channel(alice, url=f"json://127.0.0.1:{closed_port(sink)}/secret-token", name="Broken")
    works = channel(alice)
    approval = propose()
    carry_all()

    assert len(sink.got) == 1
    broken.refresh_from_db()
    works.refresh_from_db()
    assert (broken.state, works.state) == ("failed", "works")
    assert broken.error
    for at in (1, 2, 3):
        carry_all(later(hours=at))
    [event] = approval.events.filter(kind="delivery")
    assert event.facts == {"by": "json", "to": "Alice"}
    assert rows(via=broken)[0].attempts == 4
    assert len(sink.got) == 1
    logged_text = caplog.text + broken.error + str(event.facts) + rows(via=broken)[0].last_error
    assert "secret-token" not in logged_text


def closed_port(sink) -> int:
    from django.conf import settings

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.ASSENT_TELL_PRIVATE.append(f"127.0.0.1:{port}")
    return port


def test_a_channel_that_never_works_ends_as_dead_and_is_listed(alice, channel, propose, sink):
    channel(alice)
    propose(timeout=timedelta(days=2))
    sink.status = 500
    Approval.objects.update(due_at=None)
    for at in range(1, 12):
        carry_all(later(minutes=20 * at))

    [row] = rows()
    assert (row.status, row.attempts) == ("dead", NOTIFICATION.attempts)
    assert mentions(row.last_error, "500") or "Internal" in row.last_error


def test_a_channel_that_came_back_works_again(alice, channel, propose, sink):
    alices_channel = channel(alice)
    propose()
    sink.status = 503
    carry_all()
    sink.status = 200
    carry_all(later(minutes=10))
    alices_channel.refresh_from_db()

    assert (alices_channel.state, alices_channel.error, alices_channel.failures) == ("works", "", 0)
    assert len(sink.got) == 1


def test_a_service_that_says_nothing_holds_a_worker_only_so_long(alice, channel, propose, sink, monkeypatch):
    monkeypatch.setattr(services, "PATIENCE", 0.3)
    alices_channel = channel(alice)
    propose()
    sink.hang = threading.Event()
    start = time.monotonic()
    carry_all()
    sink.hang.set()

    assert time.monotonic() - start < 5
    alices_channel.refresh_from_db()
    assert alices_channel.state == "failed"


def test_an_address_that_cannot_be_read_any_more_says_so(alice, channel, propose, sink):
    alices_channel = channel(alice)
    Channel.objects.filter(pk=alices_channel.pk).update(kept="nonsense")
    propose()
    carry_all()
    alices_channel.refresh_from_db()

    assert "Add it anew" in alices_channel.error


def test_the_address_is_no_plain_text_in_the_database(alice, channel):
    alices_channel = channel(alice)

    assert "secret-token" not in alices_channel.kept
    assert "secret-token" in secret_box.open_secret(alices_channel.kept).decode()
