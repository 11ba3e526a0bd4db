"""Every approval of a selection as a row to recount and to learn from: what was proposed, what became of it, and how.

The names are stable: one that changes its meaning gets a new name, and `log` a new number.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from approvals.evidence import feedback
from approvals.evidence.metrics import people_with_enough
from approvals.evidence.selection import Selection
from approvals.models import Approval, Incident, Label, Vote
from approvals.values.schema import Json

VERSION = 1


def named_people(selection: Selection, *, everybody: bool) -> Collection[UUID] | None:
    """Whose name the log may say: who decided enough in the selection; None for everybody's."""
    return None if everybody else people_with_enough(selection)


def rows(approvals: QuerySet[Approval], named: Collection[UUID] | None) -> list[dict[str, Json]]:
    """The row of each approval; a fixed number of queries for all of them. `named` are who may be named."""
    beside = (
        Prefetch("cast", Vote.objects.order_by("created_at"), to_attr="all_votes"),
        Prefetch("incidents", Incident.objects.order_by("opened_at"), to_attr="all_incidents"),
    )
    queryset = approvals.select_related("agent", "decided_by", "label__cell").prefetch_related(*beside)
    return [_row(approval, learned, named) for approval, learned in feedback.rows(queryset, with_assessment=True)]


def _row(approval: Approval, learned: Mapping[str, Json], named: Collection[UUID] | None) -> dict[str, Json]:
    person = approval.decided_by
    votes: Sequence[Vote] = getattr(approval, "all_votes", ())
    return {
        "log": VERSION,
        "id": str(approval.pk),
        **learned,
        "item_type": approval.item_type,
        "agent": approval.agent.name,
        "agent_model": approval.agent_model,
        "prompt_version": approval.prompt_version,
        "tool_version": approval.tool_version,
        "domain": approval.domain_id,
        "subject": approval.subject,
        "value": _number(approval.value),
        "impact": approval.impact,
        "reversibility": approval.reversibility,
        "route": approval.route,
        "gate": approval.gate,
        "reason_code": approval.reason_code,
        "confidence": _number(approval.confidence),
        "signals": approval.assessment.get("signals", []),
        "flags": approval.assessment.get("flags", []),
        "flagged": approval.flagged,
        "tier_started": (approval.tiers_visited or [approval.tier_id])[0],
        "tier": approval.tier_id,
        "stages": len(approval.stages),
        "escalations": approval.escalations,
        "breaches": approval.breaches,
        "status": approval.status,
        "arrived_at": _moment(approval.created_at),
        "due_at": _moment(approval.due_at),
        "released_at": _moment(approval.released_at),
        "viewed_seconds": round(approval.viewed.total_seconds()),
        "decided_by": person.username if person and (named is None or person.pk in named) else None,
        "votes": len({vote.user_id for vote in votes if vote.round == approval.round}),
        "faulted_at": _moment(approval.faulted_at),
        "incidents": [_incident(incident) for incident in getattr(approval, "all_incidents", ())],
        "share": _number(approval.share),
        "label": _label(getattr(approval, "label", None)),
    }


def _incident(incident: Incident) -> dict[str, Json]:
    return {
        "severity": incident.severity,
        "text": incident.text,
        "cost": _number(incident.cost),
        "opened_at": _moment(incident.opened_at),
    }


def _label(label: Label | None) -> dict[str, Json] | None:
    """A label with the cell that counts it; in the order of `number`, and once more at `settled`."""
    if label is None:
        return None
    return {
        "number": label.number,
        "cell": str(label.cell_id),
        "impact": label.cell.impact,
        "score": _number(label.score),
        "share": _number(label.share),
        "drawn": label.drawn,
        "wrong": label.wrong,
        "missing": label.missing,
        "settled": label.settled,
    }


def _number(value: Decimal | None) -> str | None:
    """As text, so that no reader rounds it."""
    return None if value is None else str(value)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
