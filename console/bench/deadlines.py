"""A process that has deadlines come: reads `count` and `of`, waits until a clock has settled them, says how long.

`of` is what comes in one second: `ends` (silence rejects), `escalates` (into a tier with working hours), or `both`.
"""

import json
import os
import sys
import time
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from django.db import connection  # noqa: E402  # the models need the applications
from django.db.models import Count, Q  # noqa: E402

from approvals.db import times  # noqa: E402
from approvals.models import Agent, Approval, AuditEvent, Membership, Tier, User  # noqa: E402
from approvals.models.states import Status  # noqa: E402
from approvals.policy import snapshot  # noqa: E402
from approvals.requests import intake  # noqa: E402
from console.bench import seed  # noqa: E402

AHEAD = timedelta(seconds=5)  # from the last preparation to the first deadline
PATIENCE = 120.0


def settle(count: int, of: str) -> dict[str, Any]:
    """Have so many come due, and watch. `twice` counts those that a clock moved more than once, or moved wrongly."""
    agent = Agent.objects.create(name=f"bench-{of}-{time.monotonic_ns()}")
    _staff()
    for start in range(0, count, 250):
        intake.submit(agent, [seed.submission(number) for number in range(start, min(start + 250, count))])
    ids = list(Approval.objects.filter(agent=agent).order_by("pk").values_list("pk", flat=True))
    ends = ids if of == "ends" else ids[::2] if of == "both" else []
    first = times.now() + AHEAD
    _due("expires_at", ends, first)
    _due("due_at", list(set(ids) - set(ends)), first)
    mine = Approval.objects.filter(agent=agent)
    left = mine.filter(status=Status.PENDING, tier=1)
    took, end = None, time.monotonic() + PATIENCE
    while took is None and time.monotonic() < end:
        time.sleep(0.1)
        if not left.exists():
            took = (times.now() - first).total_seconds()
    wrong = (
        mine.annotate(
            ended=Count("events", filter=Q(events__kind=AuditEvent.Kind.EXPIRED)),
            climbed=Count("events", filter=Q(events__kind=AuditEvent.Kind.ESCALATED)),
        )
        .exclude(status=Status.EXPIRED, ended=1, climbed=0, pk__in=ends)
        .exclude(Q(status=Status.PENDING, tier=2, ended=0, climbed=1) & ~Q(pk__in=ends))
    )
    early = AuditEvent.objects.filter(
        approval__in=ids, kind__in=[AuditEvent.Kind.EXPIRED, AuditEvent.Kind.ESCALATED], at__lt=first
    )
    return {"seconds": took, "wrong": wrong.count(), "early": early.count()}


def _staff() -> None:
    """Two reviewers above, who are told by mail, in a tier whose time runs in working hours."""
    for number in range(2):
        above, made = User.objects.get_or_create(username=f"above{number}", email=f"above{number}@bench.example")
        if made:
            Membership.objects.create(user=above, tier_id=2, domain=None)
    Tier.objects.filter(pk=2).update(working=True, opens="08:00", closes="18:00", time_zone="America/New_York")
    snapshot.publish(by=None, note="working hours")


def _due(column: str, ids: list[Any], first: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE approvals_approval SET {column} = %s + random() * interval '1 second' WHERE id = ANY(%s)",  # noqa: S608  # ours
            [first, ids],
        )


if __name__ == "__main__":
    print(json.dumps(settle(**json.loads(sys.stdin.readline()))))
