"""What had been spent when a past approval arrived, for rehearsing other spending limits.

Whole hours come from what was counted, the hour itself from the approvals in it. What a policy would have stopped is
counted all the same where it ran: the past is taken as it was.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from approvals.models.policy import SpendOf
from approvals.policy.checkpoints import hour_of
from approvals.policy.compiled_policy import TypePolicy

_SPENT = """
SELECT wanted.place, coalesce((
    SELECT sum(amount) FROM approvals_spend
    WHERE spender = coalesce(wanted.run, wanted.agent) AND hour >= wanted.since AND hour < wanted.hour
), 0) + coalesce((
    SELECT sum(abs(one.value))
    FROM approvals_approval AS one JOIN approvals_approvalrequest AS request ON request.id = one.request_id
    WHERE one.agent_id = wanted.agent AND one.action_type_id = ANY (%(names)s) AND one.created_at >= wanted.hour
      AND (one.created_at, one.id) < (wanted.at, wanted.id) AND one.released_at <= wanted.at
      AND one.kind = 'real' AND one.item_type IN ('action', 'plan') AND one.plan_id IS NULL
      AND one.verdict IN ('approve', 'modify') AND (wanted.run IS NULL OR request.run_id = wanted.run)
), 0)
FROM unnest(
    %(places)s::int[], %(ids)s::uuid[], %(agents)s::uuid[], %(runs)s::uuid[],
    %(moments)s::timestamptz[], %(hours)s::timestamptz[], %(sinces)s::timestamptz[]
) AS wanted (place, id, agent, run, at, hour, since)
"""


class SpendingCutoff(NamedTuple):
    """An approval of the past, as one action type's limit looks at it. `run` None: the agent's whole spending."""

    id: UUID
    agent: UUID
    run: UUID | None
    at: datetime
    since: datetime


def cutoff_of(row: Mapping[str, Any], kind: TypePolicy) -> SpendingCutoff | None:
    """What the limit of this action type looks at; None where it has none."""
    if kind.spend_limit is None:
        return None
    run = row["request__run_id"] if kind.spend_of == SpendOf.RUN else None
    return SpendingCutoff(
        row["id"], row["agent_id"], run, row["created_at"], hour_of(row["created_at"] - kind.spend_window)
    )


def spending_before(cutoffs: Iterable[SpendingCutoff], names: Iterable[str]) -> dict[SpendingCutoff, Decimal]:
    """What had been spent before each; one query. `names` are the action types that there are."""
    each = list(dict.fromkeys(cutoffs))
    if not each:
        return {}
    values: dict[str, Any] = {
        "names": sorted(names),
        "places": list(range(len(each))),
        "ids": [one.id for one in each],
        "agents": [one.agent for one in each],
        "runs": [one.run for one in each],
        "moments": [one.at for one in each],
        "hours": [hour_of(one.at) for one in each],
        "sinces": [one.since for one in each],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SPENT, values)
        return {each[place]: amount for place, amount in cursor.fetchall()}
