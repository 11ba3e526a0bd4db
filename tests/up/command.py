"""`manage.py up` as a process, and what it needs around it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from console.startup import up

ROOT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, str(ROOT / "manage.py")]


def environment() -> dict[str, str]:
    """That of a newcomer: without what the test run itself has set."""
    ours = ("ASSENT_", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def refused_by_up(*arguments: str, **variables: str) -> str:
    """What `up` says when it does not start."""
    command = [*MANAGE, "up", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment() | variables, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def until(what: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


# --- The whole command


class Running:
    """`manage.py up` in a process of its own."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.url, self.port = data, f"http://127.0.0.1:{port}", port
        self.log_file = data.parent / "said"
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [*MANAGE, "up", "--no-demo", "--data", str(data), "--port", str(port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(),
            )

    def until_ready(self) -> None:
        until(lambda: self.process.poll() is not None or "Assent is ready" in self.log_file.read_text(), 90)
        assert self.log_file.read_text().count(f"Assent is ready at {self.url}\n") == 1, self.log_file.read_text()

    def healthy(self) -> bool:
        return up.health(self.port) == "200"

    def pid(self, name: str) -> int:
        return int((self.data / "pids" / f"{name}.pid").read_text().split()[0])

    def pids(self) -> dict[str, str]:
        """The number of each child, by its name, with the time of its start."""
        files = (self.data / "pids").glob("*.pid")
        return {file.stem: file.read_text() for file in files}
