"""What people did with an agent's proposals, as rows to learn from: proposal, decision, reason, edits, outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from approvals.db.cursors import Position
from approvals.models import Approval, ApprovalRequest, Decision, Proposal
from approvals.models.policy import Verdict
from approvals.models.states import DECIDED, ItemType, Kind
from approvals.policy import messages
from approvals.values.edits import edits
from approvals.values.schema import Json


@dataclass(frozen=True, slots=True)
class FeedbackQuery:
    """Whose decisions, of which action type ("" for all), and decided since when."""

    agent_id: UUID
    action: str = ""
    since: datetime | None = None


def decided(query: FeedbackQuery, after: Position | None = None) -> QuerySet[Approval]:
    """The approvals with a decision that the agent knows, newest first, after a place in that order."""
    known_to_agent = ~Q(request__status=ApprovalRequest.Status.PENDING) | Q(
        request__decide=ApprovalRequest.Decide.INDEPENDENTLY
    )
    approvals = Approval.objects.filter(
        known_to_agent, agent=query.agent_id, kind=Kind.REAL, status__in=DECIDED, decided_at__isnull=False
    )
    if query.action:
        approvals = approvals.filter(action_type=query.action)
    if query.since:
        approvals = approvals.filter(decided_at__gte=query.since)
    if after is not None:
        approvals = approvals.filter(after.older("decided_at"))
    return approvals.order_by("-decided_at", "-pk")


def position_of(approval: Approval) -> Position | None:
    return Position(approval.decided_at, approval.pk) if approval.decided_at else None


def rows(approvals: QuerySet[Approval], *, with_assessment: bool = False) -> list[tuple[Approval, Mapping[str, Json]]]:
    """Each approval with its row; four queries for all of them."""
    own = Proposal.objects.filter(author=None).only("approval", "revision", "args", "prompt", "steps")
    standing = Decision.objects.filter(undone_at=None)
    queryset = approvals.select_related("proposal", "outcome")
    queryset = queryset if with_assessment else queryset.defer("assessment")
    queryset = queryset.prefetch_related(
        Prefetch("proposals", own.order_by("revision"), to_attr="own"),
        Prefetch("decisions", standing, to_attr="standing"),
    )
    return [(one, _row(one)) for one in queryset]


def _row(approval: Approval) -> dict[str, Json]:
    own: list[Proposal] = getattr(approval, "own", [])
    standing: list[Decision] = getattr(approval, "standing", [])
    decision = standing[0] if standing else None
    proposed = next((one for one in reversed(own) if one.revision <= approval.revision), None)
    before = _proposed(approval, proposed)
    runs = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY)
    after = _proposed(approval, approval.proposal) if runs else None
    outcome = getattr(approval, "outcome", None)
    return {
        "request": str(approval.request_id),
        "item": approval.item,
        "action": approval.action_type_id,
        "question": proposed.prompt if proposed and approval.item_type == ItemType.QUESTION else None,
        "proposed": before,
        "decided": after,
        "verdict": approval.verdict,
        "source": approval.source,
        "reason": decision.reason if decision else "",
        "message": messages.message_of(approval, decision) if decision else None,
        "alternative": (decision.alternative or None) if decision else None,
        "answer": decision.answer if decision else None,
        "guidance": (decision.guidance or None) if decision else None,
        "edits": list(edits(before, after)) if runs else [],
        "outcome": outcome.result if outcome else None,
        "decided_at": approval.decided_at.isoformat() if approval.decided_at else None,
        "policy_version": approval.policy_id,
    }


def _proposed(approval: Approval, proposal: Proposal | None) -> Json:
    """The arguments, or the steps of a plan; None for a question, and where they were erased."""
    if proposal is None or approval.item_type == ItemType.QUESTION:
        return None
    return {"steps": proposal.steps} if approval.item_type == ItemType.PLAN else proposal.args
