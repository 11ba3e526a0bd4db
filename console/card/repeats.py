"""What was rejected before and is proposed once more: who rejected it, with which words, and what is different now."""

from dataclasses import dataclass

from approvals.models import Approval, Decision, User
from approvals.models.verdict import RejectionReason
from approvals.people import access, authorities
from console.card.facts import Fact, changes_of


@dataclass(frozen=True, slots=True)
class EarlierRejection:
    """The rejected approval as the card of the next attempt shows it; `changes` are those that differ."""

    approval: Approval
    who: str
    reason: str
    message: str
    changes: list[Fact]


def earlier_of(approval: Approval, user: User, authority: authorities.Authority) -> EarlierRejection | None:
    """What this one repeats, as far as the person may read that, too."""
    if approval.repeats_id is None or approval.proposal is None:
        return None
    seen = access.visible_to(user, authority).filter(pk=approval.repeats_id)
    before = seen.select_related("proposal", "decided_by").first()
    if before is None or before.proposal is None or not access.sees_content(before, user, authority):
        return None
    decision = Decision.objects.filter(approval=before, undone_at=None).order_by("-decided_at").first()
    return EarlierRejection(
        approval=before,
        who=before.decided_by.name if before.decided_by else "",
        reason=str(dict(RejectionReason.choices).get(decision.reason, "")) if decision else "",
        message=(decision.message or "") if decision else "",
        changes=[change for change in changes_of(before.proposal.args, approval.proposal.args) if change.changed],
    )
