"""The data directory of an installation that runs its own servers, and what lies where in it."""

import fcntl
import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import IO

from console.startup.terminal import Refused

# A socket's path may have 107 bytes on Linux and 103 on macOS; the longest name below it is ".s.PGSQL.5432".
SOCKET_PATH_LIMIT = 103
LONGEST_SOCKET = ".s.PGSQL.5432"


class DataDirectory:
    """One data directory: made on first use, for its owner alone, and used by one parent at a time."""

    def __init__(self, data: Path) -> None:
        self.data = Path(os.path.abspath(data))
        self._lock: IO[str] | None = None

    def create(self) -> None:
        """Make the directory and its parts. Raises Refused when that is not allowed."""
        try:
            for part in (self.data, self.data / "log", self.data / "pids"):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.data / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise Refused(
                f"The data directory {self.data} is not writable ({error.strerror}). "
                "Choose another one: manage.py up --data DIRECTORY"
            ) from None
        self.sockets = self._socket_directory()

    def lock(self) -> None:
        """Hold the directory until this process ends, however it ends. Raises Refused when another one holds it."""
        self._lock = (self.data / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise Refused(
                f"Assent already runs on {self.data} (process {owner}). "
                "Stop it first, or choose another directory and port: manage.py up --data DIRECTORY --port PORT"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def unlock(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def log(self, name: str) -> Path:
        return self.data / "log" / f"{name}.log"

    def last_lines(self, name: str, count: int = 12) -> str:
        """The end of a log, indented, for an error message."""
        try:
            lines = self.log(name).read_text(errors="replace").splitlines()[-count:]
        except OSError:
            lines = []
        return "\n".join(f"    {line[:200]}" for line in lines) or "    (its log is empty)"

    def rotate_logs(self) -> None:
        """Keep what the last run wrote beside the log of this one."""
        for log in (self.data / "log").glob("*.log"):
            log.replace(f"{log}.1")

    def pid_file(self, name: str) -> Path:
        return self.data / "pids" / f"{name}.pid"

    def pid_files(self) -> list[Path]:
        return sorted((self.data / "pids").glob("*.pid"))

    @property
    def run_file(self) -> Path:
        """What a second shell needs to find the running servers."""
        return self.data / "run.json"

    def keep_secret(self) -> None:
        """Have a secret key of this installation's own, made once."""
        if not (self.data / "secret_key").exists():
            self.write_private("secret_key", secrets.token_urlsafe(50))

    def write_private(self, name: str, text: str) -> None:
        """A file for the owner alone, there as a whole or not at all."""
        new = self.data / f".{name}.new"
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        new.replace(self.data / name)

    def _socket_directory(self) -> Path:
        """`sockets` in the data directory, else, when that path is too long, in one of ours for temporary files."""
        parent = self.data
        if len(os.fsencode(parent / "sockets" / LONGEST_SOCKET)) > SOCKET_PATH_LIMIT:
            digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
            parent = Path(tempfile.gettempdir()) / f"assent-{os.getuid()}-{digest}"
            parent.mkdir(mode=0o711, exist_ok=True)
            # Everybody may write there: what a stranger has put in the way is not used.
            status = parent.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022 or status.st_uid != os.getuid():
                raise Refused(f"{parent} is not a directory of this user alone. Remove it, or choose a shorter --data.")
        sockets = parent / "sockets"
        sockets.mkdir(mode=0o700, exist_ok=True)
        return sockets
