"""How each kind of delivery is tried again, and when it is given up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom

from approvals.models import Delivery

_dice = SystemRandom()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """There is one attempt more than there are waits between them."""

    waits: tuple[timedelta, ...]
    lease: timedelta  # longer than any attempt takes: what a worker had that died is due again after it
    gives_up_after: timedelta  # since it was written, however many attempts there were
    jitter: float = 0.0  # of a wait or rest, either way
    first_rest: timedelta = timedelta(0)  # of the endpoint or channel that failed; twice as long each time
    longest_rest: timedelta = timedelta(0)
    longest_retry_after: timedelta = timedelta(0)  # of what an endpoint wishes by Retry-After
    permanent: frozenset[int] = frozenset()  # HTTP statuses after which no attempt is made
    alarm_every: timedelta | None = None  # at most, of what is given up at one endpoint; None: without an alarm

    @property
    def attempts(self) -> int:
        return len(self.waits) + 1

    def wait_after(self, attempts: int, wish: timedelta | None = None) -> timedelta:
        """How long to wait after so many attempts, the last of which may have wished for a time."""
        return self._at_least(self._scattered(self.waits[attempts - 1]), wish)

    def rest_after(self, failures: int, wish: timedelta | None = None) -> timedelta:
        """How long an endpoint or channel rests that had failed so often in a row before it failed again."""
        return self._at_least(self._scattered(min(self.first_rest * 2 ** min(failures, 10), self.longest_rest)), wish)

    def _scattered(self, wait: timedelta) -> timedelta:
        return wait * _dice.uniform(1 - self.jitter, 1 + self.jitter)

    def _at_least(self, wait: timedelta, wish: timedelta | None) -> timedelta:
        return wait if wish is None else max(wait, min(wish, self.longest_retry_after))


MAIL = RetryPolicy(
    waits=tuple(timedelta(seconds=30) * 2**n for n in range(7)),
    lease=timedelta(seconds=60),
    gives_up_after=timedelta(days=7),
)
# The waits of Standard Webhooks: 75 hours and 35 minutes together. Who was away that long finds what is older dead.
WEBHOOK = RetryPolicy(
    waits=(
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(hours=5),
        timedelta(hours=10),
        timedelta(hours=14),
        timedelta(hours=20),
        timedelta(hours=24),
    ),
    lease=timedelta(seconds=30),
    gives_up_after=timedelta(hours=76),
    jitter=0.1,
    first_rest=timedelta(seconds=5),
    longest_rest=timedelta(minutes=5),
    longest_retry_after=timedelta(hours=24),
    permanent=frozenset({410}),
    alarm_every=timedelta(hours=6),
)
# They wait with their channel, and what is older says nothing that the inbox does not say better. That nobody heard
# of an approval is alarmed of by itself (see `reached`).
NOTIFICATION = RetryPolicy(
    waits=(timedelta(0),) * 7,
    lease=timedelta(seconds=60),
    gives_up_after=timedelta(hours=12),
    jitter=0.1,
    first_rest=timedelta(seconds=15),
    longest_rest=timedelta(minutes=15),
)

POLICIES: Mapping[str, RetryPolicy] = {
    Delivery.Channel.MAIL: MAIL,
    Delivery.Channel.WEBHOOK: WEBHOOK,
    Delivery.Channel.NOTICE: NOTIFICATION,
}
