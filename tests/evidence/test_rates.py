import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.evidence.rates import Rate, wilson


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_published_one(part, whole, low, high):
    assert wilson(part, whole) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_the_interval_stays_inside_and_holds_the_share(counted):
    part, whole = counted
    low, high = wilson(part, whole)
    assert 0 <= low <= part / whole <= high <= 1


def test_a_share_of_nothing_is_not_zero():
    assert Rate(0, 0).share is None
    assert (Rate(0, 0).low, Rate(0, 0).high) == (0, 1)
