import re
from dataclasses import replace
from datetime import date

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from approvals.evidence import reliability
from approvals.evidence.calibration import Calibration, ScoreReading, ScoreSelection
from approvals.evidence.reliability import Drawn, ScoreBin
from console.reports import axes, charts
from console.reports.axes import length, percent
from console.reports.charts import FRAME, ChartPoint, Series
from console.reports.reliability_chart import ReliabilityChart, reliability_chart


@given(st.integers(0, 10**9))
def test_steps_of_counts_reach_the_most_and_are_whole_and_few(most):
    steps = axes.count_steps(most)
    assert steps[0] == 0
    assert steps[-1] >= most
    assert 2 <= len(steps) <= 6
    assert all(step == int(step) for step in steps)


@given(st.floats(0, 1))
def test_steps_of_shares_reach_the_most_and_end_at_one(most):
    steps = axes.share_steps(most)
    assert most <= steps[-1] <= 1
    assert len(steps) <= 6


@given(st.floats(0, 10**8))
def test_steps_of_time_reach_the_most(most):
    steps = axes.time_steps(most)
    assert steps[0] == 0
    assert steps[-1] >= most
    assert len(steps) <= 7


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.2, "< 1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (95, "1 min 35 s"),
        (600, "10 min"),
        (3599, "1 h"),
        (4320, "1 h 12 min"),
        (86399, "1 d"),
        (187200, "2 d 4 h"),
    ],
)
def test_a_span_of_time_reads_as_people_say_it(seconds, text):
    assert length(seconds) == text


def test_an_axis_of_time_keeps_to_one_unit():
    steps = axes.time_steps(5600)
    assert [axes.time_label(steps)(step) for step in steps] == ["0", "30 min", "60 min", "90 min", "120 min"]


def test_small_shares_keep_their_decimal():
    assert [percent(share) for share in (0, 0.004, 0.37, 1)] == ["0 %", "0.4 %", "37 %", "100 %"]


def test_a_line_is_broken_where_nothing_is_known():
    points = [
        ChartPoint("1", 0.5, 0.4, 0.6),
        ChartPoint("2", 0.6, 0.5, 0.7),
        ChartPoint("3", None),
        ChartPoint("4", 1, 0.9, 1),
    ]
    chart = charts.line("Rate", "", [("line-main", points)], steps=[0, 0.5, 1], label=percent)
    [trace] = chart.traces
    assert trace.line.count("M") == 2
    assert trace.area.count("Z") == 1  # one point alone has no area
    assert [dot.y for dot in trace.dots] == [FRAME.y(0.5), FRAME.y(0.6), FRAME.top]
    assert trace.dots[0].x == FRAME.left
    assert trace.dots[-1].x == FRAME.right


def test_stacked_bars_stand_on_each_other_and_stay_inside():
    chart = charts.bars("Volume", "", ["1", "2"], [Series("a", "bar-main", [3, 0]), Series("b", "bar-quiet", [1, 8])])
    low, high, alone = chart.rects
    assert low.y + low.height == pytest.approx(FRAME.bottom)
    assert high.y + high.height == pytest.approx(low.y)
    assert alone.y >= FRAME.top
    assert alone.note == "2 · b: 8"
    assert all(FRAME.left <= rect.x and rect.x + rect.width <= FRAME.right for rect in chart.rects)


@pytest.mark.parametrize("many", [1, 2, 7, 30, 45, 53])
def test_an_axis_of_time_has_at_most_six_labels(many):
    chart = charts.bars("", "", [str(day) for day in range(many)], [Series("a", "bar-main", [1] * many)])
    assert 1 <= len(chart.x) <= 6
    assert chart.x[0].label == "0"


def reliability_of(*counts: tuple[float, int, int]) -> ReliabilityChart:
    """The diagram of so many labels at a score, so many of them right."""
    bins = [ScoreBin(score, (Drawn(1.0, count, right),)) for score, count, right in counts]
    fitted, band = reliability.curve(bins), reliability.consistency_band(bins)
    of_whole = ScoreReading("", "", bins), fitted, band, reliability.steps(bins)
    day = date(2026, 11, 23)
    return reliability_chart(Calibration(ScoreSelection(day, day), *of_whole, None, None, (), (), (), (), ()), "")


def test_a_dot_of_the_reliability_diagram_grows_with_its_number_by_area():
    chart = reliability_of((0.5, 100, 40), (0.9, 25, 20))
    (_, large), (_, small) = chart.dots
    assert (large - 2) == pytest.approx(2 * (small - 2), abs=0.11)
    assert chart.line and chart.band


def test_a_reliability_diagram_of_few_labels_has_intervals_and_no_line():
    chart = reliability_of((0.5, 20, 8))
    [(dot, _radius)] = chart.dots
    assert dot.top < dot.y < dot.bottom
    assert not chart.line


def test_nothing_to_draw_is_said():
    assert charts.line("", "", [("line-main", [ChartPoint("1", None)])], steps=[0, 1], label=percent).is_empty
    assert charts.bars("", "", ["1"], [Series("a", "bar-main", [0])]).is_empty
    assert charts.bars("", "", [], []).is_empty
    assert charts.spark([4]) is None


@pytest.mark.parametrize("name", ["line", "bars", "reliability"])
def test_a_drawn_chart_has_a_name_and_no_style_of_its_own(name):
    chart = {
        "line": lambda: charts.line(
            "A <b> & c",
            "",
            [("line-main", [ChartPoint("1", 1.0)])],
            steps=[0, 1],
            label=percent,
            reference=(0.2, "20 %"),
        ),
        "bars": lambda: charts.bars("A <b> & c", "", ["<i>"], [Series("a", "bar-main", [1])]),
        "reliability": lambda: replace(reliability_of((0.5, 3, 1)), title="A <b> & c"),
    }[name]()
    drawn = render_to_string(f"charts/{name}.svg", {"chart": chart})
    assert 'role="img"' in drawn
    assert "<title>A &lt;b&gt; &amp; c</title>" in drawn
    assert "<b>" not in drawn and "<i>" not in drawn
    assert not re.search(r"style=|<style|<script|\son\w+=|(fill|stroke)=", drawn)
