"""What lies under the pages that are measured: so many approvals wait, and as many were decided before.

A word stands in one of them, another in one of a hundred, another in all. Half of the requests belong to the newest
fifty runs. `python -m console.bench.pages SINCE UNTIL` makes those from one number up to another.
"""

import os
import sys
from dataclasses import replace
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from approvals.models import Agent, Approval, ApprovalRequest, Proposal, User  # noqa: E402  # need the applications
from approvals.requests import intake  # noqa: E402
from approvals.requests.submission import Receipt, RunRef  # noqa: E402
from console.bench import seed  # noqa: E402
from console.bench.past import insert_copies, row_id  # noqa: E402
from console.startup.terminal import Refused  # noqa: E402

RUN = "bench-pages"
# Of n, in no order. A day is the time of each that waits, of which up to 20 hours are over.
_SHARE = "((n * 7919) %% 999983) / 999983.0"
_ARRIVED = f"now() - interval '1 second' - {_SHARE} * interval '20 hours'"
_DECIDED = f"now() - interval '1 minute' - {_SHARE} * interval '30 days'"
_WORDS = (
    "array_to_tsvector(array_remove(ARRAY['refund', 'to', 'order', 'eur', 'bench', n::text, (n %% 900) || 'x', "
    "CASE WHEN n %% 100 = 0 THEN 'hundredth' END, CASE WHEN n = 7 THEN 'unicorn' END], NULL))"
)
# The newest fifty runs have half of all requests; of the others each has twenty.
_RUN = f"CASE WHEN n %% 2 = 0 THEN {row_id(8, '(n / 2 %% 50)')} ELSE {row_id(9, '(n / 20)')} END"
_RUNS = f"""
INSERT INTO approvals_run (id, agent_id, key, name, search_words, created_at)
SELECT {row_id(8)}, %(agent)s, 'pages-new-' || n, 'Newest ' || n, ''::tsvector, now() - n * interval '1 second'
FROM generate_series(0, 49) AS n
UNION ALL
SELECT {row_id(9)}, %(agent)s, 'pages-' || n, 'Run ' || n, ''::tsvector,
       now() - interval '1 hour' - n * interval '1 second'
FROM generate_series(%(since)s::bigint / 20, %(until)s::bigint / 20) AS n
ON CONFLICT DO NOTHING
"""  # noqa: S608  # nothing of it comes from outside


def _rows(request: int, approval: int, proposal: int, arrived: str, **columns: str) -> list[Any]:
    """What of each copy is its own."""
    ids = {"request_id": row_id(request), "proposal_id": row_id(proposal)}
    of_request = {"id": row_id(request), "key": f"'pages-{request}-' || n", "run_id": _RUN, "created_at": arrived}
    of_approval = {
        **ids,
        "id": row_id(approval),
        "subject": "'order:' || n",
        "digest": "'sha256:' || md5(n::text)",
        "similarity_key": "md5((n %% 9000)::text)",
        "search_words": _WORDS,
        "created_at": arrived,
        "first_opened_at": arrived,  # somebody has heard of it
        "due_at": "NULL",
        "remind_at": "NULL",
        "expires_at": f"{arrived} + interval '1 day'",
        **columns,
    }
    return [
        (ApprovalRequest, "request", of_request | (_CLOSED if columns else {})),
        (Approval, "approval", of_approval),
        (Proposal, "proposal", {"id": row_id(proposal), "approval_id": row_id(approval)}),
    ]


_CLOSED = {"status": "'decided'", "open_items": "0", "answer": "'{}'", "closed_at": _DECIDED}
_WAITING = _rows(4, 5, 6, _ARRIVED)
_SETTLED = _rows(
    1,
    2,
    3,
    _DECIDED,
    status="'executed'",
    verdict="'approve'",
    source="'human'",
    decided_by_id="%(by)s::uuid",
    decided_at=_DECIDED,
    released_at=_DECIDED,
)


def fill(template: Approval, *, since: int, until: int) -> None:
    """Of every number one that waits and one that was decided."""
    facts = {"since": since, "until": until, "agent": template.agent_id, "by": User.objects.order_by("pk")[0].pk}
    facts |= {"approval": template.pk, "request": template.request_id, "proposal": template.proposal_id}
    insert_copies(_WAITING, facts, _RUNS)
    insert_copies(_SETTLED, facts)


def template() -> Approval:
    """One that was really submitted; all others are like it."""
    first = Approval.objects.filter(request__run__key=RUN).first()
    if first is not None:
        return first
    wish = replace(seed.submission(0), run=RunRef(RUN))
    [answer] = intake.submit(Agent.objects.get(name="bench-00"), [wish])
    if not isinstance(answer, Receipt):
        raise Refused(str(answer))
    return answer.approvals[0]


if __name__ == "__main__":
    fill(template(), since=int(sys.argv[1]), until=int(sys.argv[2]))
