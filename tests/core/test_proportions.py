"""Intervals of shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.proportions import wilson_interval

parts = st.integers(1, 5000).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole)))


@given(parts)
def test_it_holds_the_share_and_stays_between_0_and_1(case: tuple[int, int]) -> None:
    part, whole = case
    low, high = wilson_interval(part, whole)
    assert 0 <= low <= part / whole + 1e-12
    assert part / whole - 1e-12 <= high <= 1
    mirrored = wilson_interval(whole - part, whole)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))


@given(parts)
def test_it_is_narrower_with_ten_times_the_cases(case: tuple[int, int]) -> None:
    (low, high), (lower, higher) = wilson_interval(*case), wilson_interval(case[0] * 10, case[1] * 10)
    assert higher - lower < high - low


def test_of_known_shares() -> None:
    # 81 of 263, as in R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3; and the others of it.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize("case", [(0, 0), (2, 1), (-1, 4)])
def test_what_is_no_share_is_refused(case: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson_interval(*case)
