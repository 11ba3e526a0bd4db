"""News goes out beside the request that caused it, or not at all; never at that request's cost."""

import asyncio
import time

from channels.layers import channel_layers, get_channel_layer

from agents import push
from approvals.models import ApprovalRequest


async def test_what_is_sent_arrives_at_the_group():
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add("test_news", channel)
    push.send("test_news", {"type": "greeting", "text": "hello"})
    message = await asyncio.wait_for(layer.receive(channel), 5)
    assert message == {"type": "greeting", "text": "hello"}


def test_without_redis_nothing_fails_and_nothing_waits(settings, caplog):
    layers = settings.CHANNEL_LAYERS["default"]
    nowhere = {"hosts": ["unix:///nowhere/valkey.sock"], "prefix": "test"}
    kept = channel_layers.backends.pop("default", None)
    settings.CHANNEL_LAYERS = {"default": {**layers, "CONFIG": nowhere}}
    try:
        publisher = push.Publisher()
        started = time.monotonic()
        for number in range(2000):
            publisher.send("test_news", {"type": "greeting", "number": number})
        assert time.monotonic() - started < 1
        assert publisher.flush(20)
        assert len([record for record in caplog.records if record.name == "agents.push"]) == 1
    finally:
        channel_layers.backends.pop("default", None)
        if kept is not None:
            channel_layers.backends["default"] = kept


def test_a_full_queue_drops_and_does_not_block(monkeypatch):
    monkeypatch.setattr(push, "_BACKLOG", 3)
    publisher = push.Publisher()
    publisher._thread = publisher  # nobody empties it
    for number in range(10):
        publisher.send("test_news", {"type": "greeting", "number": number})
    assert publisher._waiting.qsize() == 3


def test_what_is_decided_is_announced_after_the_commit(
    api, refunds, request_body, monkeypatch, django_capture_on_commit_callbacks
):
    sent = []
    monkeypatch.setattr(push, "send", lambda group, message: sent.append((group, message)))
    with django_capture_on_commit_callbacks(execute=True):
        request = api.post("requests", request_body()).json()
    assert not [message for group, message in sent if group == "decisions"]

    with django_capture_on_commit_callbacks(execute=True):
        api.post(f"requests/{request['id']}/cancel")
    expected = ("decisions", {"type": "settled", "requests": [str(ApprovalRequest.objects.get().pk)]})
    assert [one for one in sent if one[0] == "decisions"] == [expected]
