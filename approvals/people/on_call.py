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
from approvals.people.reachable import having_second_factor

FORTNIGHT = timedelta(days=14)


class OnCall(NamedTuple):
    """A person in a tier; `domain` None is every domain. `in_place_of` is who is away and holds the post."""

    user_id: UUID
    tier: int
    domain: str | None
    in_place_of: UUID | None = None

    def serves(self, tier: int, domain: str) -> bool:
        return self.tier == tier and self.domain in (None, domain)


class Leave(NamedTuple):
    """An absence, and the active person who is to stand in, if any."""

    user_id: UUID
    starts_at: datetime
    ends_at: datetime
    delegate_id: UUID | None


def stand_ins(leaves: Iterable[Leave]) -> dict[UUID, list[UUID]]:
    """Of absences at one moment: who is away, and who stands in for each, in the order in which the absences began."""
    leaves = sorted(leaves, key=lambda leave: leave.starts_at)
    standing: dict[UUID, list[UUID]] = {leave.user_id: [] for leave in leaves}
    for leave in leaves:
        delegate = leave.delegate_id
        if delegate is not None and delegate not in standing and delegate not in standing[leave.user_id]:
            standing[leave.user_id].append(delegate)
    return standing


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
    absences: tuple[Leave, ...]
    demanding: frozenset[int] = frozenset()  # the tiers in which nobody decides without a second factor
    lacking: frozenset[UUID] = frozenset()  # and who has none

    @classmethod
    def read(cls, since: datetime, *, demanding: frozenset[int] = frozenset()) -> "Roster":
        """All that concerns that moment and later ones. One query, whatever the number of people; one more where a tier
        demands a second factor."""
        with connection.cursor() as cursor:
            cursor.execute(_ROSTER, [since])
            rows = cursor.fetchall()
        members = tuple(
            Member(user, tier, domain, begins, ends, tuple(days), zone(name))
            for user, tier, domain, begins, ends, days, name, *_away in rows
            if tier is not None
        )
        absences = tuple(
            Leave(user, starts, ends, by) for user, tier, *_hours, starts, ends, by in rows if tier is None
        )
        people = {member.user_id for member in members} | {leave.delegate_id for leave in absences if leave.delegate_id}
        lacking = people - having_second_factor(people) if demanding else ()
        return cls(members, absences, demanding, frozenset(lacking))

    def stand_ins(self, now: datetime) -> dict[UUID, list[UUID]]:
        """Who is away then, and who stands in for each."""
        return stand_ins(leave for leave in self.absences if leave.starts_at <= now < leave.ends_at)

    def at(self, now: datetime, *, at_any_hour: bool = False) -> list[OnCall]:
        """Every post that is filled at that moment, by somebody who may decide there; `at_any_hour`: on duty or not."""
        absent = self.stand_ins(now)
        posts = []
        for member in self.members:
            if not at_any_hour and not in_duty_hours(
                member.duty_from, member.duty_until, member.duty_days, now.astimezone(member.zone)
            ):
                continue
            if at_any_hour or member.user_id not in absent:
                posts.append(OnCall(member.user_id, member.tier, member.domain))
            delegates = absent.get(member.user_id, ())
            posts += [OnCall(delegate, member.tier, member.domain, member.user_id) for delegate in delegates]
        return [post for post in posts if post.tier not in self.demanding or post.user_id not in self.lacking]

    def serving(self, tier: int, domain: str, now: datetime) -> frozenset[UUID]:
        """Who is on duty in that queue at that moment."""
        return frozenset(post.user_id for post in self.at(now) if post.serves(tier, domain))

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
            if self.serving(tier, domain, moment):
                return moment
        return None


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
    users = {row.user_id: row.user for row in rows if row.user.is_active}
    absentees: dict[UUID, list[User]] = {}
    for absent, delegates in stand_ins(
        Leave(row.user_id, row.starts_at, row.ends_at, row.delegate_id) for row in rows
    ).items():
        for delegate in delegates:
            if delegate in people and absent in users:
                absentees.setdefault(delegate, []).append(users[absent])
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
