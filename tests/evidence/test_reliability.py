"""The curve, its band and the parts of the Brier score: against scipy, by hand, and by what is true of simulations."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from approvals.evidence import reliability
from approvals.evidence.reliability import Drawn, ScoreBin, brier_parts, consistency_band, pool, recalibrated, steps

SHARES = st.floats(0, 1)
SAMPLES = st.lists(st.tuples(SHARES, st.floats(0.1, 50)), min_size=1, max_size=40)


def binned(scores, right, *, weight=1.0):
    """Bins of a hundredth, as they are stored."""
    bins = []
    hundredths = np.minimum((scores * 100).astype(int), 99)
    for hundredth in np.unique(hundredths):
        inside = hundredths == hundredth
        drawn = (Drawn(weight, int(inside.sum()), int(right[inside].sum())),)
        bins.append(ScoreBin(float(scores[inside].mean()), drawn))
    return bins


def simulated(count, *, true, seed=1):
    dice = np.random.default_rng(seed)
    scores = dice.beta(5, 1.6, count)
    return binned(scores, dice.random(count) < true(scores))


@given(SAMPLES)
def test_pooling_adjacent_violators_is_scipys_isotonic_regression(samples):
    values, weights = (list(column) for column in zip(*samples, strict=True))
    fitted = optimize.isotonic_regression(values, weights=weights).x
    assert reliability.isotonic(values, weights) == pytest.approx(fitted, abs=1e-9)


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.lists(st.tuples(st.sampled_from([1.0, 20.0]), st.booleans()), min_size=1)),
        min_size=1,
        max_size=20,
        unique_by=lambda each: each[0],
    )
)
def test_the_parts_add_up_to_the_brier_score_and_none_is_negative(labels):
    bins = []
    rows = []
    for hundredth, drawn in sorted(labels):
        score = (hundredth + 0.5) / 100
        bins.append(ScoreBin(score, tuple(Drawn(weight, 1, int(right)) for weight, right in drawn)))
        rows += [(score, right, weight) for weight, right in drawn]
    parts = brier_parts(bins)
    scores, right, weights = (np.array(column, dtype=float) for column in zip(*rows, strict=True))

    assert parts.brier == pytest.approx(np.average((scores - right) ** 2, weights=weights))
    assert parts.brier == pytest.approx(parts.miscalibration - parts.discrimination + parts.uncertainty)
    base = np.average(right, weights=weights)
    assert parts.uncertainty == pytest.approx(np.average((base - right) ** 2, weights=weights))
    assert parts.miscalibration >= -1e-12
    assert parts.discrimination >= -1e-12


def test_steps_rise_and_hold_every_label():
    bins = simulated(2000, true=lambda scores: scores**2)
    pieces = steps(bins)

    assert sum(step.count for step in pieces) == 2000
    assert all(below.share < above.share for below, above in pairwise(pieces))
    assert all(below.high < above.low for below, above in pairwise(pieces))


def test_the_curve_of_a_calibrated_score_stays_in_its_band_about_as_often_as_it_says():
    inside = []
    for seed in range(60):
        bins = simulated(400, true=lambda scores: scores, seed=seed)
        band = consistency_band(bins, resamples=100)
        fitted = reliability.curve(bins)
        inside += [low <= value <= high for value, (low, high) in zip(fitted, band, strict=True)]

    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_a_score_that_promises_too_much_leaves_its_band_and_the_band_is_the_same_each_time():
    bins = simulated(2000, true=lambda scores: scores - 0.15)
    band = consistency_band(bins)
    below = [value < low for value, (low, _high) in zip(reliability.curve(bins), band, strict=True)]

    assert np.mean(below) > 0.8
    assert consistency_band(bins) == band


def test_labels_of_a_small_share_stand_for_more_and_make_the_interval_wider():
    even = pool([ScoreBin(0.9, (Drawn(1, 200, 180),))])
    mixed = pool([ScoreBin(0.9, (Drawn(1, 190, 180), Drawn(20, 10, 0)))])

    assert even.share == 0.9
    assert even.interval == pytest.approx(tuple(stats.binomtest(180, 200).proportion_ci(method="wilson")))
    assert mixed.share == pytest.approx(180 / 390)
    assert mixed.effective == pytest.approx(390**2 / (190 + 10 * 400))


def test_what_earlier_labels_showed_mends_the_later_ones():
    sure, calibrated = (lambda scores: scores - 0.2), (lambda scores: scores)
    mended = recalibrated(simulated(3000, true=sure, seed=1), simulated(1000, true=sure, seed=2))
    left = recalibrated(simulated(3000, true=calibrated, seed=3), simulated(1000, true=calibrated, seed=4))

    assert mended.gain_low > 0
    assert mended.gain == pytest.approx(0.04, abs=0.01)  # the square of what it promised too much
    assert left.gain_low < 0.002
    assert left.gain == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(
    ("count", "probability"), [(1, 0.3), (40, 0.97), (900, 0.8), (50_000, 0.5), (5, 0.0), (5, 1.0)]
)
def test_numbers_are_drawn_as_scipy_says_that_they_fall(count, probability):
    number, dice = reliability._binomial(count, probability), Random(3)  # noqa: S311  # a simulation
    drawn = np.array([number.draw(dice) for _ in range(4000)])
    spread = np.sqrt(count * probability * (1 - probability))

    assert drawn.mean() == pytest.approx(count * probability, abs=4 * spread / np.sqrt(4000) + 1e-9)
    assert drawn.std() == pytest.approx(spread, rel=0.05)
    assert number.sums == pytest.approx(
        stats.binom.cdf(np.arange(number.first, number.first + len(number.sums)), count, probability), abs=1e-8
    )
