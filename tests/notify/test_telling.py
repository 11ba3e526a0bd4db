"""Rows first, the right people, stop when it is settled, and one broken channel among several."""

import socket
import threading
import time
from datetime import time as clock_time
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals import clock
from approvals.db import secret_box, times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Absence, Approval, Channel, Delivery, Membership, User
from approvals.notify import notifications, sending, services
from approvals.people import on_call
from tests.notify.conftest import carry_all, later
from tests.text_search import mentions


def rows(**of) -> list[Delivery]:
    return list(Delivery.objects.filter(channel="notice", **of).order_by("created_at"))


# --- Who


def test_an_arrival_reaches_the_persons_channel_with_type_agent_tier_deadline_and_link_and_nothing_else(
    alice, channel, sink, propose
):
    channel(alice)
    approval = propose(amount=4711, order="secret-order", summary="the agent's own words")
    carry_all()

    [text] = sink.texts
    assert "Refund waits for tier 1" in text
    assert "from robot" in text
    assert f"/approvals/{approval.pk}/" in text
    assert "by " in text
    for hidden in ("secret-order", "own words"):
        assert hidden not in text
    assert not mentions(text, "4711") and not mentions(text, "420")


def test_the_row_is_there_with_the_approval_or_not_at_all(alice, channel, propose):
    channel(alice)
    approval = propose()

    [row] = rows(approval=approval)
    assert (row.status, row.topic, row.user, row.urgent) == ("due", "new", alice, False)


def test_what_passes_by_itself_tells_nobody(alice, channel, action_type, propose):
    channel(alice)
    action_type("refund_small", strategy="never", reversibility="reversible")
    propose(action="refund_small")

    assert not rows()


def test_only_people_of_the_queue_who_are_on_duty_hear_of_an_arrival(
    alice, bob, mallory, olga, person, commerce, channel, propose
):
    away = person("away", tier=1, domain=commerce)
    asleep = person("asleep", tier=1, domain=commerce)
    for user in (alice, bob, mallory, olga, away, asleep):
        channel(user)
    now = times.now()
    Absence.objects.create(user=away, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))
    begins = (now + timedelta(hours=2)).time()
    ends = (now + timedelta(hours=3)).time()
    Membership.objects.filter(user=asleep).update(duty_from=begins, duty_until=ends)

    propose()
    assert [row.user.username for row in rows()] == ["alice"]


def test_who_operates_the_agent_is_not_told_to_decide_for_it(alice, robot, channel, propose):
    channel(alice)
    robot.operators.add(alice)
    propose()

    assert not rows()


def test_a_tiers_channel_hears_of_its_own_queue(alice, channel, commerce, clinical, propose, sink):
    channel(tier=1)
    channel(tier=1, domain=commerce)
    channel(tier=1, domain=clinical)
    channel(tier=2)
    channel(tier=1, carries="urgent")
    propose()

    assert len(rows()) == 2


def test_a_persons_wishes_decide_which_channel_carries_what(alice, bob, channel, propose):
    quiet, loud = channel(alice, carries="normal"), channel(alice, carries="urgent")
    first = propose()
    assert [row.via for row in rows(approval=first)] == [quiet]

    User.objects.filter(pk=alice.pk).update(notify_new="urgent")
    second = propose()
    assert [row.via for row in rows(approval=second, topic="new")] == [loud]

    User.objects.filter(pk=alice.pk).update(notify_new="none")
    assert not rows(approval=propose())


def test_an_escalation_reaches_the_next_tier_by_mail_without_anybody_having_set_anything(refund, alice, bob):
    claims.escalate(refund.pk, by=alice)
    [row] = rows()
    sending.send_due(row.via_id)

    assert (row.user, row.urgent, row.via.service) == (bob, True, "mail")
    assert [sent.to for sent in mail.outbox] == [["bob@example.com"]]
    assert "Refund escalated to tier 2" in mail.outbox[0].subject


