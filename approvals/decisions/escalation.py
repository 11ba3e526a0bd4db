"""Escalation: which tier is next, by when, and who is notified."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from approvals.models import Agent, Approval, AuditEvent, Tier, User
from approvals.models.policy import GOING_ON, Silence
from approvals.models.states import Status
from approvals.people.roster import Reviewers
from approvals.policy import hours
from approvals.policy.compiled_policy import Policy, TierPolicy

LEAST_AFTER_IDLE_CLAIM = timedelta(minutes=1)  # that a tier has at least when a claim ends idle


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where an escalation goes: the tier, the people in it who may decide it, and by when they should answer.

    Of the people those on duty, or, `on_duty` False, all who are not away, since nobody is. `passed` are tiers between
    in which nobody may decide it: only operators of its agent, or nobody at all.
    """

    tier: Tier
    people: tuple[User, ...]
    due_at: datetime
    on_duty: bool = True
    passed: tuple[Tier, ...] = ()


def chain(tiers: Mapping[int, TierPolicy], level: int) -> list[TierPolicy]:
    """A tier and those it escalates to, in order."""
    tier_chain = [tiers[level]]
    while (following := tier_chain[-1].next) is not None and following in tiers:
        tier_chain.append(tiers[following])
    return tier_chain


def due_at(tiers: Mapping[int, TierPolicy], level: int, *, now: datetime, expires_at: datetime | None) -> datetime:
    """When this tier should have answered: its SLA in its working hours, or its share of a shorter deadline."""
    return hours.due(chain(tiers, level), now, expires_at)


def sharing_deadline(tiers: Mapping[int, TierPolicy], level: int, silence: str) -> Mapping[int, TierPolicy]:
    """The tiers that share a deadline: where silence escalates, the last of the chain has its own time after it; what
    goes on in silence is the first tier's alone."""
    tier_chain = chain(tiers, level)
    if silence in GOING_ON:
        return {**tiers, level: replace(tier_chain[0], next=None)}
    if silence != Silence.ESCALATE or len(tier_chain) == 1:
        return tiers
    last_but_one = tier_chain[-2]
    return {**tiers, last_but_one.level: replace(last_but_one, next=None)}


def escalates(approval: Approval) -> bool:
    """Whether it goes to the next tier when its own has not answered in time; what silence lets go on does not."""
    return approval.expires_at is None or approval.on_timeout not in GOING_ON


def due_of(approval: Approval, tiers: Mapping[int, TierPolicy], level: int, *, now: datetime) -> datetime:
    """When this tier should have answered an approval that came to it now."""
    return due_at(sharing_deadline(tiers, level, approval.on_timeout), level, now=now, expires_at=approval.expires_at)


def last_resort(approval: Approval, policy: Policy, *, staff: Reviewers) -> tuple[Tier, datetime] | None:
    """Who gets it once more when the deadline comes and silence escalates: who is next, until their own time is over.

    None where silence means something else, and where nobody further up may decide it.
    """
    if approval.on_timeout != Silence.ESCALATE:
        return None
    receiver = receiver_of(approval, policy, now=staff.now, staff=staff)
    if receiver is None or receiver.tier.pk not in policy.tiers:
        return None
    tiers = policy.tiers_in(approval.domain_id)
    return receiver.tier, due_at(tiers, receiver.tier.pk, now=staff.now, expires_at=None)


def expire_where_nobody_may(approvals: Iterable[Approval], *, now: datetime) -> None:
    """Of approvals that are about to be stored: where only operators of its agent are in the tier it came to, its time
    there is over at once. One query; more only for an agent that somebody operates."""
    waiting = [approval for approval in approvals if approval.status == Status.PENDING]
    if not waiting:
        return
    rows = Agent.operators.through.objects.filter(agent__in={one.agent_id for one in waiting})
    operated, staff = set(rows.values_list("agent_id", flat=True)), Reviewers(now)
    for approval in waiting:
        if approval.agent_id in operated and not staff.of_tier(approval.tier_id, approval.domain_id, approval.agent_id):
            approval.due_at = now


def due_after_idle_claim(
    approval: Approval, policy: Policy, *, since: datetime | None, now: datetime
) -> datetime | None:
    """When a tier should answer whose time stood still while somebody held it idly, `since` then.

    What was left of its time when the claim began, at least a moment to look, and never more than it would have if it
    came now: idle claims, however many, add nothing to a tier's time but these moments.
    """
    tiers = policy.tiers_in(approval.domain_id)
    if approval.due_at is None or approval.tier_id not in tiers:
        return approval.due_at
    week = tiers[approval.tier_id].hours
    left = hours.between(week, since or approval.due_at, approval.due_at)
    fresh = due_of(approval, tiers, approval.tier_id, now=now)
    return max(now, min(hours.after(week, now, max(left, LEAST_AFTER_IDLE_CLAIM)), fresh))


def held_since(approvals: Iterable[UUID]) -> dict[UUID, datetime]:
    """Since when each of these has been held: its last claim that neither extended another nor took it over."""
    claims = AuditEvent.objects.filter(approval__in=list(approvals), kind=AuditEvent.Kind.CLAIMED).order_by("seq")
    anew = claims.exclude(facts__has_any_keys=["extended", "taken_from"])
    return dict(anew.values_list("approval_id", "at"))


def next_in_time(approval: Approval, policy: Policy, *, staff: Reviewers) -> Receiver | None:
    """Who gets it now that its tier has not answered in time; None where it stays.

    What goes on in silence climbs only where nobody in its tier could stop it.
    """
    if not escalates(approval) and staff.of_tier(approval.tier_id, approval.domain_id, approval.agent_id):
        return None
    return receiver_of(approval, policy, now=staff.now, staff=staff)


def receiver_of(
    approval: Approval, policy: Policy, *, now: datetime, staff: Reviewers | None = None
) -> Receiver | None:
    """Who would get the approval if it escalated now: the next tier in which somebody may decide it.

    None at the end of the chain, and where nobody further up may decide it: it stays with those who can.
    """
    staff = staff or Reviewers(now)
    scope = (approval.domain_id, approval.agent_id)
    above = list(_above(approval, policy, staff))
    for index, level in enumerate(above):
        if staff.of_tier(level, *scope):
            return _receiver(approval, policy, level, staff, passed=above[:index])
    if above and not staff.of_tier(approval.tier_id, *scope):
        return _receiver(approval, policy, above[0], staff)  # nobody anywhere may: then where policy says
    return None


def _above(approval: Approval, policy: Policy, staff: Reviewers) -> Iterator[int]:
    """The levels that it would climb, by the policy it arrived under."""
    level: int | None = approval.tier_id
    while level is not None:
        level = policy.tiers[level].next if level in policy.tiers else staff.tiers[level].next_id
        if level is not None:
            yield level


def _receiver(approval: Approval, policy: Policy, level: int, staff: Reviewers, passed: Sequence[int] = ()) -> Receiver:
    scope = (level, approval.domain_id, approval.agent_id)
    return Receiver(
        staff.tiers[level],
        staff.people(staff.to_ask(*scope)),
        due_of(approval, policy.tiers_in(approval.domain_id), level, now=staff.now),
        on_duty=bool(staff.on_duty(*scope)),
        passed=tuple(staff.tiers[one] for one in passed),
    )
