"""What people did with an agent's proposals, as rows to learn from: proposal, decision, reason, edits, outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from approvals.models import Approval, Decision, Pause, Proposal
from approvals.models.approval import DECIDED, Kind, Subject
from approvals.models.policy import Verdict
from approvals.policy.edits import edits
from approvals.policy.schema import Json


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose decisions, of which action type ("" for all), and decided since when."""

    agent_id: UUID
    action: str = ""
    since: datetime | None = None


Place = tuple[datetime, UUID]  # when the last row read was decided, and which it was


def decided(wanted: Wanted, after: Place | None = None) -> QuerySet[Approval]:
    """The approvals with a decision that the agent knows, newest first, after a place in that order."""
    told = ~Q(pause__status=Pause.Status.PENDING) | Q(pause__decide=Pause.Decide.INDEPENDENTLY)
    found = Approval.objects.filter(
        told, agent=wanted.agent_id, kind=Kind.REAL, status__in=DECIDED, decided_at__isnull=False
    )
    if wanted.action:
        found = found.filter(action_type=wanted.action)
    if wanted.since:
        found = found.filter(decided_at__gte=wanted.since)
    if after is not None:
        at, pk = after
        found = found.filter(Q(decided_at__lt=at) | Q(decided_at=at, pk__lt=pk))
    return found.order_by("-decided_at", "-pk")


def place_of(approval: Approval) -> Place | None:
    return (approval.decided_at, approval.pk) if approval.decided_at else None


def rows(approvals: QuerySet[Approval]) -> list[tuple[Approval, Mapping[str, Json]]]:
    """Each approval with its row; four queries for all of them."""
    own = Proposal.objects.filter(author=None).only("approval", "revision", "args", "prompt", "steps")
    standing = Decision.objects.filter(undone_at=None)
    found = approvals.select_related("proposal", "outcome").defer("assessment", "reasons")
    found = found.prefetch_related(
        Prefetch("proposals", own.order_by("revision"), to_attr="own"),
        Prefetch("decisions", standing, to_attr="standing"),
    )
    return [(one, _row(one)) for one in found]


def _row(approval: Approval) -> dict[str, Json]:
    own: list[Proposal] = getattr(approval, "own", [])
    standing: list[Decision] = getattr(approval, "standing", [])
    said = standing[0] if standing else Decision()
    proposed = next((one for one in reversed(own) if one.revision <= approval.revision), None)
    before = _proposed(approval, proposed)
    runs = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY)
    after = _proposed(approval, approval.proposal) if runs else None
    outcome = getattr(approval, "outcome", None)
    return {
        "request": str(approval.pause_id),
        "item": approval.item,
        "action": approval.action_type_id,
        "question": proposed.prompt if proposed and approval.subject == Subject.QUESTION else None,
        "proposed": before,
        "decided": after,
        "verdict": approval.verdict,
        "source": approval.source,
        "reason": said.reason,
        "message": said.message,
        "alternative": said.alternative or None,
        "answer": said.answer,
        "guidance": said.guidance or None,
        "edits": list(edits(before, after)) if runs else [],
        "outcome": outcome.result if outcome else None,
        "decided_at": approval.decided_at.isoformat() if approval.decided_at else None,
        "policy_version": approval.policy_id,
    }


def _proposed(approval: Approval, proposal: Proposal | None) -> Json:
    """The arguments, or the steps of a plan; None for a question, and where they were erased."""
    if proposal is None or approval.subject == Subject.QUESTION:
        return None
    return {"steps": proposal.steps} if approval.subject == Subject.PLAN else proposal.args
