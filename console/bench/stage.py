"""The servers and processes that are measured: Assent's own, in a directory of its own, gone afterwards."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from console.bench.wire import HOST
from console.embedded import Servers
from console.embedded.paths import DataDirectory
from console.embedded.processes import Process, Program, stop
from console.startup.terminal import Refused
from console.startup.up import allow_open_files

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


class BenchStage:
    """PostgreSQL, Redis, the clock and one Daphne, with content; `seeded` is what seed.py says of it."""

    port: int
    seeded: dict[str, Any]
    web: Process
    clock: Process
    home: DataDirectory

    def __init__(self, most: int) -> None:
        self.most = most  # approvals that wait, where pages are measured

    def __enter__(self) -> Self:
        allow_open_files()
        with ExitStack() as stack:
            self.data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assent-bench-")))
            servers = stack.enter_context(Servers(self.data / "assent"))
            listener = stack.enter_context(socket.create_server((HOST, 0), backlog=1024))
            self.port = int(listener.getsockname()[1])
            self.environment = {
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "console.settings",
                "DATABASE_URL": servers.database_url,
                "REDIS_URL": servers.redis_url,
                "SECRET_KEY": secrets.token_urlsafe(50),
                "ALLOWED_HOSTS": HOST,
                "ALLOW_HTTP": "1",
                "DEBUG": "0",
                "ASSENT_DATA": str(servers.home.data),
                "ASSENT_DEMO": "no",
                "ASSENT_KEY_RATE": str(10**6),
                "ASSENT_WEBHOOK_PRIVATE": HOST,
                "MALLOC_ARENA_MAX": "2",
            }
            manage = [sys.executable, str(ROOT / "manage.py")]
            self._run([*manage, "prepare"])
            self.seeded = json.loads(self._run([sys.executable, "-m", "console.bench.seed"]))
            daphne = [sys.executable, "-m", "daphne", "--fd", str(listener.fileno()), "--verbosity", "0"]
            processes = [
                Process(Program("clock", [*manage, "clock"], env=self.environment), servers.home),
                Process(
                    Program("web", [*daphne, "console.bench.asgi:application"], self.environment, [listener.fileno()]),
                    servers.home,
                ),
            ]
            stack.callback(stop, processes, patience=10)
            for process in processes:
                process.start()
            self._until_answered(processes[1])
            self.home, (self.clock, self.web) = servers.home, processes
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _until_answered(self, web: Process) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and web.alive():
            try:
                with socket.create_connection((HOST, self.port), timeout=5) as probe:
                    probe.sendall(b"GET /api/v1/bench/empty HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
                    if b" 200 " in probe.recv(100):
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise Refused(f"The web process did not come up:\n{web.home.last_lines('web')}")

    def _run(self, command: list[str], *, patience: float = 180) -> str:
        done = subprocess.run(  # noqa: S603 - our own programs
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        if done.returncode:
            raise Refused(f"{' '.join(command[1:])} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def asks(self, **job: Any) -> "JobProcess":
        """Start a process that does this job of load.py."""
        return JobProcess([sys.executable, "-m", "console.bench.load"], {"port": self.port, **job}, self.environment)

    def decides(self, **job: Any) -> "JobProcess":
        """Start a process in which a person decides."""
        return JobProcess([sys.executable, "-m", "console.bench.person"], job, self.environment)

    def start_crowd(self, **job: Any) -> "JobProcess":
        """Start a process that does this job of crowd.py."""
        return JobProcess([sys.executable, "-m", "console.bench.crowd"], {"port": self.port, **job}, self.environment)

    def start_rehearsal(self, last: int) -> "JobProcess":
        """Start a process that rehearses a change of policy on that many approvals."""
        return JobProcess([sys.executable, "-m", "console.bench.rehearse", str(last)], {}, self.environment)

    def start_routing(self, *sizes: int) -> "JobProcess":
        """Start a process that routes proposals over pasts of these sizes."""
        return JobProcess([sys.executable, "-m", "console.bench.routing", *map(str, sizes)], {}, self.environment)

    def start_plain(self, **job: Any) -> "JobProcess":
        """Start a process that inserts the rows of the newest requests once more."""
        return JobProcess([sys.executable, "-m", "console.bench.plain"], job, self.environment)

    def start_touched(self, **job: Any) -> "JobProcess":
        """Start a process that traces one call and one click."""
        return JobProcess([sys.executable, "-m", "console.bench.touched"], job, self.environment)

    def start_deadlines(self, **job: Any) -> "JobProcess":
        """Start a process that has deadlines come in one second."""
        return JobProcess([sys.executable, "-m", "console.bench.deadlines"], job, self.environment)

    @contextmanager
    def another_clock(self) -> Iterator[None]:
        """A second clock process beside the first."""
        command = [sys.executable, str(ROOT / "manage.py"), "clock"]
        process = Process(Program("clock2", command, env=self.environment), self.home)
        process.start()
        try:
            yield
        finally:
            stop([process], patience=10)

    def start_webhooks(self, **job: Any) -> "JobProcess":
        """Start a process that has webhooks go out."""
        return JobProcess([sys.executable, "-m", "console.bench.hooks"], job, self.environment)

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Celery's worker beside the rest, as `up` runs it."""
        command = [sys.executable, "-m", "celery", "-A", "console", "worker", "--pool=threads", "--concurrency=4"]
        command += ["--loglevel=WARNING", "--without-gossip", "--without-mingle"]
        process = Process(Program("worker", command, env=self.environment), self.home)
        process.start()
        try:
            yield
        finally:
            stop([process], patience=20)

    def fill(self, since: int, until: int) -> None:
        """Have the approvals of these numbers wait, and as many be decided."""
        self._run([sys.executable, "-m", "console.bench.pages", str(since), str(until)], patience=3600)

    def seed(self, pending: int) -> None:
        """Have that many more approvals wait."""
        self._run([sys.executable, "-m", "console.bench.seed", str(pending)])


class JobProcess:
    """A process that works on a job; it says JSON lines."""

    def __init__(self, command: list[str], job: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own programs
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self.process.stdin is None:
            raise Refused("no pipe to the asking process")
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.close()

    def line(self) -> dict[str, Any]:
        """The next thing it says. Raises Refused when it fails instead."""
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise Refused(f"a measuring process failed (exit {self.process.wait(10)})")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End it, whatever it is at."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def result(self) -> dict[str, Any]:
        """The last thing it says."""
        try:
            answer = self.line()
            self.process.wait(10)
        finally:
            self.stop()
        return answer
