from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, timedelta
from statistics import median

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.db.cursors import Position
from approvals.evidence.histograms import ERROR
from approvals.evidence.metrics import ESCALATION_LINE, PERSON_NEEDS, enough_decisions, report
from approvals.evidence.selection import ROW_SETS, Selection, cohort, rows
from approvals.models import Incident
from tests.evidence.builders import NOON, roll_up

NOVEMBER = Selection(date(2026, 10, 22), date(2026, 11, 20))


def total(selection):
    return report(selection).total


def figures_by_hand(approvals):
    """The same figures in plain Python, from the definitions in words."""
    people = [a for a in approvals if a.source == "human" and a.status in {"released", "executed", "failed"}]
    judged = [a for a in people if a.item_type != "question"]
    reviewed = [a for a in approvals if a.route == "review"]
    expired = [a for a in approvals if a.status == "expired"]
    late = [a for a in approvals if a not in expired and (a.breaches or (a in people and a.decided_at > a.due_at))]
    times = sorted(a.decided_at - a.created_at for a in people)
    return {
        "submitted": len(approvals),
        "auto": sum(a.route == "auto" for a in approvals),
        "review": len(reviewed),
        "refused": sum(a.route == "reject" for a in approvals),
        "open": sum(a.status in {"pending", "held"} for a in reviewed),
        "decided": len(people),
        "judged": len(judged),
        "approved": sum(a.verdict == "approve" for a in judged),
        "modified": sum(a.verdict == "modify" for a in judged),
        "rejected": sum(a.verdict in {"reject", "skip", "answer"} for a in judged),
        "escalated": sum(len(a.tiers_visited) > 1 for a in reviewed),
        "expired": len(expired),
        "late": len(late),
        "missed": len(expired) + len(late),
        "median": median(times) if times else None,
        "p95": interpolated(times, 0.95) if times else None,
    }


def interpolated(times, share):
    position = share * (len(times) - 1)
    low = int(position)
    return times[low] + (times[min(low + 1, len(times) - 1)] - times[low]) * (position - low)


def assert_figures_equal(figures, expected):
    for name, value in expected.items():
        figure = getattr(figures, name)
        if isinstance(value, timedelta):
            assert abs(figure - value) <= value * ERROR + timedelta(seconds=1), name
        else:
            assert figure == value, name


def test_every_figure_equals_a_count_by_hand(past, reviewers):
    past.add_many(150, reviewers)
    november = report(NOVEMBER)

    assert_figures_equal(november.total, figures_by_hand(past.added))
    for group in november.by_type:
        assert_figures_equal(group.figures, figures_by_hand([a for a in past.added if a.action_type_id == group.key]))
    for group in november.by_agent:
        assert_figures_equal(group.figures, figures_by_hand([a for a in past.added if str(a.agent_id) == group.key]))
    for group in november.by_tier:
        starting = [a for a in past.added if (a.tiers_visited or [a.tier_id])[0] == int(group.key)]
        assert_figures_equal(group.figures, figures_by_hand(starting))
    days = defaultdict(list)
    for approval in past.added:
        days[approval.created_at.date()].append(approval)
    assert len(november.spans) == 30
    for span in november.spans:
        assert_figures_equal(span.figures, figures_by_hand(days[span.first]))
    assert sum(november.trends["refund"]) + sum(november.trends["mail"]) == 150


def test_every_number_equals_the_rows_behind_it(past, reviewers):
    past.add_many(80, reviewers)
    figures = total(NOVEMBER)
    for name in ROW_SETS.keys() - {"incidents"}:
        assert getattr(figures, name) == rows(NOVEMBER, name).count(), name
    assert figures.judged == figures.approved + figures.modified + figures.rejected


def test_rates_are_taken_of_what_they_say(past, alice):
    for verdict in ("approve", "approve", "modify", "reject"):
        past.add(verdict, by=alice)
    past.add("answer", by=alice, item_type="question")
    past.add("approve", route="auto")
    past.add(status="expired", tiers=(1, 2))
    figures = total(NOVEMBER)

    assert (figures.approval.part, figures.approval.whole) == (2, 4)
    assert (figures.override.part, figures.override.whole) == (1, 4)
    assert (figures.escalation.part, figures.escalation.whole) == (1, 6)
    assert figures.decided == 5
    assert not figures.escalates_too_much and figures.escalation.share < ESCALATION_LINE


def test_only_real_ones_count(past, reviewers):
    for kind in ("practice", "seeded", "second", "audit"):
        past.add("approve", by=reviewers[0], kind=kind, released_at=None)
    assert total(NOVEMBER).submitted == 0


def test_a_verdict_in_its_undo_window_is_not_yet_a_decision(past, reviewers):
    past.add("approve", by=reviewers[0], status="held", hold_until=NOON, released_at=None)
    figures = total(NOVEMBER)
    assert (figures.decided, figures.open) == (0, 1)


def test_silence_is_nobodys_decision(past):
    past.add("approve", source="timeout")
    past.add("approve", source="timeout", gate="soft")
    figures = total(NOVEMBER)
    assert (figures.decided, figures.expired, figures.missed) == (0, 1, 1)
    assert figures.median is None
    assert figures.approval.share is None


