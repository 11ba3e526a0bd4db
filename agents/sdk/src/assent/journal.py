"""What this machine knows about actions under way: small files, each written whole or not at all.

    asked → decided → consuming → ran → reported

A process killed at any moment finds here what it was doing. `consuming` without `ran` means that the permit may have
been used: only the server can still tell, and when it was, nobody can. What is written here is never guessed at: a
file that cannot be read stops the action that it is about. The folder holds arguments, so that only its owner may read
it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from assent.errors import BrokenJournal
from assent.files import Folder, made, unreadable, unwritable
from assent.shapes import Args, Json

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: two processes of one unnamed run are told apart by the server alone
    fcntl = None  # type: ignore[assignment]

State = Literal["asked", "decided", "consuming", "ran", "reported", "denied"]
ACTIONS = "actions"
# What a document of each kind holds at least; an action is an Entry.
_HOLDS: Mapping[str, Mapping[str, type]] = {
    ACTIONS: {},
    "steps": {"run": str, "step": str, "told": dict, "sent": bool},
    "undos": {"state": str},
    "grants": {"token": str, "used": int},
    "own": {},
}
_LOCK = "lock"
_KEPT = 30 * 24 * 3600  # seconds that what is done is remembered here; the server knows it for longer


@dataclass(frozen=True, slots=True)
class Entry:
    """One action under way. `body` is what was sent, the same when it is sent again, under the key `once`."""

    key: str
    once: str
    state: State
    run: str | None
    step: str
    action: str
    body: Args
    request: str = ""
    item: str = ""
    permit: str = ""
    grant: str = ""  # the standing approval that covered it while Assent was out of reach
    used_at: str = ""  # when it did, RFC 3339
    outcome: str = ""
    detail: str = ""
    result: Json = None
    kept: bool = False  # whether `result` is what the function returned
    handed: bool = False  # whether the code that asked went on with the outcome
    owner: str = ""

    @classmethod
    def of(cls, document: Mapping[str, Json]) -> Entry:
        """The entry that a document is. Raises ValueError, also for what a newer version wrote."""
        unknown = sorted(set(document) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"a newer version wrote it (it holds {unknown[0]!r})")
        try:
            entry = cls(**document)  # type: ignore[arg-type]  # looked at below
        except TypeError as error:
            raise ValueError("a field is missing") from error
        for field in fields(cls):
            value = getattr(entry, field.name)
            if field.type == "str" and not isinstance(value, str):
                raise ValueError(f"{field.name} is no text")
            if field.type == "bool" and not isinstance(value, bool):
                raise ValueError(f"{field.name} is neither true nor false")
        if entry.state not in get_args(State):
            raise ValueError(f"a newer version wrote it (the state {entry.state!r})")
        items = entry.body.get("items") if isinstance(entry.body, dict) else None
        if not isinstance(items, list) or len(items) != 1 or not isinstance(items[0], dict):
            raise ValueError("its request is none")
        if not isinstance(entry.run, str | None):
            raise ValueError("run is no text")
        return entry

    @property
    def done(self) -> bool:
        """Whether the next same call outside of a run means another action than this."""
        return self.state == "denied" or (self.state == "reported" and self.handed)

    def with_changes(self, **changes: Json) -> Entry:
        """The entry with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]  # the names are this module's and gate's own


