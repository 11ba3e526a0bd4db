"""Draws test cases beside what comes in: a row each, which is due a little later."""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from approvals.db import bulk, times
from approvals.models import Approval, SeededCase
from approvals.models.states import ItemType, Kind, Status
from approvals.policy.compiled_policy import Policy

# So much later than the real one, that nobody sees the one beside the other.
SOONEST, LATEST = timedelta(minutes=3), timedelta(minutes=45)
FEW = 20  # that are put in at one ringing

_dice = random.SystemRandom()


def draw(approvals: Iterable[Approval], policy: Policy, *, now: datetime) -> list[SeededCase]:
    """The test cases drawn beside these new approvals: of each that waits for people, with its tier's share."""
    return [
        new_case(approval, now=now)
        for approval in approvals
        if approval.kind == Kind.REAL
        and approval.status == Status.PENDING
        and approval.item_type == ItemType.ACTION
        and approval.tier_id in policy.tiers
        and _dice.random() < policy.tiers[approval.tier_id].seeded
    ]


def new_case(beside: Approval, *, now: datetime) -> SeededCase:
    """A test case beside this approval, not saved."""
    later = SOONEST + (LATEST - SOONEST) * _dice.random()
    return bulk.new_row(
        SeededCase,
        beside_id=beside.pk,
        action_type_id=beside.action_type_id,
        tier_id=beside.tier_id,
        due_at=now + later,
    )


def due() -> list[UUID]:
    """The test cases that are to be put in now: what the clock rings for."""
    cases = SeededCase.objects.filter(approval=None, outcome="", due_at__lte=times.in_query())
    return list(cases.order_by("due_at").values_list("pk", flat=True)[:FEW])


_WAITING = """
SELECT approval.tier_id, approval.domain_id, count(*)
FROM approvals_seededcase AS one JOIN approvals_approval AS approval ON approval.id = one.approval_id
WHERE one.outcome = '' AND one.approval_id IS NOT NULL AND approval.status = 'pending' AND approval.domain_id = ANY (%s)
GROUP BY 1, 2
"""


def waiting_in(domains: Sequence[str]) -> dict[tuple[int, str], int]:
    """How many test cases wait in each queue of these domains: they take nobody's place."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [list(domains)])
        return {(tier, domain): count for tier, domain, count in cursor.fetchall()}
