"""Who reads which figures, and that every number opens its rows."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, Vote
from console.reports import exports
from tests.conftest import replace_arguments
from tests.evidence.builders import HistoryBuilder, history_builder, roll_up

PAGES = [
    "/reports/",
    "/reports/rows/",
    "/calibration/",
    "/reports/decisions.csv",
    "/reports/figures.csv",
    "/reports/versions/",
]
OWN = PAGES[:2]
FIGURES = [url for url in PAGES if url != "/calibration/"]  # of people, too


@pytest.fixture
def past(tiers, commerce) -> HistoryBuilder:
    return history_builder(tiers, commerce)


@pytest.fixture
def now(db):
    return times.now()


@pytest.mark.parametrize("name", ["mia", "otto"])
@pytest.mark.parametrize("url", PAGES)
def test_managers_and_auditors_read_everything(request, as_, past, name, url):
    assert as_(request.getfixturevalue(name)).get(url).status_code == 200


@pytest.mark.parametrize("name", ["alice", "carol", "mallory", "olga"])
@pytest.mark.parametrize("url", PAGES)
def test_reviewers_read_their_own_figures_and_nothing_else(request, as_, name, url):
    assert as_(request.getfixturevalue(name)).get(url).status_code == (200 if url in OWN else 403)


@pytest.mark.parametrize("name", ["ada", "root"])
@pytest.mark.parametrize("url", PAGES)
def test_who_only_administers_reads_no_reports(request, as_, name, url):
    assert as_(request.getfixturevalue(name)).get(url).status_code == 403


@pytest.mark.parametrize("url", PAGES)
def test_a_stranger_is_asked_who_it_is(client, db, url):
    assert client.get(url)["Location"].startswith("/account/login/")


@pytest.mark.parametrize("url", PAGES)
def test_reports_are_only_read(as_, mia, url):
    assert as_(mia).post(url).status_code == 405


def test_a_reviewers_figures_are_of_the_own_decisions_only(as_, past, alice, bob, now):
    past.add("approve", by=alice, at=now - timedelta(hours=2))
    past.add("reject", by=bob, at=now - timedelta(hours=2))
    page = as_(alice).get("/reports/")
    assert page.context["report"].total.decided == 1
    assert page.context["report"].total.approval.share == 1
    assert "Your own figures" in page.text
    assert "By person" not in page.text
    assert [one for one, _readable in as_(alice).get("/reports/rows/?of=decided").context["rows"]] == past.added[:1]


@pytest.mark.parametrize("url", OWN)
def test_a_reviewer_cannot_ask_for_a_colleagues_figures(as_, alice, bob, url):
    assert as_(alice).get(f"{url}?person={bob.pk}").status_code == 403


@pytest.mark.parametrize("url", FIGURES)
def test_a_manager_reads_a_persons_figures_from_twenty_decisions_on(as_, past, alice, mia, now, url):
    for _ in range(19):
        past.add("approve", by=alice, at=now - timedelta(hours=2))
    refused = as_(mia).get(f"{url}?person={alice.pk}")
    assert refused.status_code == 422
    assert "from 20 decisions" in refused.text
    assert "wants refund" not in refused.text
    past.add("approve", by=alice, at=now - timedelta(hours=2))
    assert as_(mia).get(f"{url}?person={alice.pk}").status_code == 200


def test_every_number_of_the_report_opens_as_many_rows(as_, past, alice, bob, mia, now):
    past.add_many(40, [alice] * 4 + [bob], days=20, until=now)
    browser = as_(mia)
    page = browser.get("/reports/?period=30").text
    links = set(re.findall(r'<a href="(/reports/rows/\?[^"]+)"[^>]*>(\d+)</a>', page))
    assert len(links) > 60
    for href, number in sorted(links)[::5]:
        rows = browser.get(unescape(href))
        assert rows.status_code == 200
        assert rows.context["count"] == int(number), href


def test_reasons_and_changed_fields_open_as_many_rows(as_, propose, alice, mia, now):
    approvals = [propose(order=str(number), amount=100) for number in range(4)]
    for approval, reason in zip(approvals, ["duplicate", "duplicate", "policy"], strict=False):
        no = VerdictInput(reason=reason, message="no")
        decide(card_version_of(approval), by=alice, verdict="reject", verdict_input=no)
    edits = replace_arguments({"order": "3", "amount": 50, "currency": "EUR"})
    decide(card_version_of(approvals[3]), by=alice, verdict="modify", verdict_input=VerdictInput(edits=edits))
    roll_up(approvals)
    browser = as_(mia)
    links = re.findall(r'<a href="(/reports/rows/\?[^"]*topic=[^"]+)"[^>]*>(\d+)</a>', browser.get("/reports/").text)
    pages = {unescape(href): browser.get(unescape(href)) for href, _number in links}

    assert [number for _href, number in links] == ["2", "1", "1"]
    assert [page.context["count"] for page in pages.values()] == [2, 1, 1]
    assert [page.context["about"] for page in pages.values()][::2] == ["Duplicate", "/amount"]
    assert {one.pk for one, _readable in list(pages.values())[2].context["rows"]} == {approvals[3].pk}


def test_who_voted_beside_whoever_decided_counts_and_opens_the_rows(as_, past, alice, bob, mia, now):
    approvals = [past.add("approve", by=bob, at=now - timedelta(hours=2), counted=False) for _ in range(20)]
    Vote.objects.bulk_create(
        Vote(approval=approval, revision=1, round=1, user=person, created_at=now)
        for approval in approvals
        for person in (alice, bob)
    )
    roll_up(approvals)
    browser = as_(mia)
    [line] = [line for line in browser.get("/reports/").context["groups"][-1].lines if line.name == alice.name]

    assert (line.figures.voted, line.figures.decided) == (20, 0)
    assert browser.get(line.rows["voted"]).context["count"] == 20
    assert browser.get(f"/reports/?person={alice.pk}").status_code == 200


def test_filters_live_in_the_url_and_narrow_the_figures(as_, past, alice, mia, now):
    past.add("approve", by=alice, at=now - timedelta(hours=2), type="mail", agent="clerk")
    past.add("approve", by=alice, at=now - timedelta(days=8))
    browser = as_(mia)
    for query, many in (
        ("", 2),
        ("period=7", 1),
        ("type=mail", 1),
        ("agent=robot", 1),
        ("tier=2", 0),
        (f"period=custom&first={now.date() - timedelta(days=9)}&last={now.date() - timedelta(days=7)}", 1),
    ):
        assert browser.get(f"/reports/?{query}").context["report"].total.submitted == many, query


@pytest.mark.parametrize(
    "query",
    [
        "period=8",
        "type=nothing",
        "agent=nobody",
        "tier=99",
        "person=1",
        "period=custom&first=tomorrow",
        "period=custom&first=2026-11-02&last=2026-11-01",
        "period=custom&first=2020-01-01&last=2026-11-01",
    ],
)
@pytest.mark.parametrize("url", FIGURES)
def test_a_filter_that_makes_no_sense_is_named_and_shows_no_numbers(as_, mia, url, query, tiers):
    page = as_(mia).get(f"{url}?{query}")
    assert page.status_code == 422
    assert 'role="alert"' in page.text


@pytest.mark.parametrize("query", ["type=nothing", "impact=none", "score=best", "against=luck", "period=7"])
def test_a_score_that_does_not_exist_is_named(as_, mia, query, tiers):
    page = as_(mia).get(f"/calibration/?{query}")
    assert page.status_code == 422
    assert 'role="alert"' in page.text


@pytest.mark.parametrize("query", ["of=everything", "topic=everything", "topic=:x"])
def test_unknown_rows_are_refused(as_, mia, query):
    assert as_(mia).get(f"/reports/rows/?{query}").status_code == 422


@pytest.mark.parametrize("cursor", ["x", "MjAyNg", "fA"])
def test_a_tampered_cursor_starts_at_the_beginning(as_, past, alice, mia, now, cursor):
    past.add("approve", by=alice, at=now - timedelta(hours=2))
    assert len(as_(mia).get(f"/reports/rows/?after={cursor}").context["rows"]) == 1


def test_rows_come_in_pages(as_, past, mia, now):
    for _ in range(53):
        past.add(at=now - timedelta(hours=2))
    browser = as_(mia)
    first = browser.get("/reports/rows/?of=open")
    [older] = re.findall(r'href="([^"]+)">Older', first.text)
    second = browser.get(unescape(older))
    assert (len(first.context["rows"]), len(second.context["rows"])) == (50, 3)
    assert not {one.pk for one, _ in first.context["rows"]} & {one.pk for one, _ in second.context["rows"]}


def test_a_row_that_its_reader_may_no_longer_open_has_no_headline(as_, past, alice, now):
    past.add("approve", by=alice, at=now - timedelta(hours=2))
    alice.memberships.update(domain=None)
    Approval.objects.update(tier=3, tiers_visited=[3])
    page = as_(alice).get("/reports/rows/?of=decided").text
    assert "wants refund" not in page
    assert str(past.added[0].pk) in page


def test_htmx_gets_only_the_body_and_the_address_of_it(as_, past, mia):
    part = as_(mia).get("/reports/?period=7&type=&agent=robot", headers={"HX-Request": "true"})
    assert part.text.strip().startswith('<div id="report"')
    assert "<html" not in part.text
    assert part["HX-Push-Url"] == "/reports/?period=7&agent=robot"
    assert "HX-Request" in part["Vary"]


def test_an_empty_report_says_why_there_are_no_rates(as_, mia, tiers):
    page = as_(mia).get("/reports/").text
    assert "Nobody decided a proposal in this selection." in page
    assert "Nothing arrived in this selection." in page


@pytest.mark.parametrize("url", ["/reports/", "/calibration/", "/reports/rows/"])
def test_the_number_of_queries_does_not_grow(as_, past, alice, bob, carol, mia, now, url):
    browser = as_(mia)
    past.add_many(5, [alice], days=5, until=now)
    browser.get(url)
    with CaptureQueriesContext(connection) as few:
        browser.get(url)
    past.add_many(40, [alice, bob, carol], days=20, until=now, seed=9)
    with CaptureQueriesContext(connection) as many:
        browser.get(url)
    assert len(few) == len(many)


# --- CSV


def download(user, url):
    """The file as a browser gets it through ASGI, and its rows."""

    async def read():
        browser = AsyncClient()
        await browser.aforce_login(user, backend="django.contrib.auth.backends.ModelBackend")
        response = await browser.get(url)
        if not response.streaming:
            return response.content
        return b"".join([part async for part in response.streaming_content])

    content = async_to_sync(read)()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_decisions_are_exported_row_by_row(monkeypatch, past, alice, mia, now):
    monkeypatch.setattr(exports, "PAGE", 2)
    for minutes in (5, 10, 15, 20, 25):
        past.add("approve", by=alice, at=now - timedelta(hours=2), took=timedelta(minutes=minutes), tiers=(1, 2))
    past.add(at=now - timedelta(hours=1))
    exported_rows = download(mia, "/reports/decisions.csv?of=decided&period=7")
    assert [row["seconds_to_decision"] for row in exported_rows] == [
        "1500.000",
        "1200.000",
        "900.000",
        "600.000",
        "300.000",
    ]
    assert {(row["decided_by"], row["tier_started"], row["tier"]) for row in exported_rows} == {("", "1", "2")}
    assert len(download(mia, "/reports/decisions.csv")) == 6
    assert list(exported_rows[0]) == [column.name for column in exports.DECISIONS]


def test_figures_are_exported_as_the_page_shows_them(as_, past, alice, bob, mia, now):
    past.add_many(30, [alice, bob], days=6, until=now)
    shown = as_(mia).get("/reports/?period=7").context["report"]
    exported_rows = download(mia, "/reports/figures.csv?period=7")
    [whole] = [row for row in exported_rows if row["group"] == "all"]
    assert int(whole["submitted"]) == shown.total.submitted == 30
    assert float(whole["approval_rate"]) == pytest.approx(shown.total.approval.share, abs=1e-6)
    assert {row["name"] for row in exported_rows if row["group"] == "agent"} == {"robot", "clerk"}
    assert sum(int(row["submitted"]) for row in exported_rows if row["group"] == "period") == 30


def test_json_says_what_the_csv_and_the_page_say(as_, past, alice, bob, mia, now):
    past.add_many(30, [alice, bob], days=6, until=now)
    browser = as_(mia)
    document = browser.get("/reports/figures.json?period=7").json()
    exported_rows = download(mia, "/reports/figures.csv?period=7")
    shown = browser.get("/reports/?period=7").context["report"].total

    assert [row["name"] for row in document["figures"]] == [row["name"] for row in exported_rows]
    assert [row["submitted"] for row in document["figures"]] == [int(row["submitted"]) for row in exported_rows]
    [whole] = [row for row in document["figures"] if row["group"] == "all"]
    assert whole["approval_rate"] == shown.approval.share
    assert whole["median_seconds"] == shown.median.total_seconds()
    assert browser.get("/reports/calibration.json").json()["readings"][0] == {
        **{"group": "all", "name": "", "labels": 0, "mean_score": None, "right": None, "right_interval": None}
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])  # noqa: RUF001  # full-width is the point
def test_no_cell_of_an_export_is_a_formula(past, mia, now, start):
    past.add(at=now - timedelta(hours=1), subject=f"{start}HYPERLINK(1)", agent_model='say "hi", then\nleave')
    [row] = download(mia, "/reports/decisions.csv")
    assert row["subject"] == f"'{start}HYPERLINK(1)"
    assert row["agent_model"] == 'say "hi", then\nleave'


def test_a_negative_number_stays_a_number(past, mia, now):
    past.add(at=now - timedelta(hours=1), value="-3.50")
    [row] = download(mia, "/reports/decisions.csv")
    assert row["value"] == "-3.50"


def test_the_decisions_csv_names_nobody_who_decided_fewer_than_twenty(past, alice, bob, mia, now):
    for person, count in ((alice, 20), (bob, 19)):
        for _ in range(count):
            past.add("approve", by=person, at=now - timedelta(hours=1))
    names = [row["decided_by"] for row in download(mia, "/reports/decisions.csv?of=decided&period=7")]

    assert (names.count("alice"), names.count("bob"), names.count("")) == (20, 0, 19)
