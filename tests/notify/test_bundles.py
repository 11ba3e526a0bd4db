"""Many arrivals are few messages, a reminder is one, and neither costs more with their number."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals import clock
from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Approval, Channel, User
from approvals.notify import notifications
from tests.notify.conftest import carry_all, later
from tests.notify.rows import rows


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
