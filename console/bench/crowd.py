"""A process of very many agents that do nothing but wait: over long poll, or on their streams of events.

Reads one job as JSON from its standard input and answers with JSON lines, as load.py does.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from console.bench.load import bearer, body, print_json
from console.bench.wire import Http, Unexpected

Job = dict[str, Any]
OPENING = 100  # at once


async def requests(job: Job) -> list[tuple[str, str]]:
    """So many requests that wait: each with the key of its agent."""
    requests_with_keys = []
    for key in job["keys"]:
        async with Http(job["port"], bearer(key)) as http:
            answer = json.loads(
                await http.expect(200, "POST", "/api/v1/requests/bulk", body(1, mark="crowd", requests=job["each"]))
            )
            requests_with_keys += [(one["request"]["id"], key) for one in answer["results"]]
    return requests_with_keys


async def gather_limited(work: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """All of it, not too much at once: it is the waiting that is measured and not the rush."""
    room = asyncio.Semaphore(OPENING)

    async def run_step(step: Callable[[], Awaitable[None]]) -> None:
        async with room:
            await step()

    await asyncio.gather(*(run_step(step) for step in work))


async def wait(job: Job) -> None:
    """Open a connection for each request; then wait on all of them; then say when those decided upon were told."""
    requests_with_keys = await requests(job)
    agents = [Http(job["port"], bearer(key)) for _, key in requests_with_keys]
    decided: dict[str, float] = {}

    async def connect(http: Http) -> None:
        await http.__aenter__()
        await http.expect(200, "GET", "/api/v1/bench/empty")

    await gather_limited([lambda http=http: connect(http) for http in agents])  # type: ignore[misc]  # binds each now
    ids = [request for request, _ in requests_with_keys[:: len(requests_with_keys) // job["decide"]]]
    print_json({"open": len(agents), "ids": ids})
    await asyncio.sleep(job["request"])

    async def hold(http: Http, request: str) -> None:
        status = 202
        while status == 202:
            status, answer = await http.ask("GET", f"/api/v1/requests/{request}/decision?wait=60")
        if status != 200:
            raise Unexpected(f"decision: {status} {answer[:300].decode(errors='replace')}")
        decided[request] = time.monotonic()

    held = []
    for http, (request, _) in zip(agents, requests_with_keys, strict=True):
        held.append(asyncio.create_task(hold(http, request)))
        if len(held) % OPENING == 0:
            await asyncio.sleep(0.2)
    await asyncio.sleep(job["settling"])
    print_json({"waiting": sum(not one.done() for one in held)})
    end = time.monotonic() + job["seconds"]
    while len(decided) < len(ids) and time.monotonic() < end:
        await asyncio.sleep(0.1)
    failed = [one.exception() for one in held if one.done() and one.exception()]
    if failed or len(decided) < len(ids):
        raise Unexpected(f"{len(decided)} of {len(ids)} were told: {failed[:1]}")
    print_json({"decided": decided})
    for waiting_task in held:
        waiting_task.cancel()


async def listen(job: Job) -> None:
    """Open streams of events; say when they are all open."""
    agents = [Http(job["port"], bearer(key)) for key in job["keys"] for _ in range(job["each"])]

    async def connect(http: Http) -> None:
        await http.__aenter__()
        await http.expect(200, "GET", "/api/v1/bench/empty")

    await gather_limited([lambda http=http: connect(http) for http in agents])  # type: ignore[misc]  # binds each now
    print_json({"open": len(agents)})
    await asyncio.sleep(job["request"])
    await gather_limited([lambda http=http: http.begin("/api/v1/events") for http in agents])  # type: ignore[misc]  # as above
    await asyncio.sleep(3)
    print_json({"waiting": len(agents)})
    await asyncio.sleep(job["seconds"])


async def receive(job: Job) -> None:
    """Where webhooks go: a port that takes them, and one that takes connections and says nothing. When each came."""
    arrived: dict[str, float] = {}
    enough = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                sent = json.loads(await reader.readexactly(length))
                arrived.setdefault(str(sent["data"]["n"]), time.monotonic())
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                if len(arrived) >= job["count"]:
                    enough.set()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError, ConnectionError):
            await reader.read(-1)

    async with (
        await asyncio.start_server(take, "127.0.0.1", 0) as live,
        await asyncio.start_server(ignore, "127.0.0.1", 0) as dead,
    ):
        print_json({"live": live.sockets[0].getsockname()[1], "dead": dead.sockets[0].getsockname()[1]})
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), job["seconds"])
        print_json({"arrived": arrived})


JOBS: dict[str, Callable[[Job], Awaitable[None]]] = {"wait": wait, "listen": listen, "receive": receive}


if __name__ == "__main__":
    given = json.loads(sys.stdin.readline())
    asyncio.run(JOBS[given["do"]](given))  # type: ignore[arg-type]  # each of them is a coroutine
