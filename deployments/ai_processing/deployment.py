"""AIProcessing on Ray Serve: stateless replicas that take lists, whose models change while they run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from ray.serve.metrics import Counter, Gauge, Histogram

from adapters import build
from adapters.artefact_source import Expected, OpenedArtefact
from core.correlation import configure_logging
from core.messages import AssessItem, Assessment, ItemFailure, ServiceHealth
from core.models_config import ModelsConfig, Source
from core.settings import Settings
from deployments.ai_processing.agreement import Comparison
from deployments.ai_processing.assessor import Assessor
from deployments.ai_processing.cascade import Cascade
from deployments.ai_processing.features import FEATURE_NAMES
from deployments.ai_processing.model_set import ModelSet
from deployments.ai_processing.models_in_service import ModelsInService
from deployments.ai_processing.risk import RiskModel
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.served import Arm
from deployments.ai_processing.shadow import Skip
from deployments.ai_processing.text import HEADS, TextModel

SAFETY_RULES = Path(__file__).with_name("safety_rules.yaml")
TEXT = Expected("text", labels={str(head): labels for head, labels in HEADS.items()})
RISK = Expected("risk", features=FEATURE_NAMES)
DIFFERENCES = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4]


class AIProcessing:
    """One replica: the safety screen and the models in service."""

    def __init__(self, settings: Settings, models: ModelsConfig | None = ModelsConfig()) -> None:  # noqa: B008 - frozen
        """With no `models`, `reconfigure` must bring the first ones, as Serve does where there is a `user_config`."""
        configure_logging()
        self._factory = ArtefactModels(settings)
        self._models = ModelsInService(self._factory, ModelMetrics())
        if models is not None:
            self._models.start(models)

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Serve by this `ModelsConfig`; see `ModelsInService.configure`."""
        await self._models.configure(user_config)

    def check_health(self) -> None:
        """Raises `ServiceUnavailable` where there are no models yet."""
        _ = self._models.served

    async def assess(self, items: Sequence[AssessItem]) -> list[Assessment | ItemFailure]:
        """Labels and risk for each message, in order."""
        return await self._models.assess(items)

    def health(self) -> ServiceHealth:
        """Which models answer, whether others were refused, and how often this replica asked for a second opinion."""
        return ServiceHealth(
            status="degraded" if self._models.refusal else "healthy",
            detail=f"{self._models.describe()}; {self._factory.cascade.describe()}",
            version=build.version(),
        )


class ArtefactModels:
    """Makes model sets from artefacts; a model that is in use already is not loaded again."""

    def __init__(self, settings: Settings) -> None:
        self._source = build.artefact_source(settings)
        self._screen = SafetyScreen.from_rules(build.safety_rules(SAFETY_RULES))
        self._advice = build.safety_advice(settings)
        self._language_model = build.language_model(settings)
        self.cascade = Cascade(self._language_model, settings.llm_confidence_floor, settings.opinion_deadline_s)
        """Shared by all versions, so that its counts and the calls in hand survive a change."""
        self._texts: WeakValueDictionary[str, TextModel] = WeakValueDictionary()
        self._risks: WeakValueDictionary[str, RiskModel] = WeakValueDictionary()

    def make(self, text: Source, risk: Source) -> ModelSet:
        """Models from these places. Raises `ArtefactRefused` and `Unavailable`."""
        opened_text, opened_risk = self._source.open(text, TEXT), self._source.open(risk, RISK)
        text_model = self._texts.get(_key(opened_text)) or _text_model(opened_text)
        risk_model = self._risks.get(_key(opened_risk)) or RiskModel(build.risk_artefact(opened_risk.folder))
        self._texts[_key(opened_text)], self._risks[_key(opened_risk)] = text_model, risk_model
        serving, silent = (self._assessor(text_model, risk_model) for _ in range(2))
        serving.cascade = self.cascade
        return ModelSet(_pinned(text, opened_text), _pinned(risk, opened_risk), serving, silent)

    def _assessor(self, text: TextModel, risk: RiskModel) -> Assessor:
        never = 0.0
        return Assessor(self._screen, text, risk, self._language_model, never, advice=self._advice)


class ModelMetrics:
    """What the models do, as metrics of Serve."""

    def __init__(self) -> None:
        self._answered = Counter("aam_model_messages", "Messages answered, by models.", _tags("arm", "models"))
        self._agreement = Counter("aam_shadow_labels", "Labels compared.", _tags("models", "head", "agreed"))
        self._difference = Histogram(
            "aam_shadow_risk_difference", "Mean absolute difference of risk.", DIFFERENCES, _tags("models")
        )
        self._skipped = Counter("aam_shadow_skipped", "Messages not compared.", _tags("models", "reason"))
        self._refused = Gauge("aam_models_refused", "1 where the wanted models were refused and others serve.")

    def answered(self, arm: Arm, models: str, messages: int) -> None:
        """So many messages were answered by these models."""
        if messages:
            self._answered.inc(messages, {"arm": arm, "models": models})

    def compared(self, models: str, comparison: Comparison) -> None:
        """One message was judged by the shadow, too."""
        for head, agreed in comparison.agreed.items():
            self._agreement.inc(1, {"models": models, "head": head, "agreed": str(agreed).lower()})
        self._difference.observe(comparison.risk_difference, {"models": models})

    def skipped(self, models: str, reason: Skip) -> None:
        """One message was not compared."""
        self._skipped.inc(1, {"models": models, "reason": reason})

    def refused(self, is_refused: bool) -> None:
        """Whether what was last asked for is not what serves."""
        self._refused.set(float(is_refused))


def _tags(*names: str) -> Any:
    """Ray takes any number of them, but its types allow one alone."""
    return names


def _text_model(opened: OpenedArtefact) -> TextModel:
    text = build.text_arrays(opened.folder)
    return TextModel(build.message_encoder(opened.folder), text.arrays, text.version)


def _key(opened: OpenedArtefact) -> str:
    return opened.manifest.model_dump_json()


def _pinned(source: Source, opened: OpenedArtefact) -> Source:
    return Source(source.location, opened.manifest.version)
