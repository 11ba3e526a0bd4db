"""What the clock does at a steady pace beside its deadlines, each in a thread of its own: none holds up a deadline."""

import threading
from abc import ABC, abstractmethod

import structlog
from django.db import Error as DatabaseError
from django.db import connection

log = structlog.get_logger("assent.clock")


class PeriodicCall(ABC):
    """Calls `beat` every so many seconds until it is stopped; `address` "" switches it off."""

    name: str
    every: float  # seconds

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        if self.address:
            self._thread.start()

    def stop(self, *, patience: float) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(patience)

    @abstractmethod
    def beat(self) -> bool:
        """Once; whether all was well."""

    def _run(self) -> None:
        while not self._stopping.wait(self.every):
            try:
                self.beat()
            except DatabaseError as error:
                log.warning("database away", error=str(error)[:200])
                connection.close()
            except Exception:
                log.exception("a beat failed", beat=self.name)
        connection.close()
