"""Whether anybody who may decide it heard of what waits, and the alarm where within five minutes nobody did.

A channel that took the message counts, and an open list that showed the row. Each queue an approval is in counts anew.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Lock
from urllib.parse import urljoin
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals import bulk, times
from approvals.ids import new_id
from approvals.models import Approval, Delivery, Domain, Heard, Tier, User
from approvals.models.approval import Status, queue_name
from approvals.review import telling

log = logging.getLogger(__name__)

ALARM = "unheard"
WITHIN = timedelta(minutes=5)
AGAIN = timedelta(minutes=5)  # of one queue no two alarms come closer together
_KEPT = 20_000

Place = tuple[UUID, str]  # an approval, and the queue in which it waits

# What this process has noted already: a list that is read again writes nothing.
_noted: dict[Place, None] = {}
_lock = Lock()


def of(approvals: Iterable[Approval]) -> list[Place]:
    """Where these wait; what waits no more is left out."""
    return [(one.pk, queue_name(one.tier_id, one.domain_id)) for one in approvals if one.status == Status.PENDING]


def fresh(places: Iterable[Place]) -> list[Place]:
    """Those of which this process has not noted yet that somebody heard."""
    return [place for place in dict.fromkeys(places) if place not in _noted]


def note(places: Iterable[Place], by: str) -> None:
    """Keep that somebody who may decide these heard of them."""
    new = fresh(places)
    if not new:
        return
    now = times.now()
    bulk.insert_new([Heard(id=new_id(), approval_id=pk, queue=queue, by=by, at=now) for pk, queue in new])
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
        SELECT max(e.at) FROM approvals_event AS e
        WHERE e.approval_id = a.id AND e.kind IN ('escalated', 'staged', 'overdue'))) END AS at
) AS came
WHERE a.status = 'pending' AND a.kind = 'real' AND a.created_at <= %(late)s AND came.at <= %(late)s
    AND (a.first_opened_at IS NULL OR a.first_opened_at < came.at) AND a.claimed_by_id IS NULL
    AND NOT EXISTS (
        SELECT FROM approvals_heard AS h
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


def _raise(tier: int, domain: str, found: list[UUID], *, now: datetime) -> int:
    queue = queue_name(tier, domain)
    Tier.objects.select_for_update(no_key=True).get(pk=tier)  # one alarm at a time: the other clock then sees this one
    if Heard.objects.filter(queue=queue, by=Heard.By.NOBODY, at__gt=now - AGAIN).exists():
        return 0
    rows = [Heard(id=new_id(), approval_id=pk, queue=queue, by=Heard.By.NOBODY, at=now) for pk in found]
    raised = len(bulk.insert_new(rows))
    if not raised:
        return 0
    log.error("queue %s: nobody who may decide was told of %d approvals, the first is %s", queue, raised, found[0])
    about = {"approval_id": found[0], "payload": {"tier": tier, "domain": domain}}
    telling.alarm(ALARM, [(person, about) for person in answerable()], now=now)
    return raised


def answerable() -> list[User]:
    """Who can do something about it: managers, and those who configure tiers and people."""
    return [one for one in telling.by_mail() if one.is_manager or one.has_perm("approvals.change_tier")]


def letter(delivery: Delivery) -> tuple[str, str] | None:
    """Subject and body, no arguments; None when somebody has opened or settled all of it since."""
    tier, domain = delivery.payload["tier"], delivery.payload["domain"]
    unheard = Heard.objects.filter(queue=queue_name(tier, domain), by=Heard.By.NOBODY)
    waiting = Approval.objects.filter(heard__in=unheard, status=Status.PENDING, tier=tier, domain=domain)
    found = list(waiting.filter(claimed_by=None, first_opened_at=None).order_by("created_at"))
    if not found:
        return None
    place = f"{Tier.objects.get(pk=tier).name} · {Domain.objects.get(pk=domain).name}"
    subject = _("%(queue)s: nobody was told") % {"queue": place}
    body = ngettext(
        "%(count)d request has waited in %(queue)s since %(since)s UTC, and nobody who may decide it has been told: no "
        "channel took a message, and no open inbox showed it.",
        "%(count)d requests wait in %(queue)s, the oldest since %(since)s UTC, and nobody who may decide them has been "
        "told: no channel took a message, and no open inbox showed them.",
        len(found),
    ) % {"count": len(found), "queue": place, "since": f"{found[0].created_at:%Y-%m-%d %H:%M}"}
    people = _("Who reviews there, and by which channels they are reached:")
    return subject, f"{body}\n\n{people}\n{urljoin(settings.ASSENT_BASE_URL, _page_of(tier))}\n"


def _page_of(tier: int) -> str:
    return reverse("admin:approvals_tier_change", args=[tier])
