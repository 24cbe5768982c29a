"""What every meter keeps to, wherever the values go."""

import pytest

from adapters.metrics_memory import MemoryMeter
from adapters.metrics_serve import ServeMeter
from core.metrics import CATALOGUE, UNMETERED, Meter, Metric

COUNTER = Metric("aam_test_things_total", "counter", "Things.", ("kind",))
GAUGE = Metric("aam_test_level", "gauge", "A level.")
HISTOGRAM = Metric("aam_test_seconds", "histogram", "Seconds.", ("kind", "way"), (0.1, 1.0))


@pytest.fixture(params=["memory", "serve", "nowhere"])
def meter(request: pytest.FixtureRequest) -> Meter:
    made: dict[str, Meter] = {"memory": MemoryMeter(), "serve": ServeMeter(), "nowhere": UNMETERED}
    return made[request.param]


def test_a_value_is_taken_and_nothing_comes_back(meter: Meter) -> None:
    assert meter.add(COUNTER, kind="a") is None
    assert meter.add(COUNTER, 0.0, kind="a") is None
    assert meter.add(COUNTER, 2.5, kind="b") is None
    assert meter.set(GAUGE, -1.0) is None
    assert meter.observe(HISTOGRAM, 0.0, way="x", kind="a") is None
    assert meter.observe(HISTOGRAM, 1e9, kind="a", way="x") is None


def test_every_metric_of_the_catalogue_can_be_given(meter: Meter) -> None:
    for metric in CATALOGUE:
        labels = dict.fromkeys(metric.labels, "x")
        match metric.kind:
            case "counter":
                meter.add(metric, 1.0, **labels)
            case "gauge":
                meter.set(metric, 1.0, **labels)
            case "histogram":
                meter.observe(metric, 1.0, **labels)


@pytest.mark.parametrize("labels", [{}, {"kind": "a", "way": "b"}, {"sort": "a"}])
def test_labels_that_are_not_its_own_are_refused(meter: Meter, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="kind"):
        meter.add(COUNTER, 1.0, **labels)


def test_labels_of_gauges_and_histograms_are_looked_at_too(meter: Meter) -> None:
    with pytest.raises(ValueError, match="aam_test_level"):
        meter.set(GAUGE, 1.0, kind="a")
    with pytest.raises(ValueError, match="aam_test_seconds"):
        meter.observe(HISTOGRAM, 1.0, kind="a")


def test_each_kind_has_its_own_verb(meter: Meter) -> None:
    for wrong in (GAUGE, HISTOGRAM):
        with pytest.raises(ValueError, match="no counter"):
            meter.add(wrong, 1.0, **dict.fromkeys(wrong.labels, "x"))
    for wrong in (COUNTER, HISTOGRAM):
        with pytest.raises(ValueError, match="no gauge"):
            meter.set(wrong, 1.0, **dict.fromkeys(wrong.labels, "x"))
    for wrong in (COUNTER, GAUGE):
        with pytest.raises(ValueError, match="no histogram"):
            meter.observe(wrong, 1.0, **dict.fromkeys(wrong.labels, "x"))


def test_a_counter_never_goes_back(meter: Meter) -> None:
    with pytest.raises(ValueError, match="back"):
        meter.add(COUNTER, -1.0, kind="a")
