"""Sends notifications: channel by channel, the first at once and later ones bundled, none about what is settled.

One worker at a time uses a channel (a lease, so that one who dies holds nothing for long). What it finds due and still
needed goes out as one message. A channel that fails rests, longer each time; the others do not notice.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import SystemRandom
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils.translation import gettext as _

from approvals.db import secret_box, times
from approvals.history import audit
from approvals.history.facts import NotDelivered
from approvals.models import Channel, Delivery, NotificationRecord
from approvals.models.approval import Status
from approvals.notify import notification_text, notifications, reached, services, slack
from approvals.people import access

log = logging.getLogger(__name__)

ATTEMPTS = 8
LEASE = timedelta(seconds=60)  # longer than any message may take
URGENT_EVERY = timedelta(minutes=1)  # what is urgent waits this long for the message before it, at most
FIRST_REST, LONGEST_REST = timedelta(seconds=15), timedelta(minutes=15)
MOST = 1000  # rows of one message

_dice = SystemRandom()


# --- Which channels have something to carry

_READY = """
SELECT c.id FROM approvals_channel AS c
WHERE (c.leased_until IS NULL OR c.leased_until <= %(now)s) AND (
    NOT c.active AND EXISTS (SELECT FROM approvals_delivery AS d WHERE d.via_id = c.id AND d.status = 'due')
    OR (c.rests_until IS NULL OR c.rests_until <= %(now)s) AND (
        (c.notified_at IS NULL OR c.notified_at <= %(bundled)s) AND EXISTS (
            SELECT FROM approvals_delivery AS d WHERE d.via_id = c.id AND d.status = 'due' AND d.due_at <= %(now)s)
        OR c.notified_at <= %(urgent)s AND EXISTS (
            SELECT FROM approvals_delivery AS d
            WHERE d.via_id = c.id AND d.status = 'due' AND d.due_at <= %(now)s AND d.urgent)
    )
)
"""


def ready() -> list[UUID]:
    """The channels that could carry something now: what the clock rings for."""
    with connection.cursor() as cursor:
        cursor.execute(_READY, _moments(times.now()))
        return [pk for (pk,) in cursor.fetchall()]


def _moments(now: datetime) -> dict[str, datetime]:
    return {"now": now, "bundled": now - settings.ASSENT_TELL_EVERY, "urgent": now - URGENT_EVERY}


def send_due(channel_id: UUID) -> None:
    """Send what one channel has to carry, if it is its turn. Safe to run twice, also at once."""
    now = times.now()
    channel = _lease(channel_id, now=now)
    if channel is None:
        return
    try:
        rows = _due(channel, now=now)
        if rows:
            _carry(channel, rows)
    finally:
        Channel.objects.filter(pk=channel.pk).update(leased_until=None)


def _lease(channel_id: UUID, *, now: datetime) -> Channel | None:
    """The channel, for this worker alone; None when another has it, or it is not its turn."""
    with transaction.atomic(), connection.cursor() as cursor:
        # The row decides between two workers; what they were rung for is judged again behind its lock.
        if not Channel.objects.select_for_update(skip_locked=True).filter(pk=channel_id).exists():
            return None
        cursor.execute(f"{_READY} AND c.id = %(id)s", {**_moments(now), "id": channel_id})
        if cursor.fetchone() is None:
            return None
        Channel.objects.filter(pk=channel_id).update(leased_until=now + LEASE)
    return Channel.objects.select_related("user", "tier").get(pk=channel_id)


# --- What is still needed

# An approval is wide, and a bundle may hold a thousand.
_READ = (
    *("approval", "topic", "urgent", "payload", "created_at"),
    *(
        f"approval__{name}"
        for name in (
            "status",
            "tier",
            "domain_id",
            "claimed_by_id",
            "claim_until",
            "due_at",
            "expires_at",
            "action_type",
        )
    ),
    *("approval__agent__name", "approval__action_type__title", "approval__tier__time_zone"),
)


def _due(channel: Channel, *, now: datetime) -> list[Delivery]:
    """The rows to send now, one for each approval; what nobody needs any more is dropped here, right before."""
    deliveries = Delivery.objects.filter(via=channel, status=Delivery.Status.DUE, due_at__lte=now)
    # By what presses first: of two rows about one approval the later says more.
    related = ("approval__action_type", "approval__agent", "approval__tier")
    rows = list(deliveries.select_related(*related).only(*_READ).order_by("-created_at", "-pk")[:MOST])
    authority = access.authority_of(channel.user) if channel.user else None
    needed: dict[object, Delivery] = {}
    late: list[Delivery] = []
    for row in rows:
        if not (channel.active and _matters(row, authority, now=now)) or row.approval_id in needed:
            continue
        if notifications.quiet_until(channel.user, urgent=row.urgent, now=now) > now:
            late.append(row)
        else:
            needed[row.approval_id] = row
    kept = {one.pk for one in (*needed.values(), *late)}
    unneeded = [one.pk for one in rows if one.pk not in kept]
    Delivery.objects.filter(pk__in=unneeded).update(status=Delivery.Status.DROPPED, done_at=now)
    for row in late:  # the hours were changed, or a failure moved it into them
        end = notifications.quiet_until(channel.user, urgent=row.urgent, now=now)
        Delivery.objects.filter(pk=row.pk).update(due_at=end, gives_up_at=end + notifications.GIVES_UP_AFTER)
    return sorted(needed.values(), key=_urgency)


def _urgency(delivery: Delivery) -> tuple[datetime, datetime]:
    due_at = delivery.approval.due_at if delivery.approval else None
    return due_at or delivery.created_at, delivery.created_at


def _matters(row: Delivery, authority: access.Authority | None, *, now: datetime) -> bool:
    """Whether it still waits, unread, in the tier it was told of, for somebody who may decide it."""
    approval = row.approval
    if approval is None or approval.status != Status.PENDING or approval.tier_id != row.payload.get("tier"):
        return False
    if approval.claimed_by_id and approval.claim_until and approval.claim_until > now:
        return False
    if approval.expires_at is not None and approval.expires_at <= now:
        return False
    if authority is None:
        return True
    return authority.reaches(approval.tier_id, approval.domain_id) and approval.agent_id not in authority.operates


# --- One message


class ChannelFailure(Exception):
    """The channel did not take it; the sentence carries no secret."""


def _carry(channel: Channel, rows: Sequence[Delivery]) -> None:
    approvals = [row.approval for row in rows if row.approval is not None]
    first = channel.notified_at is None or channel.notified_at < times.now() - timedelta(hours=1)
    try:
        with notification_text.localized_for(channel):
            if channel.service == Channel.SLACK and channel.user is not None:
                slack.post(channel.user, approvals, rows[0].topic)
            else:
                _send_text(channel, *notification_text.message(approvals, rows[0].topic, more=not first))
    except (ChannelFailure, slack.Unreachable) as failure:
        _failed(channel, rows, str(failure))
    except Exception as surprise:
        _failed(
            channel, rows, type(surprise).__name__
        )  # it rests like any other that fails, and is not rung for at once
        raise
    else:
        _delivered(channel, rows)


def _send_text(channel: Channel, title: str, text: str) -> None:
    """Send one text by mail or by a service. Raises Failure."""
    try:
        if channel.is_mail:
            address = channel.user.email if channel.user else ""
            EmailMessage(title, text, to=[address]).send()
        else:
            services.send(secret_box.open_secret(channel.kept).decode(), title, text)
    except services.Unusable as error:
        raise ChannelFailure(str(error)) from None
    except secret_box.WrongSecret:
        raise ChannelFailure(
            _("The address cannot be read: the installation's secret was changed. Add it anew.")
        ) from None
    except OSError as error:  # refused, unreachable, SMTP's own errors
        raise ChannelFailure(str(error)[:200] or type(error).__name__) from None


def send_test_message(channel: Channel) -> str:
    """Send a message that asks for nothing; returns why it did not arrive, or "". The channel's state says it, too."""
    try:
        with notification_text.localized_for(channel):
            if channel.service == Channel.SLACK and channel.user is not None:
                slack.say(channel.user, " ".join(notification_text.test_message()))
            else:
                _send_text(channel, *notification_text.test_message())
    except (ChannelFailure, slack.Unreachable) as failure:
        _broken(channel, str(failure), now=times.now())
        return str(failure)
    _works(channel, now=times.now())
    return ""


