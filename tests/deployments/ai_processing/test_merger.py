"""Whatever a second opinion says, what the safety rules and the local model hold for an alarm stands."""

from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Category, Intent, Trade, Urgency
from core.request import Classification, Confidences, Issue
from deployments.ai_processing.issues import FoundIssue
from deployments.ai_processing.merger import Local, Merger
from deployments.ai_processing.safety import SafetyFinding
from deployments.ai_processing.text import HeadName, RulePrecision, TextPrediction
from tests.deployments.ai_processing.conftest import ADVICE, item

Label = TypeVar("Label", Category, Urgency, Intent, Trade)

TEXT = "The mailbox key is lost. There is a smell of gas in the hall. The rent was taken twice."
PARTS = ("The mailbox key is lost", "a smell of gas in the hall", "The rent was taken twice", TEXT)
MERGER = Merger(ADVICE, RulePrecision(urgency=0.9, category=0.8), "v1")
GAS = SafetyFinding("gas-leak", "gas", "gas is explosive", Category.MAINTENANCE, Trade.PLUMBING, "smell of gas")


def distribution(labels: type[Label], likeliest: Label, probability: float) -> Mapping[Label, float]:
    rest = (1.0 - probability) / (len(labels) - 1)
    return {label: probability if label is likeliest else rest for label in labels}


@st.composite
def predictions(draw: st.DrawFn, urgency: Urgency | None = None) -> TextPrediction:
    chosen = urgency or draw(st.sampled_from(list(Urgency)))
    return TextPrediction(
        category_probabilities=distribution(Category, draw(st.sampled_from(list(Category))), 0.5),
        urgency_probabilities=distribution(Urgency, chosen, draw(st.floats(0.4, 1.0))),
        intent_probabilities=distribution(Intent, draw(st.sampled_from(list(Intent))), 0.6),
        trade_probabilities=distribution(Trade, draw(st.sampled_from(list(Trade))), 0.5),
        emergency_threshold=0.3,
        several=False,
        counts=(),
        starts=(),
    )


trades = st.none() | st.sampled_from(list(Trade))
ISSUES = st.builds(
    Issue,
    text=st.sampled_from(PARTS) | st.text(max_size=20),
    category=st.sampled_from(list(Category)),
    urgency=st.sampled_from(list(Urgency)),
    trade=trades,
)
OPINIONS = st.builds(
    Classification,
    category=st.sampled_from(list(Category)),
    urgency=st.sampled_from(list(Urgency)),
    intent=st.sampled_from(list(Intent)),
    trade=trades,
    confidence=st.floats(0.0, 1.0),
    source=st.sampled_from(["rules", "model", "llm", "user"]),
    emergency=st.booleans(),
    safety_rule=st.none() | st.text(max_size=10),
    safety_advice=st.none() | st.text(max_size=30),
    issues=st.lists(ISSUES, max_size=5).map(tuple),
    model_version=st.text(max_size=10),
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={"category": st.sampled_from(list(Category)), "urgency": st.sampled_from(list(Urgency))},
)


def local(prediction: TextPrediction, finding: SafetyFinding | None = None, issues: tuple[Issue, ...] = ()) -> Local:
    return Local(TEXT, prediction, finding, tuple(found(issue) for issue in issues))


def found(issue: Issue, certainty: float = 0.7) -> FoundIssue:
    sure: dict[HeadName, float] = dict.fromkeys(("category", "urgency", "intent"), certainty)
    return FoundIssue(issue, {**sure, "trade": certainty} if issue.trade else sure)


@given(predictions(), OPINIONS, CHOICES)
def test_a_rule_that_fired_has_the_last_word(
    prediction: TextPrediction, opinion: Classification, chosen: dict[str, object]
) -> None:
    merged = MERGER.merge(local(prediction, GAS), item(TEXT, **chosen), opinion)
    assert (merged.urgency, merged.category, merged.trade) == (Urgency.EMERGENCY, Category.MAINTENANCE, Trade.PLUMBING)
    assert (merged.safety_rule, merged.safety_advice, merged.source) == ("gas-leak", ADVICE["gas-leak"], "rules")
    assert merged.emergency


@given(predictions(Urgency.EMERGENCY), OPINIONS, CHOICES)
def test_an_alarm_of_the_local_model_stands(
    prediction: TextPrediction, opinion: Classification, chosen: dict[str, object]
) -> None:
    merged = MERGER.merge(local(prediction), item(TEXT, **chosen), opinion)
    assert merged.urgency is Urgency.EMERGENCY
    assert merged.emergency
    assert merged.safety_advice == ADVICE["default"]
    assert merged.safety_rule is None


@given(predictions(), OPINIONS)
def test_an_alarm_in_one_of_several_issues_stands(prediction: TextPrediction, opinion: Classification) -> None:
    key = Issue(text=PARTS[0], category=Category.SECURITY, urgency=Urgency.LOW)
    gas = Issue(text=PARTS[1], category=Category.MAINTENANCE, urgency=Urgency.EMERGENCY, trade=Trade.PLUMBING)
    merged = MERGER.merge(local(prediction, issues=(key, gas)), item(TEXT), opinion)
    assert (merged.urgency, merged.category, merged.trade) == (Urgency.EMERGENCY, Category.MAINTENANCE, Trade.PLUMBING)
    assert gas in merged.issues


