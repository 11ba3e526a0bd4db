"""Takes a planned step or a use of a standing approval, in the transaction that stores what passes by it.

Two proposals may have read that a step, or the last use of a standing approval, was still there: the rows decide.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from approvals.policy.compiled_policy import Policy
from approvals.requests.evaluation import Evaluation

# Locked in one order, so that two sets never wait for each other. With its plan: who recalls it at the same moment
# waits, and then finds what passed.
_STEPS = """
WITH free AS (
    SELECT step.id FROM approvals_plannedstep AS step JOIN approvals_approval AS plan ON plan.id = step.plan_id
    WHERE step.id = ANY (%(ids)s) AND step.used_by_id IS NULL AND step.expires_at > %(now)s
      AND plan.status = 'released'
    ORDER BY step.id FOR UPDATE OF step FOR SHARE OF plan
)
UPDATE approvals_plannedstep AS step SET used_by_id = wanted.approval, used_at = %(now)s
FROM free JOIN unnest(%(ids)s::bigint[], %(approvals)s::uuid[]) AS wanted (id, approval) ON wanted.id = free.id
WHERE step.id = free.id RETURNING step.id
"""

_GRANTS = """
WITH held AS (
    SELECT id, most - reserved - (used - used_offline) AS free FROM approvals_grant
    WHERE id = ANY (%(ids)s::uuid[]) AND revoked_at IS NULL AND expires_at > %(now)s
    ORDER BY id FOR UPDATE
)
UPDATE approvals_grant AS standing SET used = standing.used + least(held.free, wanted.count)
FROM held JOIN unnest(%(ids)s::uuid[], %(counts)s::int[]) AS wanted (id, count) ON wanted.id = held.id
WHERE standing.id = held.id AND held.free > 0 RETURNING standing.id, least(held.free, wanted.count)
"""


def take_pre_approvals(
    evaluations: Sequence[Sequence[Evaluation]], policy: Policy, *, now: datetime
) -> list[list[Evaluation]]:
    """Take the uses, and return the evaluations.

    Those that came second are routed again as if nothing had been approved beforehand.

    Nothing is asked of the database where nothing passes by an earlier approval. Inside the storing transaction only.
    """
    covered = [evaluation for group in evaluations for evaluation in group if evaluation.routing.covered]
    if not covered:
        return [list(group) for group in evaluations]
    won = _steps([evaluation for evaluation in covered if evaluation.routing.step], now=now)
    won |= _grants([evaluation for evaluation in covered if evaluation.routing.grant], now=now)
    return [
        [
            evaluation.without_pre_approvals(policy)
            if evaluation.routing.covered and evaluation.id not in won
            else evaluation
            for evaluation in group
        ]
        for group in evaluations
    ]


def _steps(evaluations: Sequence[Evaluation], *, now: datetime) -> set[UUID]:
    """The ids of the evaluations that got their step."""
    evaluation_by_step = {
        evaluation.routing.step.id: evaluation.id for evaluation in evaluations if evaluation.routing.step
    }
    if not evaluation_by_step:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            _STEPS, {"ids": list(evaluation_by_step), "approvals": list(evaluation_by_step.values()), "now": now}
        )
        return {evaluation_by_step[pk] for (pk,) in cursor.fetchall()}


def _grants(evaluations: Sequence[Evaluation], *, now: datetime) -> set[UUID]:
    """The ids of the evaluations that got a use, in order of arrival."""
    by = [(evaluation.routing.grant.id, evaluation.id) for evaluation in evaluations if evaluation.routing.grant]
    if not by:
        return set()
    counts = Counter(grant for grant, _ in by)
    with connection.cursor() as cursor:
        cursor.execute(_GRANTS, {"ids": list(counts), "counts": list(counts.values()), "now": now})
        left = dict(cursor.fetchall())
    won = set()
    for grant, evaluation in by:
        if left.get(grant, 0) > 0:
            left[grant] -= 1
            won.add(evaluation)
    return won
