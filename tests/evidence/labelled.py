"""Approvals that people have judged, written directly: what the sweep makes labels of."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from approvals.db import times
from approvals.db.ids import new_id
from approvals.models import ActionType, Agent, Approval, ApprovalRequest, LabelCursor, PolicyVersion, User


def judged(
    agent: Agent,
    type: ActionType,
    verdicts: Iterable[str],
    *,
    by: User,
    score: str = "0.800",
    impact: str = "medium",
    **columns: object,
) -> list[Approval]:
    """One approval for each verdict, in this order, and long judged; an empty one was not drawn."""
    policy = PolicyVersion.objects.first()
    # After what the sweep has passed already, and before what it will.
    reached = LabelCursor.objects.filter(pk=type.pk).values_list("at", flat=True).first()
    begin = max(times.now() - timedelta(days=30), reached or times.now() - timedelta(days=30))
    approvals = []
    for number, verdict in enumerate(verdicts):
        at = begin + timedelta(microseconds=number + 1)
        request = ApprovalRequest.objects.create(
            agent=agent,
            content_hash="sha256:0",
            status="decided",
            open_items=0,
            answer="{}",
            created_at=at,
            closed_at=at,
        )
        drawn = bool(verdict)
        approvals.append(
            Approval(
                id=new_id(),
                request=request,
                item="1",
                agent=agent,
                action_type=type,
                domain=type.domain,
                digest="sha256:0",
                policy=policy,
                route="review" if drawn else "auto",
                gate="hard",
                reversibility=type.reversibility,
                reason_code="fixed",
                tier_id=1,
                on_timeout="reject",
                created_at=at,
                status="released",
                verdict=verdict or "approve",
                source="human" if drawn else "policy",
                decided_by=by if drawn else None,
                decided_at=at,
                released_at=at,
                event_head=b"",
                impact=impact,
                **{
                    "viewed": timedelta(seconds=30),
                    "share": Decimal(1) if drawn else Decimal("0.050"),
                    "confidence": Decimal(score),
                    "routed_score": Decimal(score),
                    "routed_impact": impact,
                    **columns,
                },
            )
        )
    return Approval.objects.bulk_create(approvals)


def mostly_right(count: int, *, wrong_every: int = 0) -> list[str]:
    """Verdicts of which each so manieth is a rejection; 0: none."""
    return [
        "reject" if wrong_every and number % wrong_every == wrong_every - 1 else "approve" for number in range(count)
    ]
