"""Where an agent without a framework stands, on the disk: saved whole or not at all, and refused where it would change.

checkpoint = Checkpoint.load("thread-7.json") or Checkpoint()
checkpoint.position = "pay"
checkpoint.save("thread-7.json")
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assent.digest import plain
from assent.errors import BrokenJournal
from assent.files import atomically
from assent.shapes import Object

_VERSION = 1


@dataclass(slots=True)
class Checkpoint:
    """Everything that a new process needs to go on. All of it plain JSON: text, numbers, true, false, null, lists
    (no tuples), objects with text keys. Times, money and bytes go in as text, so that they come back as they went.
    """

    # Whatever the author puts in; what JSON cannot carry is refused by name when it is saved.
    history: list[Any] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)  # of tools, by call
    position: str | int = ""
    pending: dict[str, Any] | None = None  # the action that waits for an answer
    variables: dict[str, Any] = field(default_factory=dict)

    def document(self) -> Object:
        """The state as JSON. Raises NotSerialisable, whose `path` names the field: variables.orders[2].due."""
        state = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, value in state.items():
            plain(value, name)
        return {"version": _VERSION, **state}

    def save(self, path: str | Path) -> None:
        """Write it to `path`; once this returns it survives a power cut. Raises NotSerialisable; the old file stays."""
        file = Path(path)
        content = json.dumps(self.document(), ensure_ascii=False).encode()
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            atomically(file, content)
        except OSError as error:
            raise BrokenJournal(f"The checkpoint cannot be written: {error}.", path=str(file)) from error

    @classmethod
    def load(cls, path: str | Path) -> Checkpoint | None:
        """What was saved at `path`, or None. Raises BrokenJournal for a file that is something else."""
        file = Path(path)
        try:
            state = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BrokenJournal(f"The checkpoint cannot be read: {error}.", path=str(file)) from error
        if not isinstance(state, dict) or state.pop("version", None) != _VERSION:
            raise BrokenJournal(f"{file} is no checkpoint of this version.", path=str(file))
        try:
            return cls(**state)
        except TypeError as error:
            raise BrokenJournal(f"{file} is no checkpoint: {error}.", path=str(file)) from error
