"""What an agent may read of history, in the one order that all events have: the numbers of their seals.

Seals are given after the commit, in an unbroken row, so whoever has read up to a number has missed nothing below it.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from agents.documents import moment
from approvals.models import AuditEvent
from approvals.models.approval import Source
from approvals.values.schema import Json

RELEASED = "released"
FLAGGED = "flagged"  # that somebody looked and found it fine is not told
# What concerns the agent. Who reads, votes or comments among the reviewers does not, nor what they may take back.
_NAMES: Mapping[str, str] = {
    kind: str(kind.value)
    for kind in (
        AuditEvent.Kind.SUBMITTED,
        AuditEvent.Kind.AMENDED,
        AuditEvent.Kind.ESCALATED,
        AuditEvent.Kind.STAGED,
        AuditEvent.Kind.ASKED,
        AuditEvent.Kind.ANSWERED,
        AuditEvent.Kind.RELEASED,
        AuditEvent.Kind.EXPIRED,
        AuditEvent.Kind.CANCELLED,
        AuditEvent.Kind.SUPERSEDED,
        AuditEvent.Kind.CONSUMED,
        AuditEvent.Kind.OUTCOME,
        AuditEvent.Kind.RETURNED,
        AuditEvent.Kind.STOPPED,
        AuditEvent.Kind.REVERSED,
        AuditEvent.Kind.STUCK,
        AuditEvent.Kind.CLOSED,
        AuditEvent.Kind.GRANTED,
        AuditEvent.Kind.GUIDED,
        AuditEvent.Kind.INCIDENT,
        AuditEvent.Kind.VETOED,
        AuditEvent.Kind.RECALLED,
    )
}
NAMES: Mapping[str, str] = {**_NAMES, AuditEvent.Kind.REVIEWED: FLAGGED}
# A verdict without an undo window is released by being decided: to the agent it is the same event.
_KINDS = [*NAMES, AuditEvent.Kind.DECIDED]
_FACTS = (
    "verdict", "source", "silence", "route", "tier", "from", "to", "due_at", "expires_at", "revision", "digest",
    "result", "jti", "question", "guidance", "incident", "severity", "run", "step", "grant", "moved", "stage", "stages",
    "to_domain", "permit", "undo",
)  # fmt: skip
SPAN = 5000  # numbers that one reading looks at

# One more row says how far the reading went, whether or not anything there was the agents' own.
_READ = """
WITH span AS (
    SELECT number, event_id FROM approvals_seal WHERE number > %(after)s ORDER BY number LIMIT %(span)s
)
SELECT span.number, a.agent_id, e.kind, e.facts, e.at, a.request_id, a.item
FROM span JOIN approvals_auditevent AS e ON e.id = span.event_id JOIN approvals_approval AS a ON a.id = e.approval_id
WHERE a.agent_id = ANY(%(agents)s::uuid[]) AND e.kind = ANY(%(kinds)s)
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
    whose, kinds = [str(agent) for agent in agents], [str(kind) for kind in _KINDS]
    with connection.cursor() as cursor:
        cursor.execute(_READ, {"after": after, "span": SPAN, "agents": whose, "kinds": kinds})
        rows = cursor.fetchall()
    upto = max((number for number, agent, *_ in rows if agent is None and number is not None), default=after)
    return Page([_feed_event(*row) for row in rows if row[1] is not None], upto, upto - after < SPAN)


def _feed_event(number: int, agent: UUID, kind: str, facts: str, at: datetime, request: UUID, item: str) -> FeedEvent:
    all_facts: dict[str, Json] = json.loads(facts)
    # A recall's reason is for the agent; the pick-list of a verdict is between people.
    fact_names = (*_FACTS, "reason") if kind == AuditEvent.Kind.RECALLED else _FACTS
    name, details = _public_name(kind, {fact: all_facts[fact] for fact in fact_names if fact in all_facts})
    data = {"number": number, "type": name, "request": str(request), "item": item, "at": moment(at), **details}
    return FeedEvent(number, agent, name, json.dumps(data, ensure_ascii=True, separators=(",", ":")))


def _public_name(kind: str, facts: dict[str, Json]) -> tuple[str, dict[str, Json]]:
    """Whatever settles an item so that it may be read is `released`, with who did it."""
    if kind == AuditEvent.Kind.EXPIRED and facts.get("verdict"):
        return RELEASED, {**facts, "source": Source.TIMEOUT.value}
    if kind in {AuditEvent.Kind.DECIDED, AuditEvent.Kind.RELEASED}:
        return RELEASED, {"source": Source.HUMAN.value, **facts}
    return NAMES[kind], facts


def lines(events: Iterable[FeedEvent], types: Collection[str]) -> bytes:
    """Those of the wanted types as an event stream has them; no types: all."""
    return b"".join(one.lines() for one in events if not types or one.name in types)
