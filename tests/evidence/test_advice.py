"""Hints where a line is crossed, and what a new version changed."""

from datetime import date, timedelta

import pytest

from approvals.evidence.advice import ENOUGH, CrossedLine, advice
from approvals.evidence.rates import Rate
from approvals.evidence.selection import Selection
from approvals.evidence.version_changes import Turn, difference, version_changes
from console.reports.advice import sentence
from tests.evidence.builders import NOON, roll_up
from tests.text_search import mentions

NOVEMBER = Selection(date(2026, 10, 22), date(2026, 11, 20))


def add_many(past, count, verdict, by, **columns):
    for _number in range(count):
        past.add(verdict, by=by, counted=False, **columns)


def crossed(past):
    roll_up(past.added)
    return {hint.line for hint in advice(NOVEMBER)}


def test_a_line_is_crossed_from_enough_on_and_silent_before(past, alice):
    add_many(past, ENOUGH - 1, "approve", alice, took=timedelta(minutes=1))
    assert crossed(past) == set()
    add_many(past, 1, "approve", alice, took=timedelta(minutes=1))
    assert crossed(past) == {CrossedLine.UNMODIFIED}
    [hint] = advice(NOVEMBER)
    assert sentence(hint).startswith("Refund: 100 % approved unchanged (30 of 30, interval 89 %")


@pytest.mark.parametrize(
    ("verdict", "columns", "lines"),
    [
        ("modify", {}, {CrossedLine.MODIFIED}),
        ("reject", {"confidence": "0.350"}, {CrossedLine.REJECTED}),
        ("skip", {"tiers": (1, 2), "confidence": None}, {CrossedLine.ESCALATED}),
        ("skip", {"took": timedelta(minutes=11), "confidence": None}, {CrossedLine.SLOW}),
    ],
)
def test_each_line(past, alice, verdict, columns, lines):
    add_many(past, ENOUGH, verdict, alice, **{"took": timedelta(minutes=1), **columns})
    assert crossed(past) == lines
    for hint in advice(NOVEMBER):
        assert mentions(sentence(hint), "30")


def test_who_got_worse_since_its_model_changed_is_first(past, alice):
    old, new = {"agent_model": "m-1", "at": NOON - timedelta(days=9)}, {"agent_model": "m-2"}
    add_many(past, 28, "approve", alice, **old)
    add_many(past, 2, "reject", alice, **old)
    add_many(past, 15, "approve", alice, **new)
    add_many(past, 15, "reject", alice, **new)
    for columns in (old, new):
        add_many(past, 25, "approve", alice, agent="clerk", **columns)
    roll_up(past.added)
    worse, same = version_changes(NOVEMBER)
    assert (worse.agent, worse.turn, worse.version_before, worse.version_after) == ("robot", Turn.WORSE, "m-1", "m-2")
    assert (worse.before.judged, worse.after.judged, worse.since) == (30, 30, date(2026, 11, 20))
    assert (same.agent, same.turn) == ("clerk", Turn.SAME)


def test_few_decisions_say_nothing_of_a_version(past, alice):
    add_many(past, 30, "approve", alice, agent_model="m-1", at=NOON - timedelta(days=9))
    add_many(past, 19, "reject", alice, agent_model="m-2")
    roll_up(past.added)
    assert [change.turn for change in version_changes(NOVEMBER)] == [Turn.FEW]


def test_the_interval_of_a_difference_is_newcombes():
    # Newcombe 1998, table II: 56/70 against 48/80 is 0.2000 (0.0524, 0.3339).
    assert difference(Rate(48, 80), Rate(56, 70)) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
