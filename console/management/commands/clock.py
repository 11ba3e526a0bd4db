"""The clock process: everything that happens because time passed."""

import signal
import time
from argparse import ArgumentParser
from datetime import datetime
from types import FrameType

import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.management.base import BaseCommand
from django.db import DatabaseError, OperationalError, close_old_connections, connection
from kombu.exceptions import OperationalError as BrokerDown

from agents.tasks import send_webhooks
from approvals import duty, seal, times
from approvals.policy import trials
from approvals.review import clock, degraded, deliveries, notices, slack, webhooks
from approvals.tasks import carry, close_card, deliver, rehearse
from console import live

log = structlog.get_logger("assent.clock")

LONGEST_SLEEP = 1.0
RING_AGAIN = 20.0  # seconds before a doorbell that nobody answered is rung again
CARRY_AGAIN = 2.0  # the same for a channel, which carries the next message where the last one was no longer needed


class Command(BaseCommand):
    help = "Expires, escalates and releases on time, seals history, and rings Celery for what is due to go out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="sweep once and stop")

    def handle(self, *args: object, once: bool = False, **options: object) -> None:
        running = Running(once=once)
        signal.signal(signal.SIGTERM, running.stop)
        signal.signal(signal.SIGINT, running.stop)
        running.run()


class Running:
    """The loop. The database being away is waited out; a jump of the wall clock stops the deadlines and is said."""

    def __init__(self, *, once: bool) -> None:
        self.once = once
        self.stopping = False
        self.watch = clock.Watch(lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        self.looked_at = times.now()
        self.rung: dict[object, float] = {}
        self.webhooks_rung: list[float] = []
        self.sealed_all_at = -3600.0
        self.measured_at = -3600.0
        self.checkpoint_at = time.monotonic() + settings.ASSENT_CHECKPOINT_SECONDS

    def stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True

    def run(self) -> None:
        while not self.stopping:
            try:
                pause = self.turn()
            except OperationalError as error:
                log.warning("database away", error=str(error)[:200])
                close_old_connections()
                connection.close()
                pause = 0.5
            if self.once:
                return
            time.sleep(pause)

    def turn(self) -> float:
        """One round; returns the seconds until the next."""
        now = times.now()
        try:
            self.watch.check(now)
        except clock.Jump as jump:
            log.error("deadlines are stopped; set the clock right, or restart this process", reason=str(jump))
            return LONGEST_SLEEP
        swept = clock.sweep()
        if swept:
            log.info(
                "swept",
                released=swept.released,
                expired=swept.expired,
                escalated=swept.escalated,
                unclaimed=swept.unclaimed,
            )
        self.turns(now)
        self.look(now)
        self.seal()
        self.ring()
        self.beat()
        upcoming = clock.next_moment()
        return (
            LONGEST_SLEEP
            if upcoming is None
            else min(max((upcoming - times.now()).total_seconds(), 0.01), LONGEST_SLEEP)
        )

    def turns(self, now: datetime) -> None:
        """An absence that began or ended since the last round changed somebody's rights: open pages hear of it."""
        live.absence_turned(duty.turned(self.looked_at, now))
        self.looked_at = now

    def look(self, now: datetime) -> None:
        """At the queues that policy limits, however often something else is due."""
        if time.monotonic() - self.measured_at >= LONGEST_SLEEP:
            try:
                degraded.watch(now=now)
            except DatabaseError:
                log.exception("the queues could not be looked at")  # deadlines do not wait for a banner
            self.measured_at = time.monotonic()

    def seal(self) -> None:
        everything = time.monotonic() - self.sealed_all_at > 600
        seal.seal(now=times.now(), everything=everything)
        if everything:
            self.sealed_all_at = time.monotonic()
        if time.monotonic() > self.checkpoint_at or self.once:
            seal.checkpoint(settings.ASSENT_CHECKPOINT_FILE, now=times.now(), secret=settings.SECRET_KEY)
            self.checkpoint_at = time.monotonic() + settings.ASSENT_CHECKPOINT_SECONDS

    def ring(self) -> None:
        """Ring for what is due. With the broker away the rows wait; nothing is lost."""
        try:
            for one in deliveries.due():
                if time.monotonic() - self.rung.get(one.pk, -RING_AGAIN) >= RING_AGAIN:
                    deliver.apply_async((str(one.pk),), retry=False)
                    self.rung[one.pk] = time.monotonic()
            for pk in trials.due():
                if time.monotonic() - self.rung.get(pk, -RING_AGAIN) >= RING_AGAIN:
                    rehearse.apply_async((str(pk),), retry=False)
                    self.rung[pk] = time.monotonic()
            for pk in notices.ready():
                if time.monotonic() - self.rung.get(pk, -CARRY_AGAIN) >= CARRY_AGAIN:
                    carry.apply_async((str(pk),), retry=False, expires=RING_AGAIN)
                    self.rung[pk] = time.monotonic()
            for card in slack.stale():
                if time.monotonic() - self.rung.get(card, -RING_AGAIN) >= RING_AGAIN:
                    close_card.apply_async((card,), retry=False)
                    self.rung[card] = time.monotonic()
            if not webhooks.ready():
                self.webhooks_rung = []
            elif not self.webhooks_rung or time.monotonic() - self.webhooks_rung[-1] >= len(self.webhooks_rung):
                # A sender at work looks again by itself, and one that is away is not to find a thousand bells.
                send_webhooks.apply_async(retry=False, expires=RING_AGAIN)
                self.webhooks_rung = [*self.webhooks_rung[-4:], time.monotonic()]
        except (BrokerDown, OSError) as error:
            log.warning("broker away", error=str(error)[:200])
            return
        if len(self.rung) > 10_000:
            self.rung.clear()

    def beat(self) -> None:
        """Tell the health page that time passes."""
        cache.set("clock:beat", time.time(), timeout=60)
