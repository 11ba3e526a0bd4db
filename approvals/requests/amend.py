"""The agent revises what still waits: a new revision, taken, valued and routed like a first one.

Nothing that was asked becomes less by it: the tier, the number of people and the gate only rise, and whom it passed
over the first time it does not pass now. The votes are void, the end stays where it is, and silence approves no
arguments that came later than the request.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from approvals.db import times
from approvals.decisions import stages
from approvals.decisions.card_version import load
from approvals.decisions.revise import Revision, revise
from approvals.errors import ReviewError
from approvals.history import audit, recorded
from approvals.history.facts import Amended, Released
from approvals.models import Agent, Approval, Decision, Proposal
from approvals.models.approval import NO_CLAIM
from approvals.models.policy import Verdict
from approvals.models.states import ItemType, Route, Source, Status
from approvals.notify import notifications, outbox
from approvals.requests.closing import close_settled
from approvals.requests.evaluation import Evaluation
from approvals.requests.submission import BadSubmission, Item, as_item
from approvals.values import schema
from approvals.values.schema import Fault

_TEXT_FIELDS = ("summary", "reasoning", "context", "current", "preconditions", "alternatives", "signals")
_MOST_PATHS = 50


class NotAmendable(ReviewError):
    """This does not wait any more; there is nothing left to revise."""

    def __init__(self) -> None:
        # No more than that: while a verdict is held the agent does not know of it.
        super().__init__("This does not wait any more, or is being settled: it can no longer be revised.")


def amend(approval_id: UUID, change: Callable[[Item], Item], *, by: Agent) -> Approval:
    """Replace what a pending approval proposes by `change` of what the agent proposed last; returns it as it then is.

    An amendment that changes nothing is the revision there is. Raises BadSubmission, or NotAmendable for what is held
    or settled.
    """
    for _attempt in range(5):
        amended = _amend(approval_id, change, by=by)
        if amended is not None:
            return amended
        # A reviewer changed it at the same moment: the amendment is one of what it is now.
    raise NotAmendable


@transaction.atomic
def _amend(approval_id: UUID, change: Callable[[Item], Item], *, by: Agent) -> Approval | None:
    now = times.now()
    approval = load(approval_id)
    _refuse_unless_pending(approval, now)
    own = approval.proposals.filter(author=None).order_by("-revision").first()
    if own is None:
        raise NotAmendable
    before = as_item(approval, own)
    item = change(before)
    if own.pk == approval.proposal_id and _same(item, before):
        return approval
    if item.item_type != ItemType.ACTION and item.args != own.args:
        raise BadSubmission([Fault("/items/0/action/args", "Only an action has arguments.")])
    revision = revise(approval, own, item, by=None, now=now)
    proposal, evaluation = revision.proposal, revision.evaluation
    expect = {
        "status": Status.PENDING,
        "revision": approval.revision,
        "round": approval.round,
        "stage": approval.stage,
        "tier_id": approval.tier_id,
        "domain_id": approval.domain_id,
        "approvers": approval.approvers,
    }
    facts = _facts(approval, own, revision)
    move = audit.Move(approval.pk, facts, audit.Actor.of(by), expect, revision.columns)
    moved = audit.move_one(move, now=now, guard=audit.UNLESS_OVER)
    if not moved:
        _refuse_unless_pending(load(approval_id), times.now())
        return None
    proposal.save(force_insert=True)
    if evaluation.routing.route == Route.REJECT:
        _refuse(moved, evaluation, now=now)
    amended = load(approval_id)
    if amended.status == Status.PENDING and amended.queue != approval.queue:
        risen = amended.tier_id > approval.tier_id
        notifications.notify([amended], notifications.ESCALATED if risen else notifications.NEW, now=now)
        (outbox.notify_escalated if risen else outbox.tell_staged)([amended])
    return amended


def _same(left: Item, right: Item) -> bool:
    """Whether two arguments are the same by their JSON: Python finds 1 and true equal, an executor does not."""

    def written(item: Item) -> bytes:
        return schema.canonical([item.args, dict(item.context), item.current, dict(item.preconditions)])

    return left == right and written(left) == written(right)


def _refuse_unless_pending(approval: Approval, now: datetime) -> None:
    if approval.status != Status.PENDING or (approval.expires_at and approval.expires_at <= now):
        raise NotAmendable


def _facts(approval: Approval, own: Proposal, revision: Revision) -> Amended:
    proposal, required_stages = revision.proposal, revision.required_stages
    moves = (required_stages[0].tier, required_stages[0].domain) != (approval.tier_id, approval.domain_id)
    return Amended(
        revision=proposal.revision,
        digest=proposal.digest,
        edited=tuple(revision.edited[:_MOST_PATHS]),
        parts=tuple(name for name in (*_TEXT_FIELDS, "attachments") if getattr(own, name) != getattr(proposal, name)),
        **(stages.change_of_stage(approval, required_stages, 0, None) if moves else {}),
    )


def _refuse(approval: Approval, evaluation: Evaluation, *, now: datetime) -> None:
    """Policy refuses the revision: it ends here, as it would have ended at the door."""
    message = evaluation.routing.quoted_message or None
    refused = audit.move_held(
        audit.Move(
            approval.pk,
            Released(verdict=Verdict.REJECT, source=Source.POLICY),
            audit.POLICY,
            expect={"status": Status.PENDING, "revision": approval.revision},
            sets={
                "status": Status.RELEASED,
                "route": Route.REJECT,
                "verdict": Verdict.REJECT,
                "source": Source.POLICY,
                "decided_at": now,
                "released_at": now,
                **NO_CLAIM,
            },
            digests={"decision": recorded.decision_digest({"message": message}, approval.reasons)},
        ),
        now=now,
    )
    Decision.on(refused, surface="policy", at=now, message=message).save(force_insert=True)
    close_settled([refused], now=now)
