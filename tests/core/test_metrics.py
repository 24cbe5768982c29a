"""The catalogue keeps to the conventions of Prometheus and of Ray."""

import re
from collections import Counter

import pytest

from adapters.metrics_memory import MemoryMeter
from core.metrics import CATALOGUE, SERVE_LABELS, STAGES, Metric, exported_name, timed

RESERVED = {*SERVE_LABELS, "route", "job", "instance", "le", "WorkerId", "Component", "SessionName", "NodeAddress"}


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_metric_is_well_formed(metric: Metric) -> None:
    assert re.fullmatch(r"aam_[a-z][a-z_]*[a-z]", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.description.endswith(".") or metric.name.endswith("drift")
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in metric.labels)
    assert len(set(metric.labels)) == len(metric.labels)
    assert not set(metric.labels) & RESERVED
    assert not re.search(r"_(bucket|count|sum)$", metric.name)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_only_histograms_have_bounds_and_these_ascend_from_above_nought(metric: Metric) -> None:
    assert bool(metric.bounds) == (metric.kind == "histogram")
    assert list(metric.bounds) == sorted(set(metric.bounds))
    assert all(bound > 0 for bound in metric.bounds)


def test_a_name_stands_for_one_metric() -> None:
    assert max(Counter(metric.name for metric in CATALOGUE).values()) == 1
    assert len(CATALOGUE) > 30


def test_no_exported_name_is_a_series_of_another() -> None:
    series = [exported_name(metric) for metric in CATALOGUE if metric.kind != "histogram"]
    for metric in CATALOGUE:
        if metric.kind == "histogram":
            series += [exported_name(metric) + end for end in ("_bucket", "_count", "_sum")]
    assert len(set(series)) == len(series)
    assert all(name.startswith("ray_aam_") for name in series)


def test_what_raises_is_timed_too() -> None:
    meter = MemoryMeter()
    with pytest.raises(KeyError), timed(meter, STAGES, service="x", stage="y"):
        raise KeyError
    assert meter.sum_of(STAGES, stage="y") == 1
