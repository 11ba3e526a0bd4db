"""A process that asks: reads one job as JSON from its standard input, answers with JSON lines on its output.

Times are of the monotonic clock, which all processes of a machine share.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from console.bench.wire import Http, Socket, Unexpected

MARK = re.compile(rb"MARK-\d{6}")
Job = dict[str, Any]


def body(number: int, *, mark: str = "", requests: int = 1) -> bytes:
    """A request such as an agent would send, or a bulk of them; every one is different."""
    made = [
        {
            "idempotency_key": f"bench-{mark or 'load'}-{number}-{index}-{time.monotonic_ns()}",
            "run": {"id": f"bench-{number % 50}", "name": "Bench", "step": "ask"},
            "items": [
                {
                    "id": "call_1",
                    "action": {
                        "name": "bench_refund",
                        "args": {
                            "order": mark or f"{number}-{index}",
                            "amount": f"{number % 900}.50",
                            "currency": "EUR",
                        },
                    },
                    "summary": "Refund the order that arrived broken.",
                    "reasoning": "The photo shows the damage, and the report came within fourteen days.",
                    "signals": {"stated_confidence": 0.82, "tool_validity": 1.0, "retrieval_relevance": 0.74},
                }
            ],
            "timeout_s": 21600,
        }
        for index in range(requests)
    ]
    return json.dumps(made[0] if requests == 1 else {"requests": made}).encode()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def rate(job: Job) -> Job:
    """As many calls as `seconds` allow, one connection for each key: how many, and how long each took."""
    numbers = iter(range(10**9))
    end = time.monotonic() + job["seconds"]

    async def client(key: str) -> list[float]:
        took = []
        async with Http(job["port"], bearer(key)) as http:
            while (start := time.monotonic()) < end:
                if job["submit"]:
                    await http.expect(201, "POST", "/api/v1/requests", body(next(numbers)))
                else:
                    await http.expect(200, "GET", "/api/v1/bench/empty")
                took.append(time.monotonic() - start)
        return took

    start = time.monotonic()
    took = [one for some in await asyncio.gather(*(client(key) for key in job["keys"])) for one in some]
    return {"calls": len(took), "seconds": time.monotonic() - start, "took": took}


async def bulk(job: Job) -> Job:
    """`times` calls of `of` requests each."""
    bodies = [body(number, requests=job["of"]) for number in range(job["times"])]
    async with Http(job["port"], bearer(job["key"])) as http:
        start = time.monotonic()
        for bulk_body in bodies:
            status, answer = await http.ask("POST", "/api/v1/requests/bulk", bulk_body)
            if status not in {200, 201, 207}:
                raise Unexpected(f"bulk: {status} {answer[:300].decode(errors='replace')}")
        return {"requests": job["of"] * job["times"], "seconds": time.monotonic() - start}


async def page(job: Job) -> Job:
    """The same page `times` times, one after the other; one that fails took for ever."""
    took = []
    async with Http(job["port"], {"Cookie": job["cookie"]}) as http:
        for _ in range(job["times"] + 3):
            start = time.monotonic()
            status, _ = await http.ask("GET", job["path"])
            took.append(time.monotonic() - start if status == 200 else float("inf"))
    return {"took": took[3:]}  # the first ones fill caches


async def watch(job: Job) -> Job:
    """Open inboxes, and when each first showed each mark; ends when all marks are on all of them, or in time."""
    shown: list[dict[str, float]] = [{} for _ in job["cookies"]]
    left = len(job["cookies"]) + 1
    ready = asyncio.Event()

    def arrived() -> None:
        nonlocal left
        left -= 1
        if left == 1:
            ready.set()

    async def inbox(cookie: str, seen: dict[str, float]) -> None:
        async with Socket(job["port"], cookie) as socket:
            arrived()
            while len(seen) < job["marks"]:
                content = await socket.frame()
                now = time.monotonic()
                for mark in MARK.findall(content):
                    seen.setdefault(mark.decode(), now)

    inboxes = [asyncio.create_task(inbox(cookie, seen)) for cookie, seen in zip(job["cookies"], shown, strict=True)]
    await asyncio.wait([asyncio.create_task(ready.wait()), *inboxes], return_when=asyncio.FIRST_COMPLETED, timeout=30)
    print_json({"ready": len(job["cookies"]) + 1 - left})
    await asyncio.wait(inboxes, timeout=job["seconds"])
    for inbox_task in inboxes:
        inbox_task.cancel()
    await asyncio.gather(*inboxes, return_exceptions=True)
    return {"shown": shown}


async def submit(job: Job) -> Job:
    """One marked request after the other, `gap` seconds apart: when each call began, and the request's id."""
    began, ids = {}, []
    async with Http(job["port"], bearer(job["key"])) as http:
        for number in range(job["marks"]):
            mark = f"MARK-{number:06d}"
            began[mark] = time.monotonic()
            answer = json.loads(await http.expect(201, "POST", "/api/v1/requests", body(number, mark=mark)))
            ids.append(answer["id"])
            await asyncio.sleep(job["gap"])
    return {"began": began, "ids": ids}


async def wait(job: Job) -> Job:
    """An agent whose `at_once` workers hang on their requests, in order: when each had its decision in hand."""
    left = iter(job["ids"])
    decided: dict[str, float] = {}

    async def worker() -> None:
        async with Http(job["port"], bearer(job["key"])) as http:
            for request in left:
                while True:
                    status, answer = await http.ask("GET", f"/api/v1/requests/{request}/decision?wait=30")
                    if status == 200 and json.loads(answer)["status"] == "decided":
                        decided[request] = time.monotonic()
                        break
                    if status != 202:
                        raise Unexpected(f"decision: {status} {answer[:300].decode(errors='replace')}")

    workers = [asyncio.create_task(worker()) for _ in range(job["at_once"])]
    await asyncio.sleep(1)
    print_json({"ready": len(workers)})
    await asyncio.wait_for(asyncio.gather(*workers), timeout=job["seconds"])
    return {"decided": decided}


JOBS: dict[str, Callable[[Job], Awaitable[Job]]] = {
    "rate": rate,
    "bulk": bulk,
    "page": page,
    "watch": watch,
    "submit": submit,
    "wait": wait,
}


def print_json(answer: Job) -> None:
    print(json.dumps(answer), flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def lines() -> Iterator[str]:
    yield from sys.stdin


if __name__ == "__main__":
    job = json.loads(next(lines()))
    print_json(asyncio.run(JOBS[job["do"]](job)))  # type: ignore[arg-type]  # each of them is a coroutine