def test_mail_that_was_switched_off_stays_off(refund, alice, bob, channel):
    Channel.objects.create(user=bob, service="mail", active=False)
    channel(bob)
    claims.escalate(refund.pk, by=alice)

    assert [row.via.service for row in rows()] == ["json"]


def test_an_escalation_is_heard_even_where_nobody_is_on_duty(refund, alice, bob, channel):
    now = times.now()
    begins, ends = (now + timedelta(hours=2)).time(), (now + timedelta(hours=3)).time()
    Membership.objects.filter(user=bob).update(duty_from=begins, duty_until=ends)
    claims.escalate(refund.pk, by=alice)

    assert [row.user for row in rows()] == [bob]


# --- Quiet hours


def test_quiet_hours_wait_until_they_end_and_what_is_urgent_comes_through(alice, bob, channel, propose, sink):
    channel(bob)
    Channel.objects.create(user=bob, service="mail", active=False)
    User.objects.filter(pk=bob.pk).update(time_zone="Europe/Berlin", notify_escalated="urgent")
    local = times.now().astimezone(on_call.zone("Europe/Berlin"))
    begins, ends = (local - timedelta(hours=1)).time(), (local + timedelta(hours=2)).time().replace(microsecond=0)
    User.objects.filter(pk=bob.pk).update(quiet_from=begins, quiet_until=ends)
    waiting = propose(amount=6000)
    [row] = rows(approval=waiting)
    assert timedelta(hours=1.9) < row.due_at - times.now() < timedelta(hours=2.1)
    carry_all()
    assert not sink.got

    claims.escalate(propose().pk, by=alice)
    carry_all()
    assert len(sink.got) == 1

    User.objects.filter(pk=bob.pk).update(quiet_urgent=False)
    escalated = claims.escalate(propose().pk, by=alice)
    [row] = rows(approval=escalated, user=bob)
    assert row.due_at > later(hours=1.9)


def test_quiet_hours_that_were_set_after_the_row_was_written_are_kept(alice, channel, propose, sink):
    channel(alice)
    propose()
    now = times.now()
    begins, ends = (now - timedelta(hours=1)).time(), (now + timedelta(hours=1)).time()
    User.objects.filter(pk=alice.pk).update(quiet_from=begins, quiet_until=ends)
    carry_all()

    assert not sink.got
    assert rows()[0].status == "due"


@pytest.mark.parametrize(("begins", "ends", "at", "quiet"), [(22, 7, 23, 1), (22, 7, 3, 1), (22, 7, 12, 0)])
def test_quiet_hours_go_past_midnight(begins, ends, at, quiet):
    user = User(quiet_from=clock_time(begins), quiet_until=clock_time(ends))
    now = times.datetime(2026, 3, 2, at, tzinfo=times.UTC)

    assert notifications.is_quiet(user, now=now) == bool(quiet)


# --- It stops


@pytest.mark.parametrize("how", ["decision", "claim", "escalation", "withdrawal"])
def test_what_was_not_sent_before_it_was_settled_is_never_sent(how, alice, bob, channel, propose, sink):
    channel(alice)
    approval = propose()
    if how == "decision":
        decide(card_version_of(approval), by=alice, verdict="approve")
    elif how == "claim":
        claims.claim(approval.pk, by=alice)
    elif how == "escalation":
        claims.escalate(approval.pk, by=alice)
    else:
        Approval.objects.filter(pk=approval.pk).update(status="cancelled")
    carry_all()

    assert not sink.got
    assert rows(user=alice)[0].status == "dropped"


def test_a_retry_does_not_go_on_for_what_is_settled(alice, channel, propose, sink):
    channel(alice)
    approval = propose()
    sink.status = 500
    carry_all()
    assert rows()[0].attempts == 1

    decide(card_version_of(approval), by=alice, verdict="reject", verdict_input=VerdictInput(reason="duplicate"))
    sink.status = 200
    carry_all(later(hours=1))

    assert not sink.got
    assert rows()[0].status == "dropped"


