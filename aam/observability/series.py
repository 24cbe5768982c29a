"""Every series that Prometheus may be asked for: its name, its labels, and whether it counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from aam.observability.ray_metrics import RAY_METRICS
from core.metrics import CATALOGUE, EXPORT_PREFIX, SERVE_LABELS, Metric, exported_name

SCRAPED = frozenset({"job", "instance"})
"""What Prometheus adds by itself."""


@dataclass(frozen=True)
class Series:
    """One name that can be asked for."""

    name: str
    labels: frozenset[str]
    counts: bool
    """Whether it only grows, so that its rate means something."""
    metric: Metric | None
    """None for what Prometheus writes itself."""


def series_name(metric: Metric) -> str:
    """The metric's name at Prometheus; a histogram's series have `_bucket`, `_sum` and `_count` behind it."""
    # Serve's own counters are named without what the exporter adds.
    if metric.kind == "counter" and not metric.name.endswith("_total"):
        return f"{EXPORT_PREFIX}{metric.name}_total"
    return exported_name(metric)


@cache
def known_series() -> Mapping[str, Series]:
    """All of them, by name."""
    ours = [each for metric in CATALOGUE for each in _series(metric, frozenset(SERVE_LABELS))]
    rays = [each for metric in RAY_METRICS for each in _series(metric, frozenset())]
    up = Series("up", SCRAPED, counts=False, metric=None)
    return {each.name: each for each in (*ours, *rays, up)}


def _series(metric: Metric, added: frozenset[str]) -> Iterator[Series]:
    name, labels = series_name(metric), frozenset(metric.labels) | added | SCRAPED
    if metric.kind != "histogram":
        yield Series(name, labels, metric.kind == "counter", metric)
        return
    yield Series(f"{name}_bucket", labels | {"le"}, True, metric)
    yield Series(f"{name}_sum", labels, True, metric)
    yield Series(f"{name}_count", labels, True, metric)
