"""What a dashboard is made of, whoever draws it: Grafana, or the local view."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Unit = Literal["short", "ops", "s", "ms", "percentunit", "percent", "currencyUSD", "bytes"]
"""Grafana's own names; `percentunit` is a share from 0 to 1, `percent` one from 0 to 100, `ops` so many a second."""
Shape = Literal["lines", "stacked", "number"]

INTERVAL = "$__rate_interval"
"""In an expression: long enough a window for a rate at the step that is drawn; who draws puts it in."""


@dataclass(frozen=True)
class Query:
    """One expression of PromQL, and how each of its series is called."""

    expression: str
    legend: str
    """Text with labels in double braces, such as `{{category}}`."""


@dataclass(frozen=True)
class Panel:
    """One picture of a dashboard."""

    title: str
    description: str
    """What is seen, and when to worry."""
    unit: Unit
    queries: tuple[Query, ...]
    shape: Shape = "lines"
    width: int = 8
    """Of 24 columns."""
    top: float | None = None
    """The end of the scale, where it has one."""
    limit: float | None = None
    """Where a line says that things are wrong beyond it."""


@dataclass(frozen=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Dashboard:
    """A page of panels."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]

    def panels(self) -> Iterator[Panel]:
        """All of them, from the top."""
        for row in self.rows:
            yield from row.panels
