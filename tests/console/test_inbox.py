"""The list: what waits, in which order, through which filters, and what it says when it is empty."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.db import cursors
from approvals.db.cursors import Position
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import Approval
from approvals.models.states import URGENCY
from console.inbox import filters

FRAGMENT = {"HX-Request": "true"}


def rows(response) -> list[str]:
    return [str(one.pk) for one in response.context["page"].approvals]


def test_u10_the_least_time_left_comes_first(propose, alice, as_):
    calm = propose(order="1", timeout=timedelta(hours=5))
    urgent = propose(order="2", timeout=timedelta(minutes=3))

    assert rows(as_(alice).get("/")) == [str(urgent.pk), str(calm.pk)]


def test_u10_a_row_leads_with_the_decision_and_says_the_time_in_words(refund, alice, as_):
    page = as_(alice).get("/").content.decode()

    assert "Refund 420\u00a0EUR to order 456" in page
    assert re.search(r"1\d min left", page)
    assert "icons.svg#clock" in page


def test_a_row_holds_no_token_and_nothing_of_the_viewers(refund, alice, as_):
    page = as_(alice).get("/", headers={**FRAGMENT, "HX-Target": "rows"}).content.decode()

    assert "csrf" not in page
    assert "alice" not in page.lower()


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ("queue=1.commerce", True),
        ("queue=2.commerce", False),
        ("type=refund", True),
        ("agent=robot", True),
        ("agent=nobody", True),  # not a choice: not applied
        ("urgency=critical", False),
        ("urgency=late", False),
        ("mine=me", False),
        ("mine=none", True),
        ("q=order+456", True),
        ("q=nonsense", False),
    ],
)
def test_u12_filters_live_in_the_url(query, listed, refund, carol, as_):
    assert (rows(as_(carol).get(f"/?{query}")) == [str(refund.pk)]) is listed


def test_u12_the_address_that_htmx_leaves_reproduces_the_filter(refund, alice, as_):
    response = as_(alice).get("/?queue=&q=456&type=refund", headers={**FRAGMENT, "HX-Target": "list"})

    assert response["HX-Replace-Url"] == "/?q=456&type=refund"


def test_urgency_finds_what_has_used_up_its_time(propose, alice, as_):
    old = propose(timeout=timedelta(hours=1))
    Approval.objects.filter(pk=old.pk).update(
        created_at=old.created_at - timedelta(minutes=50), expires_at=old.expires_at - timedelta(minutes=50)
    )

    assert rows(as_(alice).get("/?urgency=critical")) == [str(old.pk)]


def test_pages_follow_by_cursor_and_meet_no_row_twice(propose, alice, as_, monkeypatch):
    monkeypatch.setattr(filters, "PAGE", 2)
    expected = [str(propose(order=str(n), timeout=timedelta(hours=1 + n)).pk) for n in range(5)]
    client, seen_, after = as_(alice), [], ""
    for _ in range(3):
        response = client.get("/", {"after": after}, headers=FRAGMENT)
        seen_ += rows(response)
        after = response.context["page"].cursor

    assert seen_ == expected
    assert after == ""


def test_a_cursor_of_another_list_starts_at_the_beginning(refund, alice, as_):
    cursor = cursors.write("history", Position(refund.created_at + timedelta(days=1), refund.pk))
    assert rows(as_(alice).get("/", {"after": cursor})) == [str(refund.pk)]


def test_the_clock_of_an_open_page_has_the_same_thresholds():
    script = (settings.BASE_DIR / "static/js/clock.js").read_text()
    assert {name: float(share) for share, name in re.findall(r'used > ([0-9.]+) \? "(\w+)"', script)} == URGENCY


@pytest.mark.parametrize("cursor", ["%00", "AAAA", "x" * 300, "bm90fGE"])
def test_a_tampered_cursor_starts_at_the_beginning(cursor, refund, alice, as_):
    assert rows(as_(alice).get("/", {"after": cursor})) == [str(refund.pk)]


def test_the_number_of_queries_does_not_grow_with_the_list(propose, alice, as_):
    client = as_(alice)
    propose(order="1")
    client.get("/")  # the session is written with its first page
    with CaptureQueriesContext(connection) as few:
        client.get("/")
    for n in range(12):
        propose(order=str(n + 2))
    client.get("/")  # that somebody has seen them is noted once
    with CaptureQueriesContext(connection) as many:
        client.get("/")

    assert len(many) == len(few)


def test_u14_an_empty_inbox_says_what_waits_elsewhere_and_what_one_decided(propose, alice, as_):
    propose(order="big", amount=6000)
    done = propose(order="mine")
    decide(card_version_of(done), by=alice, verdict="approve")
    page = as_(alice).get("/").content.decode()

    assert "all caught up" in page
    assert "Specialists" in page
    assert "Refund 420\u00a0EUR to order mine" in page


def test_u14_it_does_not_say_empty_when_filters_hide_what_waits(refund, alice, as_):
    page = as_(alice).get("/?q=nonsense").content.decode()

    assert "Nothing matches these filters" in page
    assert "1 waits without them" in page


def test_what_is_held_by_its_undo_window_waits_for_nobody(with_undo, propose, alice, as_):
    held = propose()
    decide(card_version_of(held), by=alice, verdict="approve")

    assert rows(as_(alice).get("/")) == []


def test_u16_a_row_names_who_is_reading(refund, alice, carol, as_):
    claims.claim(refund.pk, by=alice)

    assert f'data-claimant="{alice.pk}"' in as_(carol).get("/").content.decode()


def test_u42_the_inbox_groups_what_is_alike(propose, carol, as_):
    ids = [propose(order=str(n), amount=10 + n).pk for n in range(4)]
    Approval.objects.filter(pk__in=ids).update(flagged=0)
    Approval.objects.filter(pk=ids[0]).update(flagged=1)
    response = as_(carol).get("/")

    [group] = response.context["groups"]
    assert (group["count"], group["title"]) == (3, "Refund")
    assert response.content.decode().count('data-alike="refund|1"') == 3


def test_u15_the_icon_carries_the_count(client):
    assert ">7</text>" in client.get(reverse("inbox:favicon", args=[7])).content.decode()
    assert client.get(reverse("inbox:favicon", args=[0])).headers["Content-Type"] == "image/svg+xml"


def test_the_count_stops_at_a_thousand(refund, alice, as_, monkeypatch):
    monkeypatch.setattr("console.inbox.views.count_of", lambda approvals: 1001)

    assert "1,000+" in as_(alice).get("/").content.decode()


def test_every_page_carries_a_strict_policy(refund, alice, as_):
    response = as_(alice).get(reverse("card:card", args=[refund.pk]))

    assert "default-src 'none'" in response["Content-Security-Policy"]
    page = response.content.decode()
    for inline in (" style=", " onclick=", "<style", "hx-on"):
        assert inline not in page
