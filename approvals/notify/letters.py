"""What alarms say, and their delivery by mail: at least once, or listed as dead, and never about what is over."""

from collections.abc import Callable, Mapping, Sequence

from django.utils.translation import gettext as _

from approvals import canary, links
from approvals.autonomy import level_alarms
from approvals.db import times
from approvals.execution import rollback, unconfirmed
from approvals.models import Delivery
from approvals.notify import deliveries, mail, reached, weekly_letter
from approvals.people import second_admin


def due(*, limit: int = 200) -> list[Delivery]:
    """The mails whose time has come, oldest first."""
    mails = Delivery.objects.filter(channel=Delivery.Channel.MAIL, status=Delivery.Status.DUE)
    return list(mails.filter(due_at__lte=times.now()).order_by("due_at")[:limit])


def deliver(delivery_id: str) -> None:
    """Send one mail if it is still due and still needed."""
    mails = Delivery.objects.filter(pk=delivery_id, channel=Delivery.Channel.MAIL)
    if claimed := deliveries.claim(mails, now=times.now()):
        deliveries.carry(claimed, _attempt)


def _attempt(claimed: Sequence[Delivery]) -> None:
    [delivery] = claimed
    mail.send(delivery.target, *text_of(delivery))


def text_of(delivery: Delivery) -> tuple[str, str]:
    """Subject and body of a message that concerns no approval. Raises NotNeeded where it is over."""
    letter = _LETTERS.get(delivery.topic)
    written = letter(delivery) if letter else None
    if written is None:
        raise deliveries.NotNeeded
    return written


def _of_dead_webhooks(delivery: Delivery) -> tuple[str, str] | None:
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
    deliveries.GIVEN_UP: _of_dead_webhooks,
    canary.ALARM: canary.letter,
    reached.ALARM: reached.letter,
    second_admin.ALARM: second_admin.letter,
    unconfirmed.ALARM: unconfirmed.letter,
    **dict.fromkeys(level_alarms.ALARMS, level_alarms.letter),
    weekly_letter.TOPIC: weekly_letter.letter,
    **dict.fromkeys(rollback.ALARMS, rollback.letter),
}
