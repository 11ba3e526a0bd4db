"""Small files, each written whole or not at all, in a folder that only its owner may read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assent.errors import BrokenJournal

_UNWRITABLE = "The journal cannot be written ({}); without it nothing runs. Set ASSENT_STATE to a folder."


class Folder:
    """Documents by kind and key. A file that cannot be read stops whoever asks for it, and nobody else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, kind: str, key: str) -> dict[str, Any] | None:
        """A document, or None. Raises BrokenJournal."""
        return self.document(self.path_of(kind, key))

    def put(self, kind: str, key: str, document: dict[str, Any]) -> None:
        """Write a document whole: into a file beside, flushed to the disk, moved over the old one."""
        path = self.path_of(kind, key)
        try:
            made(path.parent)
            atomically(path, json.dumps({**document, "key": key}, ensure_ascii=False).encode())
        except (OSError, TypeError, ValueError) as error:
            raise unwritable(path, error) from error

    def remove(self, kind: str, key: str) -> None:
        """Remove a document, if it can be."""
        with contextlib.suppress(OSError):
            self.path_of(kind, key).unlink()

    def documents(self, kind: str) -> Iterator[dict[str, Any]]:
        """Every document of a kind that can be read. The others stop what they are about, not what goes over all."""
        for path in self.paths(kind):
            with contextlib.suppress(BrokenJournal):
                document = self.document(path)
                if document is not None:
                    yield document

    def paths(self, kind: str) -> list[Path]:
        """The files of a kind, readable or not."""
        try:
            return sorted((self.folder / kind).glob("*.json"))
        except OSError as error:
            raise BrokenJournal(f"The journal cannot be read: {error}.", path=str(self.folder)) from error

    def path_of(self, kind: str, key: str) -> Path:
        return self.folder / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"

    def document(self, path: Path) -> dict[str, Any] | None:
        """What a file holds; None where there is none. Raises BrokenJournal."""
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise unreadable(path, str(error)) from error
        if not isinstance(document, dict) or not isinstance(document.get("key"), str):
            raise unreadable(path, "no document of a journal")
        return document


def unreadable(path: Path, why: str) -> BrokenJournal:
    """The error for a file that cannot be understood."""
    text = f"The journal cannot be read ({path}: {why}); nothing runs on a guess. `assent doctor` sets the file aside."
    return BrokenJournal(text, path=str(path), why=why)


def unwritable(path: Path, error: Exception) -> BrokenJournal:
    """The error for a file or folder that cannot be written."""
    return BrokenJournal(_UNWRITABLE.format(error), path=str(path))


def made(folder: Path) -> None:
    """Make a folder that only its owner may enter. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, also after a power cut, sees all of it or the old one. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
