"""Values reach Ray's metrics, each of which is made once, and what is wrong behind them harms nobody."""

import logging
from typing import Any

import pytest

from adapters import metrics_serve
from adapters.metrics_serve import ServeMeter
from core.metrics import Metric

COUNTER = Metric("aam_test_things_total", "counter", "Things.", ("kind",))
GAUGE = Metric("aam_test_level", "gauge", "A level.")
HISTOGRAM = Metric("aam_test_seconds", "histogram", "Seconds.", ("kind",), (0.1, 1.0))


class Made:
    """Stands for one of Ray's metrics; it keeps how it was made and what it was given."""

    def __init__(self, *how: Any) -> None:
        self.how = how
        self.given: list[tuple[float, dict[str, str]]] = []

    def take(self, value: float, tags: dict[str, str]) -> None:
        self.given.append((value, tags))

    inc = set = observe = take


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Made]]:
    found: dict[str, list[Made]] = {}

    def make(*how: Any) -> Made:
        found.setdefault(how[0], []).append(Made(*how))
        return found[how[0]][-1]

    for kind in ("Counter", "Gauge", "Histogram"):
        monkeypatch.setattr(metrics_serve, kind, make)
    monkeypatch.setattr(metrics_serve, "_known", {})
    return found


def test_a_metric_is_made_with_its_first_value_and_once_for_all_meters(made: dict[str, list[Made]]) -> None:
    first, second = ServeMeter(), ServeMeter()
    assert made == {}
    first.add(COUNTER, kind="a")
    second.add(COUNTER, 2.0, kind="b")
    first.set(GAUGE, 3.0)
    first.observe(HISTOGRAM, 0.5, kind="a")
    assert [len(each) for each in made.values()] == [1, 1, 1]
    (counter,), (gauge,), (histogram,) = made.values()
    assert counter.how == (COUNTER.name, "Things.", ("kind",))
    assert counter.given == [(1.0, {"kind": "a"}), (2.0, {"kind": "b"})]
    assert (gauge.how, gauge.given) == ((GAUGE.name, "A level.", ()), [(3.0, {})])
    assert histogram.how == (HISTOGRAM.name, "Seconds.", [0.1, 1.0], ("kind",))
    assert histogram.given == [(0.5, {"kind": "a"})]


def test_nought_is_not_sent_since_ray_refuses_it(made: dict[str, list[Made]]) -> None:
    ServeMeter().add(COUNTER, 0.0, kind="a")
    assert made == {}


def test_what_fails_behind_it_is_told_once_and_not_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("no agent")

    monkeypatch.setattr(metrics_serve, "_known", {})
    monkeypatch.setattr(metrics_serve, "Gauge", explode)
    meter = ServeMeter()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            meter.set(GAUGE, 1.0)
    assert [GAUGE.name in record.getMessage() for record in caplog.records] == [True]


def test_rays_own_metrics_take_what_the_meter_gives(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics_serve, "_known", {})
    meter = ServeMeter()
    meter.add(COUNTER, kind="a")
    meter.set(GAUGE, 1.0)
    meter.observe(HISTOGRAM, 0.5, kind="a")
    assert not caplog.records
