"""A client of the event stream inside the test's own process, and the database from a coroutine."""

import asyncio
import json
import time
from collections.abc import Callable

from asgiref.sync import sync_to_async
from django.db import connections

from approvals.db import times
from approvals.history import seal
from approvals.models import Agent, Seal


class EventStreamClient:
    """A connection to the stream through the site's own door."""

    def __init__(self, secret: str, query: str = "", last: int | None = None) -> None:
        from console.asgi import application

        headers = [(b"authorization", f"Bearer {secret}".encode())]
        headers += [(b"last-event-id", str(last).encode())] if last is not None else []
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/v1/events",
            "query_string": query.encode(),
            "headers": headers,
        }
        self.incoming: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "http.request"})
        self.status = 0
        self.raw = b""
        self.ended = False
        self.room = asyncio.Event()
        self.room.set()
        self.task = asyncio.create_task(application(self.scope, self.incoming.get, self.send))

    async def send(self, message: dict[str, object]) -> None:
        await self.room.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.raw += message.get("body", b"")
            self.ended = not message.get("more_body")

    @property
    def received_events(self) -> list[dict]:
        """The data of the complete events so far."""
        blocks = self.raw.decode().split("\n\n")[:-1]
        event_data = []
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "data" in fields:
                data = json.loads(fields["data"])
                assert (fields["id"], fields["event"]) == (str(data["number"]), data["type"])
                event_data.append(data)
        return event_data

    @property
    def numbers(self) -> list[int]:
        return [one["number"] for one in self.received_events]

    async def until(self, true: Callable[[], object], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.raw[-2000:]
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        self.incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(self.task, 30)


async def in_database(change: Callable[..., object], *args: object, **named: object) -> object:
    def work() -> object:
        try:
            return change(*args, **named)
        finally:
            connections.close_all()

    return await sync_to_async(work, thread_sensitive=False)()


def seal_now() -> None:
    seal.seal(now=times.now())


def own_numbers(agent: Agent) -> list[int]:
    """Of what this file's requests go through, all is the agent's to read."""
    return list(Seal.objects.filter(event__approval__agent=agent).order_by("number").values_list("number", flat=True))
