"""Who is next, by when, and who is told."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from approvals.models import Agent, Approval, Event, Tier, User
from approvals.models.approval import Status
from approvals.models.policy import GOING_ON, Silence
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


def kept_back(tiers: Mapping[int, TierPolicy], level: int, silence: str) -> Mapping[int, TierPolicy]:
    """The tiers that share a deadline: where silence escalates, the last of the chain has its own time after it; what
    goes on in silence is the first tier's alone."""
    found = chain(tiers, level)
    if silence in GOING_ON:
        return {**tiers, level: replace(found[0], next=None)}
    if silence != Silence.ESCALATE or len(found) == 1:
        return tiers
    last_but_one = found[-2]
    return {**tiers, last_but_one.level: replace(last_but_one, next=None)}


def climbs(approval: Approval) -> bool:
    """Whether it goes to the next tier when its own has not answered in time; what silence lets go on does not."""
    return approval.expires_at is None or approval.on_timeout not in GOING_ON


def due_of(approval: Approval, tiers: Mapping[int, TierPolicy], level: int, *, now: datetime) -> datetime:
    """When this tier should have answered an approval that came to it now."""
    return due_at(kept_back(tiers, level, approval.on_timeout), level, now=now, expires_at=approval.expires_at)


def last_resort(approval: Approval, policy: Policy, *, staff: Staff) -> tuple[Tier, datetime] | None:
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
    tiers = policy.tiers_in(approval.domain_id)
    if approval.due_at is None or approval.tier_id not in tiers:
        return approval.due_at
    week = tiers[approval.tier_id].hours
    left = hours.between(week, since or approval.due_at, approval.due_at)
    fresh = due_of(approval, tiers, approval.tier_id, now=now)
    return max(now, min(hours.after(week, now, max(left, LOOK)), fresh))


def held_since(approvals: Iterable[UUID]) -> dict[UUID, datetime]:
    """Since when each of these has been held: its last claim that neither extended another nor took it over."""
    claims = Event.objects.filter(approval__in=list(approvals), kind=Event.Kind.CLAIMED).order_by("seq")
    anew = claims.exclude(facts__has_any_keys=["extended", "from"])
    return dict(anew.values_list("approval_id", "at"))


def next_in_time(approval: Approval, policy: Policy, *, staff: Staff) -> Receiver | None:
    """Who gets it now that its tier has not answered in time; None where it stays.

    What goes on in silence climbs only where nobody in its tier could stop it.
    """
    if not climbs(approval) and staff.able(approval.tier_id, approval.domain_id, approval.agent_id):
        return None
    return receiver_of(approval, policy, now=staff.now, staff=staff)


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
        due_of(approval, policy.tiers_in(approval.domain_id), level, now=staff.now),
        on_duty=bool(staff.present(*asked)),
        passed=tuple(staff.tiers[one] for one in passed),
    )


def reviewers(level: int, approval: Approval, *, now: datetime, staff: Staff | None = None) -> list[User]:
    """The people of a tier who may decide this approval: those on duty, or, where nobody is, all who are not away."""
    return list((staff or Staff(now)).asked(level, approval.domain_id, approval.agent_id))
