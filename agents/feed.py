"""What an agent may read of history, in the one order that all events have: the numbers of their seals.

Seals are given after the commit, in an unbroken row, so whoever has read up to a number has missed nothing below it.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from agents.documents import moment
from approvals.history.facts import BY_KIND, FEED_NAMES
from approvals.models.states import RUNNING
from approvals.values import stored

# What the streams call events, each name once.
NAMES = tuple(dict.fromkeys(FEED_NAMES.values()))
SPAN = 5000  # numbers that one reading looks at

# One more row says how far the reading went, whether or not anything there was the agents' own.
_READ = """
WITH span AS (
    SELECT number, event_id FROM approvals_seal WHERE number > %(after)s ORDER BY number LIMIT %(span)s
)
SELECT span.number, a.agent_id, e.kind, e.facts, e.at, a.request_id, a.item
FROM span JOIN approvals_auditevent AS e ON e.id = span.event_id JOIN approvals_approval AS a ON a.id = e.approval_id
WHERE a.agent_id = ANY(%(agents)s::uuid[]) AND a.kind = ANY(%(running)s) AND e.kind = ANY(%(kinds)s)
    AND (e.kind <> 'decided' OR a.released_at = e.at)
    AND (e.kind <> 'reviewed' OR e.facts ->> 'finding' = 'flagged')
UNION ALL SELECT max(number), NULL, NULL, NULL, NULL, NULL, NULL FROM span
ORDER BY 1, 2 NULLS LAST
"""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event as an agent reads it: its name, and its line of JSON with all it says."""

    number: int
    agent_id: UUID
    name: str
    data: str

    def lines(self) -> bytes:
        """As an event stream has it (HTML, server-sent events)."""
        return f"id: {self.number}\nevent: {self.name}\ndata: {self.data}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and the number up to which nothing more will come; `whole` False: there is more already."""

    events: list[FeedEvent]
    upto: int
    whole: bool


def read(agents: Collection[UUID], after: int) -> Page:
    """The events of these agents above a number, as far as one reading goes."""
    whose = [str(agent) for agent in agents]
    with connection.cursor() as cursor:
        cursor.execute(
            _READ, {"after": after, "span": SPAN, "agents": whose, "kinds": list(FEED_NAMES), "running": list(RUNNING)}
        )
        rows = cursor.fetchall()
    upto = max((number for number, agent, *_ in rows if agent is None and number is not None), default=after)
    return Page([_feed_event(*row) for row in rows if row[1] is not None], upto, upto - after < SPAN)


def _feed_event(number: int, agent: UUID, kind: str, facts: str, at: datetime, request: UUID, item: str) -> FeedEvent:
    name, details = stored.read(BY_KIND[kind], json.loads(facts)).for_agent()
    data = {"number": number, "type": name, "request": str(request), "item": item, "at": moment(at), **details}
    return FeedEvent(number, agent, name, json.dumps(data, ensure_ascii=True, separators=(",", ":")))


def lines(events: Iterable[FeedEvent], types: Collection[str]) -> bytes:
    """Those of the wanted types as an event stream has them; no types: all."""
    return b"".join(one.lines() for one in events if not types or one.name in types)
