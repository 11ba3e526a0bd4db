"""The curves that routing maps scores by, fitted anew at an interval by the worker.

Of each action type the newest of what people judged counts, up to MOST and LOOK_BACK, on first proposals that were
weighed by the weights in force: other weights make other scores. Judged is what people decided, and what ran without
them and was looked at afterwards; whatever they found fault with later counts as not approved. With fewer than
curves.FEWEST there is no curve.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from approvals.db import times
from approvals.models import AgentCurve, Curve
from approvals.policy import snapshot
from approvals.policy.precedent import curves
from approvals.policy.precedent.curves import ScoreDecisions
from approvals.policy.snapshot import NoPolicy

LOOK_BACK = timedelta(days=180)
MOST = 10_000  # decisions of one action type, the newest

# Pure counting in the database: what is read grows with the number of agents and scores, of which there are a thousand.
_JUDGED = """
SELECT agent_id, confidence, count(*) FILTER (WHERE approved), count(*)
FROM (
    SELECT agent_id, confidence, faulted_at IS NULL AND verdict = 'approve' AS approved
    FROM approvals_approval AS approval
    LEFT JOIN approvals_postreview AS look ON look.approval_id = approval.id
    WHERE action_type_id = %(name)s AND kind = 'real' AND created_at > %(since)s AND confidence IS NOT NULL
      AND (
          faulted_at IS NOT NULL OR finding = 'ok'
          OR source = 'human' AND released_at IS NOT NULL AND verdict IN ('approve', 'modify', 'reject')
      )
      AND policy_id = ANY (%(versions)s) AND returned_from_id IS NULL
    ORDER BY created_at DESC LIMIT %(most)s
) AS newest
GROUP BY agent_id, confidence
"""

_WEIGHTS = """
SELECT number, key, (value -> 'weights')::text FROM approvals_policyversion, jsonb_each(snapshot::jsonb -> 'types')
WHERE key = ANY (%s)
"""


def fit_all() -> int:
    """Fit the curve of every action type in force; how many have one. Safe to run twice, also at once."""
    try:
        policy = snapshot.current()
    except NoPolicy:
        return 0
    alike = _versions_with_same_weights({name: kind.weights for name, kind in policy.types.items()}, policy.number)
    count = 0
    for name, kind in policy.types.items():
        count += _fit(name, dict(kind.weights), alike[name])
    Curve.objects.exclude(action_type__in=policy.types).delete()
    return count


@transaction.atomic
def _fit(name: str, weights: dict[str, float], versions: list[int]) -> bool:
    now = times.now()
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED, {"name": name, "since": now - LOOK_BACK, "versions": versions, "most": MOST})
        by_agent: dict[UUID, list[ScoreDecisions]] = defaultdict(list)
        for agent, *judged in cursor.fetchall():
            by_agent[agent].append(ScoreDecisions(*judged))
    pool = _over_all_agents(by_agent.values())
    decided = sum(judged.decided for judged in pool)
    if decided < curves.FEWEST:
        Curve.objects.filter(action_type=name).delete()
        return False
    points = curves.fit(pool)
    values = {
        "points": [[str(point.low), str(point.high), point.approved, point.decided] for point in points],
        "decided": decided,
        "weights": weights,
        "fitted_at": now,
    }
    # The row is held, so that of two that fit at once the second counts the agents after the first has.
    curve, _ = Curve.objects.select_for_update().update_or_create(action_type_id=name, defaults=values)
    curve.agents.all().delete()
    AgentCurve.objects.bulk_create(
        AgentCurve(curve=curve, agent_id=agent, counts=curves.counts(points, judged))
        for agent, judged in by_agent.items()
    )
    return True


def _over_all_agents(by_agent: Iterable[Sequence[ScoreDecisions]]) -> list[ScoreDecisions]:
    """What people decided at each score, over all agents."""
    approved: Counter[Decimal] = Counter()
    decided: Counter[Decimal] = Counter()
    for record in by_agent:
        for judged in record:
            approved[judged.score] += judged.approved
            decided[judged.score] += judged.decided
    return [ScoreDecisions(score, approved[score], decided[score]) for score in decided]


def _versions_with_same_weights(weights: Mapping[str, Mapping[str, float]], current: int) -> dict[str, list[int]]:
    """The versions of policy that weigh each action type as the one in force does."""
    alike: dict[str, list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_WEIGHTS, [sorted(weights)])
        for number, name, stored_weights in cursor.fetchall():
            if number == current or json.loads(stored_weights) == dict(weights[name]):
                alike[name].append(number)
    return alike
