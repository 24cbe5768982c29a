"""Figures of the evaluation: by hand, and against what is known of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.text.figures import (
    calibration,
    confusion,
    coverage_curve,
    label_figures,
    macro_f1_gain,
    macro_f1_interval,
    share,
)
from models.text.measures import macro_f1

PLACES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=25)
@given(PLACES)
def test_macro_f1_is_that_of_the_measures(pairs: list[tuple[int, int]]) -> None:
    actual, predicted = (np.array(column, dtype=np.intp) for column in zip(*pairs, strict=True))
    assert macro_f1_interval(actual, predicted, 3).value == pytest.approx(macro_f1(actual, predicted))


def test_an_interval_holds_the_value_and_narrows_with_more_messages() -> None:
    random = np.random.default_rng(2)

    def interval(count: int) -> tuple[float, float]:
        actual = random.integers(0, 3, count)
        predicted = np.where(random.random(count) < 0.8, actual, random.integers(0, 3, count))
        found = macro_f1_interval(actual, predicted, 3)
        assert found.low <= found.value <= found.high
        return found.low, found.high

    few, many = interval(100), interval(4000)
    assert many[1] - many[0] < 0.3 * (few[1] - few[0])


def test_what_is_none_of_the_labels_counts_against_those_found_there() -> None:
    actual, predicted = np.array([0, 0, 1, 2]), np.array([0, 2, 1, 1])
    found = macro_f1_interval(actual, predicted, 2).value
    assert found == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_a_gain_over_itself_is_nothing_and_over_worse_is_certain() -> None:
    actual = np.arange(300) % 3
    worse = np.where(np.arange(300) % 5 == 0, (actual + 1) % 3, actual)
    assert macro_f1_gain(actual, actual, actual, 3).high == 0.0
    gain = macro_f1_gain(actual, actual, worse, 3)
    assert gain.low > 0.1
    assert gain.value == pytest.approx(0.2, abs=0.01)


def test_wilson_by_hand() -> None:
    """The example of Wilson's formula at 8 of 10."""
    found = share(8, 10)
    assert (found.value, round(found.low, 3), round(found.high, 3)) == (0.8, 0.49, 0.943)
    assert share(10, 10).high == pytest.approx(1.0)
    assert share(10, 10).low < 0.8
    assert math.isnan(share(0, 0).value)


def test_label_figures_by_hand() -> None:
    (first, second) = label_figures(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), ["a", "b", "never"])
    assert (first.label, first.support, first.precision.value, first.recall.value) == ("a", 2, 1.0, 0.5)
    assert second.f1.value == pytest.approx(0.8)


def test_confusion_counts_true_labels_in_rows() -> None:
    assert confusion(np.array([0, 0, 1]), np.array([1, 1, 1]), 2) == ((0, 2), (0, 1))


def test_honest_confidence_errs_as_chance_does_and_false_confidence_more() -> None:
    random = np.random.default_rng(4)
    stated = random.uniform(0.3, 1.0, 3000)
    honest = calibration(stated, random.random(3000) < stated)
    boastful = calibration(stated, random.random(3000) < stated - 0.2)
    assert honest.error.value < 2 * honest.by_chance
    assert boastful.error.value == pytest.approx(0.2, abs=0.03)
    assert sum(each.count for each in honest.bins) == 3000


def test_coverage_by_hand() -> None:
    confidences, right = np.array([0.2, 0.6, 0.9, 1.0]), np.array([False, False, True, True])
    curve = coverage_curve(confidences, right, points=5)
    assert [(p.floor, p.coverage, p.accuracy) for p in curve] == [
        (0.0, 1.0, 0.5),
        (0.25, 0.75, pytest.approx(2 / 3)),
        (0.5, 0.75, pytest.approx(2 / 3)),
        (0.75, 0.5, 1.0),
        (1.0, 0.25, 1.0),
    ]
