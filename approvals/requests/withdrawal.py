"""Ends an approval that is still open or held: its agent withdraws it, or its run is ended.

The verdict goes with it, and so does what was given together with the verdict. History says what was held. A person's
rejection that its agent evaded so counts as one all the same when the next proposals are compared with the past.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from approvals.history import audit
from approvals.history.facts import Cancelled, Granted, Stopped
from approvals.models import Approval, Grant
from approvals.models.approval import NO_CLAIM
from approvals.models.policy import Verdict
from approvals.models.states import Source, Status

# Columns of a verdict that goes; `audit.move` ends the decision that stood with it.
NO_VERDICT = {"verdict": "", "source": "", "decided_by_id": None, "decided_at": None, "hold_until": None}


def withdraw(
    approvals: Iterable[Approval], facts: Cancelled | Stopped, actor: audit.Actor, *, now: datetime
) -> list[Approval]:
    """Cancel these open approvals, whose rows the caller holds; returns those that were cancelled.

    `facts` say in history why; what was held of each is added.
    """
    moved = audit.move(
        [
            audit.Move(
                approval.pk,
                replace(facts, held=approval.verdict) if approval.status == Status.HELD else facts,
                actor,
                expect={"status": approval.status, "round": approval.round},
                sets={
                    "status": Status.CANCELLED,
                    **NO_CLAIM,
                    "faulted_at": now if _evades(approval, actor) else approval.faulted_at,
                    **NO_VERDICT,
                },
            )
            for approval in approvals
        ],
        now=now,
    )
    take_back_grants(moved, by=actor, now=now)
    return moved


def _evades(approval: Approval, actor: audit.Actor) -> bool:
    """True where its own agent withdraws what a person has rejected, before it may know of that."""
    rejected = (approval.status, approval.verdict) == (Status.HELD, Verdict.REJECT)
    return rejected and approval.source == Source.HUMAN and actor.agent_id == approval.agent_id


def take_back_grants(approvals: Sequence[Approval], *, by: audit.Actor, now: datetime) -> None:
    """Revoke the standing approvals that were given on the cards of these: they go with the verdict."""
    if not approvals:
        return
    for grant in Grant.objects.filter(origin__in=approvals, revoked_at=None).order_by("pk"):
        standing = Grant.objects.filter(pk=grant.pk, revoked_at=None)
        if not standing.update(revoked_at=now, revoked_by_id=by.user_id) or grant.origin_id is None:
            continue
        revoked = Granted(grant=grant.pk, revoked=True)
        audit.move_one(audit.Move(grant.origin_id, revoked, by, expect={}), now=now)
