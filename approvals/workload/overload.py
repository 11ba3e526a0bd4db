"""Periods of overload: when a queue was full or unattended, and what arrived meanwhile.

Intake begins one with the first that is refused or passes; the clock begins one that nothing came into yet, ends what
is over and counts. A listener hears of each beginning and end after the commit.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet

from approvals.db import bulk
from approvals.db.ids import new_id
from approvals.errors import NotAllowed
from approvals.models import Approval, Overload, User
from approvals.models.states import queue_name
from approvals.people import authorities
from approvals.people.authorities import Authority
from approvals.policy import overload, snapshot
from approvals.policy.compiled_policy import Policy
from approvals.policy.overload import Key
from approvals.policy.routing_codes import DEGRADED
from approvals.policy.routing_decision import Shortage
from approvals.policy.snapshot import NoPolicy
from approvals.workload import queues

log = logging.getLogger(__name__)

_MOST_SHOWN = 50  # of all that a banner could tell
SAME = timedelta(minutes=1)  # a queue that is full again so soon was not at ease in between
_WATCH = 0x64656772  # "degr": one clock at a time

Listener = Callable[[set[str]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` with the names of the queues whose degraded mode began or ended, after the commit."""
    if listener not in _listeners:
        _listeners.append(listener)


# --- Beginning and ending


def begin_overload(lacking: Iterable[Shortage], *, now: datetime) -> None:
    """From now on these queues are in their degraded mode, where they are not already. Inside a transaction only."""
    shortages = {(one.tier, one.domain): one for one in lacking}
    if not shortages:
        return
    lasting = {(one.tier_id, one.domain_id) for one in _of(shortages).filter(ended_at=None)}
    missing = {key: shortage for key, shortage in shortages.items() if key not in lasting}
    if not missing:
        return
    lately = _of(missing).filter(ended_at__gt=now - SAME, seen_at=None).order_by("-ended_at")
    goes_on = {key for one in lately if _resume(one, missing[key := (one.tier_id, one.domain_id)])}
    rows = [
        Overload(
            id=new_id(),
            tier_id=shortage.tier,
            domain_id=shortage.domain,
            why=shortage.why,
            mode=shortage.mode,
            limit=shortage.limit,
            began_at=now,
        )
        for key, shortage in sorted(missing.items())
        if key not in goes_on
    ]
    bulk.insert_new(rows)  # whoever else noticed it at the same moment has begun it
    _tell(missing)


def _resume(row: Overload, short: Shortage) -> bool:
    """The same time goes on. False where somebody was quicker with a new one."""
    try:
        with transaction.atomic():
            return bool(
                Overload.objects.filter(pk=row.pk, ended_at=row.ended_at, seen_at=None).update(
                    ended_at=None, why=short.why, mode=short.mode, limit=short.limit
                )
            )
    except IntegrityError:
        return False


