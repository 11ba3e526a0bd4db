"""Thresholds that are certified, readers who are measured, agents that decline, cells that may lose their gate."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from approvals.evidence.guarantees import CatchRate, Claim, Decline, ThresholdCertifier, may_lose_gate
from approvals.evidence.guarantees.evalues import log_closed
from tests.evidence.counters import GRID, STEADY, catch_rate

# --- Thresholds


def test_a_threshold_counts_what_scores_at_it_or_above():
    certifier = ThresholdCertifier((0.5, 0.7))
    for _ in range(200):
        certifier.see(score=0.7, wrong=False)
        certifier.see(score=0.69, wrong=True)

    assert certifier.certified == 0.7
    assert certifier.rates == {0.5: 0.5, 0.7: 0.0}


@pytest.mark.parametrize(("start", "needed"), [(None, 142), (0.9, 88)])
def test_without_an_order_all_thresholds_share_delta(start, needed):
    certifier = ThresholdCertifier(GRID, start=start)
    for _ in range(needed - 1):
        certifier.see(score=0.99, wrong=False)

    assert certifier.certified is None
    certifier.see(score=0.99, wrong=False)
    assert certifier.certified == 0.5


def test_a_sequence_stops_before_the_first_that_is_not_certified():
    certifier = ThresholdCertifier(GRID, start=0.9)
    for number in range(100):
        certifier.see(score=0.92, wrong=False)
        certifier.see(score=0.83, wrong=number % 2 == 0)
        certifier.see(score=0.82, wrong=False)
        for _ in range(30):
            certifier.see(score=0.5, wrong=False)

    assert certifier.e_values[0.5] > 20 > certifier.e_values[0.8]
    assert certifier.certified == 0.85


def test_a_term_ends_and_the_next_uses_later_labels_only():
    certifier = ThresholdCertifier(GRID)
    for _ in range(142):
        certifier.see(score=0.99, wrong=False)
    assert certifier.certified == 0.5

    certifier.end(reason="new model")

    assert (certifier.certified, certifier.term, certifier.ended_by) == (None, 1, "new model")
    assert certifier.needed == 142


def test_a_certificate_stays_in_its_term():
    certifier = ThresholdCertifier(GRID)
    for number in range(300):
        certifier.see(score=0.99, wrong=number >= 142)

    assert certifier.e_values[0.5] == 0
    assert certifier.certified == 0.5


def test_better_reading_frees_at_the_next_look():
    rate = catch_rate(20, 18)
    certifier = ThresholdCertifier(GRID, start=0.9, catch_floor=rate)
    for _ in range(135):
        certifier.see(score=0.99, wrong=False)
    assert certifier.certified is None

    for number in range(80):
        rate.see(caught=number >= 8)

    assert certifier.certified == 0.5


def test_the_worse_of_two_ways_to_read_counts():
    gate, later = catch_rate(100, 99), catch_rate(100, 70)

    assert Claim(0.05, 0.05, (gate, later)).bar == 0.05 * later.floor
    assert Claim(0.05, 0.05, (later, CatchRate())).bar == 0


def test_a_false_threshold_is_rarely_certified():
    """Seeded: at most 5 % of 200 runs and two standard errors, looked at after each of 500 labels."""
    chance, false = random.Random(12), 0  # noqa: S311
    for _ in range(200):
        certifier = ThresholdCertifier((0.5, 0.7, 0.9), start=0.7)
        for _ in range(500):
            certifier.see(score=chance.uniform(0.5, 1), wrong=chance.random() < 0.05)
        false += certifier.certified is not None

    assert 0 < false / 200 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)


# --- Catch rate


@STEADY
@given(st.integers(1, 300).flatmap(lambda cases: st.tuples(st.just(cases), st.integers(0, cases))))
def test_the_floor_is_the_lowest_rate_that_is_not_refused(counted):
    cases, caught = counted
    floor = catch_rate(cases, caught).floor

    assert 0 <= floor <= caught / cases
    if caught:
        assert log_closed(cases, cases - caught, 1 - floor) == pytest.approx(math.log(40), abs=1e-6)


def test_the_floor_lies_below_that_of_one_look():
    # Clopper and Pearson's lower end at the same delta, which holds at one moment fixed beforehand.
    assert catch_rate(100, 90).floor < special.betaincinv(90, 11, 0.025)
    assert catch_rate(100, 90).floor == pytest.approx(0.7835, abs=1e-4)


# --- Decline


def test_a_turn_for_the_worse_is_stopped_and_a_good_agent_left_alone():
    decline, chance = Decline(bar=0.05), random.Random(3)  # noqa: S311
    for _ in range(3000):
        decline.see(wrong=chance.random() < 0.02)
    assert not decline.alarm

    errors = 0
    while not decline.alarm:
        wrong = chance.random() < 0.2
        errors += wrong
        decline.see(wrong=wrong)
    assert errors <= 16


def test_labels_of_equal_share_count_alike_whatever_passes_unseen():
    drawn, full = Decline(), Decline()
    for number in range(100):
        full.see(wrong=number % 3 == 0)
        drawn.see(wrong=number % 3 == 0, share=0.05)
        for _ in range(19):
            drawn.pass_unseen(share=0.05)

    assert drawn.evidence == full.evidence


@pytest.mark.parametrize("earlier", [(1.0,), (1.0, 0.25), (0.5, 0.25)])
def test_at_the_bar_the_detector_grows_by_one_a_step_also_where_the_share_changes(earlier):
    decline = Decline(bar=0.05)
    for share in earlier:
        decline.see(wrong=True, share=share)
    steps = {0.0125: True, 0.2375: False, 0.75: None}  # at share 0.25: drawn and wrong, drawn and right, not drawn
    after = 0.0
    for chance, wrong in steps.items():
        step = Decline.restored(decline.state)
        if wrong is None:
            step.pass_unseen(share=0.25)
        else:
            step.see(wrong=wrong, share=0.25)
        after += chance * step.evidence

    assert after == pytest.approx(decline.evidence + 1)


def test_what_is_never_drawn_teaches_the_detector_nothing():
    decline = Decline()
    decline.see(wrong=True)
    before = decline.state
    decline.pass_unseen(share=0)

    assert decline.state == before


# --- A fleet


def test_the_cells_named_are_those_of_e_bh():
    assert may_lose_gate([60, 100, 30, 1, 0]) == {0, 1}
    assert may_lose_gate({"a": 60, "b": 39.9, "c": 0.2, "d": 0}) == set()
    assert may_lose_gate({"a": math.inf, "b": 40.0}) == {"a", "b"}
    assert may_lose_gate([]) == set()


@STEADY
@given(st.lists(st.floats(0, 1e6), max_size=30), st.floats(0.01, 0.5))
def test_more_evidence_names_no_fewer(e_values, fdr):
    named = may_lose_gate(e_values, fdr)

    assert all(len(named) * e_values[cell] >= len(e_values) / fdr * (1 - 1e-12) for cell in named)
    assert named <= may_lose_gate([2 * e for e in e_values], fdr)
