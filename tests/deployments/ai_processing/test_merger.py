"""Whatever a second opinion says, what the safety rules and the local model hold for an alarm stands."""

from collections.abc import Mapping
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Category, Intent, Trade, Urgency
from core.request import Classification, Issue
from deployments.ai_processing.merger import Local, Merger
from deployments.ai_processing.safety import SafetyFinding
from deployments.ai_processing.text import TextPrediction
from tests.deployments.ai_processing.conftest import ADVICE, item

Label = TypeVar("Label", Category, Urgency, Intent, Trade)

TEXT = "The mailbox key is lost. There is a smell of gas in the hall. The rent was taken twice."
PARTS = ("The mailbox key is lost", "a smell of gas in the hall", "The rent was taken twice", TEXT)
MERGER = Merger(ADVICE, 0.9, "v1")
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
        issues=1,
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
    return Local(TEXT, prediction, finding, issues)


@given(predictions(), OPINIONS, CHOICES)
def test_a_rule_that_fired_has_the_last_word(
    prediction: TextPrediction, opinion: Classification, chosen: dict[str, object]
) -> None:
    found = MERGER.merge(local(prediction, GAS), item(TEXT, **chosen), opinion)
    assert (found.urgency, found.category, found.trade) == (Urgency.EMERGENCY, Category.MAINTENANCE, Trade.PLUMBING)
    assert (found.safety_rule, found.safety_advice, found.source) == ("gas-leak", ADVICE["gas-leak"], "rules")
    assert found.emergency


@given(predictions(Urgency.EMERGENCY), OPINIONS, CHOICES)
def test_an_alarm_of_the_local_model_stands(
    prediction: TextPrediction, opinion: Classification, chosen: dict[str, object]
) -> None:
    found = MERGER.merge(local(prediction), item(TEXT, **chosen), opinion)
    assert found.urgency is Urgency.EMERGENCY
    assert found.emergency
    assert found.safety_advice == ADVICE["default"]
    assert found.safety_rule is None


@given(predictions(), OPINIONS)
def test_an_alarm_in_one_of_several_issues_stands(prediction: TextPrediction, opinion: Classification) -> None:
    key = Issue(text=PARTS[0], category=Category.SECURITY, urgency=Urgency.LOW)
    gas = Issue(text=PARTS[1], category=Category.MAINTENANCE, urgency=Urgency.EMERGENCY, trade=Trade.PLUMBING)
    found = MERGER.merge(local(prediction, issues=(key, gas)), item(TEXT), opinion)
    assert (found.urgency, found.category, found.trade) == (Urgency.EMERGENCY, Category.MAINTENANCE, Trade.PLUMBING)
    assert gas in found.issues


@given(predictions(), OPINIONS, CHOICES)
def test_labels_go_together_whatever_the_opinion(
    prediction: TextPrediction, opinion: Classification, chosen: dict[str, object]
) -> None:
    found = MERGER.merge(local(prediction), item(TEXT, **chosen), opinion)
    assert (found.trade is not None) == (found.category is Category.MAINTENANCE)
    assert found.emergency == (found.urgency is Urgency.EMERGENCY)
    assert (found.safety_advice is not None) == found.emergency
    assert found.safety_rule is None
    assert found.source in ("llm", "user")
    assert len(found.issues) != 1
    assert all(issue.text in TEXT and issue.text.strip() for issue in found.issues)
    assert all((issue.trade is not None) == (issue.category is Category.MAINTENANCE) for issue in found.issues)


@given(predictions(Urgency.EMERGENCY), OPINIONS)
def test_a_kept_alarm_is_no_surer_than_the_model_that_raised_it(
    prediction: TextPrediction, opinion: Classification
) -> None:
    found = MERGER.merge(local(prediction), item(TEXT), opinion.model_copy(update={"issues": ()}))
    if opinion.urgency is not Urgency.EMERGENCY:
        assert found.confidence <= prediction.confidences["urgency"]


@pytest.mark.parametrize("urgency", [Urgency.LOW, Urgency.MEDIUM, Urgency.HIGH])
def test_below_an_alarm_the_opinion_is_heard(urgency: Urgency) -> None:
    prediction = TextPrediction(
        category_probabilities=distribution(Category, Category.OTHER, 0.3),
        urgency_probabilities=distribution(Urgency, Urgency.MEDIUM, 0.5),
        intent_probabilities=distribution(Intent, Intent.SOLVE_PROBLEM, 0.6),
        trade_probabilities=distribution(Trade, Trade.PEST, 0.5),
        emergency_threshold=0.3,
        issues=1,
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
    found = MERGER.merge(local(prediction), item(TEXT), opinion)
    assert (found.category, found.urgency, found.intent) == (Category.BILLING, urgency, Intent.ANSWER_QUESTION)
    assert (found.confidence, found.source) == (0.8, "llm")
    raised = MERGER.merge(local(prediction), item(TEXT), opinion.model_copy(update={"urgency": Urgency.EMERGENCY}))
    assert raised.emergency
