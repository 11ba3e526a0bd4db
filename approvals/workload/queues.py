"""Measures the queues that have a capacity: how many wait, and whether anybody is on call. Reads only.

Measured for a whole set, once, and before any of it is stored: of two sets at the same moment each may fill what was
free, so that a limit is overrun at most as often as sets are stored at once (one for each web process, and one for
each call in bulk). Inside a set it holds exactly. What cannot be measured raises; it never counts as full or empty.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import connection

from approvals.models.policy import OverloadMode
from approvals.oversight import draws
from approvals.people.on_call import Roster
from approvals.policy.compiled_policy import NO_CAPACITY, Policy, TypePolicy
from approvals.policy.overload import UNLIMITED, Key, Queue, Queues
from approvals.workload import expected_wait

# Counted no further than the limit, and in the index of the queue alone.
_WAITING = """
SELECT queue.tier, queue.domain, approvals_waiting(queue.tier, queue.domain, queue.most)
FROM unnest(%s::int[], %s::text[], %s::int[]) AS queue (tier, domain, most)
"""


def domains_of(types: Iterable[TypePolicy]) -> set[str]:
    """The fields in which something of these types may wait: their own, and those of the stages that rules name."""
    kinds = list(types)
    staged = {stage.domain for kind in kinds for rule in kind.rules for stage in rule.stages if stage.domain}
    return {kind.domain for kind in kinds} | staged


def limited(policy: Policy, domains: Collection[str]) -> list[Key]:
    """The queues of these domains for which policy declares something."""
    return [
        (level, domain)
        for level, tier in policy.tiers.items()
        if tier.capacities
        for domain in sorted(domains)
        if tier.capacity(domain) != NO_CAPACITY
    ]


def measured(policy: Policy, domains: Collection[str], *, now: datetime, coming: int = 0) -> Queues:
    """The queues of these domains as they are now; nothing is asked where policy declares nothing of them.

    `coming` are about to be routed, so that a queue which they will fill knows when to come back, too.
    """
    keys = limited(policy, domains)
    return Queues(measure(policy, keys, now=now, coming=coming)) if keys else UNLIMITED


def measure(policy: Policy, keys: Collection[Key], *, now: datetime, coming: int = 0) -> dict[Key, Queue]:
    """One query for all that wait, and one more where it matters who is on duty."""
    capacities = {key: policy.tiers[key[0]].capacity(key[1]) for key in keys}
    waiting = _waiting({key: capacity.limit for key, capacity in capacities.items() if capacity.limit is not None})
    shifts = None
    if any(capacity.when_empty != OverloadMode.QUEUE for capacity in capacities.values()):
        shifts = Roster.read(now, demanding=policy.tiers_demanding_factor)
    queues = {}
    for (tier, domain), capacity in capacities.items():
        count = waiting.get((tier, domain), 0)
        manned, back_at = True, None
        if shifts and capacity.when_empty != OverloadMode.QUEUE:
            manned = bool(shifts.serving(tier, domain, now))
            if not manned and capacity.when_empty == OverloadMode.REJECT:
                back_at = shifts.next_at(tier, domain, now)
        full = capacity.limit is not None and count + coming >= capacity.limit
        if full and back_at is None and capacity.when_full == OverloadMode.REJECT:
            back_at = now + (
                expected_wait.time_to_quarter_off(tier, domain, now=now) or policy.tiers_in(domain)[tier].sla
            )
        queues[tier, domain] = Queue(count, manned, back_at)
    return queues


def _waiting(most: "dict[Key, int]") -> dict[Key, int]:
    if not most:
        return {}
    test_cases = draws.waiting_in([domain for _, domain in most])
    upto = {key: count + test_cases.get(key, 0) for key, count in most.items()}
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [[tier for tier, _ in most], [domain for _, domain in most], list(upto.values())])
        return {(tier, domain): count - test_cases.get((tier, domain), 0) for tier, domain, count in cursor.fetchall()}
