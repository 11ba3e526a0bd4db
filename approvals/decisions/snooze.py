"""Setting an approval aside until later: it leaves the list, comes back by itself, and no deadline moves."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.decisions.card_version import load
from approvals.errors import BadVerdict, NoLongerPending, NotAllowed
from approvals.history import audit
from approvals.history.facts import Snoozed
from approvals.models import Approval, User
from approvals.models.approval import NO_CLAIM
from approvals.models.states import Status
from approvals.people import access
from approvals.values.schema import Fault

SHORTEST = timedelta(minutes=5)
LONGEST = timedelta(days=30)
# Of the time to the deadline this much must be left when it comes back, and never less than MARGIN.
SHARE = 0.1
MARGIN = timedelta(minutes=5)


def latest_wake(approval: Approval, *, now: datetime) -> datetime | None:
    """The last moment at which it may come back; None where there is no time to set it aside.

    Ends a margin before the next deadline, which is the tier's time or the end, whichever comes first.
    """
    ends = min(filter(None, (approval.due_at, approval.expires_at)), default=now + LONGEST)
    last = min(ends - max(MARGIN, (ends - now) * SHARE), now + LONGEST)
    return last if last >= now + SHORTEST else None


@transaction.atomic
def snooze(approval_id: UUID, *, by: User, until: datetime) -> Approval:
    """Set a pending approval aside for everybody, one's own claim included.

    Raises NotAllowed, NoLongerPending; BadVerdict for a moment that is past or too near the deadline.
    """
    now = times.now()
    approval = load(approval_id)
    may = access.actions_for(approval, by, now=now)
    if approval.status != Status.PENDING:
        raise NoLongerPending(approval)
    if "snooze" not in may or "take_over" in may:  # who is reading it keeps it
        raise NotAllowed
    last = latest_wake(approval, now=now)
    if last is None:
        raise BadVerdict([Fault("/until", _("The deadline is too near to set this aside."))])
    if not now < until <= last:
        raise BadVerdict([Fault("/until", _("Choose a time before the deadline."))])
    moved = audit.move_one(
        audit.Move(
            approval.pk,
            Snoozed(until=until),
            audit.Actor.person(by),
            expect={
                "status": Status.PENDING,
                "claimed_by_id": approval.claimed_by_id,
                "due_at": approval.due_at,
                "revision": approval.revision,
            },
            sets={"snoozed_until": until, **NO_CLAIM},
        ),
        now=now,
        guard=audit.UNLESS_OVER,
    )
    if not moved:
        current = load(approval_id)
        raise NoLongerPending(current) if current.status != Status.PENDING else NotAllowed
    return load(approval_id)


def wake(rows: Sequence[Approval], now: datetime) -> int:
    """End every snooze that is over; returns how many."""
    return len(
        audit.move(
            [
                audit.Move(
                    approval.pk,
                    Snoozed(over=True),
                    audit.CLOCK,
                    expect={"status": Status.PENDING, "snoozed_until": approval.snoozed_until},
                    sets={"snoozed_until": None},
                )
                for approval in rows
            ],
            now=now,
        )
    )
