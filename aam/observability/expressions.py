"""Expressions of PromQL over the catalogue's metrics."""

from aam.observability.panels import INTERVAL
from aam.observability.series import known_series, series_name
from core.metrics import Metric

HOUR = "1h"
DAY = "24h"


def selected(metric: Metric, suffix: str = "", **where: str) -> str:
    """The metric's series, those with such labels only. Raises `ValueError` for a label that it has not."""
    name = f"{series_name(metric)}{suffix}"
    absent = set(where) - known_series()[name].labels
    if absent:
        raise ValueError(f"{metric.name} has no label {', '.join(sorted(absent))}")
    matchers = ",".join(f'{label}="{value}"' for label, value in where.items())
    return f"{name}{{{matchers}}}" if matchers else name


def grown(series: str, window: str = HOUR) -> str:
    """By how much each of the product's counting series grew within the window, its first value included.

    `increase()` takes a series' first value for its zero, which is right for a counter that was there before. Here a
    label's first use is the series' first value, and most series stay small: `increase()` would lose them. They never
    fall, since a replica that starts anew has a name of its own, so the difference is exact. What was before is looked
    for within a whole window, so that a pause of Prometheus does not make all that there ever was look new.
    """
    now = f"max_over_time({series}[{window}])"
    return f"({now} - (last_over_time({series}[{window}] offset {window}) or 0 * {now}))"


def total(metric: Metric, *by: str, window: str = HOUR, **where: str) -> str:
    """How many within the window, by some labels."""
    return f"sum{_by(by)} ({grown(selected(metric, **where), window)})"


def share(metric: Metric, *by: str, window: str = HOUR, **where: str) -> str:
    """Which share of the metric's growth has the labels in `where`, from 0 to 1; nothing where there is no growth."""
    part, whole = total(metric, *by, window=window, **where), total(metric, *by, window=window)
    # Where nothing has such labels, there is no series to divide.
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(metric: Metric, at: float, *by: str, window: str = HOUR, **where: str) -> str:
    """A quantile of one of the product's own histograms over the window."""
    buckets = grown(selected(metric, "_bucket", **where), window)
    return f"histogram_quantile({at}, sum{_by(('le', *by))} ({buckets}))"


def rate(metric: Metric, *by: str, suffix: str = "", **where: str) -> str:
    """So many a second, of one of Serve's own counters."""
    return f"sum{_by(by)} (rate({selected(metric, suffix, **where)}[{INTERVAL}]))"


def rate_quantile(metric: Metric, at: float, *by: str, without: str = "") -> str:
    """A quantile of one of Serve's own histograms; `without` is a pattern of routes to leave out."""
    series = selected(metric, "_bucket") + (f'{{route!~"{without}"}}' if without else "")
    return f"histogram_quantile({at}, sum{_by(('le', *by))} (rate({series}[{INTERVAL}])))"


def highest(metric: Metric, *by: str) -> str:
    """The highest that any replica says now; replicas of one service say the same of what they share."""
    return f"max{_by(by)} ({selected(metric)})"


def summed(metric: Metric, *by: str) -> str:
    """All of what the replicas say now, together."""
    return f"sum{_by(by)} ({selected(metric)})"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
