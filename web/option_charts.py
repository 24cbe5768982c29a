"""Pictures of one request's reasons: the risk's factors, what each option costs and takes, and how it scores."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from core.request import Decision, Estimate, ResolutionOption, RiskFactor
from web.language import Words
from web.wording import label

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
WIDTH = 240
ROW = 38
NAME_CHARACTERS = 21
"""In a line of the text beside a row, so that a chart fits a phone almost unscaled."""
NAME_LINES = 2
PADDING = {"left": 16, "top": 6, "right": 10, "bottom": 6}
"""In pixels: a reader's own font may be wider than the one that the text was measured with."""
_BREAK = "\n"
FACTORS = ("urgency", "time", "cost", "satisfaction", "compliance")


def draw_factors(factors: Sequence[RiskFactor], words: Words) -> Mapping[str, Any]:
    """Bars to the right for what raises the risk, to the left for what lowers it; log-odds, the largest first."""
    ordered = sorted(factors, key=lambda factor: -abs(factor.contribution))
    raises, lowers = words.gettext("raises the risk"), words.gettext("lowers the risk")
    rows = [
        {
            "factor": _name(number, factor.label or factor.feature),
            "contribution": round(factor.contribution, 4),
            "direction": raises if factor.contribution > 0 else lowers,
        }
        for number, factor in enumerate(ordered, 1)
    ]
    return {
        "$schema": SCHEMA,
        "width": WIDTH,
        "height": {"step": ROW},
        "padding": PADDING,
        "data": {"values": rows},
        "mark": {"type": "bar", "height": 14},
        "encoding": {
            "y": _rows("factor"),
            "x": {
                "field": "contribution",
                "type": "quantitative",
                "title": words.gettext("Contribution in log-odds"),
                "axis": {"tickCount": 5},
            },
            "color": {
                "field": "direction",
                "type": "nominal",
                "title": None,
                "scale": {"domain": [raises, lowers], "range": ["var(--series-2)", "var(--series-1)"]},
                "legend": {"orient": "bottom", "columns": 1},
            },
        },
    }


def draw_outcomes(options: Sequence[ResolutionOption], words: Words) -> Mapping[str, Any]:
    """What each option costs, and below it how long each takes: p10 to p90 as a line, p50 as a dot, the mean as a bar.

    Where nobody simulated the tenth percentile the line begins at the median.
    """
    costs = [option.estimated_cost_usd for option in options]
    times = [option.estimated_time_hours for option in options]
    return {
        "$schema": SCHEMA,
        "spacing": 24,
        "padding": PADDING,
        "vconcat": [
            _intervals(options, costs, words.gettext("Cost in US dollars"), "$,.0f"),
            _intervals(options, times, words.gettext("Hours until it is done"), ",.0f"),
        ],
    }


def draw_scores(decision: Decision, options: Sequence[ResolutionOption], words: Words) -> Mapping[str, Any]:
    """Each option's total as a bar made of weight times factor, the best on top."""
    numbers = {option.option_id: number for number, option in enumerate(options, 1)}
    titles = {option.option_id: option.title for option in options}
    weights = decision.weights.model_dump()
    names = [words.gettext(label(factor)) for factor in FACTORS]
    rows: list[Mapping[str, Any]] = []
    for score in decision.scores:
        if score.option_id not in numbers:
            continue
        values = score.factors.model_dump()
        name = _name(numbers[score.option_id], titles[score.option_id])
        for place, factor in enumerate(FACTORS):
            share = round(weights[factor] * values[factor], 4)
            rows.append({"option": name, "factor": names[place], "place": place, "share": share})
    return {
        "$schema": SCHEMA,
        "width": WIDTH,
        "height": {"step": ROW},
        "padding": PADDING,
        "data": {"values": rows},
        "mark": {"type": "bar", "height": 18},
        "encoding": {
            "y": _rows("option"),
            "x": {
                "field": "share",
                "type": "quantitative",
                "stack": "zero",
                "title": words.gettext("Weight times factor"),
                "scale": {"domain": [0, 1]},
            },
            "color": {
                "field": "factor",
                "type": "nominal",
                "sort": names,
                "title": None,
                "legend": {"orient": "bottom", "columns": 2, "columnPadding": 28},
            },
            "order": {"field": "place", "type": "quantitative"},
        },
    }


def interval(estimate: Estimate) -> tuple[float, float]:
    """From where to where a distribution is drawn."""
    low = estimate.deciles[0] if estimate.deciles else estimate.p50
    return min(low, estimate.p50), max(estimate.p90, estimate.p50)


def _intervals(
    options: Sequence[ResolutionOption], estimates: Sequence[Estimate], title: str, number_format: str
) -> Mapping[str, Any]:
    rows: list[Mapping[str, Any]] = []
    for number, (option, estimate) in enumerate(zip(options, estimates, strict=True), 1):
        low, high = interval(estimate)
        found = {"low": low, "high": high, "middle": estimate.p50, "mean": estimate.mean}
        rows.append({"option": _name(number, option.title), **found})
    axis = {"format": number_format, "tickCount": 4}

    def at(field: str) -> Mapping[str, Any]:
        return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": True}, "axis": axis}

    return {
        "width": WIDTH,
        "height": {"step": ROW},
        "data": {"values": rows},
        "encoding": {"y": _rows("option")},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 5, "color": "var(--accent)", "opacity": 0.4},
                "encoding": {"x": at("low"), "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "tick", "thickness": 2, "size": 18, "color": "currentColor"},
                "encoding": {"x": at("mean")},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 90, "color": "var(--accent)", "opacity": 1},
                "encoding": {"x": at("middle")},
            },
        ],
    }


def _rows(field: str) -> Mapping[str, Any]:
    axis = {
        "labelExpr": f"split(datum.label, {json.dumps(_BREAK)})",
        "labelLimit": 0,
        # Lines are counted from the first one on; this puts two of them beside the middle of their row.
        "labelOffset": -6,
        "labelFontSize": 12,
        "ticks": False,
        "domain": False,
    }
    return {"field": field, "type": "nominal", "sort": None, "title": None, "axis": axis}


def _name(number: int, title: str) -> str:
    # Two options may have one title; the number tells them apart, and leads to the card below.
    lines = textwrap.wrap(f"{number}. {title}", NAME_CHARACTERS, max_lines=NAME_LINES, placeholder="…")
    return _BREAK.join(lines)
