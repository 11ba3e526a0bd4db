"""The inbox's socket: forwards what changed in the person's queues, and takes nothing in.

Verdicts never come this way: a message queued while offline would decide minutes later.
"""

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from approvals.db import times
from approvals.models import NotificationRecord
from approvals.notify import reached
from console.inbox import live
from console.inbox.desktop import Desktop

COLLECT = 0.1  # seconds in which changes become one frame
BACKLOG = 1000  # changes waiting for a page; beyond that it re-reads its list

REFUSED = 4400  # the page sent something
SIGNED_OUT = 4401  # the session is over: the page asks to sign in
GONE = 4403  # rights changed: the page reconnects and is asked who it is


class InboxConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # channels ships no types
    """One open inbox."""

    async def connect(self) -> None:
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.close()
            return
        self.user_id: UUID = user.pk
        self.session_key: str = self.scope["session"].session_key or ""
        watch = await database_sync_to_async(live.watch_of)(user)
        if not watch:
            await self.close()
            return
        self.watch = watch
        self.language: str = user.language
        self.waiting: dict[UUID, int] = {}
        self.sent: OrderedDict[UUID, int] = OrderedDict()
        self.sending: asyncio.Task[None] | None = None
        self.follower = live.follower()
        now = await database_sync_to_async(times.now)()
        self.desktop = Desktop(user, watch.authority, since=now)
        for group in watch.groups:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.accept()
        self.follower.join(self)
        # The page now reads the list again: what changed before the groups were joined is in it.
        await self.send_json({"type": "hello", "now": now.isoformat()})

    async def disconnect(self, code: int) -> None:
        if not hasattr(self, "watch"):
            return
        await self.follower.leave(self)
        if self.sending is not None:
            self.sending.cancel()
        for group in self.watch.groups:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **_: object) -> None:
        """A page has nothing to say here."""
        await self.close(code=REFUSED)

    async def rows_changed(self, message: dict[str, dict[str, int]]) -> None:
        self.collect({UUID(pk): seq for pk, seq in message["ids"].items()})

    async def overload_changed(self, message: object) -> None:
        await self.send_json({"type": "overload"})

    async def access_changed(self, message: object) -> None:
        await self.close(code=GONE)

    def collect(self, changed: dict[UUID, int]) -> None:
        """Note what changed; the first of a burst starts the frame's clock."""
        for pk, seq in changed.items():
            if self.sent.get(pk, 0) < seq and len(self.waiting) <= BACKLOG:
                self.waiting[pk] = max(seq, self.waiting.get(pk, 0))
        if self.waiting and (self.sending is None or self.sending.done()):
            self.sending = asyncio.get_running_loop().create_task(self._send())

    async def _send(self) -> None:
        while self.waiting:
            await asyncio.sleep(COLLECT)
            sequences, self.waiting = self.waiting, {}
            if len(sequences) > live.MOST:
                self._remember(sequences)
                await self.send_json({"type": "reload"})
                continue
            shown_rows = await self.follower.board.rows(sequences, self.language)
            self._remember(sequences)
            frame = [{**row, "gone": not self.watch.covers(row["queue"], row["agent"])} for row in shown_rows]
            if frame:
                tell = self.desktop.of(shown_rows, now=datetime.now(UTC))
                await self.send_json({"type": "rows", "rows": frame, "tell": tell, "feed": self.follower.feed})
                if first := live.first_shown(shown_rows, self.watch.authority):
                    await database_sync_to_async(reached.record_notified)(first, NotificationRecord.By.INBOX)

    def _remember(self, sequences: dict[UUID, int]) -> None:
        for pk, seq in sequences.items():
            self.sent[pk] = seq
            self.sent.move_to_end(pk)
        while len(self.sent) > BACKLOG:
            self.sent.popitem(last=False)

    async def beat(self, beat: live.Heartbeat) -> None:
        """A heartbeat: closes where the session is over or rights changed, sends what the layer may have lost, and says
        feed, time and count.
        """
        if self.session_key not in beat.sessions:
            await self.close(code=SIGNED_OUT)
            return
        watch = beat.watches.get(self.user_id)
        if watch != self.watch:
            await self.close(code=GONE)
            return
        missed = {pk: seq for pk, seq in beat.changed.items() if self.sent.get(pk, 0) < seq}
        if len(missed) > live.MOST:
            await self.send_json({"type": "reload"})
        elif missed:
            mine = await database_sync_to_async(live.concerned)(missed, self.watch)
            self.collect({pk: seq for pk, seq in missed.items() if pk in mine})
        await self.send_json(
            {"type": "heartbeat", "feed": beat.feed, "now": beat.now, "count": beat.counts.get(self.user_id, 0)}
        )
