"""The metrics in this process's memory, to be read back: for tests, and for the services in one process."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.metrics import Metric, exported_name, require_amount, require_fit

Labels = tuple[str, ...]
"""Values of a metric's labels, in the order in which the metric names them."""


@dataclass
class Observed:
    """What a histogram has taken under one set of labels."""

    counts: list[int]
    """In each bucket, and beyond the last bound."""
    total: float = 0.0

    @property
    def count(self) -> int:
        """How many values."""
        return sum(self.counts)


@dataclass
class MemoryMeter:
    """A `core.metrics.Meter` of one process; nothing is ever taken out."""

    figures: dict[Metric, dict[Labels, float]] = field(default_factory=dict[Metric, dict[Labels, float]])
    """Of counters and gauges."""
    observed: dict[Metric, dict[Labels, Observed]] = field(default_factory=dict[Metric, dict[Labels, Observed]])
    """Of histograms."""

    def add(self, metric: Metric, amount: float = 1.0, **labels: str) -> None:
        """See `Meter`."""
        require_fit(metric, "counter", labels)
        require_amount(metric, amount)
        if amount:
            known = self.figures.setdefault(metric, {})
            values = _in_order(metric, labels)
            known[values] = known.get(values, 0.0) + amount

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """See `Meter`."""
        require_fit(metric, "gauge", labels)
        self.figures.setdefault(metric, {})[_in_order(metric, labels)] = value

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """See `Meter`."""
        require_fit(metric, "histogram", labels)
        known = self.observed.setdefault(metric, {})
        values = _in_order(metric, labels)
        taken = known.setdefault(values, Observed([0] * (len(metric.bounds) + 1)))
        taken.counts[bisect_left(metric.bounds, value)] += 1
        taken.total += value

    @property
    def given(self) -> frozenset[Metric]:
        """The metrics that have a value."""
        return frozenset(self.figures) | frozenset(self.observed)

    def figure(self, metric: Metric, **labels: str) -> float | None:
        """A counter's or gauge's value under these labels; None where there is none."""
        return self.figures.get(metric, {}).get(_in_order(metric, labels))

    def sum_of(self, metric: Metric, **some: str) -> float:
        """All of a counter's values, or values of a gauge, or counts of a histogram, with these labels, added up."""
        wanted = {(metric.labels.index(name), value) for name, value in some.items()}
        figures = dict(self.figures.get(metric, {}))
        figures.update({values: float(taken.count) for values, taken in self.observed.get(metric, {}).items()})
        return sum(figure for values, figure in figures.items() if wanted <= set(enumerate(values)))

    def text(self) -> str:
        """Everything in Prometheus' text format, under the exported names."""
        lines: list[str] = []
        for metric in sorted(self.given, key=lambda each: each.name):
            name = exported_name(metric)
            lines += [f"# HELP {name} {metric.description}", f"# TYPE {name} {metric.kind}"]
            for values, figure in self.figures.get(metric, {}).items():
                lines.append(f"{name}{_shown(metric, values)} {figure:g}")
            for values, taken in self.observed.get(metric, {}).items():
                lines += _series(metric, values, taken)
        return "\n".join([*lines, ""])


def _in_order(metric: Metric, labels: Mapping[str, str]) -> Labels:
    return tuple(labels[name] for name in metric.labels)


def _series(metric: Metric, values: Labels, taken: Observed) -> list[str]:
    name, lines, below = exported_name(metric), list[str](), 0
    for bound, count in zip((*map(repr, metric.bounds), "+Inf"), taken.counts, strict=True):
        below += count
        lines.append(f"{name}_bucket{_shown(metric, values, le=bound)} {below}")
    lines.append(f"{name}_count{_shown(metric, values)} {below}")
    return [*lines, f"{name}_sum{_shown(metric, values)} {taken.total:g}"]


def _shown(metric: Metric, values: Labels, **more: str) -> str:
    pairs = [*zip(metric.labels, values, strict=True), *more.items()]
    escaped = [(name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for name, value in pairs]
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}" if pairs else ""
