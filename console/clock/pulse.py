"""The clock's pulse: a call to an address outside, once a minute, as long as no deadline is late.

Whoever watches that address hears of a clock that stopped, a database that is away and a machine that is gone alike:
the pulse stays out. It stays out, too, while canary requests do not come through.
"""

import httpx
import structlog

from approvals import canary, clock
from approvals.db import times
from console.clock.beats import PeriodicCall

log = structlog.get_logger("assent.clock")

PATIENCE = 10.0  # seconds for an answer


class HeartbeatPing(PeriodicCall):
    """Calls the address while all is well; without an address it does nothing."""

    name = "pulse"
    every = 60.0

    def beat(self) -> bool:
        """One call, unless a deadline is late or canary requests fail; whether it was taken."""
        late = clock.late(times.now())
        if late:
            log.error("a deadline is late; no pulse is sent", seconds=round(late.total_seconds(), 1))
            return False
        if canary.standing_failure():
            log.error("canary requests do not come through; no pulse is sent")
            return False
        try:
            httpx.get(self.address, timeout=PATIENCE).raise_for_status()
        except httpx.HTTPError as error:
            log.warning("the pulse was not taken", error=type(error).__name__)
            return False
        return True
