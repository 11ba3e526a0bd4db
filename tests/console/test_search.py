"""What a search finds: words, their beginnings and whole ids, wherever in a list the matching ones stand."""

from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from approvals.db import times
from approvals.db.search import search_words
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval
from approvals.requests.submission import RunRef
from console.inbox import filters
from tests.conftest import replace_arguments

FRAGMENT = {"HX-Request": "true"}


@pytest.fixture
def search(as_, alice):
    """The ids that the inbox shows alice for a search, in order."""

    def ids(text: str, **more: str) -> list[object]:
        page = as_(alice).get("/", {"q": text, **more}).context["page"]
        return [approval.pk for approval in page.approvals]

    return ids


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("order", True),
        ("ORDER refund", True),  # in any order, whatever the case
        ("ref ord", True),
        ("456", True),
        ("robot", True),
        ("order:456", True),  # its subject
        ("re", False),  # the beginnings of words from three letters on
        ("efund", False),
        ("rder", False),
        ("45", False),
        ("order 457", False),
        ("', ':* & | ! ( ) \\", True),  # no word at all: everything
        ("refund' | 'x", False),
    ],
)
def test_words_and_their_beginnings_are_found_and_nothing_inside_a_word(text, matches, propose, search):
    approval = propose()
    Approval.objects.filter(pk=approval.pk).update(
        search_words=search_words("Refund 420 EUR to order 456", "order:456", "robot", ids=[approval.pk])
    )

    assert (search(text) == [approval.pk]) is matches


def test_a_whole_id_is_found_and_half_of_one_is_not(propose, search):
    refund, _other = propose(order="1"), propose(order="2")

    assert search(str(refund.pk)) == search(str(refund.pk).upper()) == search(str(refund.request_id)) == [refund.pk]
    assert search(str(refund.pk)[:18]) == []


@pytest.mark.parametrize(("text", "typed"), [("Straße Müller", "STRASSE"), ("Ｃａｆé", "café"), ("Ωmega-3", "ωmega")])
def test_letters_of_every_language_are_compared_alike(text, typed, propose, search):
    approval = propose(order=text)

    assert search(typed) == [approval.pk]


def test_a_revision_is_found_by_what_it_proposes_now_and_its_undo_by_what_stands_again(
    propose, search, alice, with_undo, as_
):
    refund = propose(order="first")
    edited = VerdictInput(edits=replace_arguments({"order": "second", "amount": 420, "currency": "EUR"}))
    decide(card_version_of(load(refund.pk)), by=alice, verdict="modify", verdict_input=edited)
    held = as_(alice).get(reverse("history:history"), {"q": "second"}).context["approvals"]

    assert [approval.pk for approval, _readable in held] == [refund.pk]

    undo(refund.pk, by=alice)

    assert search("first") == [refund.pk]
    assert search("second") == []


@pytest.mark.parametrize("top", [1, 2, 1000])
def test_what_matches_comes_in_order_wherever_in_the_list_it_stands(top, propose, search, monkeypatch):
    monkeypatch.setattr(filters, "TOP", top)
    approvals = [
        propose(order=f"{'rare' if n in (2, 4) else 'common'}-{n}", timeout=timedelta(hours=n + 1)) for n in range(5)
    ]

    assert search("rare") == [approvals[2].pk, approvals[4].pk]
    assert search("common") == [approvals[n].pk for n in (0, 1, 3)]
    assert search("order") == [approval.pk for approval in approvals]
    assert search("unheard") == []


def test_a_search_goes_on_page_by_page(propose, as_, alice, monkeypatch):
    monkeypatch.setattr(filters, "PAGE", 2)
    monkeypatch.setattr(filters, "TOP", 3)
    approvals = [
        propose(order=f"rare-{n}" if n % 2 else f"common-{n}", timeout=timedelta(hours=n + 1)) for n in range(8)
    ]
    Approval.objects.filter(pk=approvals[7].pk).update(due_at=None, expires_at=None, remind_at=None)
    client, shown, after = as_(alice), [], ""
    for _ in range(2):
        page = client.get("/", {"q": "rare", "after": after}, headers=FRAGMENT).context["page"]
        shown += [approval.pk for approval in page.approvals]
        after = page.cursor

    assert shown == [approvals[n].pk for n in (1, 3, 5, 7)]
    assert after == ""


@pytest.mark.parametrize("urgency", ["late", "critical", "high"])
@pytest.mark.parametrize("top", [1, 1000])
def test_urgency_means_in_the_filter_what_the_rows_say(urgency, top, propose, as_, alice, monkeypatch):
    monkeypatch.setattr(filters, "TOP", top)
    now = times.now()
    by_share = {share: propose(order=str(share)) for share in (10, 60, 90, 110)}
    for share, approval in by_share.items():
        arrived = now - timedelta(minutes=share)
        # Two with a deadline, two with only the tier's time: either ends what is counted.
        ends = {"expires_at": arrived + timedelta(minutes=100), "due_at": None}
        ends = ends if share in (10, 90) else {"expires_at": None, "due_at": arrived + timedelta(minutes=100)}
        Approval.objects.filter(pk=approval.pk).update(created_at=arrived, **ends)
    overdue = propose(order="overdue")
    Approval.objects.filter(pk=overdue.pk).update(due_at=None, expires_at=None, breaches=1)
    least = {"late": 100, "critical": 75, "high": 50}[urgency]
    expected = [by_share[share].pk for share in (110, 90, 60, 10) if share > least]

    page = as_(alice).get("/", {"urgency": urgency}).context["page"]

    assert [approval.pk for approval in page.approvals] == [*expected, overdue.pk]


def test_runs_are_found_by_words_of_their_name_and_key(propose, as_, mia):
    run = propose(run=RunRef("batch-77", "Payouts of October")).request.run
    propose(order="2", run=RunRef("batch-78"))
    client = as_(mia)

    def runs(text: str) -> list[object]:
        return [one.pk for one, _state in client.get(reverse("runs:runs"), {"q": text}).context["runs"]]

    assert runs("octo payouts") == runs("77") == runs(str(run.pk)) == [run.pk]
    assert runs("ayouts") == []


@pytest.mark.browser
def test_the_page_says_how_it_searches_while_somebody_does(refund, alice, sign_in):
    page = sign_in(alice)
    how = page.get_by_text("Finds words, their beginnings from three letters on, and whole ids.")
    expect(how).to_be_hidden()

    page.get_by_role("searchbox").fill("efund")

    expect(how).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_accessible_description(how.inner_text())
    expect(page.get_by_text("Nothing matches these filters")).to_be_visible()
    page.get_by_role("searchbox").fill("refu")
    expect(page.locator("#rows > [data-row]")).to_have_count(1)
