"""One thread that works on sets: what arrives while it works on one set is the next.

Of 32 agents that submit at once each would pay for a transaction of its own, and for a thread to run it in. Together
they pay for one. Whoever put something in is answered when the work on its set has returned, and not before.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from django.db import close_old_connections

_T = TypeVar("_T")
_R = TypeVar("_R")

logger = logging.getLogger(__name__)


class Full(Exception):
    """More waits than there is room for."""


class CoalescingWriter(Generic[_T, _R]):
    """Collects what tasks of any event loop put in, and gives it in order to `work`, at most `most` at once.

    `work` returns an answer for each, in the same order; what it raises, everybody of the set gets. `threads` sets are
    worked on side by side. At most `room` wait.
    """

    def __init__(
        self, work: Callable[[Sequence[_T]], Sequence[_R]], *, most: int, threads: int = 1, room: int = 1024
    ) -> None:
        self._work, self._most, self._threads, self._room = work, most, threads, room
        self._waiting: deque[tuple[_T, asyncio.Future[_R]]] = deque()
        self._news = threading.Condition()
        self._started = 0

    async def put(self, work_item: _T) -> _R:
        """What `work` answers to this one. Raises Full, and what `work` raises."""
        answer: asyncio.Future[_R] = asyncio.get_running_loop().create_future()
        with self._news:
            if len(self._waiting) >= self._room:
                raise Full
            self._waiting.append((work_item, answer))
            if self._started < self._threads:
                self._started += 1
                threading.Thread(target=self._run, name="writer", daemon=True).start()
            self._news.notify()
        return await answer

    def _run(self) -> None:
        while True:
            with self._news:
                idle = not self._waiting
            if idle:
                # A thread that has nothing to do keeps no connection from others.
                close_old_connections()
            with self._news:
                self._news.wait_for(lambda: self._waiting)
                taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            self._settle(taken)

    def _settle(self, taken: Sequence[tuple[_T, asyncio.Future[_R]]]) -> None:
        futures = [future for _, future in taken]
        try:
            answers = self._work([one for one, _ in taken])
        except Exception as error:
            logger.exception("a set of %d failed", len(taken))
            failed = error
            self._wake_loops(futures, lambda position: futures[position].set_exception(failed))
        else:
            self._wake_loops(futures, lambda position: futures[position].set_result(answers[position]))

    def _wake_loops(self, futures: Sequence[asyncio.Future[_R]], settle: Callable[[int], None]) -> None:
        """Wake each event loop once, however many of its tasks are answered."""
        places: dict[asyncio.AbstractEventLoop, list[int]] = {}
        for index, future in enumerate(futures):
            places.setdefault(future.get_loop(), []).append(index)

        def settle_all(some: Sequence[int]) -> None:
            for index in some:
                if not futures[index].done():  # its task may have been cancelled
                    settle(index)

        for loop, some in places.items():
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(settle_all, some)
