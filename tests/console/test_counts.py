"""What the top of a page says of what waits is the same on every page, and nobody is told that all of it is theirs."""

import re
from datetime import timedelta

from django.urls import reverse

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import Absence, Approval


def count_on(client, page: str) -> str:
    html = client.get(reverse(page)).content.decode()
    return re.search(r'id="nav-count" data-count>([^<]*)<', html)[1]


def test_the_count_is_the_same_on_every_page(with_undo, propose, alice, as_):
    held, aside, _waiting = propose(order="1"), propose(order="2"), propose(order="3")
    decide(card_version_of(held), by=alice, verdict="approve")
    Approval.objects.filter(pk=aside.pk).update(snoozed_until=times.now() + timedelta(minutes=5))
    client = as_(alice)

    assert {
        count_on(client, page)
        for page in ("inbox:inbox", "history:history", "profile:profile", "profile:notifications", "runs:runs")
    } == {"1"}


def test_a_manager_is_not_told_that_requests_wait_for_them(propose, mia, as_):
    for n in range(3):
        propose(order=str(n))
    html = as_(mia).get(reverse("inbox:overview")).content.decode()

    assert "3 requests waiting" in html
    assert "wait for you" not in html


def test_who_stands_in_and_goes_away_is_warned_of_the_lent_queue(alice, bob, as_):
    now = times.now()
    Absence.objects.create(user=bob, delegate=alice, starts_at=now, ends_at=now + timedelta(days=20))
    start, end = ((now + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M") for days in (3, 4))
    form = {"starts_at": start, "ends_at": end, "delegate": ""}
    html = as_(alice).post(reverse("profile:away"), form, follow=True).content.decode()

    assert f"You stand in for {bob.name} until" in html
