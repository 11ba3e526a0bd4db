"""Streams of robot's events, read fast."""

from collections.abc import AsyncIterator, Callable

import pytest

from agents import events, keys
from tests.events.stream import EventStreamClient


@pytest.fixture(autouse=True)
def quick(monkeypatch, settings) -> None:
    monkeypatch.setattr(events, "TICK", 0.02)
    monkeypatch.setattr(events, "KEY_CHECK", 0.1)
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    keys.forget()


@pytest.fixture
def secret(robot) -> str:
    return keys.issue(agent=robot, name="listening")[1]


def open_stream_count() -> int:
    """How many streams are given what comes."""
    return sum(len(streams) for hub in events.hubs.values() for streams in hub.streams.values())


@pytest.fixture
async def listen(secret) -> AsyncIterator[Callable[..., EventStreamClient]]:
    opened = []

    async def start(query: str = "", last: int | None = None, secret: str = secret) -> EventStreamClient:
        before = open_stream_count()
        stream = EventStreamClient(secret, query, last)
        opened.append(stream)
        # It is told of what comes from now on, or has ended.
        await stream.until(lambda: stream.raw and (stream.ended or open_stream_count() > before))
        return stream

    yield start
    for listener in opened:
        await listener.close()
    assert not any(hub.streams for hub in events.hubs.values())
