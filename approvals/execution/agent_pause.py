"""Pausing an agent, and rejecting all that it has pending. Neither is a reviewer's verdict on what an agent proposes:
managers and admins may do both, since to refuse is always safe.
"""

from datetime import datetime

from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.errors import BadVerdict, NotAllowed
from approvals.history import audit, recorded
from approvals.history.facts import Cancelled, Decided
from approvals.models import Agent, Approval, Decision, SystemAuditEvent, User
from approvals.models.approval import NO_CLAIM
from approvals.models.policy import Verdict
from approvals.models.states import DISGUISED, Source, Status
from approvals.oversight import judging
from approvals.people import access, authorities
from approvals.requests import withdrawal
from approvals.requests.closing import close_settled
from approvals.values import texts
from approvals.values.schema import Fault

SET = 200  # rows of one transaction


def pausable_by(user: User, authority: authorities.Authority | None = None) -> QuerySet[Agent]:
    """The agents that this person may pause: managers and admins all, reviewers of the highest tier those that propose
    something in their domains and that they do not operate."""
    authority = authority or authorities.authority_of(user)
    agents = Agent.objects.all()
    if not user.is_active:
        return agents.none()
    if authority.manager or authority.superuser or user.has_perm("approvals.change_agent"):
        return agents
    highest = access.highest_tier()
    domains = {domain for level, domain in authority.reviews if level == highest}
    agents = agents.exclude(pk__in=authority.operates)
    if None in domains:
        return agents
    return agents.filter(pk__in=Approval.objects.filter(domain__in=domains).values("agent"))


@transaction.atomic
def pause(agent: Agent, *, by: User, paused: bool = True) -> bool:
    """Pause the agent or, with `paused` False, resume it; returns False where it was so already. Raises NotAllowed.

    While paused all that it proposes is refused and none of its permits is used. What is pending stays pending.
    """
    _refuse_unless_allowed(agent, by)
    changed = Agent.objects.filter(pk=agent.pk, paused_at__isnull=paused).update(
        paused_at=times.now() if paused else None
    )
    if changed:
        LogEntry.objects.log_actions(
            by.pk, [agent], CHANGE, "Paused." if paused else "Pause ended.", single_object=True
        )
        kind = SystemAuditEvent.Kind.AGENT_PAUSED if paused else SystemAuditEvent.Kind.AGENT_RESUMED
        audit.record(kind, by=audit.actor_of(by), subject=f"agent:{agent.name}")
    return bool(changed)


def reject_pending(agent: Agent, *, by: User, why: str) -> int:
    """Reject everything of the agent that waits, with these words for it; how many. Raises NotAllowed, BadVerdict."""
    _refuse_unless_allowed(agent, by)
    why = why.strip()
    if not 0 < len(why) <= texts.WHY or "\0" in why:
        text = _("Say why, in a few words; the agent reads it.") if not why else _("At most %(most)d characters.")
        raise BadVerdict([Fault("/message", text % {"most": texts.WHY})])
    done = 0
    while True:
        moved = _reject(agent, by=by, why=why, now=times.now())
        done += moved
        if not moved:
            return done


@transaction.atomic
def _reject(agent: Agent, *, by: User, why: str, now: datetime) -> int:
    waiting = Approval.objects.filter(agent=agent, status=Status.PENDING).order_by("pk")
    _end_disguised(waiting, by=by, now=now)
    rows = list(waiting.select_for_update(skip_locked=True, of=("self",)).only("pk", "revision", "round")[:SET])
    moved = audit.move(
        [
            audit.Move(
                approval.pk,
                Decided(verdict=Verdict.REJECT, surface="agent", everything=True),
                audit.Actor.person(by),
                expect={"status": Status.PENDING, "revision": approval.revision, "round": approval.round},
                sets={
                    "status": Status.RELEASED,
                    "verdict": Verdict.REJECT,
                    "source": Source.HUMAN,
                    "decided_by_id": by.pk,
                    "decided_at": now,
                    "released_at": now,
                    **NO_CLAIM,
                },
                digests={"decision": recorded.decision_digest({"message": why})},
            )
            for approval in rows
        ],
        now=now,
        guard=audit.UNLESS_OVER,
    )
    Decision.objects.bulk_create(
        Decision.on(approval, surface="agent", at=now, user=by, message=why) for approval in moved
    )
    if moved:
        close_settled(moved, now=now)
    return len(moved)


def _end_disguised(waiting: QuerySet[Approval], *, by: User, now: datetime) -> None:
    """End the test cases among them: no agent is to hear a rejection of what it never proposed."""
    disguised = waiting.filter(kind__in=DISGUISED).select_for_update(skip_locked=True, of=("self",))
    ended = withdrawal.withdraw(disguised, Cancelled(), audit.Actor.person(by), now=now)
    judging.close_unanswered(ended, now=now)
    if ended:
        close_settled(ended, now=now)


def _refuse_unless_allowed(agent: Agent, by: User) -> None:
    if not pausable_by(by).filter(pk=agent.pk).exists():
        raise NotAllowed(_("You may not pause this agent, or reject what it has pending."))
