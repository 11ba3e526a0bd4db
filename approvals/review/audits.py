"""Looks at what ran without a person: which rows they are, who sees them, and who may say what was found.

A look approves nothing. It is written in the transaction that lets the thing run, so nothing runs unseen.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from approvals import bulk
from approvals.models import Approval, Audit, Pause, User
from approvals.models.approval import Subject
from approvals.models.policy import Silence
from approvals.policy import sampling
from approvals.review import access
from approvals.review.cases import Case

TIMED = (Audit.Why.VETO, Audit.Why.REVIEW)  # whose rows say until when
# What the run of these is asked to undo as soon as it has ended, though it was still under way when somebody objected.
RAN_AHEAD = TIMED


def why_of(case: Case) -> str:
    """An Audit.Why of what policy lets pass, empty for none: what the route says, else whether it is drawn."""
    if case.routing.audit or case.item.subject != Subject.ACTION:
        return case.routing.audit
    share = sampling.share(case.routing, case.type, case.standing)
    drawn = share > 0 and sampling.is_drawn(case.id, share, settings.SECRET_KEY)
    return Audit.Why.SAMPLED if drawn else ""


def of_case(approval: Approval, case: Case, why: str, *, now: datetime) -> Audit:
    """The unsaved row of what policy lets pass. The window is the action type's: no agent shortens it."""
    look = _made(approval, why, run=approval.pause.run_id, until=now + case.type.expires_after, now=now)
    approval.audit = look  # the answer to the agent tells of it
    return look


def of_silence(approvals: Sequence[Approval], *, now: datetime) -> None:
    """Open a look at each of those that run because nobody answered, where that is what was agreed."""
    ran = [one for one in approvals if one.on_timeout == Silence.PROCEED]
    if not ran:
        return
    runs = dict(Pause.objects.filter(pk__in={one.pause_id for one in ran}).values_list("pk", "run"))
    bulk.insert([_made(one, Audit.Why.SILENCE, run=runs[one.pause_id], until=None, now=now) for one in ran])


def _made(approval: Approval, why: str, *, run: object, until: datetime | None, now: datetime) -> Audit:
    return bulk.made(
        Audit,
        approval=approval,
        why=why,
        tier_id=approval.tier_id,
        domain_id=approval.domain_id,
        run_id=run,
        opened_at=now,
        until=until if why in TIMED else None,
    )


# --- Who looks


def open_of(user: User, authority: access.Authority | None = None) -> QuerySet[Audit]:
    """Every open look that this person sees: of their queues and of the agents they operate, all for who sees all."""
    authority = authority or access.authority_of(user)
    found = Audit.objects.filter(finding=Audit.Finding.OPEN)
    if authority.sees_all:
        return found
    return found.filter(access.reached(authority) | Q(approval__agent__in=authority.operates))


# A run is reviewed as a whole: until it has ended nobody has to look.
DUE = ~Q(why=Audit.Why.REVIEW) | Q(run__ended_at__isnull=False) | Q(run__stopped_at__isnull=False)


def due_of(user: User, authority: access.Authority | None = None) -> QuerySet[Audit]:
    """What waits for this person's look now."""
    return open_of(user, authority).filter(DUE)


def may_find(audit: Audit, authority: access.Authority) -> bool:
    """True where this person may say what was found: who could have decided it, and does not operate the agent."""
    return authority.reaches(audit.tier_id, audit.domain_id) and audit.approval.agent_id not in authority.operates


def objected(approval_id: UUID) -> bool:
    """True where a person objected to what goes ahead by this approval: what it does is to be undone."""
    return Audit.objects.filter(pk=approval_id, why__in=RAN_AHEAD, finding=Audit.Finding.OBJECTED).exists()
