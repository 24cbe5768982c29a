"""The picture of a comparison as data: a Vega-Lite 5 specification that a page can draw."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from core.what_if import ComparedFigure

SHOWN = (
    "sla_breach_share",
    "late_response_share",
    "cost_mean_usd",
    "satisfaction_impact",
    "hours_to_done",
    "waiting_hours",
    "utilisation",
)
TITLES = {
    "sla_breach_share": "Missed resolution targets (share)",
    "sla_breaches": "Missed resolution targets (requests)",
    "late_response_share": "Missed response targets (share)",
    "cost_total_usd": "Cost, total (USD)",
    "cost_mean_usd": "Cost of a request (USD)",
    "satisfaction_impact": "Expected satisfaction (-1 to 1)",
    "hours_to_done": "Hours until done",
    "waiting_hours": "Hours until taken on",
    "utilisation": "Utilisation (share)",
}
ALL = "all"


WIDTH = 300
ROW = 24
UNCERTAIN = 0.45
HEADER = MappingProxyType({"labelFontSize": 13, "labelFontWeight": "bold", "labelAnchor": "start"})
PADDING = MappingProxyType({"left": 32, "right": 16, "top": 5, "bottom": 5})
"""Room for labels in a font that is wider than the one they were measured in."""


def chart_of(figures: Sequence[ComparedFigure]) -> dict[str, Any]:
    """One panel for each figure: the difference with its interval, for the whole and for each crew or vendor.

    What may be chance alone, since the interval holds 0, is drawn fainter. Colours are left to whoever draws it.
    """
    shown = [figure for figure in figures if figure.name in SHOWN]
    titles = [TITLES[name] for name in SHOWN if any(figure.name == name for figure in shown)]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": "Changed less present, with 95 % intervals",
        "data": {"values": [_row(figure) for figure in shown]},
        "facet": {"field": "figure", "type": "nominal", "title": None, "sort": titles, "header": {**HEADER}},
        "padding": {**PADDING},
        "columns": 1,
        "resolve": {"scale": {"x": "independent", "y": "independent"}},
        "spec": {"width": WIDTH, "height": {"step": ROW}, "layer": _layers()},
    }


def _row(figure: ComparedFigure) -> dict[str, Any]:
    difference = figure.difference
    return {
        "figure": TITLES[figure.name],
        "resource": figure.resource or ALL,
        "difference": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "beyond_chance": difference.low > 0.0 or difference.high < 0.0,
    }


def _layers() -> list[dict[str, Any]]:
    row = {"field": "resource", "type": "nominal", "title": None, "axis": {"grid": True, "labelLimit": 170}}
    faint = {"condition": {"test": "datum.beyond_chance", "value": 1.0}, "value": UNCERTAIN}

    def along(field: str) -> dict[str, Any]:
        return {
            "field": field,
            "type": "quantitative",
            "title": None,
            "axis": {"tickCount": 4, "labelOverlap": True, "labelFlush": False, "labelSeparation": 6},
        }

    return [
        {"mark": {"type": "rule", "strokeDash": [3, 3]}, "encoding": {"x": {"datum": 0}}},
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"y": row, "x": along("low"), "x2": {"field": "high"}, "opacity": faint},
        },
        {
            "mark": {"type": "point", "filled": True, "opacity": 1},
            "encoding": {"y": row, "x": along("difference"), "opacity": faint},
        },
    ]
