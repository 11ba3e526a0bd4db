"""How people read: what is counted of load, shift and length, and what the page says of it."""

from datetime import UTC, datetime, timedelta

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.evidence import rollups
from approvals.evidence.attention import LOADS, band_of, load_at, shift_began
from approvals.evidence.attention_report import attention
from approvals.history import seal
from approvals.models import Decision

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


def minutes(*numbers: int) -> list[datetime]:
    return [NINE + timedelta(minutes=number) for number in numbers]


def test_the_load_counts_what_was_decided_in_the_hour_that_ends_then():
    moments = minutes(0, 10, 30, 61, 70, 70)
    assert load_at(moments, moments[3]) == 3, "an hour and a minute ago is over"
    assert load_at(moments, moments[-1]) == 4, "a batch of two counts both, and the hour's first moment not"
    assert [band_of(number, LOADS) for number in (0, 1, 9, 10, 79, 80, 500)] == [1, 1, 1, 10, 40, 80, 80]


def test_a_shift_begins_after_two_hours_without_a_verdict():
    moments = minutes(0, 90, 180, 301, 320)
    assert shift_began(moments, moments[2]) == moments[0]
    assert shift_began(moments, moments[4]) == moments[3]
    through = minutes(*range(0, 1000, 60))
    assert shift_began(through, through[-1]) == through[-1] - timedelta(hours=12), "no shift is longer than that"


def test_what_was_read_under_load_is_counted_as_it_happens_and_in_a_recount(propose, alice, bob):
    approvals = [propose(amount=100 + number, order=str(number)) for number in range(14)]
    for number, approval in enumerate(approvals):
        verdict = "reject" if number == 0 else "approve"
        given = {"reason": "duplicate", "message": "again"} if verdict == "reject" else {}
        settle(approval, bob if number == 13 else alice, verdict, **given)
    count_all()
    now = times.now()
    team = attention(now - timedelta(days=1), now)
    own = attention(now - timedelta(days=1), now, person=alice.pk)
    assert [(band.approved.part, band.approved.whole) for band in team.by_load] == [
        *((9, 10), (4, 4)),
        *((0, 0), (0, 0), (0, 0)),
    ]
    assert (own.by_load[0].approved.whole, own.by_load[1].approved.whole) == (9, 4)
    assert team.by_shift[0].approved.whole == 14
    assert sum(band.approved.whole for band in team.by_length) == 14
    rollups.rebuild()
    assert attention(now - timedelta(days=1), now) == team


def test_a_test_case_keeps_the_load_of_its_reader(seed, alice):
    case = seed(fault=True)
    settle(case.approval, alice, "reject", reason="duplicate", message="again")
    case.refresh_from_db()
    within = [
        decision
        for decision in Decision.objects.filter(user=alice)
        if case.closed_at - timedelta(hours=1) < decision.decided_at <= case.closed_at
    ]
    assert case.load == len(within) >= 1


def test_the_page_says_how_it_is_read_and_a_person_reads_the_own_pace(propose, as_, mia, alice):
    for number in range(21):
        settle(propose(amount=100 + number, order=str(number)), alice, "approve")
    count_all()
    manager, reviewer = (as_(person).get("/reports/oversight/").text for person in (mia, alice))
    assert "People decided 21 proposals in this time" in manager, "no band of load has twenty"
    assert "Time in view, by length" in manager
    assert "You decided" not in manager
    assert "You decided 21 in the last hour" in reviewer


def settle(approval, person, verdict, **given):
    decide(card_version_of(approval), by=person, verdict=verdict, verdict_input=VerdictInput(**given))


def count_all():
    with times.at(times.now() + timedelta(minutes=1)):
        clock.sweep()
    while seal.seal(now=times.now(), everything=True):
        pass
    while rollups.sweep():
        pass
