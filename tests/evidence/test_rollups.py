"""Rollups count what the rows say, as things change, and the same when they are counted anew."""

from datetime import date, timedelta
from decimal import Decimal
from statistics import median

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from approvals import clock
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.evidence import histograms, rollups
from approvals.evidence.metrics import report
from approvals.evidence.pieces import pieces
from approvals.evidence.selection import Selection
from approvals.evidence.sums import over_time, sums
from approvals.history import seal
from approvals.models import Approval, Incident, Rollup, RollupEntry, RollupProgress, Vote
from tests.conftest import replace_arguments
from tests.evidence.builders import NOON, roll_up

NOVEMBER = Selection(date(2026, 10, 22), date(2026, 11, 20))


def cells():
    """All that is counted now: what is told apart, and its numbers; a cell that is empty again does not count."""
    names = ("kept", "grain", "first", "topic", "action_type", "agent", "version", "tier", "domain", "person")
    generation = RollupProgress.objects.get().generation
    return {
        tuple(getattr(cell, name) for name in names): (cell.counts, trimmed(cell.histogram))
        for cell in Rollup.objects.filter(generation=generation)
        if any(cell.counts)
    }


def trimmed(histogram):
    return histogram[: max((place for place, many in enumerate(histogram, start=1) if many), default=0)]


def count_all():
    while seal.seal(now=times.now(), everything=True):
        pass
    while rollups.sweep():
        pass


def test_what_is_counted_as_it_happens_equals_a_recount(propose, alice, with_undo):
    now = times.now()
    approvals = [propose(amount=100 + number, order=str(number)) for number in range(6)]
    count_all()
    seen = [card_version_of(approval) for approval in approvals]
    decide(seen[0], by=alice, verdict="approve")
    decide(seen[1], by=alice, verdict="reject", verdict_input=VerdictInput(reason="duplicate", message="again"))
    changed = replace_arguments({"order": "2", "amount": 51, "currency": "EUR"})
    decide(seen[2], by=alice, verdict="modify", verdict_input=VerdictInput(edits=changed))
    decide(seen[3], by=alice, verdict="approve")
    count_all()
    undo(approvals[3].pk, by=alice)
    with times.at(now + timedelta(minutes=1)):
        clock.sweep()
        count_all()
    with times.at(now + timedelta(hours=5)):
        clock.sweep()
        count_all()
    live = cells()
    today = now.date()
    figures = report(Selection(today, today)).total
    assert (figures.approved, figures.modified, figures.rejected, figures.expired) == (1, 1, 1, 3)
    assert rollups.rebuild() == 6
    assert cells() == live
    assert rollups.rebuild() == 6, "a rebuild starts from nothing"
    assert cells() == live


def test_nothing_is_counted_twice(past, alice):
    approval = past.add("approve", by=alice)
    before = cells()
    roll_up([approval, approval])
    assert cells() == before
    assert RollupEntry.objects.count() == 3  # of the approval, of its band, and of how it was read


def test_a_change_moves_it_from_one_cell_to_another(past, alice):
    approval = past.add()
    assert report(NOVEMBER).total.open == 1
    Approval.objects.filter(pk=approval.pk).update(
        status="released", verdict="reject", source="human", decided_by=alice, decided_at=NOON, released_at=NOON
    )
    roll_up([approval])
    total = report(NOVEMBER).total
    assert (total.submitted, total.open, total.rejected) == (1, 0, 1)


def test_one_sweep_works_at_a_time(past, alice, transactional_db):
    past.add("approve", by=alice, counted=False)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [rollups._LOCK])
            roll_up(past.added)
            assert report(NOVEMBER).total.submitted == 0
            cursor.execute("SELECT pg_advisory_unlock(%s)", [rollups._LOCK])
    finally:
        other.close()
    assert rollups.behind()
    rollups.sweep()
    assert report(NOVEMBER).total.submitted == 1
    assert not rollups.behind()


def test_who_voted_beside_another_counts_too(past, alice, bob):
    approval = past.add("approve", by=bob, approvers=2, votes=2, counted=False)
    for person in (alice, bob):
        Vote.objects.create(approval=approval, revision=1, round=1, user=person, created_at=NOON)
    roll_up([approval])
    persons = over_time(sums(NOVEMBER, pieces(NOVEMBER.first, NOVEMBER.last), ["person"]))
    figures = {key: report(Selection(NOVEMBER.first, NOVEMBER.last, person=key)).total for key in persons}
    assert (figures[str(alice.pk)].voted, figures[str(alice.pk)].decided) == (1, 0)
    assert (figures[str(bob.pk)].voted, figures[str(bob.pk)].decided) == (0, 1)


