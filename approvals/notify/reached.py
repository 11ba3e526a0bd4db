"""Watches whether anybody who may decide was notified of what waits, and raises an alarm after five minutes.

A channel that took the message counts, and an open list that showed the row. Each queue an approval is in counts anew.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals import links
from approvals.db import bulk, times
from approvals.db.ids import new_id
from approvals.models import Approval, Delivery, Domain, NotificationRecord, Tier
from approvals.models.states import Status, queue_name
from approvals.notify import alarms

log = logging.getLogger(__name__)

ALARM = "unheard"
WITHIN = timedelta(minutes=5)
AGAIN = timedelta(minutes=5)  # of one queue no two alarms come closer together
_KEPT = 20_000

WaitingAt = tuple[UUID, str]  # an approval, and the queue in which it waits

# What this process has noted already: a list that is read again writes nothing.
_noted: dict[WaitingAt, None] = {}
_lock = Lock()


def waiting_places(approvals: Iterable[Approval]) -> list[WaitingAt]:
    """Where these wait; what waits no more is left out."""
    return [(one.pk, queue_name(one.tier_id, one.domain_id)) for one in approvals if one.status == Status.PENDING]


def not_yet_noted(places: Iterable[WaitingAt]) -> list[WaitingAt]:
    """Those of which this process has not noted yet that somebody heard."""
    return [place for place in dict.fromkeys(places) if place not in _noted]


def record_notified(places: Iterable[WaitingAt], by: str) -> None:
    """Keep that somebody who may decide these heard of them."""
    new = not_yet_noted(places)
    if not new:
        return
    now = times.now()
    bulk.insert_new([NotificationRecord(id=new_id(), approval_id=pk, queue=queue, by=by, at=now) for pk, queue in new])
    with _lock:
        if len(_noted) > _KEPT:
            _noted.clear()
        _noted.update(dict.fromkeys(new))


# --- The alarm

# Since when each waits in the queue where it is. Whoever opened or claimed it since then has heard of it.
_UNHEARD = """
SELECT a.id, a.tier_id, a.domain_id, came.at
FROM approvals_approval AS a
CROSS JOIN LATERAL (
    SELECT CASE WHEN a.escalations = 0 AND a.stage = 0 THEN a.created_at ELSE greatest(a.created_at, (
        SELECT max(e.at) FROM approvals_auditevent AS e
        WHERE e.approval_id = a.id AND e.kind IN ('escalated', 'staged', 'overdue'))) END AS at
) AS came
WHERE a.status = 'pending' AND a.kind = 'real' AND a.created_at <= %(late)s AND came.at <= %(late)s
    AND (a.first_opened_at IS NULL OR a.first_opened_at < came.at) AND a.claimed_by_id IS NULL
    AND NOT EXISTS (
        SELECT FROM approvals_notificationrecord AS h
        WHERE h.approval_id = a.id AND h.queue = a.tier_id || '.' || a.domain_id)
ORDER BY came.at
"""


def alarm() -> int:
    """Raise an alarm for each queue with something of which nobody heard; returns for how many approvals.

    Of each approval once in a queue, of a queue at most once in five minutes. Two clocks at once raise one.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        now = times.now()
        cursor.execute(_UNHEARD, {"late": now - WITHIN})
        queues: dict[tuple[int, str], list[UUID]] = {}
        for pk, tier, domain, _came in cursor.fetchall():
            queues.setdefault((tier, domain), []).append(pk)
        return sum(_raise(tier, domain, found, now=now) for (tier, domain), found in queues.items())


def _raise(tier: int, domain: str, approval_ids: list[UUID], *, now: datetime) -> int:
    queue = queue_name(tier, domain)
    Tier.objects.select_for_update(no_key=True).get(pk=tier)  # one alarm at a time: the other clock then sees this one
    if NotificationRecord.objects.filter(queue=queue, by=NotificationRecord.By.NOBODY, at__gt=now - AGAIN).exists():
        return 0
    rows = [
        NotificationRecord(id=new_id(), approval_id=pk, queue=queue, by=NotificationRecord.By.NOBODY, at=now)
        for pk in approval_ids
    ]
    raised = len(bulk.insert_new(rows))
    if not raised:
        return 0
    log.error(
        "queue %s: nobody who may decide was told of %d approvals, the first is %s", queue, raised, approval_ids[0]
    )
    subject = {"approval_id": approval_ids[0], "payload": {"tier": tier, "domain": domain}}
    alarms.raise_alarm(ALARM, [(person, subject) for person in alarms.people_who_can_help()], now=now)
    return raised


def letter(delivery: Delivery) -> tuple[str, str] | None:
    """Subject and body, no arguments; None when somebody has opened or settled all of it since."""
    tier, domain = delivery.payload["tier"], delivery.payload["domain"]
    unheard = NotificationRecord.objects.filter(queue=queue_name(tier, domain), by=NotificationRecord.By.NOBODY)
    waiting = Approval.objects.filter(heard__in=unheard, status=Status.PENDING, tier=tier, domain=domain)
    approvals = list(waiting.filter(claimed_by=None, first_opened_at=None).order_by("created_at"))
    if not approvals:
        return None
    queue_label = f"{Tier.objects.get(pk=tier).name} · {Domain.objects.get(pk=domain).name}"
    subject = _("%(queue)s: nobody was told") % {"queue": queue_label}
    body = ngettext(
        "%(count)d request has waited in %(queue)s since %(since)s UTC, and nobody who may decide it has been told: no "
        "channel took a message, and no open inbox showed it.",
        "%(count)d requests wait in %(queue)s, the oldest since %(since)s UTC, and nobody who may decide them has been "
        "told: no channel took a message, and no open inbox showed them.",
        len(approvals),
    ) % {"count": len(approvals), "queue": queue_label, "since": f"{approvals[0].created_at:%Y-%m-%d %H:%M}"}
    people = _("Who reviews there, and by which channels they are reached:")
    return subject, f"{body}\n\n{people}\n{links.link(links.Page.TIER, tier)}\n"
