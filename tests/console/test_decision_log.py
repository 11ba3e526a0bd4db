"""The decision log: every figure of the report can be recounted from it with plain Python."""

import json
from datetime import datetime, timedelta
from statistics import median

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from approvals.db import times
from approvals.evidence.histograms import ERROR
from approvals.models import Incident
from console.reports import exports
from tests.evidence.builders import HistoryBuilder, history_builder, roll_up


@pytest.fixture
def past(tiers, commerce) -> HistoryBuilder:
    return history_builder(tiers, commerce)


@pytest.fixture
def now(db):
    return times.now()


def read(user, query=""):
    async def streamed() -> str:
        client = AsyncClient()
        await client.aforce_login(user, backend="django.contrib.auth.backends.ModelBackend")
        response = await client.get(f"/reports/decisions.jsonl{query}")
        assert response.status_code == 200
        assert response["Content-Type"] == "application/x-ndjson"
        return "".join([part.decode() async for part in response.streaming_content])

    return [json.loads(line) for line in async_to_sync(streamed)().splitlines()]


def test_every_figure_of_the_report_is_recounted_from_the_log(as_, past, alice, bob, mia, now, monkeypatch):
    monkeypatch.setattr(exports, "LOG_PAGE", 7)  # several pages
    past.add_many(60, [alice, bob], days=20, until=now)
    harmful = next(row for row in past.added if row.verdict == "approve" and row.source == "human")
    Incident.objects.create(approval=harmful, severity="high", text="paid twice", cost="12.50")
    roll_up([harmful])
    log = read(mia)
    assert len(log) == len({row["id"] for row in log}) == 60

    settled = {"released", "executed", "failed", "skipped", "compensated", "recalled"}
    decided = [row for row in log if row["source"] == "human" and row["status"] in settled]
    judged = [row for row in decided if row["item_type"] != "question"]
    took = [
        (datetime.fromisoformat(row["decided_at"]) - datetime.fromisoformat(row["arrived_at"])).total_seconds()
        for row in decided
    ]
    figures = as_(mia).get("/reports/").context["report"].total
    assert figures.submitted == len(log)
    assert figures.auto == sum(row["route"] == "auto" for row in log)
    assert (figures.decided, figures.judged) == (len(decided), len(judged))
    assert figures.approved == sum(row["verdict"] == "approve" for row in judged)
    assert figures.modified == sum(row["verdict"] == "modify" for row in judged)
    assert figures.rejected == sum(row["verdict"] in ("reject", "skip", "answer") for row in judged)
    assert figures.needless == sum(
        row["verdict"] == "approve" and not row["flagged"] and not row["faulted_at"] for row in judged
    )
    assert figures.expired == sum(row["status"] == "expired" for row in log)
    assert figures.incidents == sum(bool(row["incidents"]) for row in log) == 1
    assert float(figures.cost) == sum(float(harm["cost"]) for row in log for harm in row["incidents"])
    assert figures.viewed == timedelta(seconds=sum(row["viewed_seconds"] for row in decided))
    assert figures.median.total_seconds() == pytest.approx(median(took), rel=ERROR)


def test_filters_and_row_sets_narrow_it(past, alice, mia, now):
    past.add("approve", by=alice, at=now - timedelta(hours=2), type="mail")
    past.add("reject", by=alice, at=now - timedelta(hours=2))
    assert [row["action"] for row in read(mia, "?type=mail")] == ["mail"]
    assert [row["verdict"] for row in read(mia, "?of=rejected")] == ["reject"]


def test_auditors_read_who_decided_and_managers_from_twenty_decisions_on(past, alice, bob, mia, otto, now):
    for _ in range(20):
        past.add("approve", by=alice, at=now - timedelta(hours=2), counted=False)
    past.add("reject", by=bob, at=now - timedelta(hours=2), counted=False)
    roll_up(past.added)
    assert {row["decided_by"] for row in read(mia)} == {"alice", None}
    assert {row["decided_by"] for row in read(otto)} == {"alice", "bob"}


@pytest.mark.parametrize("name", ["alice", "ada"])
def test_nobody_else_reads_it(request, as_, name):
    assert as_(request.getfixturevalue(name)).get("/reports/decisions.jsonl").status_code == 403
