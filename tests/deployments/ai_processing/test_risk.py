"""The risk model as it serves: probabilities, independence of the batch, reasons, and refusals."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from zoneinfo import ZoneInfo

import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.artefacts import build_once
from adapters.risk_artefact import ARTEFACT, SPECIFICATION, RiskArtefact, read_risk_artefact
from core.errors import ArtefactRefused
from core.labels import Category, Intent, RiskLevel, Status, Trade, Urgency
from core.messages import AssessItem, Backlog, BuildingFacts, PastRequest, TopicWork
from core.request import Classification, RequestId
from deployments.ai_processing.features import FEATURE_NAMES, features, matrix
from deployments.ai_processing.risk import FACTORS, TARGETS, RiskModel, RiskSpecification, top_factors
from models.histories.generator import Sample, generate
from models.risk.train import inputs_hash, train

NOW = datetime(2025, 2, 11, 18, 5, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
FOLDER = Path(__file__).resolve().parents[3] / "var" / "artefacts" / ARTEFACT


@pytest.fixture(scope="module")
def artefact() -> RiskArtefact:
    build_once(FOLDER, ARTEFACT, inputs_hash(), train)
    return read_risk_artefact(FOLDER)


@pytest.fixture(scope="module")
def model(artefact: RiskArtefact) -> RiskModel:
    return RiskModel(artefact, ZONE)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return generate("unseen", [0], 330.0)


def labels(
    category: Category, trade: Trade | None, urgency: Urgency = Urgency.MEDIUM, confidence: float = 0.9
) -> Classification:
    return Classification(
        category=category,
        urgency=urgency,
        intent=Intent.SOLVE_PROBLEM,
        trade=trade,
        confidence=confidence,
        source="model",
        emergency=urgency is Urgency.EMERGENCY,
        model_version="test",
    )


def past(days_ago: float, category: Category, trade: Trade | None, *, escalated: bool = False) -> PastRequest:
    return PastRequest(
        request_id=RequestId(f"R-{days_ago}"),
        resident_id="RES_1",
        category=category,
        trade=trade,
        urgency=Urgency.MEDIUM,
        status=Status.CLOSED,
        created_at=NOW - timedelta(days=days_ago),
        resolved_at=NOW - timedelta(days=days_ago - 2.0),
        escalated=escalated,
    )


messages = st.builds(
    AssessItem,
    message_text=st.text(min_size=1, max_size=200),
    at=st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    history=st.lists(
        st.builds(
            past,
            st.floats(2.0, 900.0),
            st.just(Category.MAINTENANCE),
            st.sampled_from(Trade),
            escalated=st.booleans(),
        ),
        max_size=6,
    ).map(tuple),
    building=st.builds(BuildingFacts, requests_180d=st.integers(0, 100_000), open_requests=st.integers(0, 100_000)),
)
classifications = st.one_of(
    st.builds(labels, st.just(Category.MAINTENANCE), st.sampled_from(Trade), st.sampled_from(Urgency), st.floats(0, 1)),
    st.builds(
        labels,
        st.sampled_from([category for category in Category if category is not Category.MAINTENANCE]),
        st.none(),
        st.sampled_from(Urgency),
        st.floats(0, 1),
    ),
)


@settings(deadline=None, max_examples=40)
@given(pairs=st.lists(st.tuples(messages, classifications), min_size=1, max_size=5))
def test_probabilities_and_what_they_rest_on(model: RiskModel, pairs: list[tuple[AssessItem, Classification]]) -> None:
    risks = model.predict([item for item, _ in pairs], [each for _, each in pairs])
    for risk, (item, each) in zip(risks, pairs, strict=True):
        parts = (risk.recurrence_probability, risk.sla_breach_probability, risk.escalation_probability)
        assert all(0.0 < part < 1.0 for part in parts)
        assert 0.0 < risk.score < 1.0 - (1.0 - parts[0]) * (1.0 - parts[1]) * (1.0 - parts[2])
        sizes = [abs(factor.contribution) for factor in risk.factors]
        assert sizes == sorted(sizes, reverse=True)
        assert 0 < len(sizes) <= FACTORS
        row = dict(zip(FEATURE_NAMES, features(item, each, ZONE), strict=True))
        assert all(factor.value == pytest.approx(row[factor.feature], rel=1e-6) for factor in risk.factors)


@settings(deadline=None, max_examples=25)
@given(pairs=st.lists(st.tuples(messages, classifications), min_size=2, max_size=6))
def test_a_prediction_does_not_depend_on_the_batch(
    model: RiskModel, pairs: list[tuple[AssessItem, Classification]]
) -> None:
    together = model.predict([item for item, _ in pairs], [each for _, each in pairs])
    alone = [model.predict([item], [each])[0] for item, each in pairs]
    assert together == alone


def test_an_empty_batch_has_no_risk(model: RiskModel) -> None:
    assert model.predict([], []) == []


@pytest.mark.parametrize(
    ("category", "trade", "text"),
    [
        (Category.MAINTENANCE, Trade.PLUMBING, "The shower drain is blocked."),
        (Category.MAINTENANCE, Trade.HVAC, "The radiator in the bedroom is cold."),
        (Category.MAINTENANCE, Trade.PEST, "There are roaches in the kitchen."),
        (Category.COMMUNITY, None, "Loud music from upstairs until two in the morning."),
        (Category.BILLING, None, "I was charged twice for the rent."),
    ],
)
def test_history_matters(model: RiskModel, category: Category, trade: Trade | None, text: str) -> None:
    """Three similar requests in the last two months make another one likelier."""
    facts = BuildingFacts(requests_180d=120, same_trade_180d={str(trade or category): 14}, open_requests=4)
    fresh = AssessItem(message_text=text, at=NOW, building=facts)
    similar = tuple(past(days, category, trade) for days in (9.0, 25.0, 55.0))
    again = fresh.model_copy(update={"history": similar})
    each = labels(category, trade)
    first, third = model.predict([fresh, again], [each, each])
    assert third.recurrence_probability > first.recurrence_probability + 0.1
    assert third.score > first.score
    reasons = {factor.feature for factor in third.factors if factor.contribution > 0}
    assert reasons & {"similar_requests_30d", "similar_requests_180d", "days_since_similar"}


def test_earlier_complaints_make_another_likelier(model: RiskModel) -> None:
    each = labels(Category.MAINTENANCE, Trade.HVAC, Urgency.HIGH)
    calm, upset = (
        AssessItem(
            message_text="No heat in the bedroom.",
            at=NOW,
            history=tuple(past(days, Category.MAINTENANCE, Trade.HVAC, escalated=escalated) for days in (12.0, 40.0)),
            building=BuildingFacts(requests_180d=120, same_trade_180d={"hvac": 20}, open_requests=6),
        )
        for escalated in (False, True)
    )
    before, after = model.predict([calm, upset], [each, each])
    assert after.escalation_probability > before.escalation_probability


def test_it_ranks_a_site_that_it_never_saw(model: RiskModel, samples: list[Sample]) -> None:
    risks = model.predict([each.item for each in samples], [each.classification for each in samples])
    for outcome, field in (
        ("recurred", "recurrence_probability"),
        ("breached", "sla_breach_probability"),
        ("escalated", "escalation_probability"),
    ):
        stated = {
            happened: mean(getattr(risk, field) for risk, each in zip(risks, samples, strict=True)
                           if getattr(each, outcome) is happened)
            for happened in (True, False)
        }  # fmt: skip
        assert stated[True] > stated[False] + 0.05


def test_levels_are_all_used_and_follow_the_score(model: RiskModel, samples: list[Sample]) -> None:
    risks = model.predict([each.item for each in samples], [each.classification for each in samples])
    scores = {level: [risk.score for risk in risks if risk.level is level] for level in RiskLevel}
    assert all(scores.values())
    assert max(scores[RiskLevel.LOW]) < min(scores[RiskLevel.MEDIUM])
    assert max(scores[RiskLevel.MEDIUM]) < min(scores[RiskLevel.HIGH])


def test_many_threads_get_what_one_gets(model: RiskModel, samples: list[Sample]) -> None:
    parts = [samples[first : first + 8] for first in range(0, 160, 8)]
    inputs = [([each.item for each in part], [each.classification for each in part]) for part in parts]
    expected = [model.predict(*each) for each in inputs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda each: model.predict(*each), inputs)) == expected


def test_a_model_for_other_features_is_refused(artefact: RiskArtefact) -> None:
    specification = RiskSpecification.model_validate_json(artefact.specification)
    other = specification.model_copy(update={"features": ("age", *FEATURE_NAMES[1:])})
    with pytest.raises(ArtefactRefused, match="other features"):
        RiskModel(replace(artefact, specification=other.model_dump_json().encode()))


def test_a_booster_with_other_features_is_refused(artefact: RiskArtefact) -> None:
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix([[0.0], [1.0]], [0.0, 1.0], nthread=1), 1)
    with pytest.raises(ArtefactRefused, match="other features"):
        RiskModel(replace(artefact, boosters={**artefact.boosters, "escalation": bytes(booster.save_raw())}))


@pytest.mark.parametrize("specification", [b"", b"{}", b'{"features": 3}'])
def test_an_unreadable_specification_is_refused(artefact: RiskArtefact, specification: bytes) -> None:
    with pytest.raises(ArtefactRefused, match="specification"):
        RiskModel(replace(artefact, specification=specification))


def test_a_missing_booster_is_refused(artefact: RiskArtefact) -> None:
    boosters = {name: content for name, content in artefact.boosters.items() if name != "recurrence"}
    with pytest.raises(ArtefactRefused, match="recurrence"):
        RiskModel(replace(artefact, boosters=boosters))


def test_a_damaged_booster_is_refused(artefact: RiskArtefact) -> None:
    cut = artefact.boosters["recurrence"][:200]
    with pytest.raises(ArtefactRefused, match="recurrence"):
        RiskModel(replace(artefact, boosters={**artefact.boosters, "recurrence": cut}))


def test_a_changed_file_is_refused(artefact: RiskArtefact, tmp_path: Path) -> None:
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert read_risk_artefact(tmp_path) == artefact
    changed = json.loads(artefact.specification)
    changed["high_from"] = 0.999
    (tmp_path / SPECIFICATION).write_text(json.dumps(changed))
    with pytest.raises(ArtefactRefused):
        read_risk_artefact(tmp_path)


@settings(deadline=None, max_examples=15)
@given(pairs=st.lists(st.tuples(messages, classifications), min_size=1, max_size=4))
def test_contributions_sum_to_the_margin(
    artefact: RiskArtefact, pairs: list[tuple[AssessItem, Classification]]
) -> None:
    """TreeSHAP's values and its bias are the booster's log-odds, and the merged ones are as much in sum."""
    rows = matrix([item for item, _ in pairs], [each for _, each in pairs])
    data = xgboost.DMatrix(rows, nthread=1)
    for target in TARGETS:
        booster = xgboost.Booster()
        booster.load_model(bytearray(artefact.boosters[target]))
        shares = booster.predict(data, pred_contribs=True)
        assert shares.sum(axis=1) == pytest.approx(booster.predict(data, output_margin=True), abs=1e-4)
        for row, whole in zip(top_factors(rows, shares[:, :-1], limit=rows.shape[1]), shares, strict=True):
            assert sum(factor.contribution for factor in row) == pytest.approx(whole[:-1].sum(), abs=1e-4)


def test_factors_are_named_for_a_reader(model: RiskModel, samples: list[Sample]) -> None:
    risks = model.predict([each.item for each in samples[:80]], [each.classification for each in samples[:80]])
    shown = {factor.label for risk in risks for factor in risk.factors}
    assert len(shown) > 15
    assert all(label and "_" not in label for label in shown)


def test_levels_begin_at_their_thresholds(artefact: RiskArtefact, samples: list[Sample]) -> None:
    """A score that is just a threshold belongs to the level above."""
    one = samples[40]
    score = RiskModel(artefact, ZONE).predict([one.item], [one.classification])[0].score
    specification = RiskSpecification.model_validate_json(artefact.specification)

    def level(medium_from: float, high_from: float) -> RiskLevel:
        changed = specification.model_copy(update={"medium_from": medium_from, "high_from": high_from})
        other = RiskModel(replace(artefact, specification=changed.model_dump_json().encode()), ZONE)
        return other.predict([one.item], [one.classification])[0].level

    above = math.nextafter(score, 1.0)
    assert level(above, 1.0) is RiskLevel.LOW
    assert level(score, above) is RiskLevel.MEDIUM
    assert level(0.0, score) is RiskLevel.HIGH
    assert 0.0 < specification.medium_from < specification.high_from < 1.0


def test_work_that_piles_up_makes_a_breach_likelier(model: RiskModel) -> None:
    """What the generator guarantees: a crew that is behind is late."""

    def work(waiting: int, overdue: int, breached: int, between_days: float) -> Backlog:
        topic = TopicWork(
            open={Urgency.MEDIUM: waiting, Urgency.HIGH: waiting // 3},
            overdue=overdue,
            ended=20,
            ended_since=NOW - timedelta(days=20 * between_days),
            last_ended_at=NOW - timedelta(days=between_days),
            mean_days=1.0 + breached,
            breached=breached,
        )
        return Backlog(topics={"plumbing": topic})

    each = labels(Category.MAINTENANCE, Trade.PLUMBING, Urgency.HIGH)
    idle, swamped = (
        AssessItem(
            message_text="There is a leak under the sink.",
            at=NOW,
            building=BuildingFacts(requests_180d=120, same_trade_180d={"plumbing": 20}, open_requests=6),
            backlog=backlog,
        )
        for backlog in (work(1, 0, 0, 0.6), work(25, 9, 12, 1.5))
    )
    calm, late = model.predict([idle, swamped], [each, each])
    assert late.sla_breach_probability > calm.sla_breach_probability + 0.1


def test_the_more_urgent_of_two_has_less_time(model: RiskModel, samples: list[Sample]) -> None:
    """Three days for High, a month for Low: the same message breaches more often."""
    chosen = [each for each in samples if each.classification.category is Category.MAINTENANCE][:60]
    items = [each.item for each in chosen]
    low, high = (
        model.predict(items, [each.classification.model_copy(update={"urgency": urgency}) for each in chosen])
        for urgency in (Urgency.LOW, Urgency.HIGH)
    )
    assert all(a.sla_breach_probability < b.sla_breach_probability for a, b in zip(low, high, strict=True))


def test_the_hour_is_that_of_the_buildings(artefact: RiskArtefact, samples: list[Sample]) -> None:
    """The same wall clock in two zones is the same risk."""
    west = ZoneInfo("America/Los_Angeles")
    one = samples[60]
    wall = datetime(2025, 6, 3, 19, 20)
    risks = [
        RiskModel(artefact, zone).predict(
            [AssessItem(message_text=one.item.message_text, at=wall.replace(tzinfo=zone))], [one.classification]
        )[0]
        for zone in (west, ZONE)
    ]
    assert risks[0] == risks[1]
