"""Who is on duty at a moment: active, not away, within the hours of the membership; or standing in for who is away.

Being off duty takes no right away, and neither does being away. It says whom to tell, and whether a queue has anybody.
Who stands in has the absent person's own memberships and nothing that was lent to that person: there are no chains, and
a delegate who is away stands in for nobody.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Q

from approvals.db import times
from approvals.models import Absence, User

FORTNIGHT = timedelta(days=14)


class OnCall(NamedTuple):
    """A person in a tier; `domain` None is every domain. `in_place_of` is who is away and holds the post."""

    user_id: UUID
    tier: int
    domain: str | None
    in_place_of: UUID | None = None

    def serves(self, tier: int, domain: str) -> bool:
        return self.tier == tier and self.domain in (None, domain)


class Member(NamedTuple):
    """A membership of an active person, as far as time goes; the hours are in the person's zone."""

    user_id: UUID
    tier: int
    domain: str | None
    duty_from: time | None
    duty_until: time | None
    duty_days: tuple[int, ...]
    zone: ZoneInfo


# Both at once, and as plain values: this is on the way of submissions.
_ROSTER = """
SELECT member.user_id, tier_id, domain_id, duty_from, duty_until, duty_days, time_zone,
       NULL::timestamptz AS starts_at, NULL::timestamptz AS ends_at, NULL::uuid AS delegate
FROM approvals_membership AS member JOIN approvals_user AS person ON person.id = member.user_id AND person.is_active
UNION ALL
SELECT absence.user_id, NULL, NULL, NULL, NULL, NULL, NULL, starts_at, ends_at, delegate.id
FROM approvals_absence AS absence
LEFT JOIN approvals_user AS delegate ON delegate.id = absence.delegate_id AND delegate.is_active
WHERE ends_at > %s
ORDER BY ends_at NULLS FIRST, user_id
"""


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is on duty when: memberships and absences read once, to be asked of any moment from then on."""

    members: tuple[Member, ...]
    absences: tuple[tuple[UUID, datetime, datetime, UUID | None], ...]  # who, from, until, and who stands in

    @classmethod
    def read(cls, since: datetime) -> "Roster":
        """All that concerns that moment and later ones. One query, whatever the number of people."""
        with connection.cursor() as cursor:
            cursor.execute(_ROSTER, [since])
            rows = cursor.fetchall()
        return cls(
            tuple(
                Member(user, tier, domain, begins, ends, tuple(days), zone(name))
                for user, tier, domain, begins, ends, days, name, *_away in rows
                if tier is not None
            ),
            tuple((user, starts, ends, by) for user, tier, *_hours, starts, ends, by in rows if tier is None),
        )

    def away(self, now: datetime) -> dict[UUID, UUID | None]:
        """Who is away then, and the active person who stands in, if any."""
        stand_ins: dict[UUID, UUID | None] = {}
        for user, starts, ends, delegate in self.absences:
            if starts <= now < ends:
                stand_ins[user] = delegate or stand_ins.get(user)
        return stand_ins

    def at(self, now: datetime) -> list[OnCall]:
        """Every post that is filled at that moment."""
        away = self.away(now)
        posts = []
        for member in self.members:
            if not in_duty_hours(member.duty_from, member.duty_until, member.duty_days, now.astimezone(member.zone)):
                continue
            if member.user_id in away:
                stands_in = away[member.user_id]
                if stands_in and stands_in not in away:
                    posts.append(OnCall(stands_in, member.tier, member.domain, member.user_id))
            else:
                posts.append(OnCall(member.user_id, member.tier, member.domain))
        return posts

    def turns(self, now: datetime, until: datetime) -> list[datetime]:
        """The moments between the two at which somebody's duty may begin or end, in order."""
        moments: set[datetime] = set()
        for member in self.members:
            local = now.astimezone(member.zone)
            clocks = {member.duty_from or time.min, member.duty_until or time.min}
            days = (until - now).days + 2 if member.duty_from or member.duty_days else 0
            for ahead in range(days):
                day = local.date() + timedelta(days=ahead)
                # Through UTC: a turn on a day on which the clocks change is where that day's own offset puts it.
                moments |= {datetime.combine(day, clock, local.tzinfo).astimezone(UTC) for clock in clocks}
        for _, starts, ends, _ in self.absences:
            moments |= {starts, ends}
        return sorted(moment for moment in moments if now < moment <= until)

    def next_at(self, tier: int, domain: str, now: datetime) -> datetime | None:
        """When somebody is on duty in that queue again; None where that is not within a fortnight."""
        for moment in [now, *self.turns(now, now + FORTNIGHT)]:
            if any(post.serves(tier, domain) for post in self.at(moment)):
                return moment
        return None


def on_duty(now: datetime) -> list[OnCall]:
    """Every post that is filled now. One query, whatever the number of people."""
    return Roster.read(now).at(now)


def standing_in(now: datetime) -> dict[UUID, UUID | None]:
    """Who is away now, and the active person who stands in, if any; of several absences at once the one that ends
    last."""
    return Roster.read(now).away(now)


def absences_changed_between(since: datetime, until: datetime) -> list[Absence]:
    """The absences that began or ended after the one moment and not after the other."""
    began = Q(starts_at__gt=since, starts_at__lte=until)
    ended = Q(ends_at__gt=since, ends_at__lte=until)
    return list(Absence.objects.filter(began | ended))


def covered_absentees(people: Collection[UUID]) -> dict[UUID, list[User]]:
    """Whom each of these people stands in for at this moment, in the order in which they went. One query."""
    moment = times.in_query()
    rows = (
        Absence.objects.filter(Q(delegate__in=people) | Q(user__in=people), starts_at__lte=moment, ends_at__gt=moment)
        .select_related("user")
        .order_by("starts_at", "pk")
    )
    away = {row.user_id for row in rows}
    absentees: dict[UUID, list[User]] = {}
    for row in rows:
        if row.delegate_id and row.delegate_id in people and row.delegate_id not in away and row.user.is_active:
            lent = absentees.setdefault(row.delegate_id, [])
            lent += [row.user] if row.user not in lent else []
    return absentees


def in_duty_hours(begins: time | None, ends: time | None, days: Iterable[int], local: datetime) -> bool:
    """Whether a local moment lies in hours that begin on these days (none: on every day). Past midnight they go on."""
    weekdays = set(days) or set(range(1, 8))
    if begins is None or ends is None:
        return local.isoweekday() in weekdays
    moment, yesterday = local.time(), (local - timedelta(days=1)).isoweekday()
    if begins < ends:
        return local.isoweekday() in weekdays and begins <= moment < ends
    return (local.isoweekday() in weekdays and moment >= begins) or (yesterday in weekdays and moment < ends)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The time zone of that name; UTC for one that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
