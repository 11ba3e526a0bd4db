"""The clock's pulse: a call to an address outside, once a minute, as long as no deadline is late.

Whoever watches that address hears of a clock that stopped, a database that is away and a machine that is gone alike:
the pulse stays out. It has a thread of its own, so that an address that hangs holds up no deadline.
"""

import threading

import httpx
import structlog
from django.db import Error as DatabaseError
from django.db import connection

from approvals import times
from approvals.review import clock

log = structlog.get_logger("assent.clock")

EVERY = 60.0  # seconds
PATIENCE = 10.0  # seconds for an answer


class Pulse:
    """Calls the address while all is well; without an address it does nothing."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        if self.address:
            self._thread.start()

    def stop(self, *, patience: float) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def beat(self) -> bool:
        """One call, unless a deadline is late; whether it was taken."""
        late = clock.late(times.now())
        if late:
            log.error("a deadline is late; no pulse is sent", seconds=round(late.total_seconds(), 1))
            return False
        try:
            httpx.get(self.address, timeout=PATIENCE).raise_for_status()
        except httpx.HTTPError as error:
            log.warning("the pulse was not taken", error=type(error).__name__)
            return False
        return True

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            try:
                self.beat()
            except DatabaseError as error:
                log.warning("database away", error=str(error)[:200])
                connection.close()
            except Exception:
                log.exception("no pulse could be sent")
        connection.close()
