"""The page on oversight, the catch rate, and who is named."""

from datetime import timedelta

import pytest

from approvals.db import times
from approvals.evidence import catch_rates, oversight
from approvals.models import SeededCase
from approvals.models.seeded import CaseOutcome
from tests.evidence.builders import HistoryBuilder, history_builder


@pytest.fixture
def house(tiers, commerce) -> HistoryBuilder:
    return history_builder(tiers, commerce)


@pytest.fixture
def closed(house):
    """Write test cases that a person closed: closed(alice, found=9, missed=1)."""

    def write(person, *, days: int = 1, fault: str = "amount", type: str = "refund", **counts: int) -> None:
        for outcome, count in counts.items():
            for _ in range(count):
                approval = house.add("reject", by=person, type=type, kind="seeded", released_at=None)
                SeededCase.objects.create(
                    beside=house.add(type=type),
                    approval=approval,
                    action_type=house.types[type],
                    tier=house.tiers[1],
                    due_at=times.now(),
                    fault="" if outcome in ("passed", "alarm") else fault,
                    outcome=outcome,
                    decided_by=person,
                    closed_at=times.now() - timedelta(days=days),
                )

    return write


def test_a_manager_reads_the_sentence_first(as_, mia, alice, closed):
    closed(alice, found=20, missed=1, passed=10, alarm=1)
    closed(alice, fault="currency", found=3, missed=3)
    page = as_(mia).get("/reports/oversight/").text

    assert "The team found 23 of 27 seeded faults (85 %, at least 68 %) and stopped 1 of 11 that had none." in page
    assert "Found least: Wrong currency, 3 of 6" in page


def test_a_persons_row_needs_a_hundred_cases(as_, mia, alice, bob, closed):
    closed(alice, found=60, passed=40)
    closed(bob, found=60, passed=39)
    page = as_(mia).get("/reports/oversight/").text

    assert "Alice" in page
    assert "Bob" not in page
    assert "1 more person read fewer than 100" in page


def test_a_reviewer_reads_the_own_row_and_nobody_elses(as_, alice, bob, closed):
    closed(alice, found=3, missed=1, passed=2)
    closed(bob, found=100, passed=10)
    page = as_(alice).get("/reports/oversight/").text

    assert "You found 3 of 4 seeded faults, and stopped 0 of 2 that had none." in page
    assert "By person" not in page
    assert "Bob" not in page


def test_a_time_without_cases_says_so(as_, mia, alice, closed):
    closed(alice, days=60, found=3)
    page = as_(mia).get("/reports/oversight/?days=30").text

    assert "nothing says whether faults are found" in page


def test_the_catch_rate_of_an_action_type_counts_its_faults_alone(alice, closed):
    closed(alice, found=9, missed=1, passed=50, alarm=3)
    closed(alice, type="mail", missed=4)
    [rate] = catch_rates.of("refund")

    assert (rate.cases, rate.missed, rate.delta) == (10, 1, 0.025)
    assert 0.4 < rate.floor < 0.9
    assert catch_rates.of("nothing") == []


def test_unanswered_and_dropped_cases_say_nothing_of_anybody(alice, closed):
    closed(alice, found=1)
    SeededCase.objects.filter(outcome=CaseOutcome.FOUND).update(outcome=CaseOutcome.UNANSWERED)
    now = times.now()
    report = oversight.oversight(now - timedelta(days=9), now)

    assert (report.team.cases, report.unanswered) == (0, 1)


def test_faults_found_are_told_apart_by_the_load_of_their_reader(alice, closed):
    closed(alice, found=3, missed=1)
    SeededCase.objects.update(load=9)
    closed(alice, found=1, missed=2)
    SeededCase.objects.filter(load=None).update(load=80)
    closed(alice, found=5)  # of unknown load

    bands = oversight.by_load(SeededCase.objects.all(), (1, 10, 80))

    assert [(band.hits, band.faults) for band in bands] == [(3, 4), (0, 0), (1, 3)]
