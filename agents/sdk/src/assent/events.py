"""The feed of an agent's own requests (server-sent events), from where one left off and without losing a line."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

from assent.errors import BadRequest
from assent.shapes import Event
from assent.wire import Answer, problem_in

SILENCE = 90.0  # seconds; the server says something more often
_FIRST, _LONGEST = 0.5, 30.0  # seconds before it connects again


class Reader:
    """Lines into events. `last` is the id of the newest whole event; `again` how long to wait before connecting."""

    def __init__(self, after: str | None) -> None:
        self.last = after
        self.failures = 0
        self._id, self._topic, self._data = "", "", []  # type: str, str, list[str]

    @property
    def again(self) -> float:
        self.failures += 1
        longest: float = min(_LONGEST, _FIRST * 2.0**self.failures)
        return random.uniform(0.5, 1.0) * longest  # noqa: S311 - spreads load, guards nothing

    def headers(self) -> dict[str, str]:
        """Of a new connection. What a broken one had begun is told again from the start."""
        self._id, self._topic, self._data = "", "", []
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        return {**headers, "Last-Event-ID": self.last} if self.last else headers

    def line(self, line: str) -> Event | None:
        """The event that a line ends."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                self._id = value
            elif name == "event":
                self._topic = value
            elif name == "data":
                self._data.append(value)
            return None
        topic, text, self._topic = self._topic, "\n".join(self._data), ""
        self._data = []
        if not text:
            return None
        data = json.loads(text)
        self.last, self.failures = self._id or self.last, 0
        return Event(self._id, topic or "message", data if isinstance(data, Mapping) else {"data": data})


def refused(status: int, headers: Mapping[str, str], content: bytes) -> None:
    """Raises BadRequest for an answer after which connecting again is of no use."""
    if 400 <= status < 500 and status not in (408, 425, 429):
        raise BadRequest(problem_in(Answer(status, headers, content)), status=status)
