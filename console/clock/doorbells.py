"""The clock's bells: Celery is rung for what is due to go out, from a thread of its own.

A broker that hangs takes the thread's time and nobody else's; the rows wait, and are rung for again.
"""

import threading
import time
from collections.abc import Hashable

import structlog
from celery import Task
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import connection
from kombu.exceptions import OperationalError as BrokerDown
from redis.exceptions import RedisError

from agents.tasks import send_webhooks
from approvals.evidence import labels, rollups
from approvals.notify import letters, sending, slack, webhooks
from approvals.oversight import draws
from approvals.policy.authoring import rehearsal_jobs
from approvals.tasks import carry, close_card, count_changes, deliver, enter_labels, put_in_case, rehearse

log = structlog.get_logger("assent.clock")

EVERY = 1.0  # seconds between two rounds that nobody asked for
AGAIN = 20.0  # seconds before a doorbell that nobody answered is rung again
LABELS_AGAIN = 5.0  # the same where something may have been found wrong: an agent that got worse is stopped by it
COUNT_AGAIN = 5.0  # the same for the rollups, which a page of figures is allowed to be behind by
CARRY_AGAIN = 2.0  # the same for a channel, which carries the next message where the last one was no longer needed


class Doorbells:
    """Rings for every row that is due, each bell at most once in a while, and says that the clock goes."""

    def __init__(self) -> None:
        self.turned_at = time.time()
        self._rung: dict[Hashable, float] = {}
        self._webhooks_rung: list[float] = []
        self._due = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="bells", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, patience: float) -> None:
        """End the thread after its round; one that a broker holds up ends with the process."""
        self._stopping = True
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    def clock_turned(self) -> None:
        """The clock has made a turn: something may be due. Returns at once."""
        self.turned_at = time.time()
        self._due.set()

    def ring(self) -> None:
        """One round. With the broker away the rows wait; nothing is lost."""
        try:
            self._ring()
            cache.set("clock:beat", self.turned_at, timeout=60)  # what the health page reads
        except (BrokerDown, RedisError, OSError) as error:
            log.warning("broker away", error=str(error)[:200])

    def _run(self) -> None:
        while not self._stopping:
            self._due.wait(EVERY)
            self._due.clear()
            try:
                self.ring()
            except DatabaseError as error:
                log.warning("database away", error=str(error)[:200])
                connection.close()
            except Exception:
                log.exception("a round of bells failed")
        connection.close()

    def _ring(self) -> None:
        for delivery in letters.due():
            self._once(delivery.pk, deliver, str(delivery.pk))
        for rehearsal in rehearsal_jobs.due():
            self._once(rehearsal, rehearse, str(rehearsal))
        for channel in sending.ready():
            self._once(channel, carry, str(channel), every=CARRY_AGAIN)
        for case in draws.due():
            self._once(case, put_in_case, str(case))
        for message in slack.stale_cards():
            self._once(message, close_card, message)
        if labels.ready():
            self._once("labels", enter_labels, every=LABELS_AGAIN)
        if rollups.behind():
            self._once("rollups", count_changes, every=COUNT_AGAIN)
        if not webhooks.ready():
            self._webhooks_rung = []
        elif not self._webhooks_rung or time.monotonic() - self._webhooks_rung[-1] >= len(self._webhooks_rung):
            # A sender at work looks again by itself, and one that is away is not to find a thousand bells.
            send_webhooks.apply_async(retry=False, expires=AGAIN)
            self._webhooks_rung = [*self._webhooks_rung[-4:], time.monotonic()]
        if len(self._rung) > 10_000:
            self._rung.clear()

    def _once(self, row: Hashable, task: "Task[..., None]", *arguments: object, every: float = AGAIN) -> None:
        if time.monotonic() - self._rung.get(row, -every) >= every:
            task.apply_async(arguments, retry=False, expires=AGAIN)
            self._rung[row] = time.monotonic()
