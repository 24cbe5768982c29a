"""A panel's answer as a chart in Vega-Lite."""

from collections.abc import Mapping, Sequence
from typing import Any

from aam.observability.answers import Line, PanelAnswer
from aam.observability.panels import Panel, Unit
from aam.observability.prometheus_api import Window

SHOWN = 12
"""Series in one chart, the highest first; a table beside it has them all."""
PALETTE = (
    "#4c78a8", "#f58518", "#54a24b", "#e45756", "#72b7b2", "#b279a2",
    "#eeca3b", "#9d755d", "#ff9da6", "#79706e", "#1f9e89", "#8c6bb1",
)  # fmt: skip
_FORMATS: Mapping[Unit, tuple[str, str]] = {
    "short": (",.4~g", ""),
    "ops": (",.3~g", "a second"),
    "s": (",.3~g", "seconds"),
    "ms": (",.4~g", "milliseconds"),
    "percentunit": (".1~%", ""),
    "percent": (",.0f", "percent"),
    "currencyUSD": ("$,.3~f", ""),
    "bytes": (".3s", "bytes"),
}


def as_text(value: float, unit: Unit) -> str:
    """A value for people."""
    match unit:
        case "percentunit":
            return f"{value:.1%}".replace("%", " %")
        case "percent":
            return f"{value:.0f} %"
        case "currencyUSD":
            return f"${value:,.2f}"
        case "s":
            return f"{value:,.3g} s" if value < 1000 else f"{value:,.0f} s"
        case "ms":
            return f"{value:,.0f} ms"
        case "ops":
            return f"{value:,.3g} a second"
        case "short" | "bytes":
            return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def chart(answer: PanelAnswer, window: Window, width: int, height: int) -> dict[str, Any]:
    """Lines or stacked areas over the window, in pixels."""
    panel, lines = answer.panel, answer.lines[:SHOWN]
    layers: list[dict[str, Any]] = [_series(panel, lines, window)]
    if panel.limit is not None:
        layers.append({"data": {"values": [{"limit": panel.limit}]}, "mark": _LIMIT, "encoding": _AT_LIMIT})
    return {
        "width": width,
        "height": height,
        "layer": layers,
        "config": {"range": {"category": PALETTE}},
        "resolve": {"scale": {"color": "independent"}},
    }


_LIMIT = {"type": "rule", "color": "#d62728", "strokeDash": [5, 4]}
_AT_LIMIT = {"y": {"field": "limit", "type": "quantitative"}}


def _series(panel: Panel, lines: Sequence[Line], window: Window) -> dict[str, Any]:
    stacked = panel.shape == "stacked"
    points = any(len(line.values) < 3 for line in lines)
    mark = {"type": "area", "opacity": 0.75} if stacked else {"type": "line", "strokeWidth": 1.5, "point": points}
    format_, title = _FORMATS[panel.unit]
    scale: dict[str, Any] = {"domainMin": 0, "nice": True}
    if panel.top is not None:
        scale["domainMax"] = panel.top
    axis = {"title": title or None, "format": format_, "tickCount": 4}
    value = {"field": "v", "type": "quantitative", "axis": axis, "scale": scale, "stack": "zero" if stacked else None}
    domain = {"domain": [window.start * 1000, window.end * 1000]}
    names, symbol = [line.name for line in lines], "square" if stacked else "stroke"
    legend = {
        "title": None,
        "orient": "bottom",
        "columns": 3,
        "columnPadding": 24,
        "labelFontSize": 11,
        "labelLimit": 150,
        "symbolType": symbol,
    }
    return {
        "data": {"values": [each for line in lines for each in _values(line, window)]},
        "mark": mark,
        "encoding": {
            "x": {"field": "t", "type": "temporal", "axis": {"title": None, "tickCount": 5}, "scale": domain},
            "y": value,
            "color": {"field": "s", "type": "nominal", "scale": {"domain": names, "range": PALETTE}, "legend": legend},
        },
    }


def _values(line: Line, window: Window) -> list[dict[str, Any]]:
    """On every step, so that a line breaks where nothing was measured."""
    measured = {round((at - window.start) / window.step): value for at, value in line.values}
    return [
        {"t": (window.start + number * window.step) * 1000, "v": measured.get(number), "s": line.name}
        for number in range(min(measured), max(measured) + 1)
    ]
