"""Signal detection and reliability, against published values and by hand."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from approvals.evidence.detection import Detection, reliability


def test_sensitivity_and_criterion_are_the_textbooks():
    """Hits 20 of 25, false alarms 10 of 25: H 0.788, F 0.404 after the log-linear correction."""
    seen = Detection(faults=25, hits=20, clean=25, alarms=10)
    z_hits, z_alarms = stats.norm.ppf(20.5 / 26), stats.norm.ppf(10.5 / 26)

    assert seen.sensitivity.value == pytest.approx(z_hits - z_alarms)
    assert seen.sensitivity.value == pytest.approx(1.044, abs=0.001)
    assert seen.criterion.value == pytest.approx(-(z_hits + z_alarms) / 2)


def test_the_intervals_are_as_wide_as_repetitions_spread():
    dice = np.random.default_rng(4)
    hits, alarms = dice.binomial(200, 0.8, 4000), dice.binomial(200, 0.3, 4000)
    drawn = [Detection(200, int(hit), 200, int(alarm)) for hit, alarm in zip(hits, alarms, strict=True)]
    true = stats.norm.ppf(0.8) - stats.norm.ppf(0.3)
    inside = np.mean([each.sensitivity.low <= true <= each.sensitivity.high for each in drawn])

    assert inside == pytest.approx(0.95, abs=3 * sqrt(0.05 * 0.95 / 4000) + 0.01)


@pytest.mark.parametrize("all_found", [Detection(10, 10, 10, 0), Detection(10, 0, 10, 10)])
def test_all_and_none_stay_finite(all_found):
    assert abs(all_found.sensitivity.value) < 4


@pytest.mark.parametrize("one_sided", [Detection(), Detection(faults=9, hits=9), Detection(clean=4)])
def test_nothing_is_estimated_of_one_kind_alone(one_sided):
    assert one_sided.sensitivity is None
    assert one_sided.criterion is None


def test_reliability_steps_the_correlation_of_the_halves_up():
    answers = [[True] * 8, [True, True, False, True] * 2, [False, True] * 4, [False, False, True, False] * 2]
    odd, even = (np.array([np.mean(each[start::2]) for each in answers]) for start in (0, 1))
    r = np.corrcoef(odd, even)[0, 1]

    assert reliability(answers) == pytest.approx(2 * r / (1 + r))


@pytest.mark.parametrize("answers", [[], [[True, False]] * 2, [[True] * 6] * 5])
def test_too_few_people_and_people_who_are_all_alike_have_none(answers):
    assert reliability(answers) is None
