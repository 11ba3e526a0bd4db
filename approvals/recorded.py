"""What an event records of the rows that a change leaves, and the form in which it holds it.

Events are chained; rows are not. By what is recorded here each row can be held against its events (see `recompute`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from approvals.models import Decision
from approvals.policy.schema import Json, digest_of

# Columns of an approval. Everything else of the row is left out: what it was compared with and weighed by, how long
# people looked, and the times that only a sweep reads.
COLUMNS = frozenset(
    {
        *("pause_id", "item", "kind", "subject", "agent_id", "action_type_id", "domain_id", "status"),
        *("revision", "round", "proposal_id", "digest", "about", "allowed"),
        *("policy_id", "route", "gate", "reversibility", "by_law", "tier_id", "approvers", "votes", "stages", "stage"),
        *("typed", "grant_id", "plan_id", "returned_from_id", "wanted_id", "expires_at", "on_timeout", "hold_until"),
        *("verdict", "source", "decided_by_id", "decided_at", "released_at", "consumed_at", "faulted_at"),
    }
)
# What a person or policy says with a verdict; the rest of a decision is in columns of its approval.
DECISION = ("reason", "message", "answer", "alternative", "guidance", "stop", "remember")


def state_of(columns: Mapping[str, object]) -> dict[str, Json]:
    """Those of these columns that are recorded, in the form of an event."""
    return {name: plain(value) for name, value in columns.items() if name in COLUMNS}


def plain(value: object) -> Json:
    """A column's value as JSON; what is empty is null."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, UUID):
        return str(value)
    return None if value == "" else value  # type: ignore[return-value]  # the other columns hold JSON


def decision(said: Mapping[str, object]) -> str:
    """The digest of what was said with a verdict, by the names in DECISION."""
    return digest_of([said[name] for name in DECISION])  # type: ignore[misc]  # texts and JSON


def of_decision(row: Decision) -> str:
    """The same of a decision as it is stored, or about to be."""
    return decision({name: getattr(row, name) for name in DECISION})
