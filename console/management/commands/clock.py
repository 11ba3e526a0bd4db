"""The clock process: everything that happens because time passed."""

import signal
import time
from argparse import ArgumentParser
from datetime import datetime
from types import FrameType

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, OperationalError, close_old_connections, connection

from approvals import clock
from approvals.db import times
from approvals.decisions import attempts
from approvals.history import seal, witness
from approvals.notify import reached
from approvals.people import on_call
from approvals.workload import overload
from console.clock.canary import Canary
from console.clock.doorbells import Doorbells
from console.clock.pulse import HeartbeatPing
from console.inbox import live

log = structlog.get_logger("assent.clock")

LONGEST_SLEEP = 1.0
ALARM_EVERY = 15.0  # seconds
PATIENCE = 2.0  # seconds for the last round of bells when it stops


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
        self.watch = clock.ClockWatch(lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        self.looked_at = times.now()
        self.bells = Doorbells()
        self.beats = [HeartbeatPing(settings.ASSENT_PULSE_URL), Canary(settings.ASSENT_CANARY_URL)]
        self.sealed_all_at = -3600.0
        self.measured_at = -3600.0
        self.tidied_at = -3600.0
        self.alarmed_at = -3600.0
        self.checkpoint_slot = -1  # none yet: the first round writes one

    def stop(self, signum: int, frame: FrameType | None) -> None:
        self.stopping = True

    def run(self) -> None:
        if not self.once:
            self.bells.start()
            for beat in self.beats:
                beat.start()
        try:
            self._run()
        finally:
            self.bells.stop(patience=PATIENCE)
            for beat in self.beats:
                beat.stop(patience=PATIENCE)
        if not self.once:
            self.end()

    def _run(self) -> None:
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
        except clock.ClockJumped as jump:
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
        self.alarm()
        self.seal(now)
        self.tidy(now)
        if self.once:
            self.bells.ring()
        else:
            self.bells.clock_turned()
        upcoming = clock.next_moment()
        return (
            LONGEST_SLEEP
            if upcoming is None
            else min(max((upcoming - times.now()).total_seconds(), 0.01), LONGEST_SLEEP)
        )

    def turns(self, now: datetime) -> None:
        """An absence that began or ended since the last round changed somebody's rights: open pages hear of it."""
        live.absence_turned(on_call.absences_changed_between(self.looked_at, now))
        self.looked_at = now

    def look(self, now: datetime) -> None:
        """At the queues that policy limits, however often something else is due."""
        if time.monotonic() - self.measured_at >= LONGEST_SLEEP:
            try:
                overload.watch(now=now)
            except DatabaseError:
                log.exception("the queues could not be looked at")  # deadlines do not wait for a banner
            self.measured_at = time.monotonic()

    def alarm(self) -> None:
        """Of what nobody was told in time."""
        if time.monotonic() - self.alarmed_at >= ALARM_EVERY:
            try:
                reached.alarm()
            except DatabaseError:
                log.exception("what nobody heard of could not be looked for")
            self.alarmed_at = time.monotonic()

    def tidy(self, now: datetime) -> None:
        """Now and then, what nobody can ask for any more."""
        if time.monotonic() - self.tidied_at > 600:
            attempts.forget(now)
            self.tidied_at = time.monotonic()

    def seal(self, now: datetime) -> None:
        everything = time.monotonic() - self.sealed_all_at > 600
        seal.seal(now=now, everything=everything)
        if everything:
            self.sealed_all_at = time.monotonic()
        # By the wall clock: a machine that slept for hours writes one when it wakes.
        slot = int(now.timestamp()) // settings.ASSENT_CHECKPOINT_SECONDS
        if slot != self.checkpoint_slot:
            self.checkpoint(now)
            self.checkpoint_slot = slot

    def checkpoint(self, now: datetime) -> None:
        try:
            witness.checkpoint(settings.ASSENT_CHECKPOINT_FILE, now=now)
        except (OSError, witness.BrokenWitness):
            log.exception("no checkpoint could be written")  # deadlines do not wait for it; the next hour tries again

    def end(self) -> None:
        """What was sealed up to the end is in a checkpoint too, whenever this process runs again."""
        try:
            seal.seal(now=times.now())
            self.checkpoint(times.now())
        except DatabaseError as error:
            log.warning("no last checkpoint: the database is away", error=str(error)[:200])
