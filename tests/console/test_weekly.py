"""The weekly summary: made once when the week is over, sent to managers, readable as a page."""

from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.core import mail
from django.db import connection

from approvals import weekly_summary
from approvals.db import secret_box, times
from approvals.history.chains import CLOCK
from approvals.history.system_facts import BreakerOpened
from approvals.models import Channel, Delivery, Incident, WeeklySummary
from approvals.notify import letters, sending, services
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


def test_it_says_what_changed_in_autonomy(as_, mia, past):
    event = BreakerOpened(breaker=uuid4(), cause="hand", trial_decisions=20, trial_wrong=0, why="to be sure")
    event.record(by=CLOCK, subject="autonomy:robot/refund")

    assert weekly_summary.make_and_send(now=times.now() + timedelta(days=7))
    page = " ".join(as_(mia).get("/reports/weekly/").text.split())
    assert "robot · Refund: Breaker opened: to be sure" in page
    Delivery.objects.update(due_at=IN_WEEK)
    letters.deliver(str(Delivery.objects.get().pk))
    assert "Breaker opened: 1." in mail.outbox[0].body


def test_it_goes_by_the_channels_on_which_a_manager_takes_what_is_not_urgent(past, mia, person, monkeypatch):
    sent = []
    monkeypatch.setattr(services, "send", lambda url, title, text: sent.append((url, title, text)))
    other = person("max", is_manager=True)
    channel = Channel.objects.create(
        user=mia, service="ntfys", kept=secret_box.seal_secret(b"ntfys://ntfy.sh/mia"), carries="both", active=True
    )

    assert weekly_summary.make_and_send(now=MONDAY)
    assert set(Delivery.objects.values_list("user__username", "channel")) == {("mia", "notice"), ("max", "mail")}
    Delivery.objects.update(due_at=IN_WEEK, gives_up_at=MONDAY + timedelta(days=900))
    assert channel.pk in sending.ready()
    sending.send_due(channel.pk)

    [(url, title, text)] = sent
    assert (url, title) == ("ntfys://ntfy.sh/mia", "Week of 2026-11-16 to 2026-11-22")
    assert "/reports/weekly/?week=2026-11-16" in text
    assert Delivery.objects.get(user=mia).status == "done"
    assert Delivery.objects.get(user=other).status == "due"


def test_a_channel_that_fails_tries_the_summary_again(past, mia, monkeypatch):
    def fail(*_: object) -> None:
        raise services.Unusable("The service did not take it.")

    monkeypatch.setattr(services, "send", fail)
    channel = Channel.objects.create(
        user=mia, service="ntfys", kept=secret_box.seal_secret(b"ntfys://ntfy.sh/mia"), carries="normal", active=True
    )
    weekly_summary.make_and_send(now=MONDAY)
    Delivery.objects.update(due_at=IN_WEEK, gives_up_at=MONDAY + timedelta(days=900))
    sending.send_due(channel.pk)

    delivery = Delivery.objects.get(user=mia)
    assert (delivery.status, delivery.attempts, delivery.last_error) == ("due", 1, "The service did not take it.")


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
