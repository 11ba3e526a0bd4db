"""What this machine knows about actions under way: small files, each written whole or not at all.

    asked → decided → consuming → ran → reported

A process killed at any moment finds here what it was doing. `consuming` without `ran` means that the permit may have
been used: only the server can still tell, and when it was, nobody can. What is written here is never guessed at: a
file that cannot be read stops the action. The folder holds arguments, so that only its owner may read it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from assent.errors import BrokenJournal
from assent.shapes import Args, Json

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: two processes of one unnamed run are told apart by the server alone
    fcntl = None  # type: ignore[assignment]

State = Literal["asked", "decided", "consuming", "ran", "reported", "denied"]
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

    @property
    def done(self) -> bool:
        """Whether the next same call outside of a run means another action than this."""
        return self.state == "denied" or (self.state == "reported" and self.handed)

    def but(self, **changes: Json) -> Entry:
        """The entry with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]  # the names are this module's and gate's own


class Journal:
    """A folder of entries. The folder is made at the first write. Every method raises BrokenJournal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.owner = secrets.token_hex(8)
        self._alive: int | None = None

    def close(self) -> None:
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None
            with contextlib.suppress(OSError):
                self._sign_of(self.owner).unlink()

    # --- Entries

    def entry(self, key: str) -> Entry | None:
        """The entry under an idempotency key."""
        told = self.read("actions", key)
        if told is None:
            return None
        try:
            return Entry(**told)
        except TypeError as error:
            raise self._broken("actions", key, "another version wrote it, or it was changed") from error

    def write(self, entry: Entry) -> Entry:
        """Keep an entry; when this returns, it survives a power cut."""
        self.put("actions", entry.key, asdict(entry))
        return entry

    def forget(self, key: str) -> None:
        """Remove an entry that nobody can ask for again."""
        with contextlib.suppress(OSError):
            self._place("actions", key).unlink()

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
        found = []
        for key in self.keys("actions"):
            entry = self.entry(key)
            if entry is None:
                continue
            unknown = entry.state == "consuming" and entry.grant and not entry.handed
            if (unknown or entry.state == "ran") and (entry.owner == self.owner or not self.lives(entry.owner)):
                found.append(entry)
            elif (
                entry.state in ("reported", "denied")
                and time.time() - self._place("actions", key).stat().st_mtime > _KEPT
            ):
                self.forget(key)
        return found

    # --- Any small document

    def keys(self, kind: str) -> list[str]:
        """The keys of all documents of a kind."""
        try:
            places = sorted((self.folder / kind).glob("*.json"))
        except OSError as error:
            raise BrokenJournal(f"The journal cannot be read: {error}.", place=str(self.folder)) from error
        found = [self._read(place) for place in places]
        return [str(one["key"]) for one in found if one]

    def read(self, kind: str, key: str) -> Args | None:
        """A document, or None."""
        return self._read(self._place(kind, key))

    def put(self, kind: str, key: str, document: Args) -> None:
        """Write a document whole: into a file beside, flushed to the disk, moved over the old one."""
        place = self._place(kind, key)
        try:
            self._folder(place.parent)
            atomically(place, json.dumps({**document, "key": key}, ensure_ascii=False).encode())
        except (OSError, ValueError) as error:
            text = f"The journal cannot be written ({error}); without it nothing runs. Set ASSENT_STATE to a folder."
            raise BrokenJournal(text, place=str(place)) from error

    def secret(self) -> bytes:
        """32 bytes that never leave this folder: redacted fields are salted with what is derived from them."""
        with self.alone():
            told = self.read("own", "secret")
            if told is None:
                told = {"hex": secrets.token_hex(32)}
                self.put("own", "secret", told)
            return bytes.fromhex(told["hex"])

    # --- Two processes, one folder

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold all others off for a moment. Taken anew each time: not to be nested."""
        try:
            self._folder(self.folder)
            handle = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            text = f"The journal cannot be written ({error}); without it nothing runs. Set ASSENT_STATE to a folder."
            raise BrokenJournal(text, place=str(self.folder)) from error
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def mine(self) -> str:
        """The word for this process, which others can see to be alive for as long as it is."""
        if self._alive is None:
            self._folder(self._sign_of("x").parent)
            self._alive = os.open(self._sign_of(self.owner), os.O_RDWR | os.O_CREAT, 0o600)
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

    # --- Files

    def _sign_of(self, owner: str) -> Path:
        return self.folder / "alive" / owner

    def _place(self, kind: str, key: str) -> Path:
        return self.folder / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"

    def _folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _read(self, place: Path) -> Args | None:
        try:
            told = json.loads(place.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._broken(place.parent.name, place.stem, str(error)) from error
        if not isinstance(told, dict):
            raise self._broken(place.parent.name, place.stem, "no object in it")
        return told

    def _broken(self, kind: str, key: str, why: str) -> BrokenJournal:
        place = self.folder / kind / key
        return BrokenJournal(f"The journal cannot be read ({place}: {why}); nothing runs on a guess.", place=str(place))


def atomically(place: Path, content: bytes) -> None:
    """Write a file so that a reader, also after a power cut, sees all of it or the old one. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".part")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
