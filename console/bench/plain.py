"""A process that inserts the rows of the newest requests once more, under other ids, and does nothing else for them.

What taking them costs beside that is read, judged, hashed and told; this is what it is measured against.
"""

import json
import os
import re
import sys
import time
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from django.db import connection, models, transaction  # noqa: E402  # needs the settings

from approvals.db.ids import new_id  # noqa: E402
from approvals.models import Approval, ApprovalRequest, AuditEvent, Proposal  # noqa: E402

# Everything that a request stores that waits for a person.
STORED = ((ApprovalRequest, "id"), (Approval, "request_id"), (Proposal, "approval_id"), (AuditEvent, "approval_id"))
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def rows_of(requests: list[UUID]) -> list[str]:
    """The rows of these requests, table by table, as JSON."""
    approvals = list(Approval.objects.filter(request__in=requests).values_list("pk", flat=True))
    texts = []
    with connection.cursor() as cursor:
        for model, column in STORED:
            owners = approvals if column == "approval_id" else requests
            table = model._meta.db_table
            cursor.execute(f"SELECT json_agg(to_jsonb(t))::text FROM {table} AS t WHERE {column} = ANY(%s)", [owners])  # noqa: S608  # names of our models
            texts.append(cursor.fetchone()[0])
    return texts


def copied(texts: list[str], number: int) -> list[str]:
    """The same rows as others: with ids of their own, and keys."""
    own = {row["id"] for text in texts for row in json.loads(text) if isinstance(row["id"], str)}
    new = {old: str(new_id()) for old in sorted(own)}
    others = [_UUID.sub(lambda match: new.get(match[0], match[0]), text) for text in texts]
    others[0] = others[0].replace('"key": "', f'"key": "copy-{number}-')
    return others


def columns(model: type[models.Model]) -> str:
    """What is inserted: all but what the database numbers itself."""
    names = [field.column for field in model._meta.concrete_fields if field.get_internal_type() != "BigAutoField"]
    return ", ".join(f'"{name}"' for name in names)


def main() -> None:
    job = json.loads(sys.stdin.readline())
    newest = list(ApprovalRequest.objects.order_by("-created_at").values_list("pk", flat=True)[: job["of"]])
    texts = rows_of(newest)
    seconds = 0.0
    for number in range(job["times"]):
        sent = copied(texts, number)
        start = time.monotonic()
        with transaction.atomic(), connection.cursor() as cursor:
            for (model, _), text in zip(STORED, sent, strict=True):
                table, names = model._meta.db_table, columns(model)
                cursor.execute(
                    f"INSERT INTO {table} ({names}) SELECT {names} "  # noqa: S608  # names of our models
                    f"FROM json_populate_recordset(NULL::{table}, %s::json)",
                    [text],
                )
        seconds += time.monotonic() - start
    print(json.dumps({"requests": len(newest) * job["times"], "seconds": seconds}))


if __name__ == "__main__":
    main()
