"""Idempotency keys of what pauses: made of where a framework's thread stands, the same in every process."""

from __future__ import annotations

import hashlib
import re

from assent.digest import canonical
from assent.shapes import Json

_LONGEST = 200  # characters; the server takes 255
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


def key_for(*, thread: str, checkpoint: str = "", interrupt: str = "", answers: Json = None) -> str:
    """The idempotency key of one pause, the same whoever asks, and another for any other pause.

    `thread`, `checkpoint` and `interrupt` are the framework's own ids, `answers` those that the pause holds already:
    where ids repeat, as those of interrupts do, the others tell two pauses apart. Long or unprintable ones are hashed.
    Raises NotSerialisable for answers that JSON cannot carry.
    """
    parts = [thread, checkpoint, interrupt]
    # The length of each part is part of it: "a/b" and "c" is not "a" and "b/c".
    whole = hashlib.sha256(canonical([*parts, answers])).hexdigest()
    readable = "/".join(part for part in parts if part)
    if len(readable) + 17 > _LONGEST or not _PRINTABLE.fullmatch(readable):
        return f"pause/{whole}"
    return f"{readable}/{whole[:16]}"
