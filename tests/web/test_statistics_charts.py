"""Pictures of the statistics: every case is in them, and they can be drawn."""

from typing import Any

import pytest

from web.charts import draw
from web.language import words_in
from web.statistics_charts import calibration_chart, coverage_chart, group_name, groups_chart, trend_chart

ENGLISH, SPANISH = words_in("en", "America/New_York"), words_in("es", "America/New_York")


def week(begin: str, volume: int, met: float | None, *, complete: bool = True) -> dict[str, Any]:
    return {
        "begin": begin,
        "end": begin,
        "complete": complete,
        "statistics": {"volume": volume, "resolution_sla_met": met},
    }


WEEKS = [
    week("2026-02-16T05:00:00.000Z", 4, 0.75),
    week("2026-02-23T05:00:00.000Z", 0, None),
    week("2026-03-02T05:00:00.000Z", 2, 1.0, complete=False),
]


def held(count: int, share: float) -> dict[str, Any]:
    return {"count": count, "share": share, "low": max(0.0, share - 0.1), "high": min(1.0, share + 0.1)}


BINS = [
    {"begin": 0.1, "end": 0.2, "mean_predicted": 0.15, "happened": held(40, 0.2)},
    {"begin": 0.8, "end": 0.9, "mean_predicted": 0.85, "happened": held(12, 0.75)},
]


def test_the_trend_holds_every_week_in_its_order() -> None:
    rows = trend_chart(WEEKS, ENGLISH)["data"]["values"]
    assert [(row["day"], row["volume"], row["met"]) for row in rows] == [
        ("Feb 16", 4, 0.75),
        ("Feb 23", 0, None),
        ("Mar 2", 2, 1.0),
    ]
    assert [row["complete"] for row in rows] == [True, True, False]
    assert trend_chart(WEEKS, SPANISH)["data"]["values"][2]["day"] != "Mar 2"


def test_days_of_a_long_period_have_their_year() -> None:
    rows = trend_chart([week("2024-12-30T05:00:00.000Z", 1, None), *WEEKS], ENGLISH)["data"]["values"]
    assert rows[0]["day"] == "Dec 30, 2024"
    assert len({row["day"] for row in rows}) == 4


def test_groups_keep_their_order_and_their_names() -> None:
    groups = [
        {"value": "hvac", "statistics": {"volume": 3, "resolution_sla_met": 0.5}},
        {"value": None, "statistics": {"volume": 1, "resolution_sla_met": None}},
    ]
    chart = groups_chart(groups, ENGLISH)
    assert [row["group"] for row in chart["data"]["values"]] == ["Heating and cooling", "Not known yet"]
    assert chart["vconcat"][0]["encoding"]["y"]["sort"] == ["Heating and cooling", "Not known yet"]
    assert group_name("B", ENGLISH) == "B"


def test_a_calibration_shows_each_bin_with_its_interval_and_the_diagonal() -> None:
    chart = calibration_chart(BINS, ENGLISH)
    assert [(row["predicted"], row["share"], row["count"]) for row in chart["data"]["values"]] == [
        (0.15, 0.2, 40),
        (0.85, 0.75, 12),
    ]
    assert chart["layer"][0]["data"]["values"] == [{"predicted": 0, "share": 0}, {"predicted": 1, "share": 1}]


def test_a_coverage_goes_by_percentiles() -> None:
    deciles = [{"level": tenth / 10, "held": held(30, tenth / 10)} for tenth in range(1, 10)]
    rows = coverage_chart(deciles, ENGLISH)["data"]["values"]
    assert [row["predicted"] for row in rows] == [tenth / 10 for tenth in range(1, 10)]


@pytest.mark.parametrize("words", [ENGLISH, SPANISH], ids=["en", "es"])
def test_all_can_be_drawn_without_a_colour_of_their_own(words: Any) -> None:
    groups = [{"value": "B", "statistics": {"volume": 3, "resolution_sla_met": 0.5}}]
    for chart in (trend_chart(WEEKS, words), groups_chart(groups, words), calibration_chart(BINS, words)):
        drawn = draw(chart, "What it shows")
        assert drawn.count("<svg") == 1
        assert 'aria-label="What it shows"' in drawn
        assert "style=" not in drawn
        for colour in ("#000", "#888", "black", "steelblue", "#4c78a8", "white"):
            assert f'"{colour}"' not in drawn, colour
