"""The weekly summary: made once when the week is over, sent to managers, readable as a page."""

from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.core import mail
from django.db import connection

from approvals import weekly_summary
from approvals.models import Delivery, Incident, WeeklySummary
from approvals.notify import letters
from tests.evidence.builders import HistoryBuilder, history_builder, roll_up

MONDAY = datetime(2026, 11, 23, 3, tzinfo=UTC)
IN_WEEK = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture
def past(tiers, commerce) -> HistoryBuilder:
    return history_builder(tiers, commerce)


def test_a_week_is_stored_once_it_is_over_and_says_what_it_cost(as_, past, alice, mia):
    for _ in range(30):
        past.add("approve", by=alice, at=IN_WEEK, viewed=timedelta(minutes=2), counted=False)
    past.add("reject", by=alice, at=IN_WEEK - timedelta(days=7), counted=False)
    harm = Incident.objects.create(approval=past.added[0], severity="high", text="paid twice", cost="250.00")
    Incident.objects.filter(pk=harm.pk).update(opened_at=IN_WEEK)
    roll_up(past.added)

    assert weekly_summary.make_and_send(now=MONDAY)
    assert not weekly_summary.make_and_send(now=MONDAY), "a second time nothing is made or sent"
    summary = WeeklySummary.objects.get()
    assert summary.first == date(2026, 11, 16)
    assert (summary.content["figures"]["approved"], summary.content["before"]["rejected"]) == (30, 1)
    assert summary.content["cost"]["viewed_seconds"] == 3600
    page = as_(mia).get("/reports/weekly/").text
    assert "Reviewers spent 1 h. There was 1 incident, which cost 250.00 in base currency." in " ".join(page.split())
    assert "100 % approved unchanged (30 of 30" in page
    [delivery] = Delivery.objects.filter(topic="weekly summary")
    assert delivery.user == mia
    Delivery.objects.update(due_at=IN_WEEK)
    letters.deliver(str(delivery.pk))
    [letter] = mail.outbox
    assert letter.subject == "Week of 2026-11-16 to 2026-11-22"
    assert "Reviewers spent 1.0 hours; there was 1 incident, which cost 250.00" in letter.body


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_and_send_one(past, mia):
    at_once = Barrier(2)

    def make() -> None:
        at_once.wait()
        try:
            weekly_summary.make_and_send(now=MONDAY)
        finally:
            connection.close()

    threads = [Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert WeeklySummary.objects.count() == 1
    assert Delivery.objects.filter(topic="weekly summary").count() == 1


@pytest.mark.parametrize(("name", "status"), [("mia", 200), ("otto", 200), ("alice", 403), ("ada", 403)])
def test_who_reads_everybodys_figures_reads_it(request, as_, name, status):
    assert as_(request.getfixturevalue(name)).get("/reports/weekly/").status_code == status


@pytest.mark.parametrize("week", ["2026-11-16", "2026-13-40", "x"])
def test_a_week_without_a_summary_is_not_found(as_, mia, week):
    assert as_(mia).get(f"/reports/weekly/?week={week}").status_code == 404
