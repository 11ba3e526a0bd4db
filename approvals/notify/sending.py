"""Sends notifications: channel by channel, the first at once and later ones bundled, none about what is settled.

One worker at a time uses a channel (a lease, so that one who dies holds nothing for long). What it finds due and still
needed goes out as one message. A channel that fails rests, longer each time; the others do not notice.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from approvals.db import secret_box, times
from approvals.history import audit
from approvals.history.facts import DeliveryFailed
from approvals.models import Channel, Delivery, NotificationRecord
from approvals.models.states import Status
from approvals.notify import deliveries, letters, mail, notification_text, notifications, reached, services, slack
from approvals.notify.deliveries import NotDelivered
from approvals.notify.retry_policy import NOTIFICATION
from approvals.people import authorities

log = logging.getLogger(__name__)

URGENT_EVERY = timedelta(minutes=1)  # what is urgent waits this long for the message before it, at most
MOST = 1000  # rows of one message

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
        claimed = _claim(channel, now=now)
        if claimed and deliveries.carry(claimed, partial(_attempt, channel), _record_failure):
            _record_delivered(channel, claimed)
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
        Channel.objects.filter(pk=channel_id).update(leased_until=now + NOTIFICATION.lease)
    return Channel.objects.select_related("user", "tier").get(pk=channel_id)


# --- What is still needed

# An approval is wide, and a bundle may hold a thousand.
_READ = (
    *("approval", "via", "channel", "topic", "urgent", "payload", "attempts", "gives_up_at", "created_at"),
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


@transaction.atomic
def _claim(channel: Channel, *, now: datetime) -> list[Delivery]:
    """The rows to send now, one for each approval; what nobody needs any more is dropped here, right before.

    What concerns no approval goes alone, before the others.
    """
    due = Delivery.objects.filter(via=channel, status=Delivery.Status.DUE, due_at__lte=now)
    # By what presses first: of two rows about one approval the later says more.
    related = ("approval__action_type", "approval__agent", "approval__tier")
    rows = list(due.select_related(*related).only(*_READ).order_by("-created_at", "-pk")[:MOST])
    authority = authorities.authority_of(channel.user) if channel.user else None
    rows = [row for row in rows if row.approval_id is None][-1:] or rows
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
    deliveries.drop(due.filter(pk__in=[one.pk for one in rows if one.pk not in kept]))
    for row in late:  # the hours were changed, or a failure moved it into them
        end = notifications.quiet_until(channel.user, urgent=row.urgent, now=now)
        Delivery.objects.filter(pk=row.pk).update(due_at=end, gives_up_at=end + NOTIFICATION.gives_up_after)
    claimed = due.filter(pk__in=[one.pk for one in needed.values()]).select_related(*related).only(*_READ)
    return sorted(deliveries.claim(claimed, now=now), key=_urgency)


def _urgency(delivery: Delivery) -> tuple[datetime, datetime]:
    due_at = delivery.approval.due_at if delivery.approval else None
    return due_at or delivery.created_at, delivery.created_at


def _matters(row: Delivery, authority: authorities.Authority | None, *, now: datetime) -> bool:
    """Whether it still waits, unread, in the tier it was told of, for somebody who may decide it."""
    approval = row.approval
    if approval is None:
        return True  # whoever writes the message says whether it is over
    if approval.status != Status.PENDING or approval.tier_id != row.payload.get("tier"):
        return False
    if approval.claimed_by_id and approval.claim_until and approval.claim_until > now:
        return False
    if approval.expires_at is not None and approval.expires_at <= now:
        return False
    if authority is None:
        return True
    return authority.decides(approval.tier_id, approval.domain_id, approval.agent_id)


# --- One message


def _attempt(channel: Channel, claimed: Sequence[Delivery]) -> None:
    approvals = [row.approval for row in claimed if row.approval is not None]
    first = channel.notified_at is None or channel.notified_at < times.now() - timedelta(hours=1)
    with notification_text.localized_for(channel):
        if not approvals:
            _send_text(channel, *letters.text_of(claimed[0]))
        elif channel.service == Channel.SLACK and channel.user is not None:
            slack.post(channel.user, approvals, claimed[0].topic)
        else:
            _send_text(channel, *notification_text.message(approvals, claimed[0].topic, more=not first))


def _send_text(channel: Channel, title: str, text: str) -> None:
    """Send one text by mail, by Slack or by a service. Raises NotDelivered."""
    if channel.service == Channel.SLACK and channel.user is not None:
        slack.say(channel.user, f"{title}\n{text}")
        return
    if channel.is_mail:
        mail.send(channel.user.email if channel.user else "", title, text)
        return
    try:
        services.send(secret_box.open_secret(channel.kept).decode(), title, text)
    except services.Unusable as error:
        raise NotDelivered(str(error)) from None
    except secret_box.WrongSecret:
        raise NotDelivered(
            _("The address cannot be read: the installation's secret was changed. Add it anew.")
        ) from None
    except OSError as error:
        raise NotDelivered(str(error)[:200] or type(error).__name__) from None


def send_test_message(channel: Channel) -> str:
    """Send a message that asks for nothing; returns why it did not arrive, or "". The channel's state says it, too."""
    try:
        with notification_text.localized_for(channel):
            _send_text(channel, *notification_text.test_message())
    except NotDelivered as failure:
        deliveries.let_rest(channel, failure, NOTIFICATION, now=times.now())
        return failure.error
    deliveries.mark_working(channel)
    return ""


# --- What became of it


def _record_delivered(channel: Channel, claimed: Sequence[Delivery]) -> None:
    Channel.objects.filter(pk=channel.pk).update(notified_at=times.now())
    reached.record_notified(
        reached.waiting_places(row.approval for row in claimed if row.approval), NotificationRecord.By.CHANNEL
    )


@transaction.atomic
def _record_failure(claimed: Sequence[Delivery], failure: NotDelivered) -> None:
    """Beside what becomes of the rows, each approval's history says once that it was not told by this channel."""
    now, channel = times.now(), claimed[0].via
    if channel is None:
        return
    before = Delivery.objects.filter(via=channel, attempts__gt=0, approval__in=[row.approval_id for row in claimed])
    before = before.exclude(pk__in=[row.pk for row in claimed if row.attempts == 1])
    already_failed = set(before.values_list("approval_id", flat=True))
    deliveries.record_failure(claimed, failure)
    facts = DeliveryFailed(by=channel.service, to=_whom(channel))
    audit.move(
        [
            audit.Move(row.approval_id, facts, audit.CLOCK, expect={"status": Status.PENDING})
            for row in claimed
            if row.approval_id is not None and row.approval_id not in already_failed
        ],
        now=now,
    )


def _whom(channel: Channel) -> str:
    return channel.user.name if channel.user else f"tier {channel.tier_id}"
