"""Waiting for a condition, in a test: as long as a busy machine needs, and no longer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable

PATIENCE = 30.0  # seconds


def until(holds: Callable[[], object], seconds: float = PATIENCE) -> object:
    """What `holds` says once it is true of something; fails when it never is."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return value


async def until_async(holds: Callable[[], object | Awaitable[object]], seconds: float = PATIENCE) -> object:
    """The same beside an event loop."""
    end = time.monotonic() + seconds
    while True:
        value = holds()
        if isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.01)