def test_late_is_after_the_time_to_answer_not_at_it(past, reviewers):
    hour = timedelta(hours=1)
    past.add("approve", by=reviewers[0], due=hour, took=hour)
    past.add("approve", by=reviewers[0], due=hour, took=hour + timedelta(microseconds=1))
    assert total(NOVEMBER).late == 1


def test_late_is_also_what_the_clock_took_from_a_tier(past, reviewers):
    past.add("approve", by=reviewers[0], tiers=(1, 2), breaches=1)  # decided in time by the tier above
    past.add("approve", by=reviewers[0], tiers=(1, 2))  # a person handed it on in time
    past.add(breaches=1)  # the last tier is late and still holds it
    past.add(status="expired", breaches=2)
    figures = total(NOVEMBER)
    assert (figures.late, figures.expired, figures.missed, figures.escalated) == (2, 1, 3, 2)


def test_days_pass_in_utc_so_that_a_figure_is_the_same_for_everybody(past):
    past.add(at=NOON.replace(day=19, hour=23, minute=30))
    past.add(at=NOON.replace(day=20, hour=0))
    assert total(Selection(date(2026, 11, 20), date(2026, 11, 20))).submitted == 1
    assert [span.first.day for span in report(NOVEMBER).spans if span.figures.submitted] == [19, 20]


def test_a_quarter_is_counted_in_weeks_and_what_is_left_at_its_ends(past):
    past.add(at=NOON)
    past.add(at=NOON - timedelta(days=89))
    past.add(at=NOON - timedelta(days=30))
    spans = report(Selection(date(2026, 8, 23), date(2026, 11, 20))).spans
    assert [span.figures.submitted for span in spans] == [1, *[0] * 8, 1, *[0] * 3, 1]
    assert [(spans[place].first, spans[place].last) for place in (0, 1, -1)] == [
        (date(2026, 8, 23), date(2026, 8, 23)),
        (date(2026, 8, 24), date(2026, 8, 30)),
        (date(2026, 11, 16), date(2026, 11, 20)),
    ]


def test_a_year_is_counted_in_months(past):
    past.add(at=NOON)
    past.add(at=NOON - timedelta(days=364))
    spans = report(Selection(date(2025, 11, 21), date(2026, 11, 20))).spans
    assert [span.figures.submitted for span in spans] == [1, *[0] * 11, 1]
    assert spans[1].last == date(2025, 12, 31)


def test_a_filter_narrows_every_figure(past, reviewers):
    past.add_many(60, reviewers)
    agent = past.agents["robot"]
    only = replace(NOVEMBER, action_type="mail", agent=agent.pk, tier=1)
    expected = [
        a
        for a in past.added
        if a.action_type_id == "mail" and a.agent_id == agent.pk and (a.tiers_visited or [a.tier_id])[0] == 1
    ]
    assert_figures_equal(report(only).total, figures_by_hand(expected))


def test_a_person_has_a_row_from_twenty_decisions_on(past, alice, bob):
    for number in range(PERSON_NEEDS):
        past.add("approve", by=alice)
        if number:
            past.add("reject", by=bob)
    november = report(NOVEMBER)
    assert [(group.name, group.figures.decided) for group in november.by_person] == [("Alice", 20)]
    assert november.few == 1
    assert enough_decisions(replace(NOVEMBER, person=alice.pk))
    assert not enough_decisions(replace(NOVEMBER, person=bob.pk))


def test_an_approval_with_two_incidents_is_one_row(past, reviewers):
    approval = past.add("approve", by=reviewers[0])
    for text in ("refunded twice", "and to the wrong card"):
        Incident.objects.create(approval=approval, severity="high", text=text)
    roll_up([approval])
    assert total(NOVEMBER).incidents == 1
    assert rows(NOVEMBER, "incidents").get() == approval


def test_the_number_of_queries_does_not_grow(past, reviewers, carol):
    past.add_many(10, reviewers)
    with CaptureQueriesContext(connection) as few:
        report(NOVEMBER)
    past.add_many(60, [*reviewers, carol], seed=8)
    with CaptureQueriesContext(connection) as many:
        report(NOVEMBER)
    assert len(few) == len(many)


def test_pages_of_rows_are_complete_and_do_not_overlap(past, reviewers):
    past.add_many(20, reviewers)
    for _ in range(5):
        past.add(at=NOON)  # the same moment: the id decides
    seen, cursor = [], None
    while True:
        submitted_rows = rows(NOVEMBER, "submitted")
        page = list((submitted_rows.filter(cursor.older("created_at")) if cursor else submitted_rows)[:4])
        if not page:
            break
        seen += page
        cursor = Position(page[-1].created_at, page[-1].pk)
    assert [a.pk for a in seen] == [a.pk for a in rows(NOVEMBER, "submitted")]
    assert len(seen) == 25


def test_an_empty_past_is_no_error(db):
    november = report(NOVEMBER)
    assert november.total.submitted == 0
    assert november.total.p95 is None
    assert november.by_type == november.by_person == []
    assert cohort(NOVEMBER).count() == 0


def test_unknown_row_sets_are_refused(db):
    with pytest.raises(KeyError):
        rows(NOVEMBER, "everything")


def test_the_last_day_is_included():
    assert Selection(date(2026, 11, 1), date(2026, 11, 1), UTC).days == 1
