"""Why a person's wish about an approval was not carried out; the sentence is for that person."""

from collections.abc import Sequence

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from approvals.models import Approval, Audit, Run
from approvals.models.approval import Source, Status
from approvals.policy.schema import Fault


class ReviewError(Exception):
    """Something about an approval could not be done."""


class NotAllowed(ReviewError):
    """You may not do this with this approval."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _("You may not do this with this approval."))


class NoLongerPending(ReviewError):
    """Another person, the agent or the clock was first."""

    def __init__(self, approval: Approval) -> None:
        super().__init__(how_it_ended(approval))
        self.approval = approval


class OutOfDate(ReviewError):
    """The approval changed since the card was shown; it must be read again."""

    def __init__(self, approval: Approval, *, staged: bool = False) -> None:
        said = (
            _("A colleague approved this while you were reading, and it went on to the next stage.")
            if staged
            else _("This changed while you were reading: it is now revision %(revision)d. Read it again.")
        )
        super().__init__(said % {"revision": approval.revision})
        self.approval = approval
        self.staged = staged


class BadVerdict(ReviewError):
    """The verdict lacks something, or carries something that cannot be."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(" ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


def how_it_ended(approval: Approval) -> str:
    """One sentence: who settled the approval, or what else became of it."""
    who = approval.decided_by.name if approval.decided_by else ""
    look = Audit.objects.select_related("by").filter(pk=approval.pk, finding=Audit.Finding.OBJECTED).first()
    if look is not None and look.by is not None and approval.status in (Status.SKIPPED, Status.CANCELLED):
        return _("%(who)s objected to this before it ran.") % {"who": look.by.name}
    if approval.verdict and approval.source == Source.HUMAN:
        at = date_format(approval.decided_at, "H:i:s") if approval.decided_at else ""
        said = {
            "approve": _("%(who)s approved this at %(at)s UTC."),
            "modify": _("%(who)s approved this with changes at %(at)s UTC."),
            "reject": _("%(who)s rejected this at %(at)s UTC."),
            "answer": _("%(who)s answered this at %(at)s UTC."),
            "skip": _("%(who)s skipped this at %(at)s UTC."),
        }[approval.verdict]
        return said % {"who": who, "at": at}
    if approval.verdict and approval.source == Source.TIMEOUT:
        return _("Nobody decided before the deadline, and silence let it pass.")
    if approval.verdict and approval.source == Source.GRANT:
        return _("An approved plan covers this.") if approval.plan_id else _("A standing approval covers this.")
    if approval.verdict:
        return _("Policy settled this.")
    if (
        approval.status == Status.CANCELLED
        and Run.objects.filter(pauses=approval.pause_id, stopped_at__isnull=False).exists()
    ):
        return _("A reviewer ended the whole run.")
    return {
        Status.EXPIRED: _("Nobody decided before the deadline."),
        Status.CANCELLED: _("The agent withdrew this."),
        Status.SUPERSEDED: _("The agent replaced this by a newer request."),
    }.get(Status(approval.status), _("The deadline of this has passed."))
