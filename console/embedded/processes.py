"""Child processes that do not outlive their parent, and that are found again when they did."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from console.embedded.guise import ProcessIdentity
from console.embedded.paths import DataDirectory

LOG_LIMIT = 10 * 1024 * 1024
_PR_SET_PDEATHSIG = 1
# Loaded before any fork: a child may not import.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """A process to be kept running: what is started, how it is asked to stop, how one sees that it is ready."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)  # on top of the parent's
    fds: Sequence[int] = ()
    guise: ProcessIdentity | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    before: Callable[[], None] = lambda: None
    ready: Callable[[int], bool] = lambda pid: True
    answers: Callable[[], bool] | None = None  # what the supervisor asks of one that runs; may take seconds


class Process:
    """One program, running or not, with its log and its pid file."""

    def __init__(self, program: Program, home: DataDirectory) -> None:
        self.program = program
        self.home = home
        self.child: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.program.name

    def start(self) -> None:
        """Start it. Must be called by a thread that lives as long as the child should: Linux ties them together."""
        program, parent = self.program, os.getpid()

        def before_exec() -> None:
            if program.guise:
                program.guise.enter()
            # After the change of identity, which would clear it. Should the parent be killed, the child is told.
            if _libc:
                _libc.prctl(_PR_SET_PDEATHSIG, program.stop_signal)
                if os.getppid() != parent:
                    os._exit(1)

        program.before()
        with self.home.log(self.name).open("ab") as log:
            self.child = subprocess.Popen(  # noqa: S603 - our own programs
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **program.env},
                pass_fds=program.fds,
                preexec_fn=before_exec,
                # A session of its own: Ctrl+C reaches the parent alone, who stops the children in order.
                start_new_session=True,
            )
        self.home.pid_file(self.name).write_text(
            f"{self.child.pid} {int(program.stop_signal)} {identity(self.child.pid)}"
        )

    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def ready(self) -> bool:
        return self.child is not None and self.alive() and self.program.ready(self.child.pid)

    def wait(self, *, patience: float) -> None:
        """Give a process that ends by itself the time to do so."""
        if self.child:
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(patience)

    def how_it_ended(self) -> str:
        """The end of a dead child in words."""
        code = self.child.returncode if self.child else None
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit {code}"

    def bound_log(self) -> None:
        """Move what a long-running child has written aside once it is too much; the child keeps appending."""
        log = self.home.log(self.name)
        with suppress(FileNotFoundError):
            if log.stat().st_size > LOG_LIMIT:
                shutil.copyfile(log, f"{log}.1")
                os.truncate(log, 0)


def stop(processes: Sequence[Process], *, patience: float) -> None:
    """Ask all of them to stop, and kill what is still there after `patience` seconds."""
    for process in processes:
        if process.child and process.alive():
            process.child.send_signal(process.program.stop_signal)
    deadline = time.monotonic() + patience
    for process in processes:
        if process.child is None:
            continue
        try:
            process.child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            kill_group(process.child.pid)
            process.child.wait()
        process.home.pid_file(process.name).unlink(missing_ok=True)


def end_orphans(home: DataDirectory, *, patience: float = 10.0) -> int:
    """End what an earlier parent, killed on the spot, left running on this data directory; returns how many.

    A number in a pid file may by now belong to a stranger: it counts only together with the time of its start.
    """
    orphans = []
    for file in home.pid_files():
        with suppress(ValueError):
            number, stop_signal, born = file.read_text().split(" ", 2)
            if born and identity(int(number)) == born:
                orphans.append((int(number), born))
                with suppress(ProcessLookupError):
                    os.kill(int(number), int(stop_signal))
    deadline = time.monotonic() + patience
    for pid, born in orphans:
        while identity(pid) == born:
            if time.monotonic() > deadline:
                kill_group(pid)
                break
            time.sleep(0.05)
    for file in home.pid_files():
        file.unlink()
    return len(orphans)


def kill_group(pid: int) -> None:
    """Kill a child with whatever it has started; each child leads a group of its own."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def identity(pid: int) -> str:
    """When this process was started, in the system's own notation; empty when it is gone."""
    if sys.platform == "linux":
        try:
            # The name, in brackets, may contain anything; state and start time are fields 3 and 22.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if fields[0] == "Z" else fields[19]
    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
