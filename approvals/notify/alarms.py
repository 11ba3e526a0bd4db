"""Alarms by mail: what a transaction wrote leaves the house at least once, or is listed as dead.

Webhooks and notifications are rows of the same table; `webhooks` and `sending` carry those out.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.core.mail import EmailMessage
from django.db import transaction
from django.utils.translation import gettext as _

from approvals import canary, links
from approvals.db import times
from approvals.execution import rollback, unconfirmed
from approvals.models import Delivery
from approvals.notify import reached, webhooks
from approvals.people import second_admin

log = logging.getLogger(__name__)

ATTEMPTS = 8
FIRST_WAIT = timedelta(seconds=30)


def due(*, limit: int = 200) -> list[Delivery]:
    """The letters whose time has come, oldest first."""
    letters = Delivery.objects.filter(channel=Delivery.Channel.MAIL, status=Delivery.Status.DUE)
    return list(letters.filter(due_at__lte=times.now()).order_by("due_at")[:limit])


def attempt(delivery_id: str) -> None:
    """Send one letter if it is still due and still needed; a failure waits twice as long each time.

    The row is taken for the time of the attempt before anything leaves the house, so a second doorbell finds nothing.
    """
    now = times.now()
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(skip_locked=True)
            .filter(pk=delivery_id, channel=Delivery.Channel.MAIL, status=Delivery.Status.DUE, due_at__lte=now)
            .first()
        )
        if delivery is None:
            return
        delivery.attempts += 1
        delivery.due_at = now + FIRST_WAIT * 2 ** (delivery.attempts - 1)
        delivery.save(update_fields=["attempts", "due_at"])
    letter = _LETTERS.get(delivery.topic)
    written = letter(delivery) if letter else None
    if written is None:
        _end(delivery, Delivery.Status.DROPPED)
        return
    subject, body = written
    try:
        EmailMessage(subject, body, to=[delivery.target]).send()
    except OSError as error:  # refused, unreachable, SMTP's own errors
        _failed(delivery, str(error))
        return
    _end(delivery, Delivery.Status.DONE)


def _of_a_dead_webhook(delivery: Delivery) -> tuple[str, str] | None:
    """How many were given up, and where they are sent again; None when all were, meanwhile."""
    endpoint = delivery.endpoint
    if endpoint is None:
        return None
    dead = endpoint.deliveries.filter(channel=Delivery.Channel.WEBHOOK, status=Delivery.Status.DEAD)
    newest = dead.order_by("-done_at").first()
    if newest is None:
        return None
    subject = _("Webhooks of %(agent)s were given up") % {"agent": endpoint.agent.name}
    body = _(
        "%(count)d webhooks to %(url)s were not delivered and are tried no more.\nLast: %(error)s\n\n"
        "They are listed here, and can be sent again:\n%(link)s\n"
    ) % {
        "count": dead.count(),
        "url": endpoint.url,
        "error": newest.last_error,
        "link": links.link(links.Page.GIVEN_UP, endpoint.pk),
    }
    return subject, body


_LETTERS: Mapping[str, Callable[[Delivery], tuple[str, str] | None]] = {
    webhooks.ALARM: _of_a_dead_webhook,
    canary.ALARM: canary.letter,
    reached.ALARM: reached.letter,
    second_admin.ALARM: second_admin.letter,
    unconfirmed.ALARM: unconfirmed.letter,
    **dict.fromkeys(rollback.ALARMS, rollback.letter),
}


def _end(delivery: Delivery, status: str) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(status=status, done_at=times.now())


def _failed(delivery: Delivery, error: str) -> None:
    dead = delivery.attempts >= ATTEMPTS
    log.warning("delivery %s failed (attempt %d): %s", delivery.pk, delivery.attempts, error[:200])
    Delivery.objects.filter(pk=delivery.pk).update(
        last_error=error[:500], status=Delivery.Status.DEAD if dead else Delivery.Status.DUE
    )