@given(predictions(), OPINIONS, CHOICES)
def test_labels_go_together_whatever_the_opinion(
    prediction: TextPrediction, opinion: Classification, chosen: dict[str, object]
) -> None:
    merged = MERGER.merge(local(prediction), item(TEXT, **chosen), opinion)
    assert (merged.trade is not None) == (merged.category is Category.MAINTENANCE)
    assert merged.emergency == (merged.urgency is Urgency.EMERGENCY)
    assert (merged.safety_advice is not None) == merged.emergency
    assert merged.safety_rule is None
    assert merged.source in ("llm", "user")
    assert len(merged.issues) != 1
    assert all(issue.text in TEXT and issue.text.strip() for issue in merged.issues)
    assert all((issue.trade is not None) == (issue.category is Category.MAINTENANCE) for issue in merged.issues)


@given(predictions(Urgency.EMERGENCY), OPINIONS)
def test_a_kept_alarm_is_no_surer_than_the_model_that_raised_it(
    prediction: TextPrediction, opinion: Classification
) -> None:
    merged = MERGER.merge(local(prediction), item(TEXT), opinion.model_copy(update={"issues": ()}))
    if opinion.urgency is not Urgency.EMERGENCY:
        assert merged.least_confidence <= prediction.confidences["urgency"]


@pytest.mark.parametrize("urgency", [Urgency.LOW, Urgency.MEDIUM, Urgency.HIGH])
def test_below_an_alarm_the_opinion_is_heard(urgency: Urgency) -> None:
    prediction = TextPrediction(
        category_probabilities=distribution(Category, Category.OTHER, 0.3),
        urgency_probabilities=distribution(Urgency, Urgency.MEDIUM, 0.5),
        intent_probabilities=distribution(Intent, Intent.SOLVE_PROBLEM, 0.6),
        trade_probabilities=distribution(Trade, Trade.PEST, 0.5),
        emergency_threshold=0.3,
        several=False,
        counts=(),
        starts=(),
    )
    opinion = Classification(
        category=Category.BILLING,
        urgency=urgency,
        intent=Intent.ANSWER_QUESTION,
        confidence=0.8,
        source="llm",
        emergency=False,
        model_version="llm-1",
    )
    merged = MERGER.merge(local(prediction), item(TEXT), opinion)
    assert (merged.category, merged.urgency, merged.intent) == (Category.BILLING, urgency, Intent.ANSWER_QUESTION)
    assert (merged.confidence, merged.least_confidence, merged.source) == (0.8, 0.8, "llm")
    raised = MERGER.merge(local(prediction), item(TEXT), opinion.model_copy(update={"urgency": Urgency.EMERGENCY}))
    assert raised.emergency


def plain(category: Category, probability: float) -> TextPrediction:
    return TextPrediction(
        category_probabilities=distribution(Category, category, probability),
        urgency_probabilities=distribution(Urgency, Urgency.MEDIUM, 0.9),
        intent_probabilities=distribution(Intent, Intent.SOLVE_PROBLEM, 0.95),
        trade_probabilities=distribution(Trade, Trade.PEST, 0.6),
        emergency_threshold=0.3,
        several=False,
        counts=(),
        starts=(),
    )


def test_each_label_comes_with_its_own_confidence() -> None:
    merged = MERGER.merge(local(plain(Category.BILLING, 0.85)), item(TEXT), None)
    assert merged.confidence == 0.85
    assert merged.confidences == Confidences(category=0.85, urgency=0.9, intent=0.95)
    assert merged.least_confidence == 0.85


def test_a_leading_issue_brings_its_own_confidence() -> None:
    key = Issue(text=PARTS[0], category=Category.SECURITY, urgency=Urgency.LOW)
    mice = Issue(text=PARTS[1], category=Category.MAINTENANCE, urgency=Urgency.HIGH, trade=Trade.PEST)
    merged = MERGER.merge(local(plain(Category.BILLING, 0.5), issues=(key, mice)), item(TEXT), None)
    assert (merged.category, merged.trade, merged.urgency) == (Category.MAINTENANCE, Trade.PEST, Urgency.HIGH)
    assert merged.confidences == Confidences(category=0.7, urgency=0.7, intent=0.95, trade=0.7)


@pytest.mark.parametrize(("probability", "category", "sure"), [(0.9, Category.BILLING, 0.9), (0.4, GAS.category, 0.8)])
def test_a_rule_says_how_often_it_is_right(probability: float, category: Category, sure: float) -> None:
    merged = MERGER.merge(local(plain(Category.BILLING, probability), GAS), item(TEXT), None)
    assert (merged.category, merged.confidence) == (category, sure)
    assert merged.confidences is not None
    assert merged.confidences.urgency == 0.9


def test_there_is_no_doubt_about_what_the_writer_chose() -> None:
    chosen = item(TEXT, category=Category.MAINTENANCE, urgency=Urgency.LOW)
    merged = MERGER.merge(local(plain(Category.BILLING, 0.9)), chosen, None)
    assert merged.confidences == Confidences(category=1.0, urgency=1.0, intent=0.95, trade=0.6)
