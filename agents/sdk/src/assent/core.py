"""What both clients share: where Assent is, who asks, what this process has already done."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from assent.digest import canonical
from assent.errors import Busy, NotConfigured
from assent.journal import Journal
from assent.shapes import Json
from assent.wire import Answer, Call, Flow, exchange

API = "/api/v1/"
_HEADER = re.compile(r"[\x21-\x7e]+")  # what an Authorization header can carry


@dataclass(frozen=True, slots=True)
class Settings:
    """Where Assent is and who asks. `timeout` and `patience` in seconds. The key is never shown."""

    url: str
    key: str = field(repr=False)
    agent: str | None
    state: Path
    timeout: float
    patience: float

    @classmethod
    def resolve(
        cls,
        url: str | None,
        key: str | None,
        *,
        agent: str | None,
        state: str | Path | None,
        timeout: float,
        patience: float,
    ) -> Settings:
        """What was given, else what the environment says. Raises NotConfigured."""
        url = (url or os.environ.get("ASSENT_URL", "")).strip().rstrip("/")
        key = trimmed(key or os.environ.get("ASSENT_KEY", ""))
        if not url.startswith(("https://", "http://")):
            raise NotConfigured("Where is Assent? Give url, or set ASSENT_URL to https://… .")
        try:
            httpx.URL(url)
        except httpx.InvalidURL as error:
            raise NotConfigured(f"{url!r} is no address of Assent: {error}.") from None
        if not key:
            raise NotConfigured("Who asks? Give key, or set ASSENT_KEY to the agent's key (asn_…).")
        folder = state or os.environ.get("ASSENT_STATE") or _default_state(url, agent or key)
        return cls(url, key, agent, Path(folder), timeout, patience)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("Settings hold a key, and a key does not belong into a pickle.")


def trimmed(key: str) -> str:
    """A key or token as the header carries it. Raises NotConfigured, without showing it, where none could."""
    key = key.strip()
    if key and not _HEADER.fullmatch(key):
        raise NotConfigured("The key holds white space or letters that no key has: was it pasted whole, and only it?")
    return key


def _default_state(url: str, agent: str) -> Path:
    """One folder for each agent: two of them must not find each other's actions."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "assent" / hashlib.sha256(f"{url}\n{agent}".encode()).hexdigest()[:16]


class Core:
    """Settings, journal, and the little that a process remembers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.journal = Journal(settings.state)
        self.agent = settings.agent
        self.keys: dict[str, str] = {}  # public keys by kid, and when they were fetched
        self.keys_at = 0.0
        self.swept = False  # whether what an earlier life left unreported was looked for
        self.life = Occurrences()
        self.attempts: dict[str, str] = {}  # of permits whose use was not answered, while nothing ran by them
        self._lock = threading.Lock()
        self._at_work: set[str] = set()

    def close(self) -> None:
        self.journal.close()

    def scope(self) -> Scope | None:
        """The run whose `with` this code stands in, if it is one of this client."""
        current = CURRENT.get()
        return current if current is not None and current.core is self else None

    def take(self, key: str) -> None:
        """Be the only call of this process at work on something, until `give_back`. Raises Busy."""
        with self._lock:
            if key in self._at_work:
                raise Busy(AT_WORK)
            self._at_work.add(key)

    def give_back(self, key: str) -> None:
        self.journal.let_go(key)
        with self._lock:
            self._at_work.discard(key)

    def post(self, path: str, body: Json, *, timeout: float | None = None) -> Flow[Answer]:
        """POST below /api/v1/. Raises Unavailable, BadRequest."""
        return exchange(Call("POST", API + path, body=body, timeout=timeout), patience=self.settings.patience)

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
        patience: float | None = None,
    ) -> Flow[Answer]:
        """GET below /api/v1/. Raises Unavailable, BadRequest."""
        call = Call("GET", API + path, params=params or {}, timeout=timeout)
        return exchange(call, patience=self.settings.patience if patience is None else patience)

    def name(self) -> Flow[str]:
        """The agent's name, asked for once."""
        if self.agent is None:
            identity = (yield from self.get("whoami")).json()
            self.agent = str(identity.get("agent", ""))
        return self.agent


@dataclass(frozen=True, slots=True)
class Scope:
    """A run as the code inside it sees it: what it asks belongs to it."""

    core: Core
    key: str
    name: str
    life: Occurrences


AT_WORK = (
    "Another call of this process is at work on exactly this; two would use one permit. Where the same is meant twice "
    "at once, give each a key or a step of its own."
)
CURRENT: ContextVar[Scope | None] = ContextVar("assent_run", default=None)


class Occurrences:
    """Which occurrences of an action this process has finished or is busy with. Between threads, too.

    The same action with the same arguments may be meant twice in one run. The first unfinished occurrence is the one
    that is meant: so a try after StillPending takes up the open request, one after an interruption finds what was
    interrupted, and a new process begins at the first again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._finished: dict[str, set[int]] = {}
        self._busy: dict[str, set[int]] = {}

    def begin(self, fingerprint: str, *, free: Callable[[int], bool] | None = None, one_at_a_time: bool = False) -> int:
        """The number of the occurrence to take up, from 1: one that is not finished, or that is `free`.

        Those that this process is busy with are passed over; with `one_at_a_time` Busy is raised instead, because a
        second try of a call whose first is still at work cannot be told from a second call.
        """
        with self._lock:
            finished, busy = self._finished.get(fingerprint, set()), self._busy.get(fingerprint, set())
            number = 1
            while (number in busy and not one_at_a_time) or not (free(number) if free else number not in finished):
                number += 1
            if number in busy:
                raise Busy(AT_WORK)
            self._busy.setdefault(fingerprint, set()).add(number)
            return number

    def end(self, fingerprint: str, number: int, *, finished: bool) -> None:
        """Let go of an occurrence; what is finished is not taken up again in this life."""
        with self._lock:
            self._busy.get(fingerprint, set()).discard(number)
            if finished:
                self._finished.setdefault(fingerprint, set()).add(number)


def fingerprint(run: str, step: str, action: str, args: Json) -> str:
    """What an idempotency key is made of: the same after a crash, and on another machine. Raises NotSerialisable."""
    return hashlib.sha256(canonical([run, step, action, args])).hexdigest()


def occurrence_key(mark: str, action: str, number: int) -> str:
    """The idempotency key of an occurrence: at most 255 printable characters."""
    readable = "".join(letter for letter in action if letter.isascii() and (letter.isalnum() or letter in "._-"))
    return f"{readable[:80]}/{mark[:40]}/{number}"
