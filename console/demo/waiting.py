"""What waits when a newcomer logs in: believable requests in every field, from `waiting.toml`."""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from approvals.models import Agent, ApprovalRequest
from approvals.models.states import ItemType
from approvals.requests import intake
from approvals.requests.submission import Item, Receipt, RunRef, Submission
from approvals.values.schema import digest_of

FILE = Path(__file__).with_name("waiting.toml")
PREFIX = "demo/waiting/"

# A table of the file; what an Item takes is in it by the Item's own names.
Table: TypeAlias = dict[str, Any]


def submit(agents: Mapping[str, Agent]) -> int:
    """Submit what was not submitted before, decided or not; returns how many requests."""
    requests = tomllib.loads(FILE.read_text(encoding="utf-8"))["request"]
    submitted_keys = set(ApprovalRequest.objects.filter(key__startswith=PREFIX).values_list("key", flat=True))
    fresh = [request for request in requests if f"{PREFIX}{request['key']}" not in submitted_keys]
    for name in dict.fromkeys(one["agent"] for one in fresh):
        answers = intake.submit(agents[name], [submission(one) for one in fresh if one["agent"] == name])
        for answer in answers:
            if not isinstance(answer, Receipt):
                raise answer
    return len(fresh)


def submission(table: Table) -> Submission:
    """The request of one table."""
    run = table.get("run")
    return Submission(
        items=tuple(_item(number, one) for number, one in enumerate(table["item"], start=1)),
        content_hash=digest_of(table),
        key=f"{PREFIX}{table['key']}",
        run=RunRef(f"demo-{table['key']}", run, "ask") if run else None,
        decide=table.get("decide", ApprovalRequest.Decide.TOGETHER),
        timeout=timedelta(hours=table["hours"]),
        model="scripted",
        prompt_version="2026-11",
    )


def _item(number: int, table: Table) -> Item:
    item_type = ItemType.QUESTION if "prompt" in table else ItemType.ACTION
    return Item(**{"id": f"call_{number}", "item_type": item_type, **table})
