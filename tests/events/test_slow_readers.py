"""Whoever reads slowly holds up nobody else, and a real server streams."""

import asyncio
from functools import partial

import httpx
import pytest

from agents import events
from tests.events.stream import EventStreamClient, in_database, own_numbers, seal_now
from tests.waiting import until_async

pytestmark = pytest.mark.django_db(transaction=True)


async def test_whoever_takes_nothing_is_ended_and_holds_nobody_else_up(listen, propose, robot, monkeypatch):
    """As under a server whose `send` waits for the reader."""
    monkeypatch.setattr(events, "MOST_QUEUED", 5)
    slow, quick = await listen(), await listen()
    slow.room.clear()
    for _ in range(12):
        await in_database(propose)
        await in_database(seal_now)
        await asyncio.sleep(0.05)
    await quick.until(lambda: len(quick.received_events) == 12)
    slow.room.set()
    await slow.until(lambda: slow.ended)
    assert len(slow.received_events) <= 7 and b"resume after the last event" in slow.raw

    again = await listen(last=slow.numbers[-1])
    await again.until(lambda: len(slow.received_events + again.received_events) == 12)
    assert slow.numbers + again.numbers == quick.numbers


class Transport:
    """Twisted's, as far as it matters: whatever is written lies there."""

    dataBuffer, offset = b"", 0

    def __init__(self) -> None:
        self._tempDataLen = 0
        self.channel = self
        self.transport = self
        self.cut = asyncio.Event()

    def abortConnection(self) -> None:
        self.cut.set()


async def test_what_the_server_buffers_without_end_is_bounded_too(secret, propose, monkeypatch):
    """As under Daphne, whose `send` never waits."""
    from console.asgi import application

    monkeypatch.setattr(events, "MOST_BEHIND", 2000)
    protocol = Transport()

    async def handle_reply(protocol: Transport, message: dict[str, object]) -> None:
        protocol._tempDataLen += len(message.get("body", b""))

    scope = EventStreamClient(secret, "after=0")
    await scope.close()
    scope.incoming.put_nowait({"type": "http.request"})
    task = asyncio.create_task(application(scope.scope, scope.incoming.get, partial(handle_reply, protocol)))
    for _ in range(20):
        await in_database(propose)
        await in_database(seal_now)
    await asyncio.wait_for(protocol.cut.wait(), 5)
    await asyncio.wait_for(task, 5)

    assert protocol._tempDataLen < 6000


async def test_a_real_server_streams_what_happens(web, secret, propose, robot):
    """Through Daphne, chunk by chunk, and again from the last number after it was killed."""
    heard: list[int] = []

    async def read(expected_count: int) -> None:
        headers = {"Authorization": f"Bearer {secret}", "Last-Event-ID": str(heard[-1] if heard else 0)}
        async with (
            httpx.AsyncClient(base_url=web.url, timeout=20) as client,
            client.stream("GET", "/api/v1/events", headers=headers) as response,
        ):
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    heard.append(int(line[4:]))
                if len(heard) == expected_count:
                    return

    for _ in range(3):
        await in_database(propose)
    await in_database(seal_now)
    await asyncio.wait_for(read(3), 60)
    web.processes[0].kill()
    web.processes.pop().wait()
    await in_database(propose)
    await in_database(seal_now)
    await asyncio.to_thread(web.start)
    reading = asyncio.create_task(read(5))
    await until_async(lambda: len(heard) == 4)
    await in_database(propose)
    await in_database(seal_now)
    await asyncio.wait_for(reading, 60)

    assert heard == await in_database(own_numbers, robot)
