"""A real Daphne on the database of a test, to be talked to from outside."""

import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.db import connection

from tests.fork_server import ForkedProcess, warm

ROOT = Path(__file__).resolve().parents[1]


def database_url() -> str:
    """Where another process finds the database that this test writes to."""
    parts = urlsplit(os.environ["DATABASE_URL"])
    return f"{parts.scheme}://{parts.netloc}/{connection.settings_dict['NAME']}?{parts.query}"


class Web:
    """A real Daphne on the test's database, to be talked to from outside."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = data
        self.log = data / "web.log"
        self.processes: list[ForkedProcess | subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": database_url(),
            "ASSENT_BASE_URL": self.url,
            "ASSENT_CANARY_URL": "",
            "ASSENT_DATA": str(self.data),
            "DATABASE_POOL": "10",
            "DEBUG": "1",  # static files from the tree, without collecting them
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *command: str) -> ForkedProcess | subprocess.Popen[bytes]:
        process = warm.run([*command], self.environment, self.log)
        self.processes.append(process)
        return process

    def start(self) -> None:
        self.run("-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), "console.asgi:application")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.processes[-1].poll() is None:
            try:
                # The first request imports the whole console, which a busy machine takes its time for.
                if httpx.get(f"{self.url}/health/live", timeout=30).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        raise RuntimeError(self.log.read_text()[-3000:])

    def clock(self) -> ForkedProcess | subprocess.Popen[bytes]:
        """The clock process beside it."""
        return self.run("-m", "django", "clock")

    def stop(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
