"""The picture of a comparison as data: a Vega-Lite 5 specification that a page can draw."""

from collections.abc import Sequence
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


def chart_of(figures: Sequence[ComparedFigure]) -> dict[str, Any]:
    """One panel for each figure: the difference with its interval, for the whole and for each crew or vendor."""
    values = [
        {
            "figure": TITLES[figure.name],
            "resource": figure.resource or ALL,
            "difference": figure.difference.mean,
            "low": figure.difference.low,
            "high": figure.difference.high,
        }
        for figure in figures
        if figure.name in SHOWN
    ]
    row = {"field": "resource", "type": "nominal", "title": None}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": "Changed less present, with 95 % intervals",
        "data": {"values": values},
        "facet": {"field": "figure", "type": "nominal", "title": None},
        "columns": 2,
        "resolve": {"scale": {"x": "independent", "y": "independent"}},
        "spec": {
            "width": 260,
            "layer": [
                {"mark": {"type": "rule", "color": "#999"}, "encoding": {"x": {"datum": 0}}},
                {
                    "mark": {"type": "rule", "strokeWidth": 2},
                    "encoding": {
                        "y": row,
                        "x": {"field": "low", "type": "quantitative", "title": None},
                        "x2": {"field": "high"},
                    },
                },
                {
                    "mark": {"type": "point", "filled": True},
                    "encoding": {"y": row, "x": {"field": "difference", "type": "quantitative", "title": None}},
                },
            ],
        },
    }
