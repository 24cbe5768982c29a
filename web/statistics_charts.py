"""Pictures of how requests went: over time, by group, and predictions against what happened."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from babel.dates import format_date

from web.language import Words
from web.wording import label

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
WIDTH = 300
HEIGHT = 130
SQUARE = 240
SHARE: Mapping[str, Any] = {"format": ".0%", "values": [0, 0.25, 0.5, 0.75, 1]}
LONG_PERIOD = 300
"""Days from which on a date needs its year."""


def trend_chart(items: Sequence[Mapping[str, Any]], words: Words) -> dict[str, Any]:
    """The number of requests as bars, and below it the share that was done in time; a part of an interval is faint."""
    days = _day_names(items, words)
    rows = [
        {
            "day": day,
            "volume": item["statistics"]["volume"],
            "met": item["statistics"]["resolution_sla_met"],
            "complete": item["complete"],
        }
        for day, item in zip(days, items, strict=True)
    ]
    x = {"field": "day", "type": "ordinal", "sort": days, "title": None}
    x |= {"axis": {"labelAngle": -45, "labelOverlap": True}}
    faint = {"condition": {"test": "datum.complete", "value": 1}, "value": 0.5}
    met = {"field": "met", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]}, "axis": SHARE}
    return {
        "$schema": SCHEMA,
        "data": {"values": rows},
        "spacing": 16,
        "vconcat": [
            {
                **_panel(words.gettext("Requests")),
                "mark": {"type": "bar"},
                "encoding": {"x": x, "y": _count("volume"), "opacity": faint},
            },
            {
                **_panel(words.gettext("Done in time")),
                "layer": [
                    {"mark": {"type": "line", "invalid": "filter"}, "encoding": {"x": x, "y": met}},
                    {
                        "mark": {"type": "point", "invalid": "filter", "opacity": 1},
                        "encoding": {"x": x, "y": met, "opacity": faint},
                    },
                ],
            },
        ],
    }


def _day_names(items: Sequence[Mapping[str, Any]], words: Words) -> list[str]:
    begins = [words.local(datetime.fromisoformat(item["begin"])).date() for item in items]
    is_long = bool(begins) and (begins[-1] - begins[0]).days > LONG_PERIOD
    return [format_date(day, "MMM d, yyyy" if is_long else "MMM d", locale=words.locale) for day in begins]


def _panel(title: str) -> dict[str, Any]:
    return {"width": WIDTH, "height": HEIGHT, "title": {"text": title, "anchor": "start", "fontWeight": "normal"}}


def _count(field: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": None, "axis": {"tickMinStep": 1, "tickCount": 4}}


def groups_chart(groups: Sequence[Mapping[str, Any]], words: Words) -> dict[str, Any]:
    """One row for each group: how many requests, and below it the share that was done in time."""
    names = [group_name(group["value"], words) for group in groups]
    rows = [
        {
            "group": name,
            "volume": group["statistics"]["volume"],
            "met": group["statistics"]["resolution_sla_met"],
        }
        for name, group in zip(names, groups, strict=True)
    ]
    y = {"field": "group", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 150}}
    met = {"field": "met", "type": "quantitative", "title": None, "scale": {"domain": [0, 1]}, "axis": SHARE}

    def bars(title: str, x: Mapping[str, Any]) -> dict[str, Any]:
        mark = {"type": "bar", "height": 14}
        return {**_panel(title), "height": {"step": 24}, "mark": mark, "encoding": {"y": y, "x": x}}

    return {
        "$schema": SCHEMA,
        "padding": {"left": 32, "right": 16, "top": 5, "bottom": 5},
        "data": {"values": rows},
        "spacing": 16,
        "vconcat": [bars(words.gettext("Requests"), _count("volume")), bars(words.gettext("Done in time"), met)],
    }


def group_name(value: str | None, words: Words) -> str:
    """A group in words; those without a value have none yet."""
    return words.gettext("Not known yet") if value is None else words.gettext(label(value))


def calibration_chart(bins: Sequence[Mapping[str, Any]], words: Words) -> dict[str, Any]:
    """What was predicted to the right, how often it happened upwards; with 95 % intervals, on the diagonal is true."""
    rows = [
        {
            "predicted": one["mean_predicted"],
            "share": one["happened"]["share"],
            "low": one["happened"]["low"],
            "high": one["happened"]["high"],
            "count": one["happened"]["count"],
        }
        for one in bins
    ]
    return _against(rows, words.gettext("Predicted"), words.gettext("Happened"))


def coverage_chart(deciles: Sequence[Mapping[str, Any]], words: Words) -> dict[str, Any]:
    """The predicted percentile to the right, upwards how often the actual figure was within it."""
    rows = [
        {
            "predicted": one["level"],
            "share": one["held"]["share"],
            "low": one["held"]["low"],
            "high": one["held"]["high"],
            "count": one["held"]["count"],
        }
        for one in deciles
    ]
    return _against(rows, words.gettext("Predicted percentile"), words.gettext("Actual figure within it"))


def _against(rows: Sequence[Mapping[str, Any]], across: str, upwards: str) -> dict[str, Any]:
    def axis(field: str, title: str) -> dict[str, Any]:
        return {"field": field, "type": "quantitative", "title": title, "scale": {"domain": [0, 1]}, "axis": SHARE}

    ends = [{"predicted": 0, "share": 0}, {"predicted": 1, "share": 1}]
    x, y = axis("predicted", across), axis("share", upwards)
    return {
        "$schema": SCHEMA,
        "width": SQUARE,
        "height": SQUARE,
        "data": {"values": list(rows)},
        "layer": [
            {
                "data": {"values": ends},
                "mark": {"type": "line", "color": "var(--ink-soft)", "strokeDash": [4, 4], "strokeWidth": 1},
                "encoding": {"x": x, "y": y},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": x, "y": axis("low", upwards), "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": y,
                    "size": {
                        "field": "count",
                        "type": "quantitative",
                        "legend": None,
                        "scale": {"range": [30, 220], "domainMin": 0},
                    },
                },
            },
        ],
    }