def test_reasons_and_fields_are_counted_with_how_much_was_changed(propose, alice, with_undo):
    now = times.now()
    rejected, halved = propose(order="1"), propose(order="2", amount=100)
    decide(
        card_version_of(rejected),
        by=alice,
        verdict="reject",
        verdict_input=VerdictInput(reason="duplicate", message="again"),
    )
    changed = replace_arguments({"order": "2", "amount": 50, "currency": "EUR"})
    decide(card_version_of(halved), by=alice, verdict="modify", verdict_input=VerdictInput(edits=changed))
    with times.at(now + timedelta(minutes=1)):
        clock.sweep()
        count_all()
    chosen = Selection(now.date(), now.date())
    parts = pieces(chosen.first, chosen.last)
    assert over_time(sums(chosen, parts, ["topic"], topic="reason:")).keys() == {"reason:duplicate"}
    fields = over_time(sums(chosen, parts, ["topic"], topic="field:"))
    assert fields.keys() == {"field:/amount"}
    by = histograms.percentile(fields["field:/amount"].histogram, 0.5)
    assert by.total_seconds() == pytest.approx(50, rel=histograms.ERROR)


def test_what_incidents_cost_is_added_up(past, alice):
    approval = past.add("approve", by=alice)
    for cost in ("12.50", "7.50", None):
        Incident.objects.create(approval=approval, severity="low", text=f"costs {cost}", cost=cost)
    roll_up([approval])
    total = report(NOVEMBER).total
    assert (total.incidents, total.cost) == (1, Decimal(20))
    assert (total.harm.part, total.harm.whole) == (1, 1)


def test_a_year_is_read_with_as_many_queries_as_a_week_and_hardly_more_rows(past, reviewers):
    past.add_many(30, reviewers)
    week, year = Selection(date(2026, 11, 14), date(2026, 11, 20)), Selection(date(2025, 11, 21), date(2026, 11, 20))
    with CaptureQueriesContext(connection) as of_week:
        report(week)
    with CaptureQueriesContext(connection) as of_year:
        report(year)
    assert len(of_week) == len(of_year)
    assert report(year).total.submitted == 30
    assert sum(len(piece.starts) for piece in pieces(year.first, year.last)) <= 12 + 60


@given(st.dates(date(2024, 1, 1), date(2027, 1, 1)), st.integers(1, 366))
def test_pieces_have_no_gap_and_no_overlap(first, days):
    last = first + timedelta(days=days - 1)
    covered = []
    lengths = {"day": lambda _day: 1, "week": lambda _day: 7, "month": lambda day: (_next_month(day) - day).days}
    for piece in pieces(first, last):
        inside = [
            start + timedelta(days=number) for start in piece.starts for number in range(lengths[piece.grain](start))
        ]
        assert (piece.first, piece.last) == (inside[0], inside[-1])
        covered += inside
    assert covered == [first + timedelta(days=number) for number in range(days)]


def _next_month(day):
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


@given(st.lists(st.floats(1, 30 * 24 * 3600), min_size=1), st.lists(st.floats(1, 30 * 24 * 3600)))
def test_percentiles_of_a_sum_are_within_the_stated_error(some, more):
    def histogram(times_taken):
        buckets = []
        for seconds in times_taken:
            buckets = histograms.add(buckets, [0] * histograms.bucket_of(timedelta(seconds=seconds)) + [1])
        return buckets

    together = histograms.add(histogram(some), histogram(more))
    exact = median([*some, *more])
    assert histograms.percentile(together, 0.5).total_seconds() == pytest.approx(exact, rel=histograms.ERROR + 1e-6)


def test_the_command_counts_anew_and_says_how_far_it_is(past, reviewers, capsys):
    past.add_many(5, reviewers)
    before = cells()
    Rollup.objects.update(counts=[9])
    call_command("rollups")
    assert cells() == before
    printed = capsys.readouterr()
    assert "5 approvals counted" in printed.out
    assert "5 of 5 (100 %)" in printed.err
