"""Who is told that something waits, and by which channels: rows of the outbox, written in the transaction of the cause.

`sending` carries them out. A queue whose people have no channel for what happens costs one query and no row.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.db import bulk, times
from approvals.db.ids import new_id
from approvals.models import Absence, Approval, Channel, Delivery, Membership, User
from approvals.models.people import NotificationLevel
from approvals.models.states import Status
from approvals.notify import deliveries
from approvals.notify.retry_policy import NOTIFICATION
from approvals.people import on_call
from approvals.people.roster import Reviewers
from approvals.values.schema import Json

NEW, ESCALATED, SOON = "new", "escalated", "soon"
TOPICS = (NEW, ESCALATED, SOON)
SET = 500  # reminders of one transaction

# Whoever watches over a tier has wishes as a person has who never changed them.
USUAL = {NEW: NotificationLevel.NORMAL, ESCALATED: NotificationLevel.URGENT, SOON: NotificationLevel.URGENT}
_CARRIES = {
    NotificationLevel.NORMAL: (Channel.Carries.NORMAL, Channel.Carries.BOTH),
    NotificationLevel.URGENT: (Channel.Carries.URGENT, Channel.Carries.BOTH),
}


@dataclass(frozen=True, slots=True)
class Audience:
    """Everybody who hears of one topic at this moment, by channel."""

    personal: Sequence[Channel]
    of_tiers: Sequence[Channel]

    def of(self, level: int, domain: str, people: Collection[UUID]) -> list[Channel]:
        """The channels that tell of what waits in a queue, where these people are to hear of it."""
        mine = [one for one in self.personal if one.user_id in people]
        watching = [one for one in self.of_tiers if one.tier_id == level and one.domain_id in (None, domain)]
        return mine + watching


def notify(approvals: Iterable[Approval], topic: str, *, now: datetime) -> None:
    """Write a row for each channel that is to carry the topic of each of these that waits."""
    waiting = [one for one in approvals if one.status == Status.PENDING]
    if not waiting or not _anybody(topic):
        return
    audience, staff = _audience(topic), Reviewers(now)
    # Somebody has to hear of it, on duty or not: after this there is only the next tier, or the end.
    whom = staff.on_duty if topic == NEW else staff.to_ask
    groups: dict[tuple[int, str, UUID], list[UUID]] = {}
    for approval in waiting:
        groups.setdefault((approval.tier_id, approval.domain_id, approval.agent_id), []).append(approval.pk)
    lines = []
    for group, (level, domain, agent) in enumerate(groups):
        for channel in audience.of(level, domain, whom(level, domain, agent)):
            urgent = _weight(channel, topic) == NotificationLevel.URGENT
            due_at = quiet_until(channel.user, urgent=urgent, now=now)
            lines.append((group, channel.pk, channel.user_id, urgent, due_at))
    if lines:
        _write(list(groups.items()), lines, topic, now=now)


# Every approval of a group by every channel of it. Made here and sent, 5,000 rows took as long as storing the 500
# approvals that they tell of; the database makes them in a tenth of that.
_WRITE = """
INSERT INTO approvals_delivery
    (id, approval_id, via_id, user_id, channel, topic, urgent, target, payload, status, attempts, due_at, gives_up_at,
     last_error, created_at)
SELECT gen_random_uuid(), a.id, c.via, c.person, 'notice', say.topic, c.urgent, '', jsonb_build_object('tier', a.tier),
    'due', 0, c.due_at, c.due_at + say.patience, '', say.now
FROM (SELECT %s::text, make_interval(secs => %s), %s::timestamptz) AS say (topic, patience, now)
CROSS JOIN unnest(%s::uuid[], %s::int[], %s::int[]) AS a (id, tier, part)
JOIN unnest(%s::int[], %s::uuid[], %s::uuid[], %s::bool[], %s::timestamptz[])
    AS c (part, via, person, urgent, due_at) ON c.part = a.part
