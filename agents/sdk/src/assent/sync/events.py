# Made by agents/sdk/make_sync.py of assent/aio/events.py: change that one.

"""The feed of an agent's own requests, connected to again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx

from assent.core import API
from assent.events import SILENCE, Reader, refused
from assent.shapes import Event
from assent.sync.drive import Driver


def stream(hands: Driver, after: str | None) -> Iterator[Event]:
    """Events from `after` on, without end. Raises BadRequest."""
    reader = Reader(after)
    while True:
        try:
            timeout = httpx.Timeout(30.0, read=SILENCE)
            with hands.http.stream("GET", API + "events", headers=reader.headers(), timeout=timeout) as answer:
                if answer.status_code != 200:
                    answer.read()
                    refused(answer.status_code, dict(answer.headers), answer.content)
                else:
                    for line in answer.iter_lines():
                        event = reader.line(line)
                        if event is not None:
                            yield event
        except httpx.TransportError:
            pass
        time.sleep(reader.again)
