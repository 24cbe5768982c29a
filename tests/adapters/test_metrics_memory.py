"""What was given can be read back, also as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families

from adapters.metrics_memory import MemoryMeter
from core.metrics import Metric

COUNTER = Metric("aam_test_things_total", "counter", "Things.", ("kind", "way"))
GAUGE = Metric("aam_test_level", "gauge", "A level.")
HISTOGRAM = Metric("aam_test_seconds", "histogram", "Seconds.", ("kind",), (0.1, 1.0))


def build_meter() -> MemoryMeter:
    meter = MemoryMeter()
    meter.add(COUNTER, kind="a", way="x")
    meter.add(COUNTER, 2.0, way="x", kind="a")
    meter.add(COUNTER, kind="b", way="x")
    meter.add(COUNTER, kind='a "quoted"\\\n', way="y")
    meter.set(GAUGE, 3.0)
    meter.set(GAUGE, 1.5)
    for value in (0.05, 0.1, 0.5, 7.0):
        meter.observe(HISTOGRAM, value, kind="a")
    return meter


def test_counters_add_up_and_gauges_are_replaced() -> None:
    meter = build_meter()
    assert meter.figure(COUNTER, kind="a", way="x") == 3.0
    assert meter.figure(COUNTER, way="x", kind="none") is None
    assert (meter.sum_of(COUNTER), meter.sum_of(COUNTER, way="x"), meter.sum_of(COUNTER, kind="b")) == (5.0, 4.0, 1.0)
    assert meter.figure(GAUGE) == 1.5
    assert meter.given == {COUNTER, GAUGE, HISTOGRAM}


def test_a_value_at_a_bound_belongs_below_it() -> None:
    (taken,) = build_meter().observed[HISTOGRAM].values()
    assert (taken.counts, taken.count, taken.total) == ([2, 1, 1], 4, 7.65)


def test_prometheus_reads_the_text() -> None:
    families = {each.name: each for each in text_string_to_metric_families(build_meter().text())}
    assert {name: each.type for name, each in families.items()} == {
        "ray_aam_test_things": "counter",
        "ray_aam_test_level": "gauge",
        "ray_aam_test_seconds": "histogram",
    }
    things = {tuple(sample.labels.values()): sample.value for sample in families["ray_aam_test_things"].samples}
    assert things == {("a", "x"): 3.0, ("b", "x"): 1.0, ('a "quoted"\\\n', "y"): 1.0}
    buckets = [sample for sample in families["ray_aam_test_seconds"].samples if sample.name.endswith("_bucket")]
    assert [(sample.labels["le"], sample.value) for sample in buckets] == [("0.1", 2.0), ("1.0", 3.0), ("+Inf", 4.0)]