# --- What became of it


def _delivered(channel: Channel, rows: Sequence[Delivery]) -> None:
    now = times.now()
    sent = Delivery.objects.filter(pk__in=[one.pk for one in rows])
    sent.update(status=Delivery.Status.DONE, attempts=F("attempts") + 1, done_at=now, last_error="")
    _works(channel, now=now)
    Channel.objects.filter(pk=channel.pk).update(notified_at=now)
    reached.record_notified(
        reached.waiting_places(row.approval for row in rows if row.approval), NotificationRecord.By.CHANNEL
    )


def _works(channel: Channel, *, now: datetime) -> None:
    Channel.objects.filter(pk=channel.pk).update(
        state=Channel.State.WORKS, tried_at=now, error="", failures=0, rests_until=None
    )


@transaction.atomic
def _failed(channel: Channel, rows: Sequence[Delivery], error: str) -> None:
    """The rows wait with their channel, or are given up; each approval's history says once that it was not told."""
    now = times.now()
    tried = Delivery.objects.filter(pk__in=[one.pk for one in rows])
    before = Delivery.objects.filter(via=channel, attempts__gt=0, approval__in=[one.approval_id for one in rows])
    already_failed = set(before.values_list("approval_id", flat=True))
    tried.update(attempts=F("attempts") + 1, last_error=error[:500])
    tired = tried.filter(Q(attempts__gte=ATTEMPTS) | Q(gives_up_at__lte=now))
    dead = tired.update(status=Delivery.Status.DEAD, done_at=now)
    if dead:
        log.error("%d notifications by channel %s were given up: %s", dead, channel.pk, ascii(error[:200]))
    _broken(channel, error, now=now)
    facts = NotDelivered(by=channel.service, to=_whom(channel))
    audit.move(
        [
            audit.Move(row.approval_id, facts, audit.CLOCK, expect={"status": Status.PENDING})
            for row in rows
            if row.approval_id is not None and row.approval_id not in already_failed
        ],
        now=now,
    )


def _whom(channel: Channel) -> str:
    return channel.user.name if channel.user else f"tier {channel.tier_id}"


def _broken(channel: Channel, error: str, *, now: datetime) -> None:
    rest = min(FIRST_REST * 2 ** min(channel.failures, 10), LONGEST_REST) * _dice.uniform(0.9, 1.1)
    Channel.objects.filter(pk=channel.pk).update(
        state=Channel.State.FAILED,
        tried_at=now,
        error=error[:200],
        failures=F("failures") + 1,
        rests_until=now + rest,
    )
    log.warning("channel %s (%s) failed: %s", channel.pk, channel.service, ascii(error[:200]))
