"""The stability index by hand, its bounds, and what it takes for a reference."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.metrics_memory import MemoryMeter
from core.labels import Category
from core.messages import AssessItem, Assessment
from core.metrics import CONFIDENCE, DRIFT, LABELS, MODEL_MESSAGES
from core.models_config import Source
from deployments.ai_processing.drift import LEAST, WINDOW, Drift, shares, stability_index
from deployments.ai_processing.model_metrics import ModelMetrics, short_version
from deployments.ai_processing.model_set import ModelSet
from tests.deployments.ai_processing.conftest import item
from tests.deployments.ai_processing.models_on_trial import NamedJudge, set_of

COUNTS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 1000))


def test_the_index_by_hand() -> None:
    found = stability_index({"a": 0.5, "b": 0.5}, {"a": 0.8, "b": 0.2})
    assert found == pytest.approx(0.3 * math.log(1.6) - 0.3 * math.log(0.4))


@given(COUNTS, COUNTS)
def test_the_index_is_never_negative_and_knows_no_direction(one: dict[str, int], other: dict[str, int]) -> None:
    first, second = shares(one, "abcd"), shares(other, "abcd")
    assert sum(first.values()) == pytest.approx(1.0)
    assert stability_index(first, second) >= 0
    assert stability_index(first, second) == pytest.approx(stability_index(second, first))
    assert stability_index(first, first) == 0


def test_with_few_values_nothing_is_said() -> None:
    drift = Drift({"a": 0.5, "b": 0.5})
    for place in range(LEAST - 1):
        drift.add("ab"[place % 2])
    assert drift.index is None
    drift.add("b")
    assert drift.index == pytest.approx(0.0, abs=1e-3)


def test_only_the_newest_values_count() -> None:
    drift = Drift({"a": 0.5, "b": 0.5})
    for _ in range(WINDOW):
        drift.add("a")
    shifted = drift.index
    assert shifted is not None
    assert shifted > 2
    for place in range(WINDOW):
        drift.add("ab"[place % 2])
    assert drift.index == pytest.approx(0.0, abs=1e-3)


def test_a_value_that_the_reference_does_not_have_is_a_shift_and_no_error() -> None:
    drift = Drift({"a": 1.0})
    for _ in range(LEAST):
        drift.add("z")
    assert drift.index is not None
    assert drift.index > 2


def test_without_a_reference_the_first_window_becomes_it() -> None:
    drift = Drift()
    for place in range(WINDOW):
        drift.add("ab"[place % 2])
    assert drift.index is None
    for _ in range(LEAST):
        drift.add("a")
    assert drift.index is not None
    assert drift.index > 0.2


VERSIONED = "text-24e08c415ba8 risk-f010d4389918"


def test_a_version_is_told_in_seven_digits() -> None:
    assert short_version(VERSIONED) == "text-24e08c4 risk-f010d43"
    assert short_version("text-None risk-1") == "text-None risk-1"


async def answers(judge: NamedJudge, count: int) -> list[Assessment]:
    items: list[AssessItem] = [item(f"message {place}") for place in range(count)]
    return [answer for answer in await judge.assess(items) if isinstance(answer, Assessment)]


async def test_labels_are_counted_and_compared_with_the_models_own_reference() -> None:
    meter, judge = MemoryMeter(), NamedJudge("judge", category=Category.BILLING)
    reference = {"category": {"Billing": 1.0}, "urgency": {"Emergency": 1.0}}
    models = ModelSet(Source("text", "24e08c415ba8"), Source("risk", "f010d4389918"), judge, judge, reference)
    metrics = ModelMetrics(meter)
    metrics.answered("current", models.name, LEAST)
    metrics.judged(models, await answers(judge, LEAST))
    name = "text-24e08c4 risk-f010d43"
    assert meter.figure(MODEL_MESSAGES, arm="current", models=name) == LEAST
    assert meter.figure(LABELS, label="category", value="Billing", models=name) == LEAST
    assert meter.sum_of(CONFIDENCE, label="category") == LEAST
    assert meter.figure(DRIFT, label="category", models=name) == 0.0
    shifted = meter.figure(DRIFT, label="urgency", models=name)
    assert shifted is not None
    assert shifted > 2
    # The intent has no reference yet, so that nothing is said of it.
    assert meter.figure(DRIFT, label="intent", models=name) is None


async def test_what_writers_chose_says_nothing_of_the_models() -> None:
    meter, judge = MemoryMeter(), NamedJudge("judge", source="user")
    ModelMetrics(meter).judged(set_of(judge), await answers(judge, 3))
    assert not meter.given
