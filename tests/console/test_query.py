"""The query language of the inbox and of the history: terms, words, what it does not know, and completion."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Agent, Approval
from console import query
from console.query import NumberFilter, OneOf, TimeFilter
from console.query_filters import inbox_filters

FILTERS = [
    OneOf("is", "State", ("late", "mine"), conditions={}),
    NumberFilter("value", "Value", column="value"),
    TimeFilter("age", "Age"),
]


def read(text: str) -> query.Query:
    return query.read(text, FILTERS, datetime(2026, 12, 1, tzinfo=UTC))


@pytest.fixture
def inbox(as_, alice):
    """Inbox of alice for a query: the ids, and what is said of the query."""

    def ask(text: str) -> tuple[set[object], list[str]]:
        context = as_(alice).get("/", {"q": text}).context
        return {approval.pk for approval in context["page"].approvals}, list(context["filter"].faults)

    return ask


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("refund order", "refund order"),
        ('"two words" here', " two words  here"),
        ("value:>5000 refund", "refund"),
        ("value: refund", "refund"),  # not typed to its end
        ("order:456", "order:456"),  # a subject, which no filter is named as
        ("-refund", "-refund"),
    ],
)
def test_what_is_no_term_is_searched_for(text, searched):
    assert read(text).text == searched


@pytest.mark.parametrize("text", ["value:lots", "value:>", "age:>1", "age:yesterday", "is:nothing", "value:1..many"])
def test_a_value_that_a_filter_does_not_have_finds_nothing_and_is_said(text):
    parsed = read(text)

    assert parsed.condition == query.NOTHING
    assert text in parsed.faults[0]


def test_excluding_a_value_that_there_is_not_finds_nothing_either():
    assert read("-is:nothing").condition == query.NOTHING


def test_a_name_that_is_no_filter_is_said_and_searched_for():
    parsed = read("colour:red")

    assert (parsed.text, len(parsed.faults)) == ("colour:red", 1)
    assert "colour:" in parsed.faults[0]


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("value:>400", True),
        ("value:420", True),
        ("value:>1k", False),
        ("value:100..500", True),
        ("-value:>400", False),
        ("tier:1", True),
        ("tier:frontline", True),  # by its title, and its beginning
        ("domain:comm type:refund agent:rob", True),
        ("-type:refund", False),
        ("subject:order:456", True),
        ("subject:order:*", True),
        ("subject:order:45", False),
        ("age:>1h", False),
        ("age:<1h", True),
        ("due:<1h", True),
        ("due:>1h", False),
        ("is:unclaimed", True),
        ("is:mine", False),
        ("is:claimed", False),
        ("is:action", True),
        ("is:question", False),
        ("refund tier:1", True),
        ("invoice tier:1", False),
    ],
)
def test_each_term_of_the_inbox_asks_what_it_says(text, matches, refund, inbox):
    ids, faults = inbox(text)

    assert (ids == {refund.pk}) is matches
    assert faults == []


def test_terms_narrow_together_and_a_minus_takes_away(propose, inbox):
    small, large = propose(), propose()
    Approval.objects.filter(pk=large.pk).update(value=9000, created_at=times.now() - timedelta(hours=3))

    assert inbox("value:>5000")[0] == {large.pk}
    assert inbox("-value:>5000")[0] == {small.pk}
    assert inbox("type:refund age:>1h")[0] == {large.pk}
    assert inbox("type:refund -age:>1h")[0] == {small.pk}


def test_what_the_filter_lacks_is_said_above_an_empty_list(refund, as_, alice):
    page = as_(alice).get("/", {"q": "tier:9"}).content.decode()

    assert "tier:9 finds nothing: there are 1." in page
    assert f"row-{refund.pk}" not in page


def test_the_history_is_asked_in_the_same_language(refund, propose, as_, alice):
    decide(card_version_of(refund), by=alice, verdict="approve")
    other = propose()
    decide(
        card_version_of(other),
        by=alice,
        verdict="reject",
        verdict_input=VerdictInput(message="Our handbook says otherwise.", reason="policy"),
    )

    def ids(text: str) -> set[object]:
        return {approval.pk for approval, _ in as_(alice).get("/history/", {"q": text}).context["approvals"]}

    assert ids("verdict:approve") == {refund.pk}
    assert ids("by:me -verdict:approve") == {other.pk}
    assert ids("by:alice decided:<1h") == {refund.pk, other.pk}
    assert ids("is:incident") == set()
    assert ids("status:held") | ids("-status:held") == {refund.pk, other.pk}


def test_who_reads_no_content_learns_none_by_asking_for_it(refund, as_, alice, root):
    decide(card_version_of(refund), by=alice, verdict="approve")

    def ids(text: str) -> set[object]:
        return {approval.pk for approval, _ in as_(root).get("/history/", {"q": text}).context["approvals"]}

    assert ids("verdict:approve") == {refund.pk}
    assert ids("value:>400") == ids("subject:order:456") == ids("refund") == set()


def test_what_the_box_offers_is_what_the_filters_take(refund, as_, alice):
    filters = as_(alice).get("/terms/").json()["filters"]

    assert {"tier", "agent", "is", "value"} <= {each["name"] for each in filters}
    made = {each.name: each for each in inbox_filters(alice, {"1.commerce": "Frontline · Commerce"})}
    for each in filters:
        for value in each["values"]:
            made[each["name"]].condition(value, times.now())


@pytest.mark.browser
def test_the_search_box_completes_filters_and_values_by_keyboard(refund, propose, alice, sign_in):
    Agent.objects.create(name="billing")
    page = sign_in(alice)
    search = page.get_by_role("combobox", name="Search").or_(page.get_by_role("searchbox", name="Search"))
    page.keyboard.press("/")
    offered = page.get_by_role("listbox", name="Filters")

    page.keyboard.type("ag")
    expect(offered.get_by_role("option")).to_have_count(2)  # agent, age
    page.keyboard.press("Enter")
    expect(search).to_have_value("agent:")
    page.keyboard.type("b")
    expect(offered.get_by_role("option").first).to_have_text("billing")
    page.keyboard.press("Tab")

    expect(search).to_have_value("agent:billing ")
    expect(page.locator(f"#row-{refund.pk}")).to_have_count(0)
    expect(page.get_by_role("heading", name="Nothing matches these filters")).to_be_visible()
