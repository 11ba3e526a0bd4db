"""How events are chained, who causes them, and the chain of those that concern no approval: policy, people, keys."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from approvals.db import times
from approvals.models import Agent, SystemAuditEvent, User
from approvals.values.schema import Json, canonical


@dataclass(frozen=True, slots=True)
class Actor:
    """Who caused a change, as history names them."""

    name: str
    user_id: UUID | None = None
    agent_id: UUID | None = None

    @classmethod
    def person(cls, user: User) -> "Actor":
        return cls(f"user:{user.username}", user_id=user.pk)

    @classmethod
    def of(cls, agent: Agent) -> "Actor":
        return cls(f"agent:{agent.name}", agent_id=agent.pk)


CLOCK = Actor("clock")
POLICY = Actor("policy")
COMMAND = Actor("command")  # somebody at the command line, whom we cannot name


def actor_of(person: User | None) -> Actor:
    """A person as history names them; whoever has no name here typed a command."""
    return Actor.person(person) if person else COMMAND


def event_digest(
    kind: str, actor: Actor, at: datetime, facts: Mapping[str, Json], state: Mapping[str, Json] | None = None
) -> bytes:
    """SHA-256 of the canonical JSON of what one event says; `state` is what an approval's event left."""
    content: dict[str, Json] = {"actor": actor.name, "at": at.isoformat(), "facts": dict(facts), "kind": kind}
    if state is not None:
        content["state"] = dict(state)
    return hashlib.sha256(canonical(content)).digest()


def link(head: bytes, digest: bytes) -> bytes:
    """The next head of a chain: SHA-256(head ‖ digest)."""
    return hashlib.sha256(head + digest).digest()


SYSTEM_GENESIS = hashlib.sha256(b"assent.system").digest()
_NEXT = """
INSERT INTO approvals_systemchain AS chain (id, seq, head) VALUES (1, 1, sha256(%(start)s || %(digest)s))
ON CONFLICT (id) DO UPDATE SET seq = chain.seq + 1, head = sha256(chain.head || %(digest)s) RETURNING seq, head
"""


@transaction.atomic
def record(
    kind: SystemAuditEvent.Kind, *, by: Actor, subject: str = "", detail: Mapping[str, Json] | None = None
) -> SystemAuditEvent:
    """Write what happened and concerns no approval, in the transaction of the change; returns the event.

    `subject` names whom or what it concerns (user:ana, agent:robot, policy:7); `detail` holds small facts, no secrets.
    Until that transaction ends others who record wait: do it last.
    """
    now, facts = times.now(), dict(detail or {})
    digest = system_digest(kind, by, subject, now, facts)
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, {"start": SYSTEM_GENESIS, "digest": digest})
        seq, head = cursor.fetchone()
    return SystemAuditEvent.objects.create(
        seq=seq, kind=kind, actor=by.name, subject=subject, detail=facts, at=now, hash=bytes(head)
    )


def system_digest(kind: str, actor: Actor, subject: str, at: datetime, detail: Mapping[str, Json]) -> bytes:
    """SHA-256 of the canonical JSON of what one system event says."""
    return event_digest(kind, actor, at, {"subject": subject, "detail": dict(detail)})
