"""The served text model: calibrated, consistent and the same in any batch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.array_files import read_arrays
from core.errors import ArtefactRefused
from core.labels import Category, Intent, Trade, Urgency
from core.ports.intelligence import Reading
from core.settings import Settings
from deployments.ai_processing.text import HEADS, TextModel, TextPrediction, foreign_share, raises_several

TEXTS = [
    "kitchen faucet drips all night",
    "What time does the gym close on Sunday?",
    "I was charged a late fee twice, refund it please",
    "This is the third time I write and nobody calls back. I want the manager.",
    "¿cuándo abre la piscina?",
    "🫠",
]

Predict = Callable[..., list[TextPrediction]]


@pytest.fixture(scope="session")
def predict(text_model: TextModel) -> Predict:
    return lambda *texts: text_model.predict(texts)


def test_plain_messages_get_their_labels(predict: Predict) -> None:
    drip, gym, fee, complaint, *_ = predict(*TEXTS)
    assert (drip.category, drip.trade, drip.intent) == (Category.MAINTENANCE, Trade.PLUMBING, Intent.SOLVE_PROBLEM)
    assert (gym.category, gym.intent, gym.urgency) == (Category.AMENITIES, Intent.ANSWER_QUESTION, Urgency.LOW)
    assert (fee.category, fee.trade) == (Category.BILLING, None)
    assert complaint.intent is Intent.HUMAN_ESCALATION


@given(text=st.text(min_size=1, max_size=300))
@settings(max_examples=40, deadline=None)
def test_probabilities_of_each_head_sum_to_one(predict: Predict, text: str) -> None:
    (found,) = predict(text)
    for head, labels in HEADS.items():
        probabilities = found.probabilities(head)
        assert len(probabilities) == len(labels)
        assert min(probabilities) >= 0
        assert sum(probabilities) == pytest.approx(1.0)


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_an_answer_does_not_depend_on_the_batch(predict: Predict, texts: list[str], random: Any) -> None:
    alone = {text: predict(text)[0] for text in set(texts)}
    random.shuffle(texts)
    assert predict(*texts) == [alone[text] for text in texts]


def test_a_trade_goes_with_maintenance_only(predict: Predict) -> None:
    for found in predict(*TEXTS):
        assert (found.trade is not None) == (found.category is Category.MAINTENANCE)
        assert ("trade" in found.confidences) == (found.trade is not None)


def prediction(emergency: float, threshold: float) -> TextPrediction:
    return TextPrediction(
        category_probabilities={Category.BILLING: 0.9, Category.MAINTENANCE: 0.1},
        urgency_probabilities={Urgency.LOW: 0.9 - emergency, Urgency.HIGH: 0.1, Urgency.EMERGENCY: emergency},
        intent_probabilities={Intent.SOLVE_PROBLEM: 0.6, Intent.ANSWER_QUESTION: 0.4},
        trade_probabilities={Trade.PEST: 1.0},
        emergency_threshold=threshold,
        several=False,
        counts=(),
        starts=(),
    )


def test_emergency_is_called_from_its_threshold_on_and_not_below() -> None:
    assert prediction(0.3, threshold=0.25).urgency is Urgency.EMERGENCY
    assert prediction(0.3, threshold=0.35).urgency is Urgency.LOW
    assert prediction(0.8, threshold=0.85).urgency is not Urgency.EMERGENCY


def test_the_model_abstains_where_its_label_is_improbable() -> None:
    found = prediction(0.3, threshold=0.25)
    assert found.unsure(0.5) == ("urgency",)
    assert found.unsure(0.7) == ("urgency", "intent")
    assert found.unsure(0.0) == ()


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("no heat", 0.0),
        ("la calefacción, ¿cuándo?", 0.0),
        ("煤气泄漏", 1.0),
        ("", 0.0),
        ("12345 !!", 0.0),
        ("окно abcd", 0.5),
    ],
)
def test_letters_of_other_scripts_are_counted(text: str, share: float) -> None:
    assert foreign_share(text) == share


def test_the_model_is_unsure_of_what_it_cannot_read(predict: Predict) -> None:
    (found,) = predict("厨房里有很浓的煤气味")
    assert set(found.unsure(0.5)) >= {"category", "urgency", "intent"}


@pytest.mark.parametrize(
    ("counts", "several"), [((9.0, 0.0, 0.0, 0.0), False), ((0.0, 4.0, 1.0, 0.0), True), ((1.0, 0.5, 0.5, 0.0), True)]
)
def test_several_issues_are_told_by_their_probability_together(counts: tuple[float, ...], several: bool) -> None:
    assert raises_several(counts, 0.5) == several


class NoEncoder:
    """Reads nothing."""

    def read(self, texts: Sequence[str]) -> list[Reading]:
        raise AssertionError("nothing is to be read")


@pytest.mark.parametrize("damage", ["lexicon", "labels", "rules", "shape"])
def test_arrays_for_other_code_are_refused(built_settings: Settings, damage: str) -> None:
    arrays = dict(read_arrays(built_settings.artefacts_dir / "text", "text").arrays)
    if damage == "lexicon":
        arrays["lexicon"] = np.array("another")
    elif damage == "labels":
        arrays["trade.labels"] = arrays["trade.labels"][::-1]
    elif damage == "rules":
        arrays["rule_precision"] = np.array(0.9)
    else:
        arrays["weights"] = arrays["weights"][:-1]
    with pytest.raises(ArtefactRefused, match="aam build"):
        TextModel(NoEncoder(), arrays, "damaged")
