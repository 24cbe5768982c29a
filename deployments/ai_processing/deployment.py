"""AIProcessing on Ray Serve: stateless replicas that take lists, whose models change while they run."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from adapters import build
from adapters.artefact_source import Expected, OpenedArtefact
from adapters.artefacts import reference_of
from core.call_tracing import continues_traces
from core.correlation import configure_logging
from core.explanation import Explanation
from core.messages import AssessItem, Assessment, ItemFailure, ServiceHealth
from core.metrics import UNMETERED, Meter
from core.models_config import ModelsConfig, Source
from core.safety_check import SafetyCheck
from core.settings import Settings
from deployments.ai_processing.assessor import Assessor
from deployments.ai_processing.cascade import Cascade
from deployments.ai_processing.features import FEATURE_NAMES
from deployments.ai_processing.model_metrics import ModelMetrics
from deployments.ai_processing.model_set import ModelSet
from deployments.ai_processing.models_in_service import ModelsInService
from deployments.ai_processing.risk import RiskModel
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.safety_check import check_safety
from deployments.ai_processing.text import HEADS, TextModel

SAFETY_RULES = Path(__file__).with_name("safety_rules.yaml")
TEXT = Expected("text", labels={str(head): labels for head, labels in HEADS.items()})
RISK = Expected("risk", features=FEATURE_NAMES)


@continues_traces
class AIProcessing:
    """One replica: the safety screen and the models in service."""

    def __init__(
        self,
        settings: Settings,
        models: ModelsConfig | None = ModelsConfig(),  # noqa: B008 - frozen
        meter: Meter | None = None,
    ) -> None:
        """With no `models`, `reconfigure` must bring the first ones, as Serve does where there is a `user_config`."""
        meter = meter or build.meter()
        configure_logging()
        build.start_tracing(settings, "AIProcessing")
        self._factory = ArtefactModels(settings, meter)
        self._models = ModelsInService(self._factory, ModelMetrics(meter))
        if models is not None:
            self._models.start(models)

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Serve by this `ModelsConfig`; see `ModelsInService.configure`."""
        await self._models.configure(user_config)

    def check_health(self) -> None:
        """Raises `ServiceUnavailable` where there are no models yet."""
        _ = self._models.served
        self._models.restate()

    async def assess(self, items: Sequence[AssessItem]) -> list[Assessment | ItemFailure]:
        """Labels and risk for each message, in order."""
        return await self._models.assess(items)

    async def explain(self, message_text: str) -> Explanation:
        """What each word of a message adds to its labels. Raises `Invalid` for a text without words."""
        # In a thread: the model reads the message some dozens of times, and others' messages must not wait.
        return await asyncio.to_thread(self._models.served.current.silent.explain, message_text)

    async def check_safety(self, message_text: str) -> SafetyCheck:
        """What the life-safety rules alone say of a message."""
        return self._factory.check_safety(message_text)

    def versions(self) -> dict[str, str]:
        """The models that serve, each with its version."""
        current = self._models.served.current
        return {"text": current.text.version or "", "risk": current.risk.version or ""}

    def health(self) -> ServiceHealth:
        """Which models answer, whether others were refused, and how often this replica asked for a second opinion."""
        return ServiceHealth(
            status="degraded" if self._models.refusal else "healthy",
            detail=f"{self._models.describe()}; {self._factory.cascade.describe()}",
            version=build.version(),
        )


class ArtefactModels:
    """Makes model sets from artefacts; a model that is in use already is not loaded again."""

    def __init__(self, settings: Settings, meter: Meter = UNMETERED) -> None:
        self._meter = meter
        self._source = build.artefact_source(settings)
        self._screen = SafetyScreen.from_rules(build.safety_rules(SAFETY_RULES))
        self._advice = build.safety_advice(settings)
        self._language_model = build.language_model(settings, meter)
        floor, deadline_s = settings.llm_confidence_floor, settings.opinion_deadline_s
        self.cascade = Cascade(self._language_model, floor, deadline_s, meter=meter)
        """Shared by all versions, so that its counts and the calls in hand survive a change."""
        self._texts: WeakValueDictionary[str, TextModel] = WeakValueDictionary()
        self._risks: WeakValueDictionary[str, RiskModel] = WeakValueDictionary()

    def make(self, text: Source, risk: Source) -> ModelSet:
        """Models from these places. Raises `ArtefactRefused` and `Unavailable`."""
        opened_text, opened_risk = self._source.open(text, TEXT), self._source.open(risk, RISK)
        text_model = self._texts.get(_key(opened_text)) or _text_model(opened_text)
        risk_model = self._risks.get(_key(opened_risk)) or RiskModel(build.risk_artefact(opened_risk.folder))
        self._texts[_key(opened_text)], self._risks[_key(opened_risk)] = text_model, risk_model
        serving, silent = (self._assessor(text_model, risk_model, meter) for meter in (self._meter, UNMETERED))
        serving.cascade = self.cascade
        reference = reference_of(opened_text.manifest)
        return ModelSet(_pinned(text, opened_text), _pinned(risk, opened_risk), serving, silent, reference)

    def check_safety(self, message_text: str) -> SafetyCheck:
        """By the rules and the advice that all versions share."""
        return check_safety(message_text, self._screen, self._advice)

    def _assessor(self, text: TextModel, risk: RiskModel, meter: Meter) -> Assessor:
        never = 0.0
        return Assessor(self._screen, text, risk, self._language_model, never, advice=self._advice, meter=meter)


def _text_model(opened: OpenedArtefact) -> TextModel:
    text = build.text_arrays(opened.folder)
    return TextModel(build.message_encoder(opened.folder), text.arrays, text.version)


def _key(opened: OpenedArtefact) -> str:
    return opened.manifest.model_dump_json()


def _pinned(source: Source, opened: OpenedArtefact) -> Source:
    return Source(source.location, opened.manifest.version)
