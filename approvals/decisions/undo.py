"""Taking one's own verdict back while it is held."""

from uuid import UUID

from django.db import transaction

from approvals.db import times
from approvals.decisions import stages
from approvals.decisions.card_version import load
from approvals.decisions.revise import state_before_changes
from approvals.errors import (
    NoLongerPending,
    NotAllowed,
    held_when_it_ended,
)
from approvals.history import audit
from approvals.history.facts import Undone
from approvals.models import Approval, Proposal, User
from approvals.models.states import Status
from approvals.notify import notifications, outbox
from approvals.people import access
from approvals.requests.withdrawal import NO_VERDICT, take_back_grants


@transaction.atomic
def undo(approval_id: UUID, *, by: User) -> Approval:
    """Take one's own verdict back while it is held; a new round starts with what the agent proposed.

    Raises NotAllowed, or NoLongerPending when it was released, or its agent withdrew it.
    """
    now = times.now()
    approval = load(approval_id)
    if approval.decided_by_id != by.pk:
        held = held_when_it_ended(approval)
        if held is not None and held.user_id == by.pk:
            raise NoLongerPending(approval)
        raise NotAllowed
    if "undo" not in access.actions_for(approval, by, now=now):
        raise NoLongerPending(approval)
    first = _agents_proposal(approval)
    required_stages, columns = state_before_changes(approval)
    moves = (required_stages[0].tier, required_stages[0].domain) != (approval.tier_id, approval.domain_id)
    moved = audit.move_one(
        audit.Move(
            approval.pk,
            Undone(
                verdict=approval.verdict,
                round=approval.round + 1,
                **(stages.change_of_stage(approval, required_stages, 0, None) if moves else {}),
            ),
            audit.Actor.person(by),
            expect={"status": Status.HELD, "round": approval.round, "decided_by_id": by.pk},
            sets={
                "status": Status.PENDING,
                **NO_VERDICT,
                "round": approval.round + 1,
                "votes": 0,
                "revision": first.revision,
                "proposal_id": first.pk,
                "digest": first.digest,
                **columns,
                **stages.stage_columns(approval, required_stages, 0, now=now),
            },
        ),
        now=now,
        guard=audit.HOLDING,
    )
    if not moved:
        raise NoLongerPending(load(approval_id))
    take_back_grants([moved], by=audit.Actor.person(by), now=now)
    if moves:
        notifications.notify([moved], notifications.NEW, now=now)
        outbox.tell_staged([moved])
    return load(approval_id)


def _agents_proposal(approval: Approval) -> Proposal:
    """The agent's newest proposal: a person's modification goes with the verdict that made it."""
    newest = approval.proposals.filter(author=None).order_by("-revision").first()
    if newest is None:
        raise Proposal.DoesNotExist
    return newest
