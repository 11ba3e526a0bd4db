"""News for sockets and waiting agents, published from a thread of its own.

A push is a hint: whoever hears nothing reads again on a timer. So `send` never waits, never fails, and drops
what it cannot place: a request that settled something must not be slower or fail because Redis is away.
"""

import asyncio
import atexit
import logging
import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from channels.layers import get_channel_layer

# Serialised by msgpack: texts, numbers, lists and mappings of them; "type" names the method of the consumer.
Message = Mapping[str, object]

_BACKLOG = 10_000
_AT_ONCE = 100  # messages
_PATIENCE = 2.0  # seconds for so many; a Redis that hangs costs the thread, never a request
_SILENCE = 30.0  # seconds between two log lines about a Redis that stays away

logger = logging.getLogger(__name__)


class Publisher:
    """A bounded queue and the thread that empties it into the channel layer."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[str, Message]] = queue.Queue(_BACKLOG)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._complained = -_SILENCE

    def send(self, group: str, message: Message) -> None:
        try:
            self._waiting.put_nowait((group, message))
        except queue.Full:
            return  # the readers' timers make up for it
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="push", daemon=True)
                    self._thread.start()

    def flush(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)
        return not self._waiting.unfinished_tasks

    def _run(self) -> None:
        # The layer's connection belongs to the loop that first used it: one loop for the life of the thread.
        with asyncio.Runner() as runner:
            while True:
                taken = [self._waiting.get()]
                with suppress(queue.Empty):
                    while len(taken) < _AT_ONCE:
                        taken.append(self._waiting.get_nowait())
                try:
                    runner.run(self._publish(taken))
                except Exception as error:
                    self._log_outage(error)
                finally:
                    for _ in taken:
                        self._waiting.task_done()

    async def _publish(self, taken: Sequence[tuple[str, Message]]) -> None:
        layer = get_channel_layer()
        if layer is not None:
            async with asyncio.timeout(_PATIENCE):
                for group, message in taken:
                    await layer.group_send(group, dict(message))

    def _log_outage(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._complained >= _SILENCE:
            self._complained = now
            logger.warning("News is not going out, pages and agents read on their timers: %r", error)


_publisher = Publisher()


def send(group: str, message: Message) -> None:
    """Announce `message` to a channel group, soon and at most once. Returns at once; safe in any thread."""
    _publisher.send(group, message)


def flush(seconds: float = 1.0) -> bool:
    """Wait until everything sent so far is out or dropped; False when `seconds` were not enough."""
    return _publisher.flush(seconds)


def _after_fork() -> None:
    # A thread does not survive a fork: the child starts its own, with an empty queue.
    global _publisher
    _publisher = Publisher()


os.register_at_fork(after_in_child=_after_fork)
# A command that ends right after its change still gets its news out.
atexit.register(flush)
