"""The core's only way out: effects that it yields and a driver carries out, and what the answers mean.

Nothing here opens a socket or sleeps. Each call is safe to repeat, so each is repeated: with jitter, as
`Retry-After` asks, and for a bounded time.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeAlias, TypeVar

from assent.errors import BadRequest, Unavailable
from assent.shapes import Json, Object

T = TypeVar("T")

_PASSING = frozenset({425, 429, 500, 502, 503, 504})
_IN_FLIGHT = "idempotency_key_in_flight"
_FIRST, _LONGEST = 0.2, 8.0  # seconds between two tries, before jitter
_LONGEST_RETRY_AFTER = 120.0  # the longest Retry-After that is obeyed within one call


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request. `path` is below the address; `timeout` in seconds, None for the client's own."""

    method: str
    path: str
    body: Json = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let `seconds` pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Invoke:
    """Call the author's own function; with the async driver it may be a coroutine function."""

    function: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Disk:
    """Short work on the disk that the async driver keeps off its loop."""

    work: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Object:
        """The JSON object in it. Raises Unavailable when there is none: a proxy's page is no answer of Assent's."""
        try:
            document = json.loads(self.content)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Unavailable(f"Something that is not Assent answered (status {self.status}, no JSON object).")
        return document


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer: whether the call arrived is not known."""

    text: str


Effect: TypeAlias = Call | Sleep | Invoke | Disk
Flow: TypeAlias = Generator[Effect, object, T]


def pause(seconds: float) -> Flow[None]:
    yield Sleep(seconds)


def invoke(function: Callable[[], object]) -> Flow[object]:
    """What the author's function returns, awaited where it must be."""
    return (yield Invoke(function))


def on_disk(work: Callable[[], T]) -> Flow[T]:
    """What `work` returns."""
    box: list[T] = []
    yield Disk(lambda: box.append(work()))
    return box[0]


def exchange(call: Call, *, patience: float) -> Flow[Answer]:
    """The answer to a call that is repeated for up to `patience` seconds while it cannot be answered.

    Raises Unavailable (out of reach, too busy, not Assent) and BadRequest (any other refusal).
    """
    began = time.monotonic()
    tries = 0
    while True:
        answer = yield call
        if isinstance(answer, Answer) and answer.status < 300:
            return answer
        why, wait = _setback(answer, tries)
        if time.monotonic() - began + wait > patience:
            raise Unavailable(why)
        yield Sleep(wait)
        tries += 1


def _setback(answer: object, tries: int) -> tuple[str, float]:
    """Why a call must be repeated, and after how many seconds. Raises BadRequest when that would be of no use."""
    wait = random.uniform(0.5, 1.0) * min(_LONGEST, _FIRST * 2**tries)  # noqa: S311 - spreads load, guards nothing
    if not isinstance(answer, Answer):
        return f"Assent is out of reach: {answer.text if isinstance(answer, NoAnswer) else answer}.", wait
    problem = problem_in(answer)
    if answer.status in _PASSING or problem.get("code") == _IN_FLIGHT:
        retry_after = _retry_after(answer.headers.get("retry-after", ""))
        detail = problem.get("detail") or f"status {answer.status}"
        return f"Assent cannot answer now: {detail}", max(wait, min(retry_after, _LONGEST_RETRY_AFTER))
    if answer.status < 400 or not problem:
        raise Unavailable(f"Something that is not Assent answered (status {answer.status}).")
    raise BadRequest(problem, status=answer.status)


def problem_in(answer: Answer) -> Object:
    """The problem document (RFC 9457), or nothing."""
    if "json" not in answer.headers.get("content-type", ""):
        return {}
    try:
        problem = json.loads(answer.content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _retry_after(text: str) -> float:
    """Seconds, from a number or an HTTP date."""
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