@transaction.atomic
def watch(*, now: datetime) -> None:
    """Begin and end what the queues say now, and count what came. By one clock at a time; the next look is soon."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_WATCH])
        if not cursor.fetchone()[0]:
            return
    try:
        policy = snapshot.current()
    except NoPolicy:
        return
    lacking = _lacking(policy, now=now)
    begun = {(one.tier_id, one.domain_id): one for one in Overload.objects.filter(ended_at=None)}
    for key, period in begun.items():
        short = lacking.get(key)
        if short is None:
            Overload.objects.filter(pk=period.pk, ended_at=None).update(ended_at=now)
        elif (short.why, short.mode, short.limit) != (period.why, period.mode, period.limit):
            Overload.objects.filter(pk=period.pk).update(why=short.why, mode=short.mode, limit=short.limit)
            _tell({key})
    _tell(begun.keys() - lacking.keys())
    begin_overload([one for key, one in lacking.items() if key not in begun], now=now)
    _count(now)


def _lacking(policy: Policy, *, now: datetime) -> dict[Key, Shortage]:
    domains = queues.domains_of(policy.types.values())
    keys = queues.limited(policy, domains)
    shortages: dict[Key, Shortage] = {}
    for key, queue in queues.measure(policy, keys, now=now).items() if keys else ():
        if short := overload.shortages(*key, policy, queue):
            shortages[key] = short[0]
    return shortages


# What was being stored when one ended is counted a little later.
_COUNT = """
UPDATE approvals_overload AS one SET passed = found.passed, refused = found.refused FROM (
    SELECT lately.id, came.passed, came.refused
    FROM approvals_overload AS lately CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE route = 'auto') AS passed, count(*) FILTER (WHERE route = 'reject') AS refused
        FROM approvals_approval
        WHERE reason_code = 'degraded' AND tier_id = lately.tier_id AND domain_id = lately.domain_id
              AND created_at >= lately.began_at AND created_at <= coalesce(lately.ended_at, %(now)s)
    ) AS came
    WHERE lately.ended_at IS NULL OR lately.ended_at > %(since)s
) AS found
WHERE found.id = one.id AND (one.passed, one.refused) IS DISTINCT FROM (found.passed, found.refused)
"""


def _count(now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"now": now, "since": now - SAME})


def _of(keys: Iterable[Key]) -> QuerySet[Overload]:
    chosen = Q(pk__in=[])
    for tier, domain in keys:
        chosen |= Q(tier=tier, domain=domain)
    return Overload.objects.filter(chosen)


def _tell(keys: Iterable[Key]) -> None:
    names = {queue_name(*key) for key in keys}
    if names:
        transaction.on_commit(lambda: _notify_listeners(names))


def _notify_listeners(names: set[str]) -> None:
    for listener in _listeners:
        try:
            listener(names)
        except Exception:
            log.exception("listener %s failed", listener)  # a hint; pages look by themselves, too


# --- Reading, and catching up


def visible_to(user: User, authority: Authority | None = None) -> QuerySet[Overload]:
    """The degraded times this person may know of, newest first: of queues they watch; all, for who runs the place."""
    authority = authority or authorities.authority_of(user)
    times = Overload.objects.select_related("tier", "domain", "seen_by").order_by("-began_at", "-id")
    if not user.is_active:
        return times.none()
    if authority.sees_all or user.is_staff:
        return times
    condition = Q(pk__in=[])
    for level, domain in authority.posts:
        condition |= Q(tier_id__lte=level) & (Q(domain_id=domain) if domain else Q())
    if authority.operates:
        affected_approvals = Approval.objects.filter(agent_id__in=authority.operates, reason_code=DEGRADED)
        pairs = affected_approvals.values_list("tier_id", "domain_id").distinct()
        for level, slug in pairs:
            condition |= Q(tier_id=level, domain_id=slug)
    return times.filter(condition)


def overloads_to_show(user: User, authority: Authority | None = None) -> list[Overload]:
    """What this person's pages say: what goes on now, then what is over and was not looked through. One query."""
    left = Q(seen_at=None) & (Q(passed__gt=0) | Q(refused__gt=0))
    overloads = Overload.objects.filter(Q(ended_at=None) | left).select_related("domain")
    rows = list(overloads.order_by(F("ended_at").desc(nulls_first=True), "tier", "domain")[:_MOST_SHOWN])
    if not rows:
        return []
    authority = authority or authorities.authority_of(user)
    if authority.sees_all or user.is_staff:
        return rows
    operated = _turned_away(authority, rows) if authority.operates else set()
    return [row for row in rows if authority.reaches(row.tier_id, row.domain_id) or row.pk in operated]


def _turned_away(authority: Authority, rows: Iterable[Overload]) -> set[UUID]:
    """Those in which something of an agent that this person operates came."""
    mine = Approval.objects.filter(agent_id__in=authority.operates)
    return {row.pk for row in rows if approvals_during(row).filter(pk__in=mine.values("pk")).exists()}


def approvals_during(time: Overload) -> QuerySet[Approval]:
    """What passed or was refused in it, in the order in which it came."""
    approvals = Approval.objects.filter(
        reason_code=DEGRADED, tier=time.tier_id, domain=time.domain_id, created_at__gte=time.began_at
    )
    if time.ended_at is not None:
        approvals = approvals.filter(created_at__lte=time.ended_at)
    return approvals.order_by("created_at", "pk")


def may_mark_reviewed(time: Overload, authority: Authority) -> bool:
    """Whoever may decide in that queue says that it was looked through, once it is over."""
    return time.ended_at is not None and time.seen_at is None and authority.reaches(time.tier_id, time.domain_id)


def mark_reviewed(pk: UUID, *, by: User, now: datetime) -> bool:
    """Say that what came was looked through; False where somebody has said so before. Raises NotAllowed."""
    time = Overload.objects.get(pk=pk)
    authority = authorities.authority_of(by)
    if time.ended_at is None or not authority.reaches(time.tier_id, time.domain_id):
        raise NotAllowed
    return bool(Overload.objects.filter(pk=pk, seen_at=None, ended_at__isnull=False).update(seen_by=by, seen_at=now))
