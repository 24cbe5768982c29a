"""AIProcessing on Ray Serve: stateless replicas that take lists."""

from collections.abc import Sequence
from pathlib import Path

from adapters import build
from core.correlation import configure_logging
from core.messages import AssessItem, Assessment, ItemFailure, ServiceHealth
from core.settings import Settings
from deployments.ai_processing.assessor import Assessor
from deployments.ai_processing.risk import RiskModel
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.text import TextModel

SAFETY_RULES = Path(__file__).with_name("safety_rules.yaml")


class AIProcessing:
    """One replica: the embedder, the safety screen, the text heads and the risk model."""

    def __init__(self, settings: Settings) -> None:
        configure_logging()
        self._embedder = build.embedder(settings)
        text = build.text_arrays(settings)
        risk = RiskModel(build.risk_artefact(settings))
        self._assessor = Assessor(
            self._embedder,
            SafetyScreen.from_rules(build.safety_rules(SAFETY_RULES)),
            TextModel(text.arrays, text.version),
            risk,
            build.language_model(settings),
            settings.llm_confidence_floor,
            advice=build.safety_advice(settings),
        )
        self._models = f"{self._assessor.version}, risk {risk.version}, embedder {self._embedder.version}"

    async def assess(self, items: Sequence[AssessItem]) -> list[Assessment | ItemFailure]:
        """Labels, risk and embedding for each message, in order."""
        return await self._assessor.assess(items)

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A unit vector for each text."""
        return self._embedder.embed(texts)

    def health(self) -> ServiceHealth:
        """Which models answer."""
        return ServiceHealth(status="healthy", detail=self._models, version=build.version())
