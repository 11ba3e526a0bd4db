"""Which webhooks go out next: every endpoint gets its turn, and one that failed a single attempt at a time."""

from collections.abc import Mapping
from uuid import UUID

from django.db import connection, transaction

from approvals.db import times
from approvals.models import Delivery
from approvals.notify import deliveries

EACH = 4  # attempts at once at one endpoint, of one sender

# An endpoint that failed last time gets one attempt at a time, any other EACH, less those that are under way. The
# first of every endpoint come before the second of any.
_TAKE = """
SELECT found.id FROM approvals_endpoint AS e
LEFT JOIN unnest(%(busy)s::uuid[], %(counts)s::int[]) AS under (endpoint, way) ON under.endpoint = e.id
CROSS JOIN LATERAL (
    SELECT d.id, d.due_at FROM approvals_delivery AS d
    WHERE d.endpoint_id = e.id AND d.channel = 'webhook' AND d.status = 'due' AND d.due_at <= %(now)s
    ORDER BY d.due_at
    LIMIT greatest(0, CASE WHEN e.failures > 0 THEN 1 ELSE %(each)s END - coalesce(under.way, 0))
    FOR UPDATE SKIP LOCKED
) AS found
WHERE e.active AND (e.rests_until IS NULL OR e.rests_until <= %(now)s)
ORDER BY row_number() OVER (PARTITION BY e.id ORDER BY found.due_at), found.due_at
LIMIT %(room)s
"""
_READY = """
SELECT EXISTS (
    SELECT FROM approvals_endpoint AS e
    CROSS JOIN LATERAL (
        SELECT FROM approvals_delivery AS d
        WHERE d.endpoint_id = e.id AND d.channel = 'webhook' AND d.status = 'due' AND d.due_at <= %(now)s LIMIT 1
    ) AS found
    WHERE NOT e.active OR e.rests_until IS NULL OR e.rests_until <= %(now)s
)
"""


def ready() -> bool:
    """Whether anything could go out now: what the clock rings for."""
    with connection.cursor() as cursor:
        cursor.execute(_READY, {"now": times.now()})
        return bool(cursor.fetchone()[0])


def take_due(room: int, busy: Mapping[UUID, int]) -> list[Delivery]:
    """Take up to `room` deliveries for an attempt each, fairly; `busy` counts the attempts under way by endpoint.

    An endpoint that rests is left out, and what queues for one that is off is given up.
    """
    now = times.now()
    deliveries.give_up_inactive(now=now)
    with transaction.atomic(), connection.cursor() as cursor:
        counts = [*busy.values()]
        cursor.execute(_TAKE, {"now": now, "room": room, "each": EACH, "busy": [*busy], "counts": counts})
        picked = [pk for (pk,) in cursor.fetchall()]
        rows = Delivery.objects.filter(pk__in=picked).select_related("endpoint__agent").order_by("due_at", "pk")
        return deliveries.claim(rows, now=now)