def test_who_left_the_tier_or_was_deactivated_is_not_told_any_more(alice, bob, channel, propose, sink):
    channel(alice)
    channel(bob)
    propose()
    propose(amount=6000)
    Membership.objects.filter(user=alice).delete()
    User.objects.filter(pk=bob.pk).update(is_active=False)
    carry_all()

    assert not sink.got
    assert {row.status for row in rows()} == {"dropped"}


def test_a_verdict_that_is_taken_back_does_not_bring_old_news(alice, channel, with_undo, propose, sink):
    channel(alice)
    approval = propose()
    decide(card_version_of(approval), by=alice, verdict="approve")
    carry_all()
    undo(approval.pk, by=alice)
    carry_all(later(minutes=10))

    assert not sink.got


# --- Broken channels


def test_one_broken_channel_silences_no_other_and_stands_once_on_the_timeline(alice, channel, propose, sink, caplog):
    broken = channel(alice, url=f"json://127.0.0.1:{closed_port(sink)}/secret-token", name="Broken")
    works = channel(alice)
    approval = propose()
    carry_all()

    assert len(sink.got) == 1
    broken.refresh_from_db()
    works.refresh_from_db()
    assert (broken.state, works.state) == ("failed", "works")
    assert broken.error
    for at in (1, 2, 3):
        carry_all(later(hours=at))
    [event] = approval.events.filter(kind="delivery")
    assert event.facts == {"by": "json", "to": "Alice"}
    assert rows(via=broken)[0].attempts == 4
    assert len(sink.got) == 1
    logged_text = caplog.text + broken.error + str(event.facts) + rows(via=broken)[0].last_error
    assert "secret-token" not in logged_text


def closed_port(sink) -> int:
    from django.conf import settings

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.ASSENT_TELL_PRIVATE.append(f"127.0.0.1:{port}")
    return port


def test_a_channel_that_never_works_ends_as_dead_and_is_listed(alice, channel, propose, sink):
    channel(alice)
    propose(timeout=timedelta(days=2))
    sink.status = 500
    Approval.objects.update(due_at=None)
    for at in range(1, 12):
        carry_all(later(minutes=20 * at))

    [row] = rows()
    assert (row.status, row.attempts) == ("dead", sending.ATTEMPTS)
    assert mentions(row.last_error, "500") or "Internal" in row.last_error


def test_a_channel_that_came_back_works_again(alice, channel, propose, sink):
    alices_channel = channel(alice)
    propose()
    sink.status = 503
    carry_all()
    sink.status = 200
    carry_all(later(minutes=10))
    alices_channel.refresh_from_db()

    assert (alices_channel.state, alices_channel.error, alices_channel.failures) == ("works", "", 0)
    assert len(sink.got) == 1


def test_a_service_that_says_nothing_holds_a_worker_only_so_long(alice, channel, propose, sink, monkeypatch):
    monkeypatch.setattr(services, "PATIENCE", 0.3)
    alices_channel = channel(alice)
    propose()
    sink.hang = threading.Event()
    start = time.monotonic()
    carry_all()
    sink.hang.set()

    assert time.monotonic() - start < 5
    alices_channel.refresh_from_db()
    assert alices_channel.state == "failed"


def test_an_address_that_cannot_be_read_any_more_says_so(alice, channel, propose, sink):
    alices_channel = channel(alice)
    Channel.objects.filter(pk=alices_channel.pk).update(kept="nonsense")
    propose()
    carry_all()
    alices_channel.refresh_from_db()

    assert "Add it anew" in alices_channel.error


def test_the_address_is_no_plain_text_in_the_database(alice, channel):
    alices_channel = channel(alice)

    assert "secret-token" not in alices_channel.kept
    assert "secret-token" in secret_box.open_secret(alices_channel.kept).decode()


# --- Bundles


def test_five_hundred_arrivals_are_two_messages(alice, channel, propose, sink):
    channel(alice)
    propose()
    carry_all()
    for _ in range(12):
        propose()
    carry_all()
    carry_all(later(minutes=1))
    assert len(sink.got) == 1

    carry_all(later(minutes=6))
    assert len(sink.got) == 2
    assert sink.got[1]["title"] == "12 more wait"
    assert sink.texts[1].count("/approvals/") == 10
    assert "And 2 more" in sink.texts[1]
    assert {row.status for row in rows()} == {"done"}


