"""A long past of one action type, made inside the database: real approvals with requests, proposals and decisions.

Half of it is of one busy agent, a fifth concerns one customer, a tenth is one digest, a third is one letter, a
twentieth was rejected by people; one run has a hundredth of all requests.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.db.backends.utils import CursorWrapper

from approvals.models import Approval, ApprovalRequest, Decision, Proposal, Run

DAYS = 60

_COLUMN = '"{}"'


def extend_past(
    template: Approval, *, since: int, until: int, others: list[UUID], run: UUID, similarity_key: str, by: UUID
) -> None:
    """The approvals from number `since` up to `until`, like the template but for what tells them apart.

    `others` are the agents of the other half, `run` the one with many requests, `by` the person who decided.
    """
    facts: dict[str, Any] = {
        "since": since,
        "until": until,
        "others": others,
        "run": run,
        "similarity_key": similarity_key,
        "by": by,
    }
    facts |= {"approval": template.pk, "request": template.request_id, "proposal": template.proposal_id, "days": DAYS}
    insert_copies(
        [(ApprovalRequest, "request", _PAUSE), (Approval, "approval", _APPROVAL), (Proposal, "proposal", _PROPOSAL)],
        facts,
        _DECISIONS,
    )


def insert_copies(
    copied: Sequence[tuple[type[models.Model], str, Mapping[str, str]]], facts: Mapping[str, Any], *also: str
) -> None:
    """Copy a row of each model, by its id in `facts`, for each n from `since` to `until`; with columns of their own.

    `also` are statements beside them. A table that grows by much loses its indexes meanwhile.
    """
    tables = [model._meta.db_table for model, _, _ in copied]
    with connection.cursor() as cursor:
        # What an ordinary insert asks of every row again: keys that are surely there, and each of the indexes.
        cursor.execute("SET session_replication_role = replica; SET maintenance_work_mem = '256MB'")
        indexes = _drop_indexes(cursor, tables)
        for model, of, columns in copied:
            cursor.execute(_copy_sql(model, columns, f"t.id = %({of})s"), facts)
        for statement in also:
            cursor.execute(statement, facts)
        for index in indexes:
            cursor.execute(index)
        cursor.execute("SET session_replication_role = DEFAULT")
        for table in [*tables, Decision._meta.db_table, Run._meta.db_table]:
            cursor.execute(f"VACUUM ANALYZE {_COLUMN.format(table)}")


def _drop_indexes(cursor: CursorWrapper, tables: Sequence[str]) -> list[str]:
    """Drop the indexes of these tables that no constraint needs; what makes each of them again."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY (%s) AND NOT EXISTS "
        "(SELECT FROM pg_constraint WHERE conindid = format('%%I', indexname)::regclass)",
        [[*tables]],
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {_COLUMN.format(name)}")
    return [made for _, made in indexes]


def _copy_sql(model: type[models.Model], columns: Mapping[str, str], where: str) -> str:
    names = [field.column for field in model._meta.concrete_fields if field.column]
    values = ", ".join(columns.get(name, f"t.{_COLUMN.format(name)}") for name in names)
    table = _COLUMN.format(model._meta.db_table)
    listed = ", ".join(map(_COLUMN.format, names))
    return (
        f"INSERT INTO {table} ({listed}) SELECT {values} FROM {table} AS t, "  # noqa: S608  # names of our models
        f"generate_series(%(since)s::bigint, %(until)s::bigint) AS n WHERE {where}"
    )


def row_id(kind: int, number: str = "n") -> str:
    """The key of the row of that number; a kind for each table and purpose."""
    return f"('01900000-0000-7000-800{kind}-' || lpad(to_hex({number}), 12, '0'))::uuid"


# Spread over all days whichever the number, so that a thousand and a million reach back as far.
_AT = "now() - make_interval(secs => 60 + ((n * 7919) %% 999983) / 999983.0 * 86400 * %(days)s)"
_AGENT = (
    "CASE WHEN n %% 2 = 0 THEN t.agent_id ELSE (%(others)s::uuid[])[1 + (n / 2) %% cardinality(%(others)s::uuid[])] END"
)
_REJECTED = "n %% 20 < 1"
_PAUSE = {
    "id": row_id(1),
    "agent_id": _AGENT,
    "key": "'past-' || n",
    "run_id": "CASE WHEN n %% 100 = 0 THEN %(run)s::uuid END",
    "status": "'decided'",
    "open_items": "0",
    "answer": "'{}'",
    "created_at": _AT,
    "closed_at": _AT,
}
_APPROVAL = {
    "id": row_id(2),
    "request_id": row_id(1),
    "proposal_id": row_id(3),
    "agent_id": _AGENT,
    "created_at": _AT,
    "due_at": "NULL",
    "expires_at": "NULL",
    "subject": "'order:' || n",
    "frequency_key": "'customer:' || CASE WHEN n %% 5 = 0 THEN 'hot' ELSE (n %% 50000)::text END",
    "baseline_key": "'department:' || (n %% 12)",
    "similarity_key": "CASE WHEN n %% 6 = 0 THEN %(similarity_key)s ELSE md5((n %% 9000)::text) END",
    "digest": "'sha256:' || CASE WHEN n %% 10 = 0 THEN 'hot' ELSE md5(n::text) END",
    "value": "(n %% 400) + 0.5",
    "route": f"CASE WHEN n %% 2 = 0 OR {_REJECTED} THEN 'review' ELSE 'auto' END",
    "status": f"CASE WHEN {_REJECTED} THEN 'released' ELSE 'executed' END",
    "verdict": f"CASE WHEN {_REJECTED} THEN 'reject' WHEN n %% 20 = 2 THEN 'modify' ELSE 'approve' END",
    "source": f"CASE WHEN n %% 2 = 0 OR {_REJECTED} THEN 'human' ELSE 'policy' END",
    "decided_by_id": f"CASE WHEN n %% 2 = 0 OR {_REJECTED} THEN %(by)s::uuid END",
    "decided_at": _AT,
    "released_at": _AT,
    "repeats_id": "NULL",
    "attempt": "1",
}
_PROPOSAL = {
    "id": row_id(3),
    "approval_id": row_id(2),
    "digest": "'sha256:' || md5(n::text)",
    "args": "t.args::jsonb || jsonb_build_object('order', n::text, 'amount', (n %% 400) + 0.5)",
}
_DECISIONS = f"""
INSERT INTO approvals_decision (
    id, approval_id, revision, round, verdict, source, user_id, tier_id, surface, reason, message, alternative,
    guidance, stop, decided_at
)
SELECT {row_id(4)}, {row_id(2)}, 1, 1, 'reject', 'human', %(by)s::uuid, 1, 'page', 'not_justified', 'No receipt.', '',
       '', false, {_AT}
FROM generate_series(%(since)s::bigint, %(until)s::bigint) AS n WHERE {_REJECTED}
"""  # noqa: S608  # nothing of it comes from outside
