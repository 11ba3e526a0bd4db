"""The statistics of thresholds, levels and gates; how often a claim is wrong, `manage.py bench evidence` measures."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from approvals.evidence.guarantees import (
    CatchRate,
    Decline,
    Promotion,
    ThresholdCertifier,
    labels_needed,
    may_lose_gate,
)
from approvals.evidence.guarantees.evalues import BETS, Tally, log_closed
from tests.evidence.counters import GRID, SHARES, STEADY, catch_rate, tally_of, through_json

BARS = st.floats(0.005, 0.3)
LABELS = st.lists(st.tuples(st.booleans(), st.sampled_from(SHARES)), max_size=60)


# --- What is needed


@pytest.mark.parametrize(
    ("target", "thresholds", "labels"), [(0.05, 1, 88), (0.02, 1, 224), (0.01, 1, 449), (0.05, 10, 142)]
)
def test_so_many_fair_labels_without_a_fault_are_needed(target, thresholds, labels):
    assert labels_needed(target, thresholds=thresholds) == labels


def test_readers_who_caught_90_of_100_need_135():
    assert labels_needed(catch_floor=catch_rate(100, 90)) == 135


@pytest.mark.parametrize("share", SHARES)
def test_a_level_is_earned_by_exactly_those(share):
    promotion = Promotion(bar=0.05)
    for _ in range(87):
        promotion.see(wrong=False, share=share)

    assert (promotion.earned, promotion.needed) == (False, 1)
    promotion.see(wrong=False, share=share)
    assert (promotion.earned, promotion.needed) == (True, 0)


def test_what_is_needed_next_is_what_certifies_next():
    certifier = ThresholdCertifier(GRID, start=0.9)
    certifier.see(score=0.92, wrong=True)
    for _ in range(certifier.needed):
        assert certifier.certified is None
        certifier.see(score=0.92, wrong=False)

    assert certifier.certified == 0.5


def test_readers_of_whom_nothing_is_known_open_nothing():
    certifier = ThresholdCertifier(GRID, catch_floor=CatchRate())
    for _ in range(2000):
        certifier.see(score=0.99, wrong=False)

    assert certifier.certified is None
    assert certifier.needed is None
    assert labels_needed(catch_floor=0) is None


# --- E


@STEADY
@given(st.integers(1, 400), st.integers(0, 20), BARS)
def test_the_closed_form_is_the_integral(labels, wrong, bar):
    if wrong >= bar * labels:
        return

    def ratio(p: float) -> float:
        return (p / bar) ** wrong * ((1 - p) / (1 - bar)) ** (labels - wrong) / bar

    integral, _ = integrate.quad(ratio, 0, bar, points=[wrong / labels], limit=200)
    assert math.exp(log_closed(labels, wrong, bar)) == pytest.approx(integral, rel=1e-6)


@pytest.mark.parametrize(("labels", "wrong"), [(1, 1), (100, 5), (100_000, 9_000), (10_000_000, 9_000_000)])
def test_no_evidence_where_as_many_are_wrong_as_the_bar(labels, wrong):
    assert Tally(labels=labels, proposals=labels, wrong={1.0: wrong}, least=1.0).log_e(0.05) == -math.inf


def test_millions_of_labels_overflow_nothing():
    promotion = Promotion(bar=0.05)
    promotion._tally = Tally(labels=10_000_000, proposals=10_000_000, wrong={1.0: 1000}, least=1.0)

    best = 1000 * math.log(0.0001 / 0.05) + 9_999_000 * math.log(0.9999 / 0.95)
    assert promotion.e == math.inf
    assert promotion._tally.log_e(0.05) == pytest.approx(best, rel=1e-4)


@STEADY
@given(LABELS)
def test_where_shares_differ_e_is_the_mean_over_the_bets(labels):
    tally = tally_of(labels)
    shares = {share for _, share in labels}
    if len(shares) < 2:
        return
    alive = [bet for bet in BETS if 1 + bet * (0.05 - 1 / min(shares)) >= 0]
    products = [math.prod(1 + bet * (0.05 - wrong / share) for wrong, share in labels) for bet in alive]

    assert math.exp(tally.log_e(0.05)) == pytest.approx(sum(products) / len(BETS))


@STEADY
@given(LABELS, st.randoms(use_true_random=False))
def test_e_follows_from_counters_in_any_order(labels, chance):
    shuffled = chance.sample(labels, len(labels))

    assert tally_of(shuffled).log_e(0.05) == pytest.approx(tally_of(labels).log_e(0.05))


@STEADY
@given(LABELS, st.integers(0, 60), BARS, BARS)
def test_e_rises_with_the_bar_so_that_a_bar_too_low_is_never_too_easy(labels, fewest, bar, other):
    tally = tally_of(labels, fewest)
    low, high = sorted((bar, other))

    assert tally.log_e(low) <= tally.log_e(high) + 1e-9


@STEADY
@given(LABELS, st.integers(0, 60), BARS, st.floats(0.1, 100))
def test_the_shortcut_to_a_level_says_what_e_says(labels, fewest, bar, level):
    tally = tally_of(labels, fewest)
    log_e = tally.log_e(bar)
    if abs(log_e - math.log(level)) > 1e-9:
        assert tally.reaches(level, bar) == (log_e >= math.log(level))


def test_what_is_never_drawn_ends_the_bet():
    promotion = Promotion()
    for _ in range(50):
        promotion.see(wrong=False)
    promotion.pass_unseen(share=0)
    for _ in range(500):
        promotion.see(wrong=False)

    assert promotion.e == 0
    assert promotion.needed is None


@pytest.mark.parametrize("bar", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("small", [0.5, 0.05])
@pytest.mark.parametrize(("fewest", "faults"), [(1000, (0.5, 2, 0.5)), (1, (1, 1, 1)), (2, (1, 1, 1))])
def test_e_is_1_on_average_at_the_bar_by_every_way_of_drawing(bar, small, fewest, faults):
    """Every history of three proposals, weighed by its chance; `faults` in bars, one with a share of its own."""
    steps = list(zip((1.0, small, 1.0) if fewest > 2 else (1.0, 1.0, small), faults, strict=True))
    total = 0.0
    for history in range(3 ** len(steps)):
        tally, chance, rest = Tally(fewest=fewest), 1.0, history
        for share, fault in steps:
            rest, outcome = divmod(rest, 3)
            p = fault * bar
            chance *= (1 - share, share * (1 - p), share * p)[outcome]
            if chance and outcome == 0:
                tally.pass_unseen(share=share)
            elif chance:
                tally.see(wrong=outcome == 2, share=share)
        total += chance * math.exp(tally.log_e(bar)) if chance else 0

    assert total <= 1 + 1e-12


def test_a_share_that_changes_late_gives_no_second_try():
    """What the first form has won is the stake of the bets on what follows."""
    tally = tally_of([(False, 1.0)] * 100 + [(False, 0.5), (True, 1.0)], fewest=88)
    mean = sum((1 + bet * 0.05) * (1 + bet * (0.05 - 1)) for bet in BETS if 1 + bet * (0.05 - 2) >= 0) / len(BETS)

    assert tally.stake == (100, 0, 1.0)
    assert math.exp(tally.log_e(0.05)) == pytest.approx(math.exp(log_closed(100, 0, 0.05)) * mean)


def test_a_missing_label_counts_as_wrong_until_it_is_there():
    late, early = Promotion(), Promotion()
    late.see(wrong=True)
    for _ in range(40):
        late.see(wrong=False)
        early.see(wrong=False)
    early.see(wrong=False)

    assert late.e < early.e
    late.correct()
    assert late.e == early.e
    with pytest.raises(ValueError, match="no label of share"):
        late.correct()


def test_estimates_have_no_bias_where_shares_depend_on_quality():
    chance, rates = random.Random(5), []  # noqa: S311
    for _ in range(400):
        tally = Tally(fewest=1000)
        for _ in range(500):
            share, p = (1.0, 0.01) if chance.random() < 0.6 else (0.05, 0.2)
            if chance.random() < share:
                tally.see(wrong=chance.random() < p, share=share)
            else:
                tally.pass_unseen(share=share)
        rates.append(tally.rate)
    mean = sum(rates) / len(rates)
    error = math.sqrt(sum((rate - mean) ** 2 for rate in rates)) / len(rates)

    assert abs(mean - 0.086) < 3 * error


# --- Counters that are kept


@STEADY
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from(SHARES)), max_size=40), st.integers(0, 40))
def test_whoever_goes_on_from_the_kept_counters_gets_the_same(steps, stop):
    straight = ThresholdCertifier(GRID, start=0.9), Promotion(), Decline(false_alarm_every=100)
    kept = ThresholdCertifier(GRID, start=0.9), Promotion(), Decline(false_alarm_every=100)
    for number, (score, wrong, share) in enumerate(steps):
        if number == stop:
            kept = tuple(type(each).restored(through_json(each.state)) for each in kept)
        for certifier, promotion, decline in (straight, kept):
            if share < 1 and not wrong:
                certifier.pass_unseen(score=score, share=share)
                promotion.pass_unseen(share=share)
                decline.pass_unseen(share=share)
            else:
                certifier.see(score=score, wrong=wrong, share=share)
                promotion.see(wrong=wrong, share=share)
                decline.see(wrong=wrong, share=share)

    assert [each.state for each in kept] == [each.state for each in straight]


def test_numbers_of_numpy_are_kept_like_others():
    kept = []
    for numbers in (np.float64, float):
        certifier, decline = ThresholdCertifier(GRID), Decline()
        certifier.see(score=numbers(0.9), wrong=np.bool_(True), share=numbers(0.05))
        certifier.pass_unseen(score=numbers(0.9), share=numbers(0.5))
        decline.see(wrong=np.bool_(True), share=numbers(0.05))
        kept.append((through_json(certifier.state), through_json(decline.state)))

    assert kept[0] == kept[1]
    assert ThresholdCertifier.restored(kept[0][0]).state == kept[0][0]


def test_a_catch_rate_is_kept_beside_what_uses_it():
    rate = CatchRate.restored(through_json(catch_rate(100, 90).state))
    promotion = Promotion(catch_floor=rate)

    assert rate.floor == catch_rate(100, 90).floor
    assert Promotion.restored(through_json(promotion.state), catch_floor=rate).needed == 135
    with pytest.raises(ValueError, match="with a catch rate"):
        Promotion.restored(promotion.state)
    with pytest.raises(ValueError, match="without a catch rate"):
        ThresholdCertifier.restored(ThresholdCertifier(GRID).state, catch_floor=rate)


# --- What makes no sense


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ThresholdCertifier(()), "grid"),
        (lambda: ThresholdCertifier((0.7, 0.5)), "rising order"),
        (lambda: ThresholdCertifier((0.5, 1.5)), "threshold is 1.5"),
        (lambda: ThresholdCertifier(GRID, start=0.91), "start is 0.91"),
        (lambda: ThresholdCertifier(GRID, target=0), "target is 0"),
        (lambda: ThresholdCertifier(GRID, delta=1), "delta is 1"),
        (lambda: ThresholdCertifier(GRID, catch_floor=1.2), "catch_floor is 1.2"),
        (lambda: ThresholdCertifier(GRID, catch_floor=CatchRate(0.05)), "at most half"),
        (lambda: ThresholdCertifier(GRID).see(score=1.1, wrong=False), "score is 1.1"),
        (lambda: ThresholdCertifier(GRID).see(score=math.nan, wrong=False), "score is nan"),
        (lambda: ThresholdCertifier(GRID).see(score=0.9, wrong=False, share=0), "share is 0"),
        (lambda: ThresholdCertifier(GRID).see(score=0.9, wrong=False, share=1.5), "share is 1.5"),
        (lambda: ThresholdCertifier(GRID).pass_unseen(score=0.9, share=-0.1), "share is -0.1"),
        (lambda: Promotion().pass_unseen(share=1), "all are drawn"),
        (lambda: Promotion(bar=1.5), "target is 1.5"),
        (lambda: CatchRate(0), "delta is 0"),
        (lambda: Decline(bar=0), "bar is 0"),
        (lambda: Decline(false_alarm_every=0.5), "at least 1"),
        (lambda: Decline().see(wrong=True, share=2), "share is 2"),
        (lambda: Decline().see(wrong=True, share=0), "share is 0"),
        (lambda: Decline().pass_unseen(share=1), "all are drawn"),
        (lambda: may_lose_gate([1, -1]), "at least 0"),
        (lambda: may_lose_gate([1], fdr=0), "fdr is 0"),
    ],
)
def test_nonsense_is_refused_with_its_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_score_that_is_refused_counts_nowhere():
    certifier = ThresholdCertifier(GRID)
    before = certifier.state
    for score, share in ((1.1, 1.0), (0.9, 1.5), (0.3, 1.5)):
        with pytest.raises(ValueError, match=r"is 1\."):
            certifier.see(score=score, wrong=False, share=share)

    assert certifier.state == before
