"""Digests that an event keeps of the rows which a change leaves beside the approval.

Events are chained; rows are not. By what is recorded here each row can be held against its events (see `recompute`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import cast
from uuid import UUID

from django.db.models import Model

from approvals.models import AgentQuestion, Consumption, Decision, Incident, Note, Outcome, Recall, Vote
from approvals.values.schema import Json, digest_of

# Columns of an approval. Everything else of the row is left out: what it was compared with and weighed by, how long
# people looked, and the times that only a sweep reads.
COLUMNS = frozenset(
    {
        *("request_id", "item", "kind", "item_type", "agent_id", "action_type_id", "domain_id", "status"),
        *("revision", "round", "proposal_id", "digest", "subject", "allowed"),
        *("policy_id", "route", "gate", "reversibility", "by_law", "tier_id", "approvers", "votes", "stages", "stage"),
        *(
            "typed",
            "grant_id",
            "plan_id",
            "returned_from_id",
            "originally_approved_by_id",
            "expires_at",
            "on_timeout",
            "hold_until",
        ),
        *("verdict", "source", "decided_by_id", "decided_at", "released_at", "consumed_at", "faulted_at"),
    }
)
# What a person or policy says with a verdict; the rest of a decision is in columns of its approval.
DECISION = ("reason", "message", "answer", "alternative", "guidance", "stop", "remember")
_UNSAID = {field.name: field.get_default() for field in Decision._meta.concrete_fields if field.name in DECISION}


def state_of(columns: Mapping[str, object]) -> dict[str, Json]:
    """Those of these columns that are recorded, in the form of an event."""
    return {name: plain(value) for name, value in columns.items() if name in COLUMNS}


def plain(value: object) -> Json:
    """A column's value as JSON; what is empty is null."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    return None if value == "" else value  # type: ignore[return-value]  # the other columns hold JSON


def decision_digest(verdict_input: Mapping[str, object], refused_for: Sequence[Json] = ()) -> str:
    """The digest of what was said with a verdict, by the names in DECISION; what is left out was not said.

    With the reasons that policy refuses for, where it does.
    """
    values: list[Json] = [cast(Json, verdict_input.get(name, _UNSAID[name])) for name in DECISION]
    return digest_of([*values, list(refused_for)] if refused_for else values)


def stored_decision_digest(row: Decision, refused_for: Sequence[Json] = ()) -> str:
    """The same of a decision as it is stored, or about to be."""
    return decision_digest({name: getattr(row, name) for name in DECISION}, refused_for)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows beside an approval that are written with an event and recorded there: by which columns each is known, and
    which are held against the event. Of two events about the same row the last one counts."""

    model: type[Model]
    key: tuple[str, ...]
    columns: tuple[str, ...]

    def key_of(self, row: Mapping[str, object]) -> str:
        return ".".join(str(row[column]) for column in self.key)

    def digest(self, row: Mapping[str, object]) -> str:
        """Of a row with neither of these columns set there is none: "" (a question without an answer)."""
        values = [plain(row[column]) for column in self.columns]
        return digest_of(values) if any(value is not None for value in values) else ""


BESIDE: Mapping[str, Table] = MappingProxyType(
    {
        "vote": Table(
            Vote, ("revision", "round", "user_id"), ("stage", "user_id", "in_place_of_id", "note", "created_at")
        ),
        "note": Table(Note, ("id",), ("user_id", "text", "created_at")),
        "question": Table(AgentQuestion, ("id",), ("user_id", "text", "asked_at")),
        "answer": Table(AgentQuestion, ("id",), ("answer", "answered_at")),
        "recall": Table(
            Recall,
            ("approval_id",),
            ("decision_id", "user_id", "in_place_of_id", "tier_id", "surface", "reason", "message", "recalled_at"),
        ),
        "use": Table(Consumption, ("approval_id",), ("jti", "agent_id", "attempt", "executor", "consumed_at")),
        "outcome": Table(Outcome, ("approval_id",), ("result", "detail", "data", "reported_at", "reported_by_id")),
        "incident": Table(Incident, ("id",), ("severity", "text", "opened_by_id", "cost")),
    }
)


def related_digests(**rows: Model | None) -> dict[str, Json]:
    """What an event records of rows that are written with it, by their names in BESIDE: {name: {key: digest}}.

    A row that is None is not written.
    """
    return {
        name: {BESIDE[name].key_of(row.__dict__): BESIDE[name].digest(row.__dict__)}
        for name, row in rows.items()
        if row is not None
    }
