"""Who is on duty at a moment: active, not away, within the hours of the membership; or standing in for who is away.

Being off duty takes no right away. It says whom to tell, and whether a queue has anybody at all.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from approvals.models import Absence, Membership


class Post(NamedTuple):
    """A person in a tier; `domain` None is every domain."""

    user_id: UUID
    tier: int
    domain: str | None

    def serves(self, tier: int, domain: str) -> bool:
        return self.tier == tier and self.domain in (None, domain)


def on_duty(now: datetime) -> list[Post]:
    """Every post that is filled now. Two queries, whatever the number of people."""
    away = standing_in(now)
    members = Membership.objects.filter(user__is_active=True).select_related("user")
    posts = []
    for member in members:
        if not within(
            member.duty_from, member.duty_until, member.duty_days, now.astimezone(zone(member.user.time_zone))
        ):
            continue
        if member.user_id in away:
            stands_in = away[member.user_id]
            posts += [Post(stands_in, member.tier_id, member.domain_id)] if stands_in and stands_in not in away else []
        else:
            posts.append(Post(member.user_id, member.tier_id, member.domain_id))
    return posts


def standing_in(now: datetime) -> dict[UUID, UUID | None]:
    """Who is away now, and the active person who stands in, if any."""
    rows = Absence.objects.filter(starts_at__lte=now, ends_at__gt=now)
    found: dict[UUID, UUID | None] = {}
    for user, delegate, active in rows.values_list("user_id", "delegate_id", "delegate__is_active"):
        found[user] = (delegate if active else None) or found.get(user)
    return found


def within(begins: time | None, ends: time | None, days: Iterable[int], local: datetime) -> bool:
    """Whether a local moment lies in hours that begin on these days (none: on every day). Past midnight they go on."""
    wanted = set(days) or set(range(1, 8))
    if begins is None or ends is None:
        return local.isoweekday() in wanted
    moment, yesterday = local.time(), (local - timedelta(days=1)).isoweekday()
    if begins < ends:
        return local.isoweekday() in wanted and begins <= moment < ends
    return (local.isoweekday() in wanted and moment >= begins) or (yesterday in wanted and moment < ends)


def zone(name: str) -> ZoneInfo:
    """The time zone of that name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
