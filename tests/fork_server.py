"""Servers for the tests, forked from a process that has imported the console already: a tenth of a second each.

Started in the ordinary way each costs two seconds of a processor, and two hundred tests want one. Run as a program this
is that process: a line of JSON on its standard input for each server wanted, a line with its number in answer.
"""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


class ForkedProcess:
    """A server, as subprocess.Popen would show it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._process = psutil.Process(pid)

    def poll(self) -> int | None:
        """None while it runs; how it ended only the process that forked it knows."""
        return None if self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE else 0

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        try:
            self._process.wait(timeout)
        except psutil.TimeoutExpired as late:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from late
        return 0

    def _send(self, number: int) -> None:
        with suppress(psutil.NoSuchProcess):
            self._process.send_signal(number)


# What a forked server takes up; whatever else differs was read when the settings were.
OWN = {"ASSENT_BASE_URL", "ASSENT_DATA", "PYTEST_CURRENT_TEST"}


class ForkServer:
    """The process that forks, started with the first server that is wanted."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._environment: dict[str, str] = {}

    def run(
        self, command: list[str], environment: dict[str, str], log: Path
    ) -> "ForkedProcess | subprocess.Popen[bytes]":
        """Run `python -m module argument…`, in a process of another environment in the ordinary way."""
        if self._process is None or self._process.poll() is not None:
            self._environment = environment
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fork_server"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        if _rest(environment) != _rest(self._environment):
            with log.open("a") as sink:
                return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=sink, stderr=sink)
        order = {"command": command, "environment": environment, "log": str(log)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return ForkedProcess(int(self._process.stdout.readline()))

    def owns(self, process: psutil.Process) -> bool:
        return self._process is not None and self._process.pid == process.pid


def _rest(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in OWN}


warm = ForkServer()


# --- The process itself


def main() -> None:
    import autobahn.twisted.websocket  # noqa: F401
    import django
    import twisted.internet.endpoints
    import twisted.web.http  # noqa: F401

    django.setup()
    from django.conf import settings
    from django.urls import get_resolver

    import console.asgi
    import console.celery  # noqa: F401

    get_resolver().url_patterns  # noqa: B018  # imports every view
    # Daphne makes its event loop when it is imported, and no two may share one.
    assert "twisted.internet.reactor" not in sys.modules
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ended leaves nothing behind
    begun: list[int] = []
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            run_module_as(settings, **order)
        begun.append(pid)
        print(pid, flush=True)
    for pid in begun:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def run_module_as(settings: object, command: list[str], environment: dict[str, str], log: str) -> None:
    """Run `-m module argument…` in this process, and end with it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    data = Path(environment["ASSENT_DATA"])
    settings.ASSENT_DATA = data
    settings.ASSENT_BASE_URL = environment["ASSENT_BASE_URL"]
    settings.ASSENT_CHECKPOINT_FILE = data / "checkpoints.jsonl"
    settings.EMAIL_FILE_PATH = data / "mail"
    settings.STATIC_ROOT = data / "static"
    import runpy

    module = command[1]
    sys.argv = [module, *command[2:]]
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
