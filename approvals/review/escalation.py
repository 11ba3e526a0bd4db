"""Who is next, by when, and who is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urljoin

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from approvals.models import Approval, Delivery, Membership, Tier, User
from approvals.policy.snapshot import Policy, TierPolicy


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
    """Write one mail for each reviewer of the approval's tier who wants it; the worker sends what is still needed."""
    Delivery.objects.bulk_create(
        Delivery(
            approval=approval,
            channel=Delivery.Channel.MAIL,
            topic=topic,
            user=person,
            target=person.email,
            due_at=now,
            created_at=now,
        )
        for person in reviewers(approval.tier_id, approval, now=now)
        if person.mail_on_escalation and person.email
    )


def letter(approval: Approval) -> tuple[str, str]:
    """Subject and body of a notice: type, tier, deadline, no arguments. The link opens the card and decides nothing."""
    kind = approval.action_type.title if approval.action_type else _("Question")
    until = approval.expires_at.strftime("%Y-%m-%d %H:%M UTC") if approval.expires_at else _("no deadline")
    subject = _("%(kind)s waits for tier %(tier)d") % {"kind": kind, "tier": approval.tier_id}
    link = urljoin(settings.ASSENT_BASE_URL, reverse("approval", args=[approval.pk]))
    body = (
        _(
            "%(kind)s, proposed by %(agent)s, waits for tier %(tier)d of %(domain)s, stage %(stage)d of %(stages)d.\n"
            "Deadline: %(until)s\n\n%(link)s\n"
        )
        if approval.stages
        else _("%(kind)s, proposed by %(agent)s, escalated to tier %(tier)d.\nDeadline: %(until)s\n\n%(link)s\n")
    ) % {
        "kind": kind,
        "agent": approval.agent.name,
        "tier": approval.tier_id,
        "domain": approval.domain_id,
        "stage": approval.stage + 1,
        "stages": len(approval.stages),
        "until": until,
        "link": link,
    }
    return subject, body
