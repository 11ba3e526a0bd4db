"""Keeps a list of processes running: what dies is started again, what answers no more is ended, all stops in order."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from console.embedded.processes import Process, kill_group, stop
from console.startup.terminal import say

PAUSES = (0.5, 0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # before each further attempt, in seconds
SETTLED = 3.0  # a process that lives this long runs again
FORGIVEN = 60.0  # and after this long its earlier deaths count no more
LOG_CHECK = 30.0
PROBE_EVERY = 10.0
PROBES = 3  # that nobody answered, one after the other
FIRST_ANSWER = 90.0  # how long a process may take to come up


@dataclass
class Probe:
    """Asks whether a process answers, in a thread: the supervisor waits for nobody."""

    answers: Callable[[], bool]
    silent: int = 0  # probes without an answer since the last one
    answered: bool = False  # at all
    last_asked_at: float = 0.0
    asking: threading.Thread | None = None

    def ask(self, now: float) -> None:
        """Ask once more, unless it is too soon or the last one is not through."""
        if now - self.last_asked_at < PROBE_EVERY or (self.asking is not None and self.asking.is_alive()):
            return
        self.last_asked_at = now
        self.asking = threading.Thread(target=self._ask, daemon=True)
        self.asking.start()

    def _ask(self) -> None:
        if self.answers():
            self.silent, self.answered = 0, True
        else:
            self.silent += 1


@dataclass
class WatchedProcess:
    """A process with what the supervisor remembers about it."""

    process: Process
    deaths: int = 0
    is_announced: bool = True  # whether the terminal knows that it runs
    started: float = field(default_factory=time.monotonic)
    next_start: float | None = None
    probe: Probe | None = None

    def __post_init__(self) -> None:
        self._new_probe()

    def start(self, now: float) -> None:
        self.process.start()
        self.started, self.next_start = now, None
        self._new_probe()

    def hangs(self, now: float) -> bool:
        """Whether it has come up, and has left several probes without an answer."""
        if self.probe is None:
            return False
        self.probe.ask(now)
        late = self.probe.answered or now - self.started > FIRST_ANSWER
        return late and self.probe.silent >= PROBES

    def _new_probe(self) -> None:
        answers = self.process.program.answers
        self.probe = Probe(answers, last_asked_at=time.monotonic()) if answers else None


class Supervisor:
    """Groups of processes: started first to last, stopped last to first."""

    def __init__(self) -> None:
        self.groups: list[list[WatchedProcess]] = []

    def add(self, processes: Sequence[Process]) -> None:
        """Watch a group that has been started already."""
        self.groups.append([WatchedProcess(process) for process in processes])

    @property
    def watched(self) -> list[WatchedProcess]:
        return [watched for group in self.groups for watched in group]

    def all_run(self) -> bool:
        return all(watched.process.ready() for watched in self.watched)

    def check(self) -> None:
        """Look at every process once; start again what died and has waited long enough."""
        now = time.monotonic()
        for watched in self.watched:
            process = watched.process
            if watched.next_start is not None:
                if now >= watched.next_start:
                    watched.start(now)
            elif not process.alive():
                self._died(watched, now)
            elif process.child and watched.hangs(now):
                say(f"  {process.name} answers nothing any more and is ended.")
                watched.probe = None
                kill_group(process.child.pid)
            elif not watched.is_announced and now - watched.started >= SETTLED and process.ready():
                say(f"  {process.name} runs again.")
                watched.is_announced = True
            elif watched.deaths and now - watched.started >= FORGIVEN:
                watched.deaths = 0

    def _died(self, watched: WatchedProcess, now: float) -> None:
        process = watched.process
        pause = PAUSES[min(watched.deaths, len(PAUSES) - 1)]
        watched.next_start = now + pause
        watched.deaths += 1
        # The quick attempts of one failure are one line; what keeps failing is said again.
        if watched.is_announced or pause >= 1.0:
            say(
                f"  {process.name} stopped by itself ({process.how_it_ended()}) and is started again in {pause:g} s. "
                f"Log: {process.home.log(process.name)}"
            )
        watched.is_announced = False

    def run(self) -> None:
        """Watch until an exception ends it, as the one that a signal raises."""
        logs_checked = time.monotonic()
        while True:
            self.check()
            if time.monotonic() - logs_checked > LOG_CHECK:
                for watched in self.watched:
                    watched.process.bound_log()
                logs_checked = time.monotonic()
            time.sleep(0.25)

    def stop(self, *, patience: float) -> None:
        """Stop all groups, the last first, each with its share of `patience` seconds and what others left of theirs."""
        deadline = time.monotonic() + patience
        for left in range(len(self.groups), 0, -1):
            share = max(0.5, (deadline - time.monotonic()) / left)
            stop([watched.process for watched in self.groups[left - 1]], patience=share)
        self.groups.clear()
