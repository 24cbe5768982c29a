"""Features: the same in training and serving, finite, and made of nothing later than the message."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Category, Intent, Status, Trade, Urgency
from core.messages import AssessItem, BuildingFacts, PastRequest
from core.request import Classification, Issue, RequestId
from deployments.ai_processing.features import FEATURE_NAMES, features, matrix
from models.histories.generator import Sample, generate
from models.risk.dataset import part

NOW = datetime(2025, 3, 4, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return generate("features", range(3), 300.0)


def labels(
    category: Category = Category.MAINTENANCE, trade: Trade | None = Trade.PLUMBING, urgency: Urgency = Urgency.MEDIUM
) -> Classification:
    return Classification(
        category=category,
        urgency=urgency,
        intent=Intent.SOLVE_PROBLEM,
        trade=trade,
        confidence=0.9,
        source="model",
        emergency=False,
        model_version="test",
    )


def past(
    days_ago: float,
    *,
    trade: Trade = Trade.PLUMBING,
    resolved_days_ago: float | None = None,
    breached: bool = False,
    escalated: bool = False,
) -> PastRequest:
    return PastRequest(
        request_id=RequestId(f"R-{days_ago}"),
        resident_id="RES_1",
        category=Category.MAINTENANCE,
        trade=trade,
        urgency=Urgency.MEDIUM,
        status=Status.IN_PROGRESS if resolved_days_ago is None else Status.CLOSED,
        created_at=NOW - timedelta(days=days_ago),
        resolved_at=None if resolved_days_ago is None else NOW - timedelta(days=resolved_days_ago),
        breached=breached,
        escalated=escalated,
    )


def item(*history: PastRequest, text: str = "The sink leaks", building: BuildingFacts | None = None) -> AssessItem:
    return AssessItem(message_text=text, at=NOW, history=history, building=building or BuildingFacts())


def named(message: AssessItem, classification: Classification | None = None) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, features(message, classification or labels()), strict=True))


def test_names_are_unique() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)


def test_training_rows_are_what_serving_computes(samples: list[Sample]) -> None:
    """Items that crossed a handle as JSON give bit for bit the rows of the training matrix."""
    trained = part(samples).features
    for row, sample in list(zip(trained, samples, strict=True))[::7]:
        message = AssessItem.model_validate_json(sample.item.model_dump_json())
        classification = Classification.model_validate_json(sample.classification.model_dump_json())
        assert np.array_equal(matrix([message], [classification])[0], row)


def test_no_feature_is_constant(samples: list[Sample]) -> None:
    rows = part(samples).features
    constant = [name for name, column in zip(FEATURE_NAMES, rows.T, strict=True) if column.min() == column.max()]
    assert not constant


def test_what_is_written_at_or_after_the_message_does_not_count() -> None:
    before = past(10.0, resolved_days_ago=3.0)
    assert features(item(past(0.0), past(-5.0), before), labels()) == features(item(before), labels())


def test_what_is_older_than_the_window_does_not_count() -> None:
    assert features(item(past(181.0)), labels()) == features(item(), labels())


def test_what_ends_after_the_message_is_still_open() -> None:
    assert named(item(past(5.0, resolved_days_ago=-2.0)))["requests_open"] == 1.0
    assert named(item(past(5.0, resolved_days_ago=2.0)))["requests_open"] == 0.0


def test_history_is_counted() -> None:
    row = named(
        item(
            past(3.0, breached=True),
            past(40.0, resolved_days_ago=36.0, escalated=True),
            past(50.0, trade=Trade.HVAC, resolved_days_ago=48.0),
        )
    )
    assert row["similar_requests_30d"] == 1.0
    assert row["similar_requests_180d"] == 2.0
    assert row["similar_requests_open"] == 1.0
    assert row["similar_requests_escalated"] == 1.0
    assert row["days_since_similar"] == pytest.approx(3.0)
    assert row["same_category_180d"] == 3.0
    assert row["requests_30d"] == 1.0
    assert row["requests_180d"] == 3.0
    assert row["requests_breached"] == 1.0
    assert row["requests_escalated"] == 1.0
    assert row["resolution_days"] == pytest.approx(3.0)


def test_words_are_counted() -> None:
    row = named(item(text="It is leaking AGAIN, third time! Nobody calls back. My baby is 4 months old. Why?"))
    assert row["recurrence_words"] == 2.0
    assert row["complaint_words"] == 1.0
    assert row["vulnerability_words"] == 2.0
    assert row["words"] == 16.0
    assert row["question_marks"] == row["exclamation_marks"] == 1.0


def test_a_word_within_a_word_is_not_that_word() -> None:
    row = named(item(text="Against the distillery, a yeti"))
    assert row["recurrence_words"] == 0.0


def test_building_facts_are_those_of_the_matter() -> None:
    facts = BuildingFacts(requests_180d=179, same_trade_180d={"plumbing": 7, "Billing": 4}, open_requests=5)
    assert named(item(building=facts))["building_similar_180d"] == 7.0
    assert named(item(building=facts), labels(Category.BILLING, None))["building_similar_180d"] == 4.0
    assert named(item(building=facts))["building_open_days"] == pytest.approx(5.0)


def test_labels_show() -> None:
    issues = tuple(
        Issue(text=text, category=Category.MAINTENANCE, urgency=Urgency.LOW, trade=Trade.PLUMBING) for text in "ab"
    )
    row = named(item(), labels(urgency=Urgency.HIGH).model_copy(update={"issues": issues}))
    assert row["urgency"] == 2.0
    assert row["issues"] == 2.0
    assert row["trade_plumbing"] == row["category_Maintenance"] == 1.0
    assert sum(value for name, value in row.items() if name.startswith(("trade_", "category_"))) == 2.0


@given(text=st.text(min_size=1, max_size=300), ages=st.lists(st.floats(-400.0, 400.0), max_size=8), data=st.data())
def test_every_feature_is_a_finite_number(text: str, ages: list[float], data: st.DataObject) -> None:
    category = data.draw(st.sampled_from(Category))
    trade = data.draw(st.sampled_from(Trade)) if category is Category.MAINTENANCE else None
    rows = matrix([item(*map(past, ages), text=text)], [labels(category, trade)])
    assert rows.shape == (1, len(FEATURE_NAMES))
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()


def test_no_message_gives_no_row() -> None:
    assert matrix([], []).shape == (0, len(FEATURE_NAMES))
