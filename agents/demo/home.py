"""Where the agent keeps its things, and how its processes tell each other how far a case is."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypedDict

AGENT = "support-agent"


class CaseStage(StrEnum):
    """Before its question is asked, while it is, and after all."""

    STARTING = "starting"
    WAITING = "waiting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Case:
    """How far one case is. The checkpoints are the truth; this is the note on the door."""

    number: int
    stage: CaseStage = CaseStage.STARTING
    request: str = ""
    end: str = ""
    reason: str = ""

    @property
    def thread(self) -> str:
        """The LangGraph thread, and the run's name towards Assent."""
        return f"case-{self.number:04d}"


class Connection(TypedDict):
    """What a client of Assent's needs to know."""

    url: str
    key: str
    agent: str
    state: Path


class AgentFolder:
    """The agent's folder, `<data>/demo/`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.folder = data / "demo"
        self.mail = self.folder / "mail"
        self.cases = self.folder / "cases"
        self.checkpoints = self.folder / "checkpoints.sqlite"
        self.mail.mkdir(parents=True, exist_ok=True)
        self.cases.mkdir(parents=True, exist_ok=True)

    @classmethod
    def from_environment(cls) -> "AgentFolder":
        """The folder under ASSENT_DATA."""
        return cls(Path(os.environ.get("ASSENT_DATA", ".assent")).resolve())

    def connection(self) -> Connection:
        """Where Assent is and as whom to speak; the key is read anew, it may have been rotated meanwhile.

        Raises OSError, ValueError or KeyError while demo.json has no key.
        """
        stored = json.loads((self.data / "demo.json").read_text())
        keys = {str(entry["name"]): str(entry["key"]) for entry in stored["agents"]}
        url = os.environ.get("ASSENT_URL", "http://127.0.0.1:8000")
        return Connection(url=url, key=keys[AGENT], agent=AGENT, state=self.folder / "journal")

    @property
    def smtp_port(self) -> int:
        """Where the mailbox listens at present."""
        return int((self.folder / "smtp").read_text())

    @smtp_port.setter
    def smtp_port(self, port: int) -> None:
        _replace(self.folder / "smtp", str(port))

    def case(self, thread: str) -> Case:
        """The note of `thread`; raises FileNotFoundError when there is none."""
        note = json.loads((self.cases / f"{thread}.json").read_text())
        return Case(**{**note, "stage": CaseStage(note["stage"])})

    def note(self, case: Case) -> None:
        """Write the note whole or not at all: a process killed meanwhile leaves the old one."""
        _replace(self.cases / f"{case.thread}.json", json.dumps(asdict(case)))

    def all_cases(self) -> list[Case]:
        """Every case there is, oldest first."""
        return sorted((self.case(file.stem) for file in self.cases.glob("*.json")), key=lambda case: case.number)

    @contextlib.contextmanager
    def alone(self, name: str, *, wait: bool = True) -> Iterator[None]:
        """Hold `name` among the processes of this machine; a killed holder lets go. BlockingIOError if not waiting.

        LangGraph lets two processes resume one thread; this is what stops them.
        """
        with (self.folder / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(f".{os.getpid()}.part")
    fresh.write_text(text)
    fresh.replace(path)
