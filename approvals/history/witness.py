"""The witness: a file outside the database that keeps signed checkpoints of the seals, one a line.

A chain does not show that its end was cut off; the file does. That the file itself was cut, emptied or taken away shows
the database, which keeps the last checkpoint's number and hash. Where both were cut back alike, only a copy kept
elsewhere shows it.
"""

import hashlib
import hmac
import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from approvals.models import LastCheckpoint, Seal

_LOCK = 0xC4EC


class BrokenWitness(Exception):
    """The file is not what the database or its signatures say of it; the text says how."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One line of the file: its own number, and where the seals stood then."""

    number: int
    seal: int
    head: str
    at: str
    signature: str

    @property
    def line(self) -> str:
        return json.dumps(asdict(self))

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.line.encode()).hexdigest()


@transaction.atomic
def checkpoint(path: Path, *, now: datetime) -> Checkpoint | None:
    """Append where the seals stand now to the file, signed, and keep its number and hash; None when nothing is sealed.

    Raises OSError where the file cannot be written, and BrokenWitness where its last line is no checkpoint.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    last = Seal.objects.order_by("-number").first()
    if last is None:
        return None
    kept, lines = LastCheckpoint.objects.first(), _lines(path)
    # From whichever is ahead: what was cut off the file stays missing in it, and no number is given twice.
    number = 1 + max(kept.number if kept else 0, _read(lines[-1]).number if lines else 0)
    head, at = bytes(last.hash).hex(), now.isoformat()
    made = Checkpoint(number, last.number, head, at, _signature(settings.SECRET_KEY, number, last.number, head, at))
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file first: who dies in between leaves it one ahead of the database, and never behind.
    with path.open("a") as sink:
        sink.write(made.line + "\n")
        sink.flush()
        os.fsync(sink.fileno())
    LastCheckpoint.objects.update_or_create(id=1, defaults={"number": number, "hash": made.hash})
    return made


def checkpoints(path: Path) -> list[Checkpoint]:
    """The checkpoints of the file, oldest first: none is missing, and this installation signed each.

    Raises BrokenWitness.
    """
    kept, lines = LastCheckpoint.objects.first(), _lines(path)
    count = kept.number if kept else 0
    if not lines and count:
        state = "empty" if path.exists() else "missing"
        raise BrokenWitness(f"the checkpoint file {path} is {state}, the database knows of {count} checkpoints")
    marks = [_read(line) for line in lines]
    for number, mark in enumerate(marks, start=1):
        if mark.number != number:
            raise BrokenWitness(f"checkpoint {number} is missing in {path}")
        if not _is_signed(mark):
            raise BrokenWitness(
                f"checkpoint {number} is not signed by this installation; "
                "if SECRET_KEY was changed, the old one belongs into SECRET_KEY_FALLBACKS"
            )
    if len(marks) < count:
        raise BrokenWitness(
            f"the checkpoint file {path} was shortened: it ends with {len(marks)}, and there were {count}"
        )
    if len(marks) > count + 1:
        raise BrokenWitness(
            f"the database knows of {count} checkpoints, and {path} has {len(marks)}: the database was set back"
        )
    if kept and marks[count - 1].hash != kept.hash:
        raise BrokenWitness(f"checkpoint {count} in {path} is not the one that the database knows of")
    return marks


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line] if path.exists() else []
    except OSError as error:
        raise BrokenWitness(f"the checkpoint file {path} cannot be read: {error.strerror}") from error


def _read(line: str) -> Checkpoint:
    try:
        return Checkpoint(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise BrokenWitness(f"a line of the checkpoint file is no checkpoint: {line[:60]}") from error


def _is_signed(mark: Checkpoint) -> bool:
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    signed_fields = (mark.number, mark.seal, mark.head, mark.at)
    return any(hmac.compare_digest(mark.signature, _signature(secret, *signed_fields)) for secret in secrets)


def _signature(secret: str, number: int, seal: int, head: str, at: str) -> str:
    """HMAC-SHA-256 under the installation's secret: who edits the database cannot forge it."""
    content = f"assent.checkpoint|{number}|{seal}|{head}|{at}"
    return hmac.new(secret.encode(), content.encode(), hashlib.sha256).hexdigest()
