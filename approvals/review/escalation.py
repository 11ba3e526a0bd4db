"""Who is next, by when, and who is told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urljoin
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from approvals import bulk
from approvals.ids import new_id
from approvals.models import Agent, Approval, Delivery, Event, Tier, User
from approvals.models.approval import Status
from approvals.policy import hours
from approvals.policy.snapshot import Policy, TierPolicy
from approvals.review.staff import Staff

LOOK = timedelta(minutes=1)  # that a tier has at least when a claim ends idle


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
    found = [tiers[level]]
    while (following := found[-1].next) is not None and following in tiers:
        found.append(tiers[following])
    return found


def due_at(tiers: Mapping[int, TierPolicy], level: int, *, now: datetime, expires_at: datetime | None) -> datetime:
    """When this tier should have answered: its SLA in its working hours, or its share of a shorter deadline."""
    return hours.due(chain(tiers, level), now, expires_at)


def hand_on(approvals: Iterable[Approval], *, now: datetime) -> None:
    """Of approvals that are about to be stored: where only operators of its agent are in the tier it came to, its time
    there is over at once. One query; more only for an agent that somebody operates."""
    waiting = [one for one in approvals if one.status == Status.PENDING]
    if not waiting:
        return
    rows = Agent.operators.through.objects.filter(agent__in={one.agent_id for one in waiting})
    operated, staff = set(rows.values_list("agent_id", flat=True)), Staff(now)
    for one in waiting:
        if one.agent_id in operated and not staff.able(one.tier_id, one.domain_id, one.agent_id):
            one.due_at = now


def rearmed(approval: Approval, policy: Policy, *, since: datetime | None, now: datetime) -> datetime | None:
    """When a tier should answer whose time stood still while somebody held it idly, `since` then.

    What was left of its time when the claim began, at least a moment to look, and never more than it would have if it
    came now: idle claims, however many, add nothing to a tier's time but these moments.
    """
    if approval.due_at is None or approval.tier_id not in policy.tiers:
        return approval.due_at
    week = policy.tiers[approval.tier_id].hours
    left = hours.between(week, since or approval.due_at, approval.due_at)
    fresh = due_at(policy.tiers, approval.tier_id, now=now, expires_at=approval.expires_at)
    return max(now, min(hours.after(week, now, max(left, LOOK)), fresh))


def held_since(approvals: Iterable[UUID]) -> dict[UUID, datetime]:
    """Since when each of these has been held: its last claim that neither extended another nor took it over."""
    claims = Event.objects.filter(approval__in=list(approvals), kind=Event.Kind.CLAIMED).order_by("seq")
    anew = claims.exclude(facts__has_any_keys=["extended", "from"])
    return dict(anew.values_list("approval_id", "at"))


def receiver_of(approval: Approval, policy: Policy, *, now: datetime, staff: Staff | None = None) -> Receiver | None:
    """Who would get the approval if it escalated now: the next tier in which somebody may decide it.

    None at the end of the chain, and where nobody further up may decide it: it stays with those who can.
    """
    staff = staff or Staff(now)
    asked = (approval.domain_id, approval.agent_id)
    above = list(_above(approval, policy, staff))
    for place, level in enumerate(above):
        if staff.able(level, *asked):
            return _receiver(approval, policy, level, staff, passed=above[:place])
    if above and not staff.able(approval.tier_id, *asked):
        return _receiver(approval, policy, above[0], staff)  # nobody anywhere may: then where policy says
    return None


def _above(approval: Approval, policy: Policy, staff: Staff) -> Iterator[int]:
    """The levels that it would climb, by the policy it arrived under."""
    level: int | None = approval.tier_id
    while level is not None:
        level = policy.tiers[level].next if level in policy.tiers else staff.tiers[level].next_id
        if level is not None:
            yield level


def _receiver(approval: Approval, policy: Policy, level: int, staff: Staff, passed: Sequence[int] = ()) -> Receiver:
    asked = (level, approval.domain_id, approval.agent_id)
    return Receiver(
        staff.tiers[level],
        staff.asked(*asked),
        due_at(policy.tiers, level, now=staff.now, expires_at=approval.expires_at),
        on_duty=bool(staff.present(*asked)),
        passed=tuple(staff.tiers[one] for one in passed),
    )


def reviewers(level: int, approval: Approval, *, now: datetime, staff: Staff | None = None) -> list[User]:
    """The people of a tier who may decide this approval: those on duty, or, where nobody is, all who are not away."""
    return list((staff or Staff(now)).asked(level, approval.domain_id, approval.agent_id))


def tell(approval: Approval, topic: str, *, now: datetime) -> None:
    """Write one mail for each reviewer of the approval's tier who wants it; the worker sends what is still needed."""
    tell_all([approval], topic, now=now, staff=Staff(now))


def tell_all(approvals: Iterable[Approval], topic: str, *, now: datetime, staff: Staff) -> None:
    """The same for a set, of which each may be in another tier."""
    bulk.insert(
        [
            Delivery(
                id=new_id(),
                approval_id=one.pk,
                channel=Delivery.Channel.MAIL,
                topic=topic,
                user_id=person.pk,
                target=person.email,
                due_at=now,
                created_at=now,
            )
            for one in approvals
            for person in reviewers(one.tier_id, one, now=now, staff=staff)
            if person.mail_on_escalation and person.email
        ]
    )


def letter(approval: Approval) -> tuple[str, str]:
    """Subject and body of a notice: type, tier, deadline, no arguments. The link opens the card and decides nothing."""
    kind = approval.action_type.title if approval.action_type else _("Question")
    until = approval.expires_at.strftime("%Y-%m-%d %H:%M UTC") if approval.expires_at else _("no deadline")
    subject = _("%(kind)s waits for tier %(tier)d") % {"kind": kind, "tier": approval.tier_id}
    link = urljoin(settings.ASSENT_BASE_URL, reverse("approval", args=[approval.pk]))
    body = _("%(kind)s, proposed by %(agent)s, escalated to tier %(tier)d.\nDeadline: %(until)s\n\n%(link)s\n") % {
        "kind": kind,
        "agent": approval.agent.name,
        "tier": approval.tier_id,
        "until": until,
        "link": link,
    }
    return subject, body
