"""The page of thresholds: the claim with its assumptions, what is missing before it, the trade-off, the draft."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.evidence import catch_rates, labels
from approvals.evidence.guarantees import CatchRate, labels_needed
from approvals.models import ActionType, Agent, PolicyVersion
from approvals.policy import snapshot
from tests.evidence.labelled import judged, mostly_right


@pytest.fixture
def tags(action_type) -> ActionType:
    return action_type(
        "tag",
        reversibility="reversible",
        strategy="confidence",
        auto_threshold="0.900",
        review_threshold="0.500",
        threshold_start="0.800",
        error_cost="200",
        minute_cost="2",
    )


@pytest.fixture
def page(as_, mia):
    def read() -> str:
        answer = as_(mia).get(reverse("reports:thresholds"))
        assert answer.status_code == 200
        return " ".join(answer.content.decode().split())

    return read


@pytest.fixture
def readers_are_known(monkeypatch) -> None:
    rate = CatchRate()
    for _ in range(300):
        rate.see(caught=True)
    monkeypatch.setattr(catch_rates, "of", lambda name: [rate])


def test_without_labels_it_says_how_one_comes_to_be(page, tags):
    assert "No labels yet." in page()


def test_a_certified_cell_reads_as_the_claim_with_its_labels_its_assumption_and_what_ends_it(
    page, tags, robot, alice, readers_are_known
):
    judged(robot, tags, mostly_right(200), by=alice)
    labels.enter_labels()
    text = page()

    assert "1 of 1 agents and versions passes below the declared threshold of 0.9." in text
    assert "at or above 0.5, at most 5 % would have been changed or stopped by a careful reader." in text
    assert "wrong with a probability of at most 5 %, at whatever moment you look" in text
    assert "It assumes the same traffic as so far." in text
    assert "a severe incident, another version or another policy end it" in text


def test_what_is_missing_is_said_before_it_is_there(page, tags, robot, alice):
    judged(robot, tags, mostly_right(8), by=alice)
    labels.enter_labels()
    alone = labels_needed(0.05, 0.05)

    assert alone == 88
    assert f"For advice that assumes careful readers: {alone - 8} more labels without a fault." in page()


def test_with_seeded_cases_more_are_needed_and_a_draw_says_of_how_many_that_is(
    page, tags, robot, alice, readers_are_known
):
    judged(robot, tags, ["approve", *[""] * 10], by=alice)
    labels.enter_labels()
    text = page()

    assert "Not certified yet:" in text and "more labels (at a draw of 5 % about" in text


def test_the_trade_off_counts_minutes_and_errors_in_money(page, tags, robot, alice):
    judged(robot, tags, mostly_right(100, wrong_every=10), by=alice, score="0.700")
    judged(robot, tags, mostly_right(100), by=alice, score="0.900")
    labels.enter_labels()
    text = page()

    # At 0.70 all 1,000 pass: 500 minutes at 2, 50 wrong at 200; at 0.90 half of them and none wrong.
    for row in (
        '<th scope="row">0.70</th> <td class="num">1,000</td> <td class="num">500</td> <td class="num">1,000</td> '
        '<td class="num">50.0</td> <td class="num">10,000</td> <td class="num">-9,000</td>',
        '<td class="num">500</td> <td class="num">250</td> <td class="num">500</td> <td class="num">0.0</td>',
    ):
        assert row in text
    assert '<th scope="row">0.90 <span class="chip">today</span></th>' in text
    assert "Hint, not certified: from 0.70 to 0.80 90 % were right" not in text
    assert "Hint, not certified: from 0.90 to 1.00 100 % were right as proposed (96 % to 100 %, 100 labels)." in text


def test_another_agent_lends_nothing(page, tags, robot, alice, readers_are_known):
    clerk = Agent.objects.create(name="clerk")
    judged(robot, tags, mostly_right(300), by=alice)
    judged(clerk, tags, mostly_right(300, wrong_every=3), by=alice)
    labels.enter_labels()
    text = page()

    assert "1 of 2 agents and versions passes" in text
    assert text.count("would have been changed or stopped by a careful reader") == 1


def test_one_click_writes_the_draft_and_nothing_that_is_in_force(page, tags, robot, alice, as_, root, mia):
    judged(robot, tags, mostly_right(100), by=alice)
    labels.enter_labels()
    before = PolicyVersion.objects.count()
    values = {"type": "tag", "threshold": "0.80"}
    address = reverse("reports:draft_threshold")

    assert as_(mia).post(address, values).status_code == 403
    assert as_(root).post(address, {**values, "threshold": "0.45"}).status_code == 302
    assert ActionType.objects.get(pk="tag").auto_threshold == Decimal("0.900")
    answer = as_(root).post(address, values)
    assert answer["Location"] == reverse("admin:approvals_policyversion_draft")
    assert ActionType.objects.get(pk="tag").auto_threshold == Decimal("0.800")
    assert (PolicyVersion.objects.count(), snapshot.current().types["tag"].auto_threshold) == (before, Decimal("0.9"))


def test_it_costs_the_same_questions_for_one_cell_and_for_many(tags, robot, alice, as_, mia):
    client = as_(mia)
    address = reverse("reports:thresholds")
    judged(robot, tags, mostly_right(10), by=alice)
    labels.enter_labels()
    client.get(address)
    with CaptureQueriesContext(connection) as one_cell:
        client.get(address)
    for number in range(12):
        judged(Agent.objects.create(name=f"agent-{number}"), tags, mostly_right(10), by=alice)
    labels.enter_labels()
    with CaptureQueriesContext(connection) as many_cells:
        client.get(address)

    assert len(one_cell) == len(many_cells)
