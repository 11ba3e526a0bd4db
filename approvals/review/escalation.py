"""Who is next, by when, and who is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from approvals.models import Approval, Membership, Tier, User
from approvals.policy.snapshot import Policy, TierPolicy
from approvals.review import telling


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where an escalation goes: the tier, the people in it, and by when they should answer."""

    tier: Tier
    people: tuple[User, ...]
    due_at: datetime


def chain(tiers: Mapping[int, TierPolicy], level: int) -> list[TierPolicy]:
    """A tier and those it escalates to, in order."""
    found = [tiers[level]]
    while (following := found[-1].next) is not None and following in tiers:
        found.append(tiers[following])
    return found


def due_at(tiers: Mapping[int, TierPolicy], level: int, *, now: datetime, expires_at: datetime | None) -> datetime:
    """When this tier should have answered: its SLA, or its proportional share of a shorter deadline."""
    slas = [tier.sla for tier in chain(tiers, level)]
    total = sum(slas, timedelta())
    if expires_at is None or expires_at - now >= total:
        return now + slas[0]
    return now + (expires_at - now) * (slas[0] / total)


def receiver_of(approval: Approval, policy: Policy, *, now: datetime) -> Receiver | None:
    """Who would get the approval if it escalated now; None at the end of the chain."""
    level = approval.tier_id
    following = policy.tiers[level].next if level in policy.tiers else approval.tier.next_id
    if following is None:
        return None
    tier = Tier.objects.get(pk=following)
    return Receiver(
        tier,
        tuple(reviewers(tier.pk, approval, now=now)),
        due_at(policy.tiers, following, now=now, expires_at=approval.expires_at),
    )


def reviewers(level: int, approval: Approval, *, now: datetime) -> list[User]:
    """The people of a tier who may decide this approval and are not away."""
    members = (
        Membership.objects.filter(Q(domain=approval.domain_id) | Q(domain=None), tier_id=level, user__is_active=True)
        .exclude(user__operated_agents=approval.agent_id)
        .exclude(user__absences__starts_at__lte=now, user__absences__ends_at__gt=now)
    )
    return list(User.objects.filter(pk__in=members.values("user")).order_by("username"))


def tell(approval: Approval, topic: str, *, now: datetime) -> None:
    """Write what tells the approval's tier of it; the worker sends what is still needed."""
    telling.tell([approval], topic, now=now)
