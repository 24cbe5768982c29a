"""Probabilities and quantiles against what happened: exact on small cases, sound on any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.request import Estimate
from deployments.request_management.calibration import LEVELS, EstimateTally, ReliabilityTally

cases = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60)
positive = st.floats(0, 1e6)


def tallied(found: list[tuple[float, bool]]) -> ReliabilityTally:
    tally = ReliabilityTally()
    for probability, happened in found:
        tally.add(probability, happened)
    return tally


@given(cases)
def test_the_bins_hold_every_case_once_and_only_shares(found: list[tuple[float, bool]]) -> None:
    told = tallied(found).reliability()
    assert told.count == len(found) == sum(one.happened.count for one in told.bins)
    right = sum(one.happened.share * one.happened.count for one in told.bins)
    assert right == pytest.approx(sum(happened for _, happened in found))
    assert [one.begin for one in told.bins] == sorted(one.begin for one in told.bins)
    for one in told.bins:
        # A mean of numbers in a bin may leave it by a rounding.
        assert one.begin - 1e-9 <= one.mean_predicted <= one.end + 1e-9
        assert 0 <= one.happened.low <= one.happened.share + 1e-12 <= one.happened.high + 2e-12
    if not found:
        assert (told.brier_score, told.mean_predicted, told.happened) == (None, None, None)
        return
    assert told.happened is not None
    assert told.brier_score == pytest.approx(sum((p - y) ** 2 for p, y in found) / len(found))


def test_four_cases_by_hand() -> None:
    told = tallied([(0.12, False), (0.18, True), (0.9, True), (1.0, True)]).reliability()
    assert [(one.begin, one.end, one.happened.count) for one in told.bins] == [(0.1, 0.2, 2), (0.9, 1.0, 2)]
    assert [one.happened.share for one in told.bins] == [0.5, 1.0]
    assert [one.mean_predicted for one in told.bins] == pytest.approx([0.15, 0.95])
    assert told.brier_score == pytest.approx((0.12**2 + 0.82**2 + 0.1**2) / 4)
    assert told.mean_predicted == pytest.approx(0.55)
    assert told.happened is not None
    assert told.happened.share == 0.75


def estimate(scale: float = 1.0, *, simulated: bool = True) -> Estimate:
    deciles = tuple(scale * tenth for tenth in range(1, 10)) if simulated else ()
    return Estimate(mean=5 * scale, p50=5 * scale, p90=9 * scale, deciles=deciles)


@given(st.lists(st.tuples(positive, positive), max_size=40))
def test_coverage_never_falls_from_one_quantile_to_the_next(found: list[tuple[float, float]]) -> None:
    tally = EstimateTally()
    for scale, actual in found:
        tally.add(estimate(scale), actual)
    told = tally.check()
    shares = [one.held.share for one in told.deciles]
    assert shares == sorted(shares)
    assert told.count == len(found)
    if found:
        assert [one.level for one in told.deciles] == list(LEVELS)
        assert told.within_p50 is not None
        assert told.within_p90 is not None
        assert (told.within_p50.share, told.within_p90.share) == (shares[4], shares[8])


def test_five_cases_by_hand() -> None:
    tally = EstimateTally()
    for actual in (1.0, 5.0, 6.0, 9.0, 20.0):
        tally.add(estimate(), actual)
    told = tally.check()
    assert told.within_p50 is not None
    assert told.within_p90 is not None
    assert (told.within_p50.share, told.within_p90.share) == (0.4, 0.8)
    # Errors: -4, 0, 1, 4, 15.
    assert (told.median_error, told.median_absolute_error) == (1.0, 4.0)
    assert [one.held.share for one in told.deciles] == [0.2, 0.2, 0.2, 0.2, 0.4, 0.6, 0.6, 0.6, 0.8]


def test_what_nobody_simulated_has_no_deciles() -> None:
    tally = EstimateTally()
    tally.add(estimate(simulated=False), 3.0)
    told = tally.check()
    assert (told.count, told.deciles) == (1, ())
    empty = EstimateTally().check()
    assert (empty.count, empty.within_p50, empty.within_p90, empty.median_error) == (0, None, None, None)
