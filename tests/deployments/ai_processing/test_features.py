"""Features: the same in training and serving, finite, and made of nothing later than the message."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Category, Intent, Status, Trade, Urgency
from core.messages import AssessItem, Backlog, BuildingFacts, PastRequest, TopicWork
from core.request import Classification, Issue, RequestId
from deployments.ai_processing.factor_labels import FACTOR_LABELS
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


times = st.datetimes(datetime(2024, 10, 1), datetime(2025, 3, 4, 15, 29), timezones=st.just(UTC))
later_times = st.datetimes(datetime(2025, 3, 4, 15, 30), datetime(2026, 3, 4), timezones=st.just(UTC))


@st.composite
def told_before(draw: st.DrawFn) -> PastRequest:
    """An earlier request as it stands at the present moment."""
    made = draw(times)
    ended = draw(st.none() | st.datetimes(made.replace(tzinfo=None), datetime(2025, 3, 4, 15, 29)))
    return past(1.0).model_copy(
        update={
            "created_at": made,
            "resolved_at": ended and ended.replace(tzinfo=UTC),
            "status": Status.CLOSED if ended else Status.IN_PROGRESS,
            "trade": draw(st.sampled_from((Trade.PLUMBING, Trade.HVAC))),
            "breached": draw(st.booleans()),
            "escalated": draw(st.booleans()),
        }
    )


@given(known=st.lists(told_before(), max_size=6), ends=st.data())
def test_nothing_after_the_moment_changes_a_feature(known: list[PastRequest], ends: st.DataObject) -> None:
    """Requests that come later, and ends that come later, leave every feature as it was."""
    before = features(item(*known), labels())
    later = past(1.0).model_copy(update={"created_at": ends.draw(later_times)})
    in_future = [
        each
        if each.resolved_at is not None
        else each.model_copy(update={"resolved_at": ends.draw(later_times.filter(lambda at: at > NOW)),
                                     "status": Status.CLOSED})
        for each in known
    ]  # fmt: skip
    assert features(item(later, *in_future), labels()) == before


def test_a_longer_history_leaves_the_features_of_a_request_as_they_were() -> None:
    """The generator's own future: cut off soon after, or long after, the same rows come."""
    short = part(generate("features", [0], 220.0, first_day=180.0)).features
    whole = part([each for each in generate("features", [0], 300.0) if 180.0 <= each.day < 220.0]).features
    assert np.array_equal(short, whole)


def test_the_backlog_is_that_of_the_topic() -> None:
    work = TopicWork(
        open={Urgency.LOW: 4, Urgency.MEDIUM: 3, Urgency.EMERGENCY: 1},
        overdue=2,
        ended=10,
        ended_since=NOW - timedelta(days=20),
        last_ended_at=NOW - timedelta(days=1.5),
        mean_days=3.5,
        breached=4,
    )
    other = TopicWork(open={Urgency.HIGH: 5}, overdue=1)
    message = item().model_copy(update={"backlog": Backlog(topics={"plumbing": work, "Billing": other})})
    row = named(message)
    assert (row["topic_open"], row["topic_ahead"], row["topic_overdue"]) == (8.0, 4.0, 2.0)
    assert row["topic_days_between_ends"] == pytest.approx(2.0)
    assert row["topic_wait_days"] == pytest.approx(8.0)
    assert row["topic_days_since_end"] == pytest.approx(1.5)
    assert row["topic_resolution_days"] == pytest.approx(3.5)
    assert row["topic_breach_rate"] == pytest.approx(0.4)
    assert (row["all_open"], row["all_overdue"]) == (13.0, 3.0)
    assert named(message, labels(Category.BILLING, None))["topic_open"] == 5.0
    assert named(message, labels(Category.LEASING, None))["topic_open"] == 0.0


def test_an_end_that_was_stored_a_moment_later_does_not_reach_into_the_future() -> None:
    work = TopicWork(ended=1, ended_since=NOW + timedelta(seconds=4), last_ended_at=NOW + timedelta(seconds=4))
    row = named(item().model_copy(update={"backlog": Backlog(topics={"plumbing": work})}))
    assert row["topic_days_since_end"] == 0.0


def test_similar_requests_are_followed_to_their_end() -> None:
    row = named(item(past(30.0, resolved_days_ago=12.0, breached=True), past(4.0), past(9.0)))
    assert row["days_since_similar_resolved"] == pytest.approx(12.0)
    assert row["similar_open_days"] == pytest.approx(9.0)
    assert row["similar_breached"] == 1.0


def test_hour_weekday_and_season_are_those_of_the_buildings() -> None:
    """03:10 UTC on New Year's Day is ten past ten in the evening before in New York."""
    message = AssessItem(message_text="x", at=datetime(2025, 1, 1, 3, 10, tzinfo=UTC))
    row = dict(zip(FEATURE_NAMES, features(message, labels(), ZoneInfo("America/New_York")), strict=True))
    assert row["hour"] == pytest.approx(22 + 10 / 60)
    assert row["weekday"] == 1.0
    assert row["season_sine"] < 0.0 < row["season_cosine"]
    assert named(message)["hour"] == pytest.approx(3 + 10 / 60)


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("We have NO HOT WATER since Monday", "hot_water"),
        ("the radiator is ice cold", "heating"),
        ("my package says delivered but isn't here", "parcel"),
        ("I saw a mouse behind the couch", "pests"),
        ("The elevator is out again", "elevator"),
        ("No hay agua caliente", "hot_water"),
    ],
)
def test_subjects_are_told_by_words(text: str, subject: str) -> None:
    assert named(item(text=text))[f"about_{subject}"] == 1.0
    assert named(item(text="Hello"))[f"about_{subject}"] == 0.0


def test_every_feature_can_be_read() -> None:
    assert set(FACTOR_LABELS) == set(FEATURE_NAMES)
    assert len(set(FACTOR_LABELS.values())) == len(FACTOR_LABELS)
    assert not [label for label in FACTOR_LABELS.values() if "_" in label or not label[0].isupper()]
