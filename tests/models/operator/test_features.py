"""Features know nothing of what came later, and count what came before."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.operator.closing import closing_odds
from models.operator.features import Rows, Timeline, category_columns, rates_as_known, record_columns
from models.operator.history import History, Report
from models.operator.study import Material
from models.operator.targets import closed_within, recurs_within

HistoryOf = Callable[..., History]

row = st.tuples(
    st.integers(0, 100),
    st.one_of(st.none(), st.integers(0, 60)),
    st.sampled_from(["Leak", "Smell"]),
    st.sampled_from(["A", "B", None]),
)


def as_seen_at(history: History, index: int) -> History:
    """Only what was known when this report was made: no later report, no later closure."""
    now = history.reports[index].created_at
    known = [each for each in history.reports if each.created_at < now] + [history.reports[index]]
    blind = [
        replace(each, closed_at=None, closed=False) if each.closed_at is None or each.closed_at >= now else each
        for each in known
    ]
    return replace(history, reports=blind)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=25))
def test_no_feature_looks_ahead(history_of: HistoryOf, rows: list[tuple[int, int | None, str, str | None]]) -> None:
    history = history_of(
        *(
            (day, None if took is None else day + took, *rest)
            for day, took, *rest in sorted(rows, key=lambda each: each[0])
        )
    )
    whole = record_columns(history).values
    for index in range(len(rows)):
        np.testing.assert_array_equal(record_columns(as_seen_at(history, index)).values[-1], whole[index])


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(row, min_size=2, max_size=25), data=st.data())
def test_changing_what_comes_later_changes_no_earlier_feature(
    history_of: HistoryOf, rows: list[tuple[int, int | None, str, str | None]], data: st.DataObject
) -> None:
    """Whatever the targets' rates, the linear model and the calibration see, too."""
    history = history_of(
        *(
            (day, None if took is None else day + took, *rest)
            for day, took, *rest in sorted(rows, key=lambda each: each[0])
        )
    )
    moment = history.reports[data.draw(st.integers(0, len(rows) - 1))].created_at
    changed = replace(history, reports=[changed_after(each, moment, data) for each in history.reports])
    earlier = sum(each.created_at <= moment for each in history.reports)
    for before, after in zip(everything_seen(history), everything_seen(changed), strict=True):
        np.testing.assert_array_equal(before[:earlier], after[:earlier])


def changed_after(report: Report, moment: datetime, data: st.DataObject) -> Report:
    """Another ending where it had not ended by then; and another report altogether where it was not made by then."""
    if report.closed_at is not None and report.closed_at < moment:
        return report
    ends = data.draw(st.one_of(st.none(), st.integers(0, 60)))
    start = max(report.created_at, moment)
    changed = replace(
        report,
        closed_at=None if ends is None else start + timedelta(days=ends),
        closed=data.draw(st.booleans()) if ends is None else True,
        undecided=data.draw(st.sampled_from([None, True])) if ends is None else None,
    )
    if report.created_at <= moment:
        return changed
    return replace(changed, own_category=data.draw(st.sampled_from(["Leak", "Smell", "Noise"])), place="A", text="new")


def everything_seen(history: History) -> list[Rows]:
    """All columns that any model of closing or recurrence may look at, of reports with those two categories."""
    timeline = Timeline.of(history)
    material = Material(
        history, timeline, record_columns(history), category_columns(history, ["Leak", "Smell"]), texts={}
    )
    targets = (closed_within(history, timeline, 30.0), recurs_within(history, timeline, 90.0))
    seen = [material.inputs(target) for target in targets]
    return [each for one in seen for each in (one.sets["record+category"].values, one.design.values, one.levels.values)]


def test_odds_follow_what_is_being_closed_a_day_behind() -> None:
    """300 reports of which each lives long, then a day's work closes half: the odds rise on the next day only."""
    created = np.concatenate([np.linspace(0.0, 9.9, 300), [10.5, 11.5, 60.5]])
    closed = np.full(303, np.nan)
    closed[:300:2] = 10.25
    for odds in closing_odds(created, closed, [""] * 303).values():
        before, same_day, next_day, later = odds[299:]
        assert same_day < before
        assert next_day > same_day + 1.0
        assert later < next_day


def test_an_early_success_does_not_count_before_a_failure_could(history_of: HistoryOf) -> None:
    history = history_of(
        (0.0, 1.0, "Leak", None), (0.5, None, "Leak", None), (20.0, None, "Leak", None), (40.0, None, "Leak", None)
    )
    timeline = Timeline.of(history)
    outcomes, settled_after = np.array([1.0, 0.0, 0.0, 0.0]), np.full(4, 30.0)
    rates = rates_as_known(timeline, timeline.categories, outcomes, settled_after)
    assert np.isnan(rates[:3]).all()
    assert rates[3] == 0.5


def test_the_past_of_a_place_is_counted(history_of: HistoryOf) -> None:
    history = history_of(
        (0.0, 4.0, "Leak", "A"), (10.0, None, "Leak", "A"), (11.0, None, "Leak", "B"), (20.0, None, "Leak", "A")
    )
    columns = record_columns(history)
    last = dict(zip(columns.names, columns.values[-1].tolist(), strict=True))
    assert last["place_matter_count"] == 2.0
    assert last["place_matter_open"] == 1.0
    assert last["place_matter_closing_days"] == 4.0
    assert last["place_matter_days_since_report"] == 10.0
    assert last["category_open"] == 2.0
