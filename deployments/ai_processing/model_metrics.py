"""What the models do, as metrics: how much, how surely, with which labels, and whether those shift."""

import re
from collections.abc import Iterable, Sequence

from core.messages import Assessment, ItemFailure
from core.metrics import (
    CONFIDENCE,
    DRIFT,
    LABELS,
    MODEL_MESSAGES,
    MODELS_REFUSED,
    SHADOW_DIFFERENCE,
    SHADOW_LABELS,
    SHADOW_SKIPPED,
    Meter,
)
from deployments.ai_processing.agreement import Comparison
from deployments.ai_processing.drift import Drift
from deployments.ai_processing.model_set import ModelSet
from deployments.ai_processing.served import Arm
from deployments.ai_processing.shadow import Skip

TELL_EVERY = 10
"""The drift of a label is told with every tenth of its values."""
_LONG_VERSION = re.compile(r"([0-9a-f]{7})[0-9a-f]{5}")


class ModelMetrics:
    """Counts by the short versions of the models."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._drift: dict[tuple[str, str], Drift] = {}

    def answered(self, arm: Arm, models: str, messages: int) -> None:
        """So many messages were answered by these models."""
        self._meter.add(MODEL_MESSAGES, messages, arm=arm, models=short_version(models))

    def judged(self, models: ModelSet, answers: Sequence[Assessment | ItemFailure]) -> None:
        """These models gave these answers. What writers chose themselves says nothing of the models."""
        name, touched = short_version(models.name), dict[str, Drift]()
        for answer in answers:
            if isinstance(answer, ItemFailure) or answer.classification.source == "user":
                continue
            for label, value in _labels(answer):
                self._meter.add(LABELS, label=label, value=value, models=name)
                drift = self._drift_of(models, label)
                drift.add(value)
                if drift.seen % TELL_EVERY == 0:
                    touched[label] = drift
            for label, confidence in _confidences(answer):
                self._meter.observe(CONFIDENCE, confidence, label=label, models=name)
        for label, drift in touched.items():
            if (index := drift.index) is not None:
                self._meter.set(DRIFT, index, label=label, models=name)

    def compared(self, models: str, comparison: Comparison) -> None:
        """One message was judged by the shadow, too."""
        name = short_version(models)
        for head, agreed in comparison.agreed.items():
            self._meter.add(SHADOW_LABELS, models=name, head=head, agreed=str(agreed).lower())
        self._meter.observe(SHADOW_DIFFERENCE, comparison.risk_difference, models=name)

    def skipped(self, models: str, reason: Skip) -> None:
        """One message was not compared."""
        self._meter.add(SHADOW_SKIPPED, models=short_version(models), reason=reason)

    def refused(self, is_refused: bool) -> None:
        """Whether what was last asked for is not what serves."""
        self._meter.set(MODELS_REFUSED, float(is_refused))

    def _drift_of(self, models: ModelSet, label: str) -> Drift:
        key = (models.name, label)
        found = self._drift.get(key)
        if found is None:
            found = self._drift[key] = Drift(models.reference.get(label))
        return found


def short_version(models: str) -> str:
    """The models' name with the first seven digits of each version."""
    return _LONG_VERSION.sub(r"\1", models)


def _labels(answer: Assessment) -> Iterable[tuple[str, str]]:
    labels = answer.classification
    yield "category", labels.category
    yield "urgency", labels.urgency
    yield "intent", labels.intent
    if labels.trade is not None:
        yield "trade", labels.trade
    yield "risk_level", answer.risk.level


def _confidences(answer: Assessment) -> Iterable[tuple[str, float]]:
    known = answer.classification.confidences
    if known is None:
        yield "category", answer.classification.confidence
        return
    yield "category", known.category
    yield "urgency", known.urgency
    yield "intent", known.intent
    if known.trade is not None:
        yield "trade", known.trade
