"""From a client for threads to one for coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from assent.core import Core, Settings

if TYPE_CHECKING:
    from assent.aio.client import AsyncAssent
    from assent.sync.drive import Driver


class WithCoroutines:
    """What `Assent` has and `AsyncAssent` has not."""

    settings: Settings
    _core: Core
    _hands: Driver
    _sibling: AsyncAssent | None = None

    def asynchronous(self) -> AsyncAssent:
        """The same client for coroutines: same journal, same occurrences. It needs no closing of its own."""
        from assent.aio.client import AsyncAssent
        from assent.aio.drive import AsyncDriver

        if self._sibling is None:
            made = self._sibling = AsyncAssent.__new__(AsyncAssent)
            made.settings, made._core = self.settings, self._core
            both = self._hands.transport
            transport = both if isinstance(both, httpx.AsyncBaseTransport) else None
            made._hands = AsyncDriver(self.settings, transport)
        return self._sibling
