"""Sends what the outbox holds for endpoints: many at once, a few at a time to each, until nothing is due.

One sender per process. Rows are taken for the time of an attempt, so several processes share the work, and one that is
killed leaves everything to the next: delivered at least once.
"""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import close_old_connections, connections

from agents.webhooks import signing
from agents.webhooks.addresses import Forbidden
from agents.webhooks.post import Answer, Poster, Unanswered
from approvals.db import secret_box
from approvals.models import Delivery
from approvals.notify import deliveries, webhooks
from approvals.notify.deliveries import NotDelivered
from approvals.values.compact import compact

_T = TypeVar("_T")

AT_ONCE = 64
SHIFT = 60.0  # seconds; then it takes nothing more, and the next sender may begin while it finishes
LINGER = 3.0  # seconds without anything to do, after which it ends: a bell takes longer than a look
_LOOK = 0.25  # seconds between two looks for what has become due
_GATHER = 0.005  # seconds in which what ends together is counted together

logger = logging.getLogger(__name__)
_at_work = threading.Lock()
_stopping = threading.Event()


def send(*, seconds: float = SHIFT, linger: float = 0.0, poster: Callable[[], Poster] = Poster) -> int:
    """Send until nothing was due for `linger` seconds, or the shift is over; returns how many attempts were made.

    Returns 0 at once where another thread of this process is at it: that one looks again by itself.
    """
    if not _at_work.acquire(blocking=False):
        return 0
    sender = _Sender(poster(), seconds=seconds, linger=linger)
    try:
        return asyncio.run(sender.run())
    finally:
        sender.hand_over()


def stop() -> None:
    """Take nothing more and wait for nothing: what is under way is due again when its lease ends."""
    _stopping.set()


class _Sender:
    """One shift."""

    def __init__(self, poster: Poster, *, seconds: float, linger: float) -> None:
        self._poster = poster
        self._books = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        self._under_way: dict[asyncio.Task[None], UUID] = {}
        self._attempts = 0
        self._end = time.monotonic() + seconds
        self._linger = linger
        self._active = time.monotonic()
        self._on_duty = True

    def hand_over(self) -> None:
        """Let the next one begin: an attempt may take 15 seconds yet, and what becomes due does not wait for it."""
        if self._on_duty:
            self._on_duty = False
            _at_work.release()

    async def run(self) -> int:
        try:
            async with self._poster:
                while await self._more():
                    if self._under_way:
                        await asyncio.wait(self._under_way, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
                        await asyncio.sleep(_GATHER)
                    else:
                        await asyncio.sleep(_LOOK)
                    for task in [one for one in self._under_way if one.done()]:
                        del self._under_way[task]
                        task.result()
        finally:
            await asyncio.get_running_loop().run_in_executor(self._books, connections.close_all)
            self._books.shutdown()
        return self._attempts

    async def _more(self) -> bool:
        """Begin what is due and has room; False when there is nothing left to wait for."""
        if _stopping.is_set():
            return False
        if time.monotonic() >= self._end:
            self.hand_over()
            return bool(self._under_way)
        room = AT_ONCE - len(self._under_way)
        if room:
            busy = Counter(self._under_way.values())
            for delivery in await self._in_books(webhooks.take_due, room, busy):
                if delivery.endpoint_id is not None:
                    self._under_way[asyncio.create_task(self._attempt(delivery))] = delivery.endpoint_id
                    self._attempts += 1
        if self._under_way:
            self._active = time.monotonic()
        return bool(self._under_way) or time.monotonic() - self._active < self._linger

    async def _attempt(self, delivery: Delivery) -> None:
        endpoint = delivery.endpoint
        if endpoint is not None and endpoint.callback and not endpoint.agent.callback_secret:
            await self._in_books(signing.ensure_callback_secret, endpoint.agent)
        try:
            answer = await attempt(delivery, self._poster)
        except Forbidden as forbidden:
            failure = NotDelivered(str(forbidden), hopeless=not forbidden.passing)
        except (Unanswered, secret_box.WrongSecret) as error:
            failure = NotDelivered(str(error))
        else:
            refusal = failure_of(answer)
            if refusal is None:
                await self._in_books(partial(deliveries.record_delivered, [delivery], answered=answer.status))
                return
            failure = refusal
        await self._in_books(deliveries.record_failure, [delivery], failure)

    async def _in_books(self, work: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._books, _kept, work, arguments)


def _kept(work: Callable[..., _T], arguments: tuple[object, ...]) -> _T:
    try:
        return work(*arguments)
    finally:
        close_old_connections()


async def attempt(delivery: Delivery, poster: Poster) -> Answer:
    """Sign it and send it, whatever the books say of it. Raises Forbidden, Unanswered, WrongSecret."""
    endpoint = delivery.endpoint
    if endpoint is None:
        raise Forbidden("The endpoint was deleted.")
    body = compact(delivery.payload)
    now = datetime.now(UTC)  # a receiver compares it with its own clock
    kept = endpoint.agent.callback_secret if endpoint.callback else endpoint.secret
    return await poster.post(
        delivery.target,
        body.encode(),
        {
            "webhook-id": str(delivery.pk),
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signing.signatures(kept, id=str(delivery.pk), body=body, now=now),
        },
    )


def failure_of(answer: Answer) -> NotDelivered | None:
    """What an answer means; None: it was taken."""
    status = answer.status
    if 200 <= status < 300:
        return None
    if status == 410:
        return NotDelivered("410 Gone: the endpoint wants nothing more", status)
    wait = answer.wait if status in {429, 503} else None
    if status == 429 and wait is None:
        wait = timedelta(minutes=1)
    detail = "redirects are not followed" if 300 <= status < 400 else ""
    alive = status < 500 and status != 429
    return NotDelivered(f"HTTP {status}{detail and ', '}{detail}", status, wait=wait, alive=alive)
