"""The pieces of understanding, as served, and stand-ins for what lies outside of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

import deployments.ai_processing.safety
from adapters.safety_rules import read_safety_rules
from core.labels import RiskLevel
from core.messages import AssessItem, Retrieved
from core.request import Answer, Classification, Risk
from core.settings import Settings
from deployments.ai_processing.assessor import Assessor
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.text import TextModel
from models.text.served import open_text_model

NOW = datetime(2026, 1, 15, 22, 30, tzinfo=UTC)
RULES = Path(str(deployments.ai_processing.safety.__file__)).with_name("safety_rules.yaml")
ADVICE = {"default": "Get to safety and call 911.", "gas-leak": "Leave now; touch no switch."}


class LengthRisk:
    """A stand-in for the risk model: what it says follows from the message's length and urgency."""

    def predict(self, items: Sequence[AssessItem], classifications: Sequence[Classification]) -> list[Risk]:
        return [self._risk(item, label) for item, label in zip(items, classifications, strict=True)]

    def _risk(self, item: AssessItem, label: Classification) -> Risk:
        if "break the risk model" in item.message_text:
            raise RuntimeError("no risk for this one")
        score = (label.urgency.rank + min(len(item.message_text), 400) / 400) / 4
        return Risk(
            score=score,
            level=RiskLevel.HIGH if score > 0.5 else RiskLevel.LOW,
            recurrence_probability=score,
            sla_breach_probability=score,
            escalation_probability=score,
            model_version="length",
        )


class SilentModel:
    """A language model with nothing to say."""

    source = "extract"

    async def classify(self, message_text: str) -> Classification | None:
        return None

    async def answer(self, question: str, sentences: Sequence[Retrieved]) -> Answer | None:
        return None


def item(text: str, **chosen: object) -> AssessItem:
    return AssessItem.model_validate({"message_text": text, "at": NOW, **chosen})


@pytest.fixture(scope="session")
def screen() -> SafetyScreen:
    return SafetyScreen.from_rules(read_safety_rules(RULES))


@pytest.fixture(scope="session")
def text_model(built_settings: Settings) -> TextModel:
    return open_text_model(built_settings.artefacts_dir / "text")


@pytest.fixture
def assessor(screen: SafetyScreen, text_model: TextModel) -> Assessor:
    return Assessor(screen, text_model, LengthRisk(), SilentModel(), 0.55, advice=ADVICE)
