"""Charts: Vega-Lite descriptions drawn to SVG in the server, so that they need no script and no network."""

import json
from collections.abc import Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

import vl_convert
from markupsafe import Markup, escape

# The drawing engine is one interpreter, which is no faster for being asked twice at once.
_lock = Lock()

_TEXT = "currentColor"
THEME: Mapping[str, Any] = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _TEXT,
        "titleColor": _TEXT,
        "domainColor": "var(--line)",
        "gridColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 13,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": _TEXT, "titleColor": _TEXT, "labelFontSize": 13},
    "header": {"labelColor": _TEXT, "titleColor": _TEXT},
    "title": {"color": _TEXT},
    "text": {"color": _TEXT},
    "rule": {"color": "var(--ink-soft)"},
    "bar": {"color": "var(--accent)"},
    "line": {"color": "var(--accent)", "strokeWidth": 2},
    "point": {"color": "var(--accent)", "filled": True, "size": 60},
    "area": {"color": "var(--accent)", "opacity": 0.35},
    "range": {
        "category": ["var(--series-1)", "var(--series-2)", "var(--series-3)", "var(--series-4)", "var(--series-5)"]
    },
}
"""Colours are the page's own variables, so that a chart is light or dark with it."""


def draw(specification: Mapping[str, Any], description: str) -> Markup:
    """The chart as SVG for a page; `description` is what a screen reader says of it.

    What the chart shows should stand in a table beside it too, for who can't see it.
    """
    svg = _svg(json.dumps(specification, sort_keys=True))
    return Markup('<div class="chart" role="img" aria-label="{}">{}</div>').format(escape(description), Markup(svg))


@lru_cache(maxsize=128)
def _svg(specification: str) -> str:
    chart = json.loads(specification)
    chart["config"] = {**THEME, **chart.get("config", {})}
    chart.setdefault("background", None)
    with _lock:
        drawn = vl_convert.vegalite_to_svg(chart, vl_version="5.20", show_warnings=False)
    return drawn.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
