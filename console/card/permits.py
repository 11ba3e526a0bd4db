"""What a card says of its permit: not used yet, used, confirmed, never confirmed, over; and what came back."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from approvals.history.facts import Reported
from approvals.models import Approval, AuditEvent, Consumption, Outcome
from approvals.models.policy import Verdict
from approvals.models.states import RUNNING, ItemType, Status
from approvals.policy import snapshot
from console.card.facts import Fact, changes_of

# How a permit stands.
ISSUED, OVER, USED, SILENT, DONE, UNUSED, RETURNED = "issued", "over", "used", "silent", "done", "unused", "returned"


@dataclass(frozen=True, slots=True)
class Permit:
    """One approval's permit: how it stands, since or until when, and who used it in the executor's own words."""

    state: str
    at: datetime | None
    executor: str = ""
    new: Approval | None = None


def permit_of(approval: Approval, now: datetime) -> Permit | None:
    """The permit of what was approved and may run; None where there is none."""
    approved = approval.verdict in (Verdict.APPROVE, Verdict.MODIFY) and approval.released_at is not None
    if not approved or approval.kind not in RUNNING or approval.item_type != ItemType.ACTION:
        return None
    if approval.consumed_at is not None:
        used = Consumption.objects.filter(approval=approval).first()
        executor = used.executor if used else ""
        if approval.status != Status.RELEASED:
            return Permit(DONE, approval.consumed_at, executor)
        silent = approval.unconfirmed(since=now - settings.ASSENT_CONFIRM_AFTER)
        return Permit(SILENT if silent else USED, approval.consumed_at, executor)
    if approval.status == Status.RELEASED:
        until = _expires_at(approval)
        return Permit(ISSUED if until is None or now < until else OVER, until)
    if approval.events.filter(kind=AuditEvent.Kind.RETURNED).exists():
        return Permit(RETURNED, None, new=Approval.objects.filter(returned_from=approval).first())
    reported = approval.events.filter(kind=AuditEvent.Kind.OUTCOME).first()
    outcome = Outcome.objects.filter(approval=approval).first()
    if reported is None or Reported.of_event(reported).permit != "not used":
        return None
    return Permit(UNUSED, outcome.reported_at if outcome else None)


def _expires_at(approval: Approval) -> datetime | None:
    kind = snapshot.type_of(approval)
    return approval.released_at + kind.permit_valid if kind and approval.released_at else None


def changed_preconditions(approval: Approval) -> list[Fact]:
    """What moved since people approved it before: how it was then, and how it is now."""
    before = approval.returned_from.proposal if approval.returned_from else None
    if before is None or approval.proposal is None:
        return []
    changes = changes_of(before.preconditions, approval.proposal.preconditions)
    return [fact for fact in changes if fact.changed]
