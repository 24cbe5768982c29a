"""Targets: what the export does not settle is unknown, and never a no."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from models.operator.durations import usable
from models.operator.features import Timeline
from models.operator.history import History
from models.operator.targets import breaches_target, closed_within, is_escalated, recurs_within

HistoryOf = Callable[..., History]
UNKNOWN = math.nan


def test_an_unfinished_window_is_neither_yes_nor_no(history_of: HistoryOf) -> None:
    history = history_of(
        (0.0, 10.0, "Leak", None), (1.0, 90.0, "Leak", None), (2.0, None, "Leak", None),
        (80.0, None, "Leak", None), (81.0, 82.0, "Leak", None), until=100.0,
    )  # fmt: skip
    target = closed_within(history, Timeline.of(history), 30.0)
    np.testing.assert_array_equal(target.outcomes, [1.0, 0.0, 0.0, UNKNOWN, UNKNOWN])


def test_a_report_comes_back_at_its_place_only_with_the_same_matter(history_of: HistoryOf) -> None:
    history = history_of(
        (0.0, None, "Leak", "A"), (1.0, None, "Smell", "A"), (2.0, None, "Leak", "B"), (3.0, None, "Leak", None),
        (50.0, None, "Leak", "A"), (200.0, None, "Leak", "A"), (250.0, None, "Leak", "A"), until=300.0,
    )  # fmt: skip
    target = recurs_within(history, Timeline.of(history), 90.0)
    np.testing.assert_array_equal(target.outcomes, [1.0, 0.0, 0.0, UNKNOWN, 0.0, 1.0, UNKNOWN])


def test_new_reports_may_end_before_closures_do(history_of: HistoryOf) -> None:
    history = history_of((0.0, None, "Leak", "A"), (50.0, None, "Leak", "A"), until=60.0, closures=400.0)
    timeline = Timeline.of(history)
    assert closed_within(history, timeline, 90.0).known == 2
    assert recurs_within(history, timeline, 90.0).known == 0


def test_what_the_export_does_not_tell_is_missing(history_of: HistoryOf) -> None:
    history = history_of((0.0, None, "Leak", "A"))
    for target in (breaches_target(history, Timeline.of(history)), is_escalated(history, Timeline.of(history))):
        assert target.lacks(1) == "the export has nothing that tells"


def test_an_undecided_report_has_no_label_of_closing_but_counts_for_recurrence(history_of: HistoryOf) -> None:
    history = history_of((0.0, None, "Leak", "A"), (1.0, 3.0, "Leak", "B"), (2.0, None, "Leak", "A"), until=200.0)
    reports = [replace(each, undecided=True, target_hours=24.0) for each in history.reports[::2]]
    history = replace(history, reports=[reports[0], replace(history.reports[1], target_hours=24.0), reports[1]])
    timeline = Timeline.of(history)
    for target, known in ((closed_within(history, timeline, 30.0), 1.0), (breaches_target(history, timeline), 1.0)):
        np.testing.assert_array_equal(target.outcomes, [UNKNOWN, known, UNKNOWN])
        assert target.undecided == 2
        assert not np.isnan(target.counted).any(), "nobody could know then that they would stay undecided"
    np.testing.assert_array_equal(usable(timeline), [1])
    np.testing.assert_array_equal(recurs_within(history, timeline, 90.0).outcomes, [1.0, 0.0, 0.0])
