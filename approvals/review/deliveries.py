"""Carrying out the outbox: what a transaction wrote leaves the house here at least once, or is listed as dead."""

import logging
from datetime import timedelta

from django.core.mail import EmailMessage
from django.db import transaction

from approvals import times
from approvals.models import Delivery
from approvals.models.approval import Status
from approvals.review.decisions import load
from approvals.review.escalation import letter

log = logging.getLogger(__name__)

ATTEMPTS = 8
FIRST_WAIT = timedelta(seconds=30)


def due(*, limit: int = 200) -> list[Delivery]:
    """The deliveries whose time has come, oldest first."""
    return list(Delivery.objects.filter(status=Delivery.Status.DUE, due_at__lte=times.now()).order_by("due_at")[:limit])


def attempt(delivery_id: str) -> None:
    """Send one delivery if it is still due and still needed; a failure waits twice as long each time.

    The row is taken for the time of the attempt before anything leaves the house, so a second doorbell finds nothing.
    """
    now = times.now()
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(skip_locked=True)
            .filter(pk=delivery_id, status=Delivery.Status.DUE, due_at__lte=now)
            .first()
        )
        if delivery is None:
            return
        delivery.attempts += 1
        delivery.due_at = now + FIRST_WAIT * 2 ** (delivery.attempts - 1)
        delivery.save(update_fields=["attempts", "due_at"])
    approval = load(delivery.approval_id) if delivery.approval_id else None
    if approval is None or approval.status != Status.PENDING or approval.claimed_by_id:
        _end(delivery, Delivery.Status.DROPPED)
        return
    subject, body = letter(approval)
    try:
        EmailMessage(subject, body, to=[delivery.target]).send()
    except OSError as error:  # refused, unreachable, SMTP's own errors
        _failed(delivery, str(error))
        return
    _end(delivery, Delivery.Status.DONE)


def _end(delivery: Delivery, status: str) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(status=status, done_at=times.now())


def _failed(delivery: Delivery, error: str) -> None:
    dead = delivery.attempts >= ATTEMPTS
    log.warning("delivery %s failed (attempt %d): %s", delivery.pk, delivery.attempts, error[:200])
    Delivery.objects.filter(pk=delivery.pk).update(
        last_error=error[:500], status=Delivery.Status.DEAD if dead else Delivery.Status.DUE
    )
