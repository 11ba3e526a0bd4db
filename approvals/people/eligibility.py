"""What an approval can be part of, whoever asks: a batch, a recall, a standing approval."""

from approvals.models import Approval, ApprovalRequest
from approvals.models.policy import Gate, Reversibility, Verdict
from approvals.models.states import ItemType, Kind, Source, Status

_MAY_HAVE_RUN = frozenset({Status.RELEASED, Status.EXECUTED, Status.FAILED, Status.COMPENSATED, Status.RECALLED})


def can_be_recalled(approval: Approval) -> bool:
    """True where something was let run that a person can take back: a real action or plan, never an answer."""
    return (
        approval.kind == Kind.REAL
        and approval.item_type in (ItemType.ACTION, ItemType.PLAN)
        and approval.verdict in (Verdict.APPROVE, Verdict.MODIFY)
    )


def recallable(approval: Approval) -> bool:
    """True where what was let run has not run: released, its permit unused, and no outcome reported."""
    return can_be_recalled(approval) and approval.status == Status.RELEASED and approval.consumed_at is None


def agent_knows(request: ApprovalRequest) -> bool:
    """True where the agent may know what was settled in this request."""
    return request.status != ApprovalRequest.Status.PENDING or request.decide == ApprovalRequest.Decide.INDEPENDENTLY


def may_have_run(approval: Approval) -> bool:
    """True where harm can have come of it: what the agent was told it may run, whether or not it has said it did."""
    return (
        approval.kind == Kind.REAL
        and approval.verdict in (Verdict.APPROVE, Verdict.MODIFY)
        and approval.status in _MAY_HAVE_RUN
    )


def page_only(approval: Approval) -> bool:
    """True where it is decided on the page alone: whoever approves it types something there."""
    return approval.gate == Gate.MANUAL or approval.typed


def takes_several(approval: Approval) -> bool:
    """True where one person's approval does not let it run."""
    return approval.approvers > 1 or bool(approval.stages)


def grantable(approval: Approval) -> bool:
    """True where the next ones like it may be approved beforehand: never what a person must always decide."""
    return (
        approval.item_type == ItemType.ACTION
        and approval.shown_kind == Kind.REAL
        and approval.reversibility != Reversibility.IRREVERSIBLE
        and not approval.by_law
        and not page_only(approval)
        and not takes_several(approval)
        and approval.source != Source.GRANT
    )


def batchable(approval: Approval) -> bool:
    """True where the approval may be settled together with others of its kind."""
    return (
        approval.status == Status.PENDING
        and approval.gate != Gate.CLARIFY
        and not page_only(approval)
        and not takes_several(approval)
        and not approval.flagged
        and approval.item_type == "action"
    )
