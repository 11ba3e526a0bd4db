"""Short work that would block an event loop, in a few threads of this side's own."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import close_old_connections

_T = TypeVar("_T")


class Threads:
    """A few threads that work for all coroutines of the process."""

    def __init__(self, name: str, most: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=most, thread_name_prefix=name)

    async def run(self, work: Callable[..., _T], *arguments: object) -> _T:
        """Run it in one of them, and give its connection back to the pool of connections."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _with_connection, work, arguments)


# Reads are short, so a few threads serve every agent that waits.
reads = Threads("wait", 4)
# A page of a list takes longer: nobody who waits for a decision stands behind it.
pages = Threads("page", 4)


def _with_connection(work: Callable[..., _T], arguments: Sequence[object]) -> _T:
    try:
        return work(*arguments)
    finally:
        close_old_connections()
