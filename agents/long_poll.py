"""Who waits for which request, and one task that looks for all of them.

A waiter is a future in a dictionary. The waker of an event loop reads all awaited requests in one query: when the
channel layer says that something was settled, and on a timer, because a push is a hint that may be lost.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.db import connection

from agents import push, threads
from approvals.history.audit import AuditedChange
from approvals.models import AuditEvent

GROUP = "decisions"
_TIMER = 1.0
_SETTLING = frozenset(
    {
        AuditEvent.Kind.DECIDED,
        AuditEvent.Kind.RELEASED,
        AuditEvent.Kind.EXPIRED,
        AuditEvent.Kind.CANCELLED,
        AuditEvent.Kind.SUPERSEDED,
        AuditEvent.Kind.STOPPED,
        AuditEvent.Kind.RECALLED,
    }
)

# Of thousands that wait only those are read that may have something new; the others cost an index probe each.
_STANDINGS = """
SELECT id, status <> 'pending' AS wakes, open_items - (
    SELECT count(*) FROM approvals_approval AS a WHERE a.request_id = p.id AND a.status = 'recalled'
) FROM approvals_approvalrequest AS p
WHERE id = ANY(%(waiting)s::uuid[]) AND (status <> 'pending' OR decide = 'independently')
UNION ALL
SELECT a.request_id, true, 0 FROM approvals_agentquestion AS i JOIN approvals_approval AS a ON a.id = i.approval_id
WHERE i.read_at IS NULL AND i.answered_at IS NULL AND a.status = 'pending' AND a.request_id = ANY(%(waiting)s::uuid[])
"""

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Waiter:
    """One held connection. Wakes when its request closes, when a reviewer asks the agent something, or, answered as
    they come, when another item is settled or recalled.

    `left` is what agents.wait.DecisionState says at its first look; None before it.
    """

    request: UUID
    woken: asyncio.Future[None]
    left: int | None = None


@dataclass(eq=False)
class LongPolls:
    """All waiters of one event loop, and the task that reads for them."""

    waiters: dict[UUID, set[Waiter]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    named: set[UUID] = field(default_factory=set)
    watch: asyncio.Task[None] | None = None

    def join(self, waiter: Waiter) -> None:
        self.waiters.setdefault(waiter.request, set()).add(waiter)
        if self.watch is None or self.watch.done():
            self.watch = asyncio.create_task(self._watch())

    def leave(self, waiter: Waiter) -> None:
        those = self.waiters.get(waiter.request, set())
        those.discard(waiter)
        if not those:
            self.waiters.pop(waiter.request, None)

    async def _watch(self) -> None:
        """Read those that the news names, and all of them every second."""
        loop = asyncio.get_running_loop()
        listening = asyncio.create_task(self._listen())
        all_at = loop.time()
        try:
            while True:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.news.wait(), max(0.0, all_at - loop.time()))
                self.news.clear()
                request_ids, self.named = self.named & self.waiters.keys(), set()
                if loop.time() >= all_at:
                    request_ids, all_at = set(self.waiters), loop.time() + _TIMER
                if request_ids:
                    await self._read(request_ids)
        finally:
            listening.cancel()

    async def _read(self, request_ids: Collection[UUID]) -> None:
        try:
            self._wake(await threads.reads.run(_standings, request_ids))
        except Exception:
            logger.exception("The waiting agents could not be looked up; again in a second.")
            await asyncio.sleep(_TIMER)

    def _wake(self, standings: Sequence[tuple[UUID, bool, int]]) -> None:
        for pk, wakes, left in standings:
            for waiter in self.waiters.get(pk, ()):
                another = waiter.left not in (None, left)
                if (wakes or another) and not waiter.woken.done():
                    waiter.woken.set_result(None)

    async def _listen(self) -> None:
        """Turn settled requests that are waited for into news; without Redis the timer alone must do."""
        while True:
            layer = get_channel_layer()
            try:
                channel = await layer.new_channel("wait.")
                await layer.group_add(GROUP, channel)
                try:
                    while True:
                        message = await layer.receive(channel)
                        if named := self.waiters.keys() & {UUID(request) for request in message.get("requests", ())}:
                            self.named |= named
                            self.news.set()
                finally:
                    await layer.group_discard(GROUP, channel)
            except Exception as error:
                logger.warning("No news for waiting agents, the timer reads alone: %r", error)
                await asyncio.sleep(5)


wakers: WeakKeyDictionary[asyncio.AbstractEventLoop, LongPolls] = WeakKeyDictionary()


def waker() -> LongPolls:
    """The waker of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in wakers:
        wakers[loop] = LongPolls()
    return wakers[loop]


def _standings(waiting: Collection[UUID]) -> list[tuple[UUID, bool, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_STANDINGS, {"waiting": [str(request) for request in waiting]})
        return [(pk, wakes, left) for pk, wakes, left in cursor.fetchall()]


def announce(changes: Sequence[AuditedChange]) -> None:
    """Tell every process which requests have something settled or asked: the audit listener of this side."""
    requests = {
        str(change.approval.request_id)
        for change in changes
        if change.event.kind == AuditEvent.Kind.ASKED
        or (change.event.kind in _SETTLING and not change.approval.is_open)
    }
    if requests:
        push.send(GROUP, {"type": "settled", "requests": sorted(requests)})