def test_a_bundle_leaves_out_what_is_settled(alice, channel, propose, sink):
    channel(alice)
    approvals = [propose() for _ in range(3)]
    decide(card_version_of(approvals[1]), by=alice, verdict="approve")
    carry_all()

    assert sink.got[0]["title"] == "2 wait"
    assert str(approvals[1].pk) not in sink.texts[0]


def test_what_is_urgent_waits_a_minute_at_most_for_the_bundle(alice, bob, channel, propose, sink):
    channel(bob, carries="both")
    Channel.objects.create(user=bob, service="mail", active=False)
    propose(amount=6000)
    carry_all()
    claims.escalate(propose().pk, by=alice)
    carry_all(later(seconds=30))
    assert len(sink.got) == 1
    carry_all(later(seconds=70))
    assert len(sink.got) == 2


# --- Due soon


def test_three_quarters_into_the_tiers_time_it_is_said_once(alice, channel, propose, sink):
    channel(alice)
    User.objects.filter(pk=alice.pk).update(notify_new="none")
    approval = propose()
    assert approval.remind_at - approval.created_at == 0.75 * (approval.due_at - approval.created_at)
    with times.at(approval.remind_at - timedelta(seconds=1)):
        assert clock.sweep().reminded == 0
    for _ in range(2):
        with times.at(approval.remind_at):
            clock.sweep()
    carry_all(approval.remind_at + timedelta(seconds=2))

    assert [(row.topic, row.urgent) for row in rows(via__service="json")] == [("soon", True)]
    assert sink.got[0]["title"] == "Refund is due soon in tier 1"
    assert load(approval.pk).remind_at is None


def test_the_next_tier_has_a_reminder_of_its_own(alice, bob, propose):
    approval = propose()
    with times.at(approval.due_at):
        clock.sweep()
    escalated = load(approval.pk)

    assert escalated.tier_id == 2
    assert escalated.due_at - escalated.remind_at == 0.25 * (escalated.due_at - approval.due_at)


def test_who_is_reading_it_is_reminded_when_the_claim_ends(alice, bob, channel, propose):
    channel(alice)
    approval = propose()
    claims.claim(approval.pk, by=alice)
    moment = times.now() + timedelta(minutes=11, seconds=30)
    with times.at(moment):
        assert notifications.remind() == 0
        Approval.objects.filter(pk=approval.pk).update(claimed_by=None, claim_until=None)
        assert notifications.remind() == 1


@pytest.mark.django_db(transaction=True)
def test_two_clocks_remind_once(alice, channel, propose):
    from tests.concurrency import together

    channel(alice)
    for _ in range(20):
        propose()
    Approval.objects.update(remind_at=times.now())
    together(notifications.remind, notifications.remind)

    assert len(rows(topic="soon", via__service="json")) == 20


# --- What it costs


def test_a_queue_without_channels_costs_one_query(alice, refunds, propose):
    propose()
    with CaptureQueriesContext(connection) as without:
        propose()
    channel_queries = [one for one in without.captured_queries if "approvals_channel" in one["sql"]]

    assert len(channel_queries) == 1


def test_the_queries_do_not_grow_with_people_and_arrivals(robot, person, commerce, channel, refunds):
    from approvals.requests import intake
    from approvals.requests.submission import Item, Submission

    def submitted(count: int) -> int:
        args = {"order": "1", "amount": 1, "currency": "EUR"}
        submissions = [Submission((Item(id="a", action="refund", args=args),), "sha256:x") for _ in range(count)]
        with CaptureQueriesContext(connection) as queries:
            intake.submit(robot, submissions)
        return len(queries)

    channel(person("anna", tier=1, domain=commerce))
    submitted(1)
    few = submitted(1)
    for n in range(10):
        channel(person(f"person{n}", tier=1, domain=commerce))
    assert submitted(50) == few
    assert len(rows()) == 2 + 50 * 11
