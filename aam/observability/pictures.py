"""A whole dashboard as one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vl_convert

from aam.observability.answers import PanelAnswer
from aam.observability.charts import as_text, chart
from aam.observability.panels import Dashboard
from aam.observability.prometheus_api import Window

COLUMN = 60
"""Pixels of one of the 24 columns."""
_MARGIN = 95
_HEIGHT = 150
_GREY = "#8a8a8a"


def write_picture(
    path: Path, dashboard: Dashboard, answers: Sequence[PanelAnswer], window: Window, scale: float = 1.0
) -> None:
    """Write a PNG with all panels, as they lie in the dashboard."""
    path.write_bytes(vl_convert.vegalite_to_png(composed(dashboard, answers, window), vl_version="5.20", scale=scale))


def composed(dashboard: Dashboard, answers: Sequence[PanelAnswer], window: Window) -> dict[str, Any]:
    """The picture's description."""
    by_panel = {id(answer.panel): answer for answer in answers}
    rows: list[dict[str, Any]] = []
    for row in dashboard.rows:
        lines: list[list[dict[str, Any]]] = [[]]
        used = 0
        for panel in row.panels:
            if used + panel.width > 24:
                lines.append([])
                used = 0
            lines[-1].append(_drawn(by_panel[id(panel)], window))
            used += panel.width
        title = {"text": row.title, "anchor": "start", "fontSize": 15, "offset": 14}
        rows.append(
            {
                "title": title,
                "vconcat": [{"hconcat": each, "spacing": _MARGIN, "bounds": "flush"} for each in lines],
                "spacing": 25,
            }
        )
    return {
        "title": {"text": dashboard.title, "subtitle": dashboard.description, "anchor": "start", "fontSize": 22},
        "background": "white",
        "padding": 20,
        "spacing": 40,
        "vconcat": rows,
        "resolve": {"scale": {"color": "independent"}},
        "config": {
            "view": {"stroke": "#e5e5e5"},
            "axis": {"gridColor": "#eeeeee"},
            "axisY": {"minExtent": 40},
            "legend": {"labelFontSize": 10},
        },
    }


def _drawn(answer: PanelAnswer, window: Window) -> dict[str, Any]:
    panel = answer.panel
    width = panel.width * COLUMN - _MARGIN
    if not answer.lines:
        drawn = _words(answer.problem or "nothing yet", width, _HEIGHT, 13)
    elif panel.shape == "number":
        drawn = _words(_number(answer), width, 60, 18)
    else:
        drawn = chart(answer, window, width, _HEIGHT)
        del drawn["config"]
    return {**drawn, "title": {"text": panel.title, "anchor": "start", "fontSize": 12, "fontWeight": "normal"}}


def _number(answer: PanelAnswer) -> str:
    """Each series' newest value."""
    unit = answer.panel.unit
    if len(answer.lines) == 1:
        return as_text(answer.lines[0].values[-1][1], unit)
    return "\n".join(f"{line.name} {as_text(line.values[-1][1], unit)}" for line in answer.lines)


def _words(text: str, width: int, height: int, size: int) -> dict[str, Any]:
    colour = "#222222" if size > 13 else _GREY
    mark = {"type": "text", "fontSize": size, "color": colour, "limit": width, "lineBreak": "\n"}
    return {
        "width": width,
        "height": height,
        "data": {"values": [{"text": text}]},
        "mark": mark,
        "encoding": {"text": {"field": "text", "type": "nominal"}},
    }
