"""The times in which a queue had no room, or nobody: when each began and ended, and what came meanwhile.

Intake begins one with the first that is refused or passes; the clock begins one that nothing came into yet, ends what
is over and counts. A listener hears of each beginning and end after the commit.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet

from approvals import bulk
from approvals.ids import new_id
from approvals.models import Approval, Degraded, User
from approvals.models.approval import queue_name
from approvals.policy import scarcity, snapshot
from approvals.policy.codes import DEGRADED
from approvals.policy.scarcity import Key, Shortage
from approvals.policy.snapshot import NoPolicy, Policy
from approvals.review import access, queues
from approvals.review.access import Authority
from approvals.review.errors import NotAllowed

log = logging.getLogger(__name__)

_TOLD = 50  # of all that a banner could tell
SAME = timedelta(minutes=1)  # a queue that is full again so soon was not at ease in between
_WATCH = 0x64656772  # "degr": one clock at a time

Listener = Callable[[set[str]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` with the names of the queues whose degraded mode began or ended, after the commit."""
    if listener not in _listeners:
        _listeners.append(listener)


# --- Beginning and ending


def begin(lacking: Iterable[Shortage], *, now: datetime) -> None:
    """From now on these queues are in their degraded mode, where they are not already. Inside a transaction only."""
    wanted = {(one.tier, one.domain): one for one in lacking}
    if not wanted:
        return
    lasting = {(one.tier_id, one.domain_id) for one in _of(wanted).filter(ended_at=None)}
    missing = {key: one for key, one in wanted.items() if key not in lasting}
    if not missing:
        return
    lately = _of(missing).filter(ended_at__gt=now - SAME, seen_at=None).order_by("-ended_at")
    goes_on = {key for one in lately if _continued(one, missing[key := (one.tier_id, one.domain_id)])}
    rows = [
        Degraded(
            id=new_id(),
            tier_id=one.tier,
            domain_id=one.domain,
            why=one.why,
            mode=one.mode,
            limit=one.limit,
            began_at=now,
        )
        for key, one in sorted(missing.items())
        if key not in goes_on
    ]
    bulk.insert_new(rows)  # whoever else noticed it at the same moment has begun it
    _tell(missing)


def _continued(row: Degraded, short: Shortage) -> bool:
    """The same time goes on. False where somebody was quicker with a new one."""
    try:
        with transaction.atomic():
            return bool(
                Degraded.objects.filter(pk=row.pk, ended_at=row.ended_at, seen_at=None).update(
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
    begun = {(one.tier_id, one.domain_id): one for one in Degraded.objects.filter(ended_at=None)}
    for key, one in begun.items():
        short = lacking.get(key)
        if short is None:
            Degraded.objects.filter(pk=one.pk, ended_at=None).update(ended_at=now)
        elif (short.why, short.mode, short.limit) != (one.why, one.mode, one.limit):
            Degraded.objects.filter(pk=one.pk).update(why=short.why, mode=short.mode, limit=short.limit)
            _tell({key})
    _tell(begun.keys() - lacking.keys())
    begin([one for key, one in lacking.items() if key not in begun], now=now)
    _count(now)


def _lacking(policy: Policy, *, now: datetime) -> dict[Key, Shortage]:
    domains = queues.domains_of(policy.types.values())
    keys = queues.limited(policy, domains)
    found: dict[Key, Shortage] = {}
    for key, queue in queues.measure(policy, keys, now=now).items() if keys else ():
        if short := scarcity.shortages(*key, policy, queue):
            found[key] = short[0]
    return found


# What was being stored when one ended is counted a little later.
_COUNT = """
UPDATE approvals_degraded AS one SET passed = found.passed, refused = found.refused FROM (
    SELECT lately.id, came.passed, came.refused
    FROM approvals_degraded AS lately CROSS JOIN LATERAL (
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


def _of(wanted: Iterable[Key]) -> QuerySet[Degraded]:
    chosen = Q(pk__in=[])
    for tier, domain in wanted:
        chosen |= Q(tier=tier, domain=domain)
    return Degraded.objects.filter(chosen)


def _tell(keys: Iterable[Key]) -> None:
    names = {queue_name(*key) for key in keys}
    if names:
        transaction.on_commit(lambda: _news(names))


def _news(names: set[str]) -> None:
    for listener in _listeners:
        try:
            listener(names)
        except Exception:
            log.exception("listener %s failed", listener)  # a hint; pages look by themselves, too


# --- Reading, and catching up


def known_to(user: User, authority: Authority | None = None) -> QuerySet[Degraded]:
    """The degraded times this person may know of, newest first: of queues they watch; all, for who runs the place."""
    authority = authority or access.authority_of(user)
    times = Degraded.objects.select_related("tier", "domain", "seen_by").order_by("-began_at", "-id")
    if not user.is_active:
        return times.none()
    if authority.sees_all or user.is_staff:
        return times
    wanted = Q(pk__in=[])
    for level, domain in authority.posts:
        wanted |= Q(tier_id__lte=level) & (Q(domain_id=domain) if domain else Q())
    if authority.operates:
        asked = Approval.objects.filter(agent_id__in=authority.operates, reason_code=DEGRADED)
        pairs = asked.values_list("tier_id", "domain_id").distinct()
        for level, slug in pairs:
            wanted |= Q(tier_id=level, domain_id=slug)
    return times.filter(wanted)


def notices(user: User, authority: Authority | None = None) -> list[Degraded]:
    """What this person's pages say: what goes on now, then what is over and was not looked through. One query."""
    left = Q(seen_at=None) & (Q(passed__gt=0) | Q(refused__gt=0))
    told = Degraded.objects.filter(Q(ended_at=None) | left).select_related("domain")
    rows = list(told.order_by(F("ended_at").desc(nulls_first=True), "tier", "domain")[:_TOLD])
    if not rows:
        return []
    authority = authority or access.authority_of(user)
    if authority.sees_all or user.is_staff:
        return rows
    operated = _turned_away(authority, rows) if authority.operates else set()
    return [one for one in rows if authority.reaches(one.tier_id, one.domain_id) or one.pk in operated]


def _turned_away(authority: Authority, rows: Iterable[Degraded]) -> set[UUID]:
    """Those in which something of an agent that this person operates came."""
    mine = Approval.objects.filter(agent_id__in=authority.operates)
    return {one.pk for one in rows if came(one).filter(pk__in=mine.values("pk")).exists()}


def came(time: Degraded) -> QuerySet[Approval]:
    """What passed or was refused in it, in the order in which it came."""
    found = Approval.objects.filter(
        reason_code=DEGRADED, tier=time.tier_id, domain=time.domain_id, created_at__gte=time.began_at
    )
    if time.ended_at is not None:
        found = found.filter(created_at__lte=time.ended_at)
    return found.order_by("created_at", "pk")


def may_mark(time: Degraded, authority: Authority) -> bool:
    """Whoever may decide in that queue says that it was looked through, once it is over."""
    return time.ended_at is not None and time.seen_at is None and authority.reaches(time.tier_id, time.domain_id)


def mark(pk: UUID, *, by: User, now: datetime) -> bool:
    """Say that what came was looked through; False where somebody has said so before. Raises NotAllowed."""
    time = Degraded.objects.get(pk=pk)
    authority = access.authority_of(by)
    if time.ended_at is None or not authority.reaches(time.tier_id, time.domain_id):
        raise NotAllowed
    return bool(Degraded.objects.filter(pk=pk, seen_at=None, ended_at__isnull=False).update(seen_by=by, seen_at=now))
