"""The metrics as Ray Serve's, which every node shows at its Prometheus endpoint."""

# Ray's metrics are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import logging
from collections.abc import Callable
from typing import Any

from ray.serve.metrics import Counter, Gauge, Histogram

from core.metrics import Metric, require_amount, require_fit

_log = logging.getLogger(__name__)


class ServeMeter:
    """A `core.metrics.Meter`. Each metric is made with its first value, and once for all meters of the process.

    Within a replica Serve adds its own labels; without Ray, what is given goes nowhere.
    """

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def add(self, metric: Metric, amount: float = 1.0, **labels: str) -> None:
        """See `Meter`."""
        require_fit(metric, "counter", labels)
        require_amount(metric, amount)
        # Ray refuses nought, which changes nothing.
        if amount:
            self._record(metric, lambda: _made(metric, _counter).inc(amount, labels))

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """See `Meter`."""
        require_fit(metric, "gauge", labels)
        self._record(metric, lambda: _made(metric, _gauge).set(value, labels))

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """See `Meter`."""
        require_fit(metric, "histogram", labels)
        self._record(metric, lambda: _made(metric, _histogram).observe(value, labels))

    def _record(self, metric: Metric, record: Callable[[], None]) -> None:
        """A request must not fail for a figure about it; that figures fail is told once for each metric."""
        try:
            record()
        except Exception:
            if metric.name not in self._failing:
                self._failing.add(metric.name)
                _log.exception("values of %s are lost", metric.name)


_known: dict[str, Any] = {}
"""Ray keeps what was made under a name for the life of the process."""


def _made(metric: Metric, make: Callable[[Metric], Any]) -> Any:
    found = _known.get(metric.name)
    if found is None:
        found = _known[metric.name] = make(metric)
    return found


def _counter(metric: Metric) -> Counter:
    return Counter(metric.name, metric.description, _keys(metric))


def _gauge(metric: Metric) -> Gauge:
    return Gauge(metric.name, metric.description, _keys(metric))


def _histogram(metric: Metric) -> Histogram:
    return Histogram(metric.name, metric.description, list(metric.bounds), _keys(metric))


def _keys(metric: Metric) -> Any:
    """Ray takes any number of them, but its types allow one alone."""
    return metric.labels
