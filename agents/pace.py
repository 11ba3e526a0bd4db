"""How long a queue takes to decide, so that an agent knows whether to wait or to do something else meanwhile."""

import time

from django.db import connection

_LATEST = 1000
_FEWEST = 5
_KEPT = 30.0  # seconds; the median of a thousand moves slowly

_MEDIANS = """
    SELECT tier_id, domain_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM decided_at - created_at))
    FROM (
        SELECT tier_id, domain_id, decided_at, created_at, source FROM approvals_approval
        WHERE decided_at IS NOT NULL ORDER BY decided_at DESC, id DESC LIMIT %s
    ) AS latest
    WHERE source = 'human'
    GROUP BY tier_id, domain_id
    HAVING count(*) >= %s
"""

_known: tuple[float, dict[tuple[int, str], float]] = (0.0, {})


def expected_wait(tier: int, domain: str) -> float | None:
    """Median seconds from submission to a person's verdict in this queue, of the latest thousand decisions of all.

    None where fewer than five of them are of this queue. Asks the database at most every 30 s.
    """
    global _known
    again_at, medians = _known
    if time.monotonic() >= again_at:
        with connection.cursor() as cursor:
            cursor.execute(_MEDIANS, [_LATEST, _FEWEST])
            medians = {(level, slug): float(median) for level, slug, median in cursor.fetchall()}
        _known = (time.monotonic() + _KEPT, medians)
    return medians.get((tier, domain))


def forget() -> None:
    """Ask the database again at the next call."""
    global _known
    _known = (0.0, {})
