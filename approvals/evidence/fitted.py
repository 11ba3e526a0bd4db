"""The curves that routing maps scores by, fitted anew at an interval by the worker.

Of each action type the newest decisions of people count, up to MOST and LOOK_BACK, on first proposals that were weighed
by the weights in force: other weights make other scores. With fewer than curves.FEWEST there is no curve.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from django.db import connection, transaction

from approvals import times
from approvals.models import Curve
from approvals.policy import curves, snapshot
from approvals.policy.curves import Judged
from approvals.policy.snapshot import NoPolicy

LOOK_BACK = timedelta(days=180)
MOST = 10_000  # decisions of one action type, the newest

# Pure counting in the database: what is read grows with the number of scores, of which there are a thousand.
_JUDGED = """
SELECT confidence, count(*) FILTER (WHERE verdict = 'approve'), count(*)
FROM (
    SELECT confidence, verdict FROM approvals_approval
    WHERE action_type_id = %(name)s AND kind = 'real' AND source = 'human' AND released_at > %(since)s
      AND verdict IN ('approve', 'modify', 'reject') AND confidence IS NOT NULL
      AND policy_id = ANY (%(versions)s) AND returned_from_id IS NULL
    ORDER BY released_at DESC LIMIT %(most)s
) AS newest
GROUP BY confidence
"""

_WEIGHTS = """
SELECT number, key, (value -> 'weights')::text FROM approvals_policyversion, jsonb_each(snapshot -> 'types')
WHERE key = ANY (%s)
"""


def fit_all() -> int:
    """Fit the curve of every action type in force; how many have one. Safe to run twice, also at once."""
    try:
        policy = snapshot.current()
    except NoPolicy:
        return 0
    alike = _alike({name: kind.weights for name, kind in policy.types.items()}, policy.number)
    found = 0
    for name, kind in policy.types.items():
        found += _fit(name, dict(kind.weights), alike[name])
    Curve.objects.exclude(action_type__in=policy.types).delete()
    return found


@transaction.atomic
def _fit(name: str, weights: dict[str, float], versions: list[int]) -> bool:
    now = times.now()
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED, {"name": name, "since": now - LOOK_BACK, "versions": versions, "most": MOST})
        judged = [Judged(*row) for row in cursor.fetchall()]
    decided = sum(one.decided for one in judged)
    if decided < curves.FEWEST:
        Curve.objects.filter(action_type=name).delete()
        return False
    points = [[str(one.low), str(one.high), one.approved, one.decided] for one in curves.fit(judged)]
    values = {"points": points, "decided": decided, "weights": weights, "fitted_at": now}
    Curve.objects.update_or_create(action_type_id=name, defaults=values)
    return True


def _alike(weights: Mapping[str, Mapping[str, float]], current: int) -> dict[str, list[int]]:
    """The versions of policy that weigh each action type as the one in force does."""
    alike: dict[str, list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_WEIGHTS, [sorted(weights)])
        for number, name, said in cursor.fetchall():
            if number == current or json.loads(said) == dict(weights[name]):
                alike[name].append(number)
    return alike