"""
_Group = tuple[tuple[int, str, UUID], list[UUID]]
_Line = tuple[int, UUID, UUID | None, bool, datetime]


def _write(groups: Sequence[_Group], lines: Sequence[_Line], topic: str, *, now: datetime) -> None:
    targets = [(pk, level, part) for part, ((level, *_rest), ids) in enumerate(groups) for pk in ids]
    approvals, tiers, of = zip(*targets, strict=True)
    parts, vias, people, urgent, due = zip(*lines, strict=True)
    values = (
        *(topic, NOTIFICATION.gives_up_after.total_seconds(), now, list(approvals), list(tiers), list(of)),
        *(list(parts), list(vias), list(people), list(urgent), list(due)),
    )
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, values)


def write_letters(channels: Iterable[Channel], topic: str, payload: Mapping[str, Json], *, now: datetime) -> None:
    """Write a row for each of these channels of people, for a message that concerns no approval."""
    rows = []
    for channel in channels:
        due_at = quiet_until(channel.user, urgent=False, now=now)
        rows.append(
            Delivery(
                id=new_id(),
                channel=Delivery.Channel.NOTICE,
                via=channel,
                user=channel.user,
                topic=topic,
                payload=payload,
                due_at=due_at,
                gives_up_at=due_at + NOTIFICATION.gives_up_after,
                created_at=now,
            )
        )
    bulk.insert(rows)


def _channels_carrying(topic: str, prefix: str = "") -> Q:
    """The people's channels that carry a topic, by each person's own weight of it."""
    condition = Q(pk__in=[])
    for weight, carries in _CARRIES.items():
        condition |= Q(**{f"{prefix}notify_{topic}": weight}, carries__in=carries)
    return condition & Q(active=True, user__is_active=True)


def _tier_channels_carrying(topic: str) -> Q:
    return Q(tier__isnull=False, active=True, carries__in=_CARRIES[USUAL[topic]])


def _anybody(topic: str) -> bool:
    """Whether anything at all would carry this topic: of arrivals, in one query, since every submission asks it."""
    if Channel.objects.filter(_channels_carrying(topic, "user__") | _tier_channels_carrying(topic)).exists():
        return True
    return _people_without_mail_channel(topic).exists()


def _people_without_mail_channel(topic: str) -> "QuerySet[User]":
    """The people in tiers whose own address is a channel without a row yet: it is on, for what they hold for urgent.

    Who made something urgent that usually is not has saved wishes, and the row with them.
    """
    if USUAL[topic] != NotificationLevel.URGENT:
        return User.objects.none()
    posted = Exists(Membership.objects.filter(user=OuterRef("pk"))) | Exists(
        Absence.objects.filter(delegate=OuterRef("pk"))
    )
    written = Exists(Channel.objects.filter(user=OuterRef("pk"), service=Channel.MAIL))
    return User.objects.filter(posted, ~written, is_active=True).exclude(email="")


def _audience(topic: str) -> Audience:
    """A constant number of queries, whatever the number of people."""
    _write_mail(_people_without_mail_channel(topic))
    condition = _channels_carrying(topic, "user__") | _tier_channels_carrying(topic)
    channels = list(Channel.objects.filter(condition).select_related("user"))
    return Audience(
        personal=[one for one in channels if one.user_id and not (one.is_mail and not one.user.email)],  # type: ignore[union-attr]  # it has a person
        of_tiers=[one for one in channels if one.tier_id],
    )


def _weight(channel: Channel, topic: str) -> str:
    return str(getattr(channel.user, f"notify_{topic}")) if channel.user else USUAL[topic]


# --- The person's own address


def channels_of(user: User) -> list[Channel]:
    """A person's channels, the own address first."""
    if user.email:
        _write_mail([user])
    return sorted(user.channels.all(), key=lambda channel: (not channel.is_mail, channel.created_at))


def _write_mail(people: Iterable[User]) -> None:
    now = times.now()
    rows = [
        Channel(
            id=new_id(), user_id=person.pk, service=Channel.MAIL, carries=Channel.Carries.URGENT, created_at=now
        )
        for person in people
    ]  # fmt: skip
    bulk.insert_new(rows)


# --- Quiet hours


def is_quiet(user: User, *, now: datetime) -> bool:
    """Whether this is one of the hours in which the person wants to hear nothing."""
    if user.quiet_from is None or user.quiet_until is None:
        return False
    return on_call.in_duty_hours(user.quiet_from, user.quiet_until, (), now.astimezone(on_call.zone(user.time_zone)))


def quiet_until(user: User | None, *, urgent: bool, now: datetime) -> datetime:
    """From when on the person may be told: now, or when the quiet hours end."""
    if user is None or user.quiet_until is None or not is_quiet(user, now=now) or (urgent and user.quiet_urgent):
        return now
    local = now.astimezone(on_call.zone(user.time_zone))
    end = local.replace(hour=user.quiet_until.hour, minute=user.quiet_until.minute, second=0, microsecond=0)
    return (end if end > local else end + timedelta(days=1)).astimezone(now.tzinfo)


# --- Due soon

# Two clocks take different rows, and whoever took one has cleared it: nobody is reminded twice. Who is reading an
# approval is not disturbed; when the claim ends without a verdict the reminder comes.
_TAKE = """
WITH soon AS (
    SELECT id FROM approvals_approval
    WHERE status = 'pending' AND remind_at <= %(now)s AND claimed_by_id IS NULL
    ORDER BY remind_at LIMIT %(set)s FOR UPDATE SKIP LOCKED
)
UPDATE approvals_approval AS a SET remind_at = NULL FROM soon WHERE a.id = soon.id RETURNING a.*
"""


def remind() -> int:
    """Tell once of each approval of whose tier's time three quarters are over; returns how many."""
    done = 0
    while True:
        with transaction.atomic():
            now = times.now()
            rows = list(Approval.objects.raw(_TAKE, {"now": now, "set": SET}))
            notify(rows, SOON, now=now)
        done += len(rows)
        if len(rows) < SET:
            return done


def drop_notifications(channel_ids: Iterable[UUID]) -> None:
    """What these were still to carry is no longer needed."""
    deliveries.drop(Delivery.objects.filter(via__in=list(channel_ids)))
