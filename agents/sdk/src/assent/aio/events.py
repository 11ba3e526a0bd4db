"""The feed of an agent's own requests, connected to again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx

from assent.aio.drive import AsyncDriver
from assent.core import API
from assent.events import SILENCE, Reader, refused
from assent.shapes import Event


async def stream(hands: AsyncDriver, after: str | None) -> AsyncIterator[Event]:
    """Events from `after` on, without end. Raises BadRequest."""
    reader = Reader(after)
    while True:
        try:
            timeout = httpx.Timeout(30.0, read=SILENCE)
            async with hands.http.stream("GET", API + "events", headers=reader.headers(), timeout=timeout) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    refused(answer.status_code, dict(answer.headers), answer.content)
                else:
                    async for line in answer.aiter_lines():
                        event = reader.line(line)
                        if event is not None:
                            yield event
        except httpx.TransportError:
            pass
        await asyncio.sleep(reader.again)
