"""Carries out what the outbox holds: takes what is due, records what came of an attempt, tries again or gives up.

Webhooks, notifications and mails share it, and differ in their retry policy and in how an attempt is made. What is
taken is due again when its lease ends, so a worker that is killed loses nothing, and whatever arrives may arrive twice,
under the same id. An endpoint or channel that fails rests, longer each time; the others do not notice. Nothing here
leaves the house: that happens between `claim` and its record, outside any transaction.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from approvals.db import times
from approvals.models import Channel, Delivery, Endpoint
from approvals.notify import alarms
from approvals.notify.retry_policy import POLICIES, WEBHOOK, RetryPolicy

log = logging.getLogger(__name__)

GIVEN_UP = "webhook.dead"  # the alarm
_DUE = Delivery.Status.DUE


class NotDelivered(Exception):
    """An attempt failed; the sentence carries no secret.

    `answered` is the HTTP status, None where nothing answered; `wait` is what the other side wishes by Retry-After.
    `hopeless`: no later attempt can do better. `alive`: it answered, so the next one may be tried at once.
    """

    def __init__(
        self,
        error: str,
        answered: int | None = None,
        *,
        wait: timedelta | None = None,
        hopeless: bool = False,
        alive: bool = False,
    ) -> None:
        super().__init__(error)
        self.error = error[:500]
        self.answered, self.wait, self.hopeless, self.alive = answered, wait, hopeless, alive


class NotNeeded(Exception):
    """What was to be said is over."""


Attempt = Callable[[Sequence[Delivery]], None]
Failed = Callable[[Sequence[Delivery], NotDelivered], None]


def claim(rows: "QuerySet[Delivery]", *, now: datetime) -> list[Delivery]:
    """Take those of these, all of one kind, that are due for an attempt; what another worker is taking is left out."""
    with transaction.atomic():
        claimed = list(rows.filter(status=_DUE, due_at__lte=now).select_for_update(skip_locked=True, of=("self",)))
        if claimed:
            until = now + POLICIES[claimed[0].channel].lease
            _rows(claimed).update(attempts=F("attempts") + 1, due_at=until)
    for delivery in claimed:
        delivery.attempts += 1
    return claimed


def carry(claimed: Sequence[Delivery], attempt: Attempt, failed: Failed | None = None) -> bool:
    """Make one attempt for all of these and record what came of it; whether they arrived.

    `attempt` raises NotDelivered, or NotNeeded. A surprise is recorded like any other failure, and raised.
    """
    failed = failed or record_failure
    try:
        attempt(claimed)
    except NotNeeded:
        drop(_rows(claimed))
    except NotDelivered as failure:
        failed(claimed, failure)
    except Exception as surprise:
        failed(claimed, NotDelivered(type(surprise).__name__))
        raise
    else:
        record_delivered(claimed)
        return True
    return False


# --- What came of an attempt


def record_delivered(claimed: Sequence[Delivery], *, answered: int | None = None) -> None:
    """They arrived, and what carried them works."""
    _rows(claimed).update(status=Delivery.Status.DONE, done_at=times.now(), answered=answered, last_error="")
    if carrier := _carrier(claimed[0]):
        mark_working(carrier)


@transaction.atomic
def record_failure(claimed: Sequence[Delivery], failure: NotDelivered) -> None:
    """They are tried again later, or given up: after the last attempt, after their time, or where it is hopeless."""
    now, policy, carrier = times.now(), POLICIES[claimed[0].channel], _carrier(claimed[0])
    ended = failure.answered in policy.permanent
    first, text = claimed[0], ascii(failure.error[:200])
    log.warning("%s %s failed (attempt %d, %d rows): %s", first.channel, first.pk, first.attempts, len(claimed), text)
    over = failure.hopeless or ended
    dead = {
        row
        for row in claimed
        if over or row.attempts >= policy.attempts or (row.gives_up_at is not None and row.gives_up_at <= now)
    }
    _give_up(_rows(dead), failure.error, failure.answered, now=now)
    for attempts in {row.attempts for row in claimed if row not in dead}:
        waiting = _rows(claimed).filter(status=_DUE, attempts=attempts)
        due_at = now + policy.wait_after(attempts, failure.wait)
        waiting.update(due_at=due_at, answered=failure.answered, last_error=failure.error)
    # At a callback's address a status speaks for one request; at an endpoint's for the endpoint.
    if ended and isinstance(carrier, Endpoint) and not carrier.callback:
        why = f"{now:%Y-%m-%d %H:%M} UTC: {failure.error}"[:200]
        Endpoint.objects.filter(pk=carrier.pk, active=True).update(active=False, ended=why)
        give_up_inactive(now=now)
    elif carrier is not None and (failure.wait is not None or not failure.alive):
        let_rest(carrier, failure, policy, now=now)
        # It stands for all that queue behind it: those that waited longer than the schedule end with it.
        _give_up(_queue(carrier).filter(gives_up_at__lte=now), failure.error, failure.answered, now=now)


def drop(rows: "QuerySet[Delivery]") -> None:
    """These are no longer needed."""
    rows.filter(status=_DUE).update(status=Delivery.Status.DROPPED, done_at=times.now())


def _rows(deliveries: Iterable[Delivery]) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(pk__in=[delivery.pk for delivery in deliveries])


# --- Endpoints and channels


def _carrier(delivery: Delivery) -> Endpoint | Channel | None:
    """What carries it, and rests after a failure; None of a mail, which may be about an endpoint."""
    return delivery.endpoint if delivery.channel == Delivery.Channel.WEBHOOK else delivery.via


def _queue(carrier: Endpoint | Channel) -> "QuerySet[Delivery]":
    if isinstance(carrier, Channel):
        return Delivery.objects.filter(via=carrier)
    return Delivery.objects.filter(endpoint=carrier, channel=Delivery.Channel.WEBHOOK)


def mark_working(carrier: Endpoint | Channel) -> None:
    """It took something: it rests no longer."""
    if isinstance(carrier, Channel):
        state = {"state": Channel.State.WORKS, "tried_at": times.now(), "error": ""}
        Channel.objects.filter(pk=carrier.pk).update(failures=0, rests_until=None, **state)
    else:
        tired = Endpoint.objects.filter(Q(failures__gt=0) | Q(rests_until__isnull=False), pk=carrier.pk)
        tired.update(failures=0, rests_until=None)


def let_rest(carrier: Endpoint | Channel, failure: NotDelivered, policy: RetryPolicy, *, now: datetime) -> None:
    """It failed once more: nothing is tried by it for a while."""
    rows = type(carrier)._default_manager.filter(pk=carrier.pk)
    failures = rows.values_list("failures", flat=True).first() or 0
    state: dict[str, object] = {}
    if isinstance(carrier, Channel):
        state = {"state": Channel.State.FAILED, "tried_at": now, "error": failure.error[:200]}
    rows.update(failures=F("failures") + 1, rests_until=now + policy.rest_after(failures, failure.wait), **state)


# --- Given up


def give_up_inactive(*, now: datetime) -> None:
    """What still queues for an endpoint that is off, by itself or by an admin, is dead; it may be replayed."""
    queues = Delivery.objects.filter(channel=Delivery.Channel.WEBHOOK, status=_DUE)
    for endpoint in Endpoint.objects.filter(Exists(queues.filter(endpoint=OuterRef("pk"))), active=False):
        _give_up(_queue(endpoint), endpoint.ended or "The endpoint is off.", None, now=now)


def _give_up(rows: "QuerySet[Delivery]", error: str, answered: int | None, *, now: datetime) -> None:
    """Mark those that are due as dead, and raise the alarm of their endpoint."""
    due = rows.filter(status=_DUE)
    first = due.select_related("endpoint__agent").first()
    if first is None:
        return
    columns: dict[str, object] = {"answered": answered} if answered is not None else {}
    count = due.update(status=Delivery.Status.DEAD, done_at=now, last_error=error, **columns)
    log.error("%d %s deliveries were given up, the first is %s: %s", count, first.channel, first.pk, ascii(error[:200]))
    every = POLICIES[first.channel].alarm_every
    if every is not None and first.endpoint is not None:
        _alarm(first.endpoint, every, now=now)


def _alarm(endpoint: Endpoint, every: timedelta, *, now: datetime) -> None:
    """A mail to each operator of the agent, else to those who configure agents."""
    if Delivery.objects.filter(endpoint=endpoint, topic=GIVEN_UP, created_at__gt=now - every).exists():
        return
    people = alarms.by_mail()
    recipients = people.filter(operated_agents=endpoint.agent_id) or people.filter(is_staff=True)
    alarms.raise_alarm(GIVEN_UP, [(person, {"endpoint": endpoint}) for person in recipients], now=now)


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
    endpoints = [endpoint.pk for endpoint in Endpoint.objects.filter(deliveries__in=ended).distinct()]
    fresh = {"attempts": 0, "due_at": now, "done_at": None, "gives_up_at": now + WEBHOOK.gives_up_after}
    sent = ended.update(status=_DUE, **fresh)
    # Whoever replays believes that it is back.
    Endpoint.objects.filter(pk__in=endpoints).update(rests_until=None)
    return sent
