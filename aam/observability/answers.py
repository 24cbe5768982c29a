"""What Prometheus answers to a dashboard's panels."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aam.observability.panels import INTERVAL, Dashboard, Panel, Query
from aam.observability.prometheus_api import Points, PrometheusApi, Window
from aam.observability.promql_tokens import PromqlError

SCRAPE_S = 5
"""How often a local Prometheus asks the nodes."""
STEPS = 120
CONCURRENT = 4
"""As many questions at once; a laptop's Prometheus has other work."""
_LABEL = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Line:
    """One series with its name."""

    name: str
    values: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class PanelAnswer:
    """What is drawn in a panel; without lines there is nothing yet, or a problem."""

    panel: Panel
    lines: Sequence[Line]
    problem: str | None = None


def window_until(end: float, hours: float) -> Window:
    """The last hours, in steps that a picture can show; the ends lie on whole steps, so that a picture keeps still."""
    step = max(SCRAPE_S, int(hours * 3600 / STEPS))
    last = end // step * step
    return Window(last - hours * 3600 // step * step, last, step)


async def ask(api: PrometheusApi, dashboard: Dashboard, window: Window) -> list[PanelAnswer]:
    """Every panel's answer, in order. Raises `Unavailable` where Prometheus does not answer at all."""
    places = asyncio.Semaphore(CONCURRENT)

    async def one(panel: Panel) -> PanelAnswer:
        async with places:
            return await ask_panel(api, panel, window)

    return list(await asyncio.gather(*(one(panel) for panel in dashboard.panels())))


async def ask_panel(api: PrometheusApi, panel: Panel, window: Window) -> PanelAnswer:
    """One panel's answer."""
    lines: list[Line] = []
    for query in panel.queries:
        expression = query.expression.replace(INTERVAL, f"{int(max(window.step, 4 * SCRAPE_S))}s")
        try:
            if panel.shape == "number":
                found = await api.now(expression, window.end)
            else:
                found = await api.range(expression, window)
        except PromqlError as problem:
            return PanelAnswer(panel, (), str(problem))
        lines += _named(query, found)
    return PanelAnswer(panel, sorted(lines, key=_highest, reverse=True))


def _named(query: Query, found: Sequence[Points]) -> list[Line]:
    return [Line(named(query.legend, each.labels), each.values) for each in found if each.values]


def named(legend: str, labels: Mapping[str, str]) -> str:
    """A series' name; a label that it has not reads as nothing."""
    return _LABEL.sub(lambda label: labels.get(label.group(1), ""), legend).strip() or "all"


def _highest(line: Line) -> float:
    return max(value for _, value in line.values)