class Journal(Folder):
    """A folder of entries. The folder is made at the first write. Every method raises BrokenJournal."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.owner = secrets.token_hex(8)
        self._alive: int | None = None
        self._signing = threading.Lock()
        self._held: dict[str, int] = {}

    def close(self) -> None:
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None
            with contextlib.suppress(OSError):
                self._sign_of(self.owner).unlink()
        for key in list(self._held):
            self.let_go(key)

    # --- Entries

    def entry(self, key: str) -> Entry | None:
        """The entry under an idempotency key."""
        document = self.read(ACTIONS, key)
        return None if document is None else Entry.of(document)

    def write(self, entry: Entry) -> Entry:
        """Keep an entry; when this returns, it survives a power cut."""
        self.put(ACTIONS, entry.key, asdict(entry))
        return entry

    def forget(self, key: str) -> None:
        """Remove an entry that nobody can ask for again."""
        self.remove(ACTIONS, key)

    def free(self, key: str) -> bool:
        """Whether a call outside of a run may take this entry up: there is none, or its process is gone."""
        entry = self.entry(key)
        if entry is None or entry.done:
            return True
        if entry.state == "ran" and entry.handed:  # waits to be reported; nobody will ask for it again
            return False
        return entry.owner == self.owner or not self.lives(entry.owner)

    def unreported(self) -> list[Entry]:
        """What ran and was not told yet, and whose process is gone or is this one. Old entries are cleared away."""
        waiting = []
        for document in self.documents(ACTIONS):
            entry = Entry.of(document)
            unknown = entry.state == "consuming" and entry.grant and not entry.handed
            if (unknown or entry.state == "ran") and (entry.owner == self.owner or not self.lives(entry.owner)):
                waiting.append(entry)
            elif entry.state in ("reported", "denied") and self._is_old(entry.key):
                self.forget(entry.key)
        return waiting

    def broken(self) -> Iterator[BrokenJournal]:
        """Each file that this version cannot read, as the error that it is."""
        for kind in _HOLDS:
            for path in self.paths(kind):
                try:
                    self.document(path)
                except BrokenJournal as error:
                    yield error

    def document(self, path: Path) -> dict[str, Any] | None:
        """What a file holds, if it is what its kind is to hold. Raises BrokenJournal."""
        document = super().document(path)
        if document is None:
            return None
        try:
            if path.parent.name == ACTIONS:
                Entry.of(document)
        except ValueError as error:
            raise unreadable(path, str(error)) from error
        for name, kind in _HOLDS.get(path.parent.name, {}).items():
            if not isinstance(document.get(name), kind):
                raise unreadable(path, f"{name} is missing, or something else")
        return document

    def secret(self) -> bytes:
        """32 bytes that never leave this folder: redacted fields are salted with what is derived from them."""
        with self.alone():
            document = self.read("own", "secret")
            if document is None:
                document = {"hex": secrets.token_hex(32)}
                self.put("own", "secret", document)
            try:
                return bytes.fromhex(document["hex"])
            except (KeyError, TypeError, ValueError) as error:
                raise unreadable(self.path_of("own", "secret"), "no secret in it") from error

    def _is_old(self, key: str) -> bool:
        try:
            return time.time() - self.path_of(ACTIONS, key).stat().st_mtime > _KEPT
        except OSError:
            return False

    # --- Two processes, one folder

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold all others off for a moment. Taken anew each time: not to be nested."""
        try:
            made(self.folder)
            handle = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def hold(self, key: str) -> bool:
        """Be the only process at work on something, until `let_go` or death; False while another one is."""
        if fcntl is None:
            return True
        path = self._work_of(key)
        while True:
            try:
                made(path.parent)
                handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            except OSError as error:
                raise unwritable(path, error) from error
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever held it may have removed the file between our opening it and our locking it.
                if os.path.samestat(os.fstat(handle), os.stat(path)):
                    self._held[key] = handle
                    return True
            except FileNotFoundError:
                pass
            except BlockingIOError:
                os.close(handle)
                return False
            except OSError as error:  # a file system without locks
                os.close(handle)
                raise unwritable(path, error) from error
            os.close(handle)

    def let_go(self, key: str) -> None:
        """Let others work on it; nothing where it is not held."""
        handle = self._held.pop(key, None)
        if handle is not None:
            with contextlib.suppress(OSError):
                self._work_of(key).unlink()
            os.close(handle)

    def mine(self) -> str:
        """The word for this process, which others can see to be alive for as long as it is."""
        with self._signing:  # of two threads the second would wait for the lock of the first, which never lets go
            if self._alive is None:
                path = self._sign_of(self.owner)
                try:
                    made(path.parent)
                    self._alive = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                except OSError as error:
                    raise unwritable(path, error) from error
                if fcntl is not None:
                    fcntl.flock(self._alive, fcntl.LOCK_EX)
        return self.owner

    def lives(self, owner: str) -> bool:
        """Whether the process of that word still runs. kill -9 lets go of its lock, too."""
        if fcntl is None or not owner:
            return False
        if owner == self.owner:
            return True
        try:
            handle = os.open(self._sign_of(owner), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(handle)
        with contextlib.suppress(OSError):
            self._sign_of(owner).unlink()
        return False

    def _sign_of(self, owner: str) -> Path:
        return self.folder / "alive" / owner

    def _work_of(self, key: str) -> Path:
        return self.folder / "work" / hashlib.sha256(key.encode()).hexdigest()[:40]
