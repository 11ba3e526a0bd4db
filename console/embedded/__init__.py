"""The servers that Assent brings along: PostgreSQL and Redis (or Valkey), below one data directory."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from console.embedded.paths import DataDirectory
from console.embedded.postgres import Postgres
from console.embedded.processes import Process, end_orphans, stop
from console.embedded.valkey import Valkey
from console.startup.terminal import Refused

__all__ = ["DataDirectory", "Servers", "start"]

# Killed, PostgreSQL leaves processes that hold its memory for a moment, in which it refuses to start anew.
ATTEMPTS, PAUSE = 8, 0.5


class Servers:
    """Both servers, started together and stopped with the `with` block.

    `durable=False` trades safety against a crash for speed, for tests. After entry `database_url` and `redis_url`
    say where they are. Raises Refused when one cannot be started or the directory is in use.
    """

    def __init__(self, data: Path, *, durable: bool = True) -> None:
        self.home = DataDirectory(data)
        self.durable = durable
        self.processes: list[Process] = []

    def __enter__(self) -> Self:
        self.home.create()
        self.home.lock()
        try:
            end_orphans(self.home)
            postgres, valkey = Postgres(self.home, durable=self.durable), Valkey(self.home, durable=self.durable)
            self.database_url, self.redis_url = postgres.url, valkey.url
            # The quick one first: it starts while the database is made.
            self.processes = [Process(server.program(), self.home) for server in (valkey, postgres)]
            start(self.processes)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        stop(self.processes, patience=10)
        self.home.unlock()


def start(processes: Sequence[Process], *, patience: float = 60) -> None:
    """Start the servers and wait until all accept connections. What ends too early is started again.

    Raises Refused, with the end of its log, when one does not come.
    """
    for process in processes:
        process.start()
    deadline = time.monotonic() + patience
    for process in processes:
        attempts = 1
        while not process.ready():
            if not process.alive() and attempts < ATTEMPTS:
                time.sleep(PAUSE)
                process.start()
                attempts += 1
            elif not process.alive() or time.monotonic() > deadline:
                raise Refused(
                    f"{process.name} does not start. {process.home.log(process.name)} ends with:\n"
                    f"{process.home.last_lines(process.name)}"
                )
            time.sleep(0.02)
