"""The rows of webhooks: which go out next, what became of an attempt, and how one that was given up is sent again.

Every endpoint gets its turn, whatever queues behind another. One that fails rests, longer each time, and a single
attempt then stands for all that queue behind it. What is older than the whole schedule is dead, listed and said.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from approvals.db import times
from approvals.models import Delivery, Endpoint
from approvals.notify import notifications, outbox

log = logging.getLogger(__name__)

# The waits between ten attempts, of Standard Webhooks: 75 hours and 35 minutes together.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
ATTEMPTS = len(WAITS) + 1
JITTER = 0.1  # of a wait, either way
LEASE = timedelta(seconds=30)  # a worker that dies has its attempts repeated after this; one takes 15 s at most
EACH = 4  # attempts at once at one endpoint, of one sender
FIRST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=5)
LONGEST_RETRY_AFTER = timedelta(hours=24)  # of what an endpoint wishes by Retry-After
ALARM, ALARM_AGAIN = "webhook.dead", timedelta(hours=6)

_dice = SystemRandom()


@dataclass(frozen=True, slots=True)
class AttemptFailure:
    """Why an attempt failed. `answered` is the status, None where nothing answered.

    `gone`: the endpoint wants nothing more. `hopeless`: no later attempt can do better. `alive`: it answered, so the
    next one may try at once.
    """

    error: str
    answered: int | None = None
    wait: timedelta | None = None
    gone: bool = False
    hopeless: bool = False
    alive: bool = False


# --- Which go out next

# An endpoint that failed last time gets one attempt at a time, any other EACH, less those that are under way. The
# first of every endpoint come before the second of any.
_TAKE = """
WITH picked AS MATERIALIZED (
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
)
UPDATE approvals_delivery AS d SET attempts = d.attempts + 1, due_at = %(again)s
FROM picked WHERE d.id = picked.id RETURNING d.id
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

    They are due again when their lease ends, so a worker that dies with them loses none.
    """
    now = times.now()
    _mark_dead_of_inactive(now=now)
    endpoints = [str(one) for one in busy]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "now": now,
                "again": now + LEASE,
                "room": room,
                "each": EACH,
                "busy": endpoints,
                "counts": [busy[one] for one in busy],
            },
        )
        taken = [pk for (pk,) in cursor.fetchall()]
    if not taken:
        return []
    return list(Delivery.objects.filter(pk__in=taken).select_related("endpoint__agent").order_by("due_at", "pk"))


# --- What became of an attempt


def delivered(delivery: Delivery, *, answered: int) -> None:
    """The endpoint took it."""
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Delivery.Status.DONE, done_at=times.now(), answered=answered, last_error=""
    )
    if delivery.endpoint_id is not None:
        tired = Endpoint.objects.filter(Q(failures__gt=0) | Q(rests_until__isnull=False), pk=delivery.endpoint_id)
        tired.update(failures=0, rests_until=None)


@transaction.atomic
def failed(delivery: Delivery, failure: AttemptFailure) -> None:
    """Try again later, or give it up: after ten attempts, after the time they take, or where it is hopeless."""
    now = times.now()
    error = failure.error[:500]
    dead = failure.hopeless or failure.gone or delivery.attempts >= ATTEMPTS or _too_old(delivery, now=now)
    if dead:
        _mark_dead(Delivery.objects.filter(pk=delivery.pk), error=error, answered=failure.answered, now=now)
    else:
        wait = WAITS[delivery.attempts - 1] * _dice.uniform(1 - JITTER, 1 + JITTER)
        if failure.wait is not None:
            wait = max(wait, min(failure.wait, LONGEST_RETRY_AFTER))
        Delivery.objects.filter(pk=delivery.pk, status=Delivery.Status.DUE).update(
            due_at=now + wait, answered=failure.answered, last_error=error
        )
    if delivery.endpoint_id is None:
        return
    of_endpoint = Endpoint.objects.filter(pk=delivery.endpoint_id)
    # At a callback's address 410 speaks for one request; at an endpoint's for the endpoint.
    if failure.gone and not of_endpoint.filter(callback=True).exists():
        of_endpoint.filter(active=True).update(active=False, ended=f"{now:%Y-%m-%d %H:%M} UTC: {error}"[:200])
        _mark_dead_of_inactive(now=now)
    elif failure.wait is not None or not failure.alive:
        _pause_endpoint(of_endpoint, failure, now=now)
        # It stands for all that queue behind it: those that waited longer than the schedule end with it.
        old = Delivery.objects.filter(endpoint=delivery.endpoint_id, gives_up_at__lte=now)
        _mark_dead(old, error=error, answered=failure.answered, now=now)
    log.warning(
        "webhook %s to %s failed (attempt %d): %s", delivery.pk, outbox.origin_of(delivery.target), delivery.attempts,
        ascii(error[:200]),
    )  # fmt: skip


def _too_old(delivery: Delivery, *, now: datetime) -> bool:
    return delivery.gives_up_at is not None and delivery.gives_up_at <= now


def _pause_endpoint(endpoint: "QuerySet[Endpoint]", failure: AttemptFailure, *, now: datetime) -> None:
    failures = endpoint.values_list("failures", flat=True).first() or 0
    rest = min(FIRST_REST * 2 ** min(failures, 10), LONGEST_REST) * _dice.uniform(1 - JITTER, 1 + JITTER)
    if failure.wait is not None:
        rest = max(rest, min(failure.wait, LONGEST_RETRY_AFTER))
    endpoint.update(failures=F("failures") + 1, rests_until=now + rest)


# --- Given up


def _mark_dead_of_inactive(*, now: datetime) -> None:
    """What still queues for an endpoint that is off, by itself or by an admin, is dead; it may be replayed."""
    queues = Delivery.objects.filter(channel=Delivery.Channel.WEBHOOK, status=Delivery.Status.DUE)
    for endpoint in Endpoint.objects.filter(Exists(queues.filter(endpoint=OuterRef("pk"))), active=False):
        rows = Delivery.objects.filter(endpoint=endpoint)
        _mark_dead(rows, error=endpoint.ended or "The endpoint is off.", answered=None, now=now)


def _mark_dead(rows: "QuerySet[Delivery]", *, error: str, answered: int | None, now: datetime) -> None:
    """Mark those that are due as dead, and raise the alarm."""
    due = rows.filter(channel=Delivery.Channel.WEBHOOK, status=Delivery.Status.DUE)
    endpoint = Endpoint.objects.select_related("agent").filter(deliveries__in=due).first()
    columns: dict[str, object] = {"answered": answered} if answered is not None else {}
    buried = due.update(status=Delivery.Status.DEAD, done_at=now, last_error=error, **columns)
    if endpoint is None or not buried:
        return
    log.error("%d webhooks of agent %s were given up: %s", buried, endpoint.agent.name, ascii(error[:200]))
    _alarm(endpoint, now=now)


def _alarm(endpoint: Endpoint, *, now: datetime) -> None:
    """A mail to each operator of the agent, else to those who configure agents; one in six hours is enough."""
    lately = Delivery.objects.filter(endpoint=endpoint, topic=ALARM, created_at__gt=now - ALARM_AGAIN)
    if lately.exists():
        return
    people = notifications.by_mail()
    recipients = people.filter(operated_agents=endpoint.agent_id) or people.filter(is_staff=True)
    notifications.write_alarm(ALARM, [(person, {"endpoint": endpoint}) for person in recipients], now=now)


@transaction.atomic
def replay(rows: "QuerySet[Delivery]") -> int:
    """Send webhooks again that were given up or delivered, under the same id; returns how many.

    Whoever received one before recognises it. What belongs to an endpoint that is off stays as it is.
    """
    now = times.now()
    ended = rows.filter(
        channel=Delivery.Channel.WEBHOOK,
        status__in=[Delivery.Status.DEAD, Delivery.Status.DONE],
        endpoint__active=True,
    )
    endpoints = list(Endpoint.objects.filter(deliveries__in=ended).distinct())
    sent = ended.update(
        status=Delivery.Status.DUE,
        attempts=0,
        due_at=now,
        done_at=None,
        gives_up_at=now + outbox.GIVES_UP_AFTER,
    )
    # Whoever replays believes that it is back.
    Endpoint.objects.filter(pk__in=[one.pk for one in endpoints]).update(rests_until=None)
    return sent
