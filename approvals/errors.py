"""Why something that a person asked for was refused; the message is for that person."""

from collections.abc import Sequence

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from approvals.models import Approval, AuditEvent, Decision, PostReview, Recall, Run
from approvals.models.states import Source, Status
from approvals.values.schema import Fault


class ReviewError(Exception):
    """Something about an approval could not be done."""


class NotAllowed(ReviewError):
    """You may not do this with this approval."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _("You may not do this with this approval."))


class LacksFactor(NotAllowed):
    """The tier demands a second factor, and this person has none."""

    def __init__(self) -> None:
        super().__init__(_("This tier demands a second factor. Add one under Security in your profile, then decide."))


class Stopped(ReviewError):
    """Everything is stopped: nothing is approved and nothing runs until that is lifted."""

    def __init__(self) -> None:
        super().__init__(_("Everything is stopped. Until that is lifted, you can reject but not approve."))


class NoLongerPending(ReviewError):
    """Another person, the agent or the clock was first."""

    def __init__(self, approval: Approval) -> None:
        super().__init__(how_it_ended(approval))
        self.approval = approval


class OutOfDate(ReviewError):
    """The approval changed since the card was shown; it must be read again."""

    def __init__(self, approval: Approval, *, staged: bool = False) -> None:
        message = (
            _("A colleague approved this while you were reading, and it went on to the next stage.")
            if staged
            else _("This changed while you were reading: it is now revision %(revision)d. Read it again.")
        )
        super().__init__(message % {"revision": approval.revision})
        self.approval = approval
        self.staged = staged


class BadVerdict(ReviewError):
    """The verdict lacks something, or carries something that cannot be."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(" ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


class NotOffered(BadVerdict):
    """Nobody may give this verdict here: the agent, or the action type, takes others. `offered` are those."""

    def __init__(self, offered: Sequence[str]) -> None:
        names = ", ".join(offered)
        super().__init__(
            [Fault("/verdict", _("This verdict is not offered here. Offered: %(names)s.") % {"names": names})]
        )
        self.offered = tuple(offered)


def held_when_it_ended(approval: Approval) -> Decision | None:
    """The verdict that was held when a cancelled approval's agent withdrew it, or its run was ended."""
    ended = AuditEvent.objects.filter(approval=approval, kind__in=[AuditEvent.Kind.CANCELLED, AuditEvent.Kind.STOPPED])
    last = ended.filter(facts__has_key="held").order_by("-seq").first()
    if last is None:
        return None
    return Decision.objects.select_related("user").filter(approval=approval, undone_at=last.at).first()


def ended_while_held(decision: Decision) -> str:
    """One sentence for whose verdict it was and everybody else."""
    approval, who = decision.approval, decision.user.name if decision.user else ""
    stopped = AuditEvent.objects.filter(approval=approval, kind=AuditEvent.Kind.STOPPED).exists()
    sentences = {
        ("reject", False): _("The agent withdrew this while %(who)s's rejection was held. The rejection still counts."),
        ("reject", True): _("A reviewer ended the whole run while %(who)s's rejection was held."),
        ("answer", False): _("The agent withdrew this while %(who)s's answer was held."),
        ("answer", True): _("A reviewer ended the whole run while %(who)s's answer was held."),
    }
    withdrawn = _("The agent withdrew this while %(who)s's approval was held.")
    ended = _("A reviewer ended the whole run while %(who)s's approval was held.")
    return sentences.get((decision.verdict, stopped), ended if stopped else withdrawn) % {"who": who}


def how_it_ended(approval: Approval) -> str:
    """One sentence: who settled the approval, or what else became of it."""
    who = approval.decided_by.name if approval.decided_by else ""
    look = PostReview.objects.select_related("by").filter(pk=approval.pk, finding=PostReview.Finding.FLAGGED).first()
    if look is not None and look.by is not None and approval.status in (Status.SKIPPED, Status.CANCELLED):
        return _("%(who)s flagged a problem before it ran.") % {"who": look.by.name}
    if approval.status == Status.RECALLED:
        recall = Recall.objects.select_related("user").get(approval=approval)
        at = date_format(recall.recalled_at, "H:i:s")
        return _("%(who)s recalled this at %(at)s UTC.") % {"who": recall.user.name, "at": at}
    if approval.verdict and approval.source == Source.HUMAN:
        at = date_format(approval.decided_at, "H:i:s") if approval.decided_at else ""
        sentence = {
            "approve": _("%(who)s approved this at %(at)s UTC."),
            "modify": _("%(who)s approved this with changes at %(at)s UTC."),
            "reject": _("%(who)s rejected this at %(at)s UTC."),
            "answer": _("%(who)s answered this at %(at)s UTC."),
            "skip": _("%(who)s skipped this at %(at)s UTC."),
        }[approval.verdict]
        return sentence % {"who": who, "at": at}
    if approval.verdict and approval.source == Source.TIMEOUT:
        return _("Nobody decided before the deadline, and silence let it pass.")
    if approval.verdict and approval.source == Source.GRANT:
        return _("An approved plan covers this.") if approval.plan_id else _("A standing approval covers this.")
    if approval.verdict:
        return _("Policy settled this.")
    if approval.status == Status.CANCELLED:
        held = held_when_it_ended(approval)
        if held is not None:
            return ended_while_held(held)
    if (
        approval.status == Status.CANCELLED
        and Run.objects.filter(requests=approval.request_id, stopped_at__isnull=False).exists()
    ):
        return _("A reviewer ended the whole run.")
    return {
        Status.EXPIRED: _("Nobody decided before the deadline."),
        Status.CANCELLED: _("The agent withdrew this."),
        Status.SUPERSEDED: _("The agent replaced this by a newer request."),
    }.get(Status(approval.status), _("The deadline of this has passed."))
