"""How likely a request is to go wrong: three calibrated boosters, one score, and the reasons."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Literal, Protocol, Self, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import xgboost
from pydantic import Field, ValidationError

from core.contract import Contract, Probability
from core.errors import ArtefactRefused
from core.labels import RiskLevel
from core.messages import AssessItem
from core.request import Classification, Risk, RiskFactor
from core.settings import Settings
from deployments.ai_processing.factor_labels import FACTOR_LABELS
from deployments.ai_processing.features import FEATURE_NAMES, MATTERS, matrix
from deployments.ai_processing.subjects import SUBJECTS

Target = Literal["recurrence", "sla_breach", "escalation"]
TARGETS: tuple[Target, ...] = ("recurrence", "sla_breach", "escalation")
FACTORS = 5
ABOUT = len(MATTERS) + len(SUBJECTS)

Floats = npt.NDArray[np.float64]


class TargetSpecification(Contract):
    """How one booster's margin becomes a probability, and what that probability weighs."""

    slope: float = Field(gt=0.0)
    intercept: float
    """Platt scaling: probability = sigmoid(slope * margin + intercept)."""
    base_rate: Probability
    """Share of the training requests to which it happened."""
    severity: Probability
    """How much of a trouble it is where it happens, 1 for the worst."""


class RiskSpecification(Contract):
    """Everything beside the boosters that a prediction needs; made in training."""

    features: tuple[str, ...]
    targets: dict[Target, TargetSpecification]
    medium_from: Probability
    high_from: Probability
    """Scores from which the level is Medium, and High: quantiles of the scores of requests kept out of the fitting."""


@dataclass(frozen=True)
class Weights:
    """The targets' numbers as arrays of shape (3,), in the order of `TARGETS`."""

    slopes: Floats
    intercepts: Floats
    severities: Floats
    base_losses: Floats
    """log(1 - severity * base rate)."""

    @classmethod
    def of(cls, specification: RiskSpecification) -> Self:
        """Taken from the specification."""
        each = [specification.targets[target] for target in TARGETS]
        return cls(
            slopes=np.array([target.slope for target in each]),
            intercepts=np.array([target.intercept for target in each]),
            severities=np.array([target.severity for target in each]),
            base_losses=np.array([math.log1p(-target.severity * target.base_rate) for target in each]),
        )


class RiskArtefact(Protocol):
    """The trained model as bytes."""

    @property
    def version(self) -> str: ...
    @property
    def boosters(self) -> Mapping[str, bytes]: ...
    @property
    def specification(self) -> bytes: ...


class _Booster(Protocol):
    def load_model(self, fname: bytearray) -> None: ...
    def set_param(self, params: dict[str, int]) -> None: ...
    def num_features(self) -> int: ...
    def predict(self, data: object, *, output_margin: bool = False, pred_contribs: bool = False) -> Any: ...


class RiskModel:
    """Predicts for whole batches; what one message gets does not depend on the others.

    Safe to use from many threads: after construction nothing changes, and tree boosters predict without a lock.
    """

    def __init__(self, artefact: RiskArtefact, zone: tzinfo | None = None) -> None:
        """Raises `ArtefactRefused` where the artefact was trained for other features or can't be read.

        `zone` is that of the buildings, in which the hour and the season of a message are told; None for the settings'.
        """
        self._zone = zone or ZoneInfo(Settings().time_zone)
        self._specification = _parse(artefact.specification)
        self._weights = Weights.of(self._specification)
        self._boosters = {target: _load(artefact.boosters, target) for target in TARGETS}
        self.version = f"risk-{artefact.version}"

    def predict(self, items: Sequence[AssessItem], classifications: Sequence[Classification]) -> list[Risk]:
        """The risk of each message, in order; both arguments have the same length."""
        if not items:
            return []
        rows = matrix(items, classifications, self._zone)
        data = xgboost.DMatrix(rows, nthread=1)
        probabilities = self._probabilities(data)
        scores = combined_score(probabilities, self._weights)
        factors = self._factors(rows, data, probabilities)
        return [self._risk(*parts) for parts in zip(probabilities.tolist(), scores.tolist(), factors, strict=True)]

    def probabilities(self, rows: npt.NDArray[np.float32]) -> Floats:
        """Calibrated probabilities of shape (n, 3), in the order of `TARGETS`, for features of shape (n, k)."""
        return self._probabilities(xgboost.DMatrix(rows, nthread=1))

    def _probabilities(self, data: xgboost.DMatrix) -> Floats:
        margins = [self._boosters[target].predict(data, output_margin=True) for target in TARGETS]
        return calibrate(np.stack(margins, axis=1), self._weights)

    def _factors(
        self, rows: npt.NDArray[np.float32], data: xgboost.DMatrix, probabilities: Floats
    ) -> list[tuple[RiskFactor, ...]]:
        """Exact TreeSHAP values (Lundberg 2018) of the target that moves each request's score most."""
        deciding = decisive_target(probabilities, self._weights)
        found: list[tuple[RiskFactor, ...]] = [()] * len(rows)
        for index, target in enumerate(TARGETS):
            (chosen,) = np.nonzero(deciding == index)
            if not len(chosen):
                continue
            part = data if len(chosen) == len(rows) else data.slice(chosen.tolist())
            contributions = self._boosters[target].predict(part, pred_contribs=True)[:, :-1]
            scaled = contributions * self._weights.slopes[index]
            for position, factors in zip(chosen.tolist(), top_factors(rows[chosen], scaled), strict=True):
                found[position] = factors
        return found

    def _risk(self, probabilities: list[float], score: float, factors: tuple[RiskFactor, ...]) -> Risk:
        recurrence, breach, escalation = probabilities
        return Risk(
            score=score,
            level=_level(score, self._specification),
            recurrence_probability=recurrence,
            sla_breach_probability=breach,
            escalation_probability=escalation,
            factors=factors,
            model_version=self.version,
        )


def calibrate(margins: npt.NDArray[np.floating[Any]], weights: Weights) -> Floats:
    """Probabilities from the boosters' margins (log-odds), both of shape (n, 3)."""
    return 1.0 / (1.0 + np.exp(-(margins * weights.slopes + weights.intercepts)))


def combined_score(probabilities: Floats, weights: Weights) -> Floats:
    """1 - (1 - s1 p1) (1 - s2 p2) (1 - s3 p3), where s is the severity: the chance of at least one serious trouble."""
    return 1.0 - np.prod(1.0 - probabilities * weights.severities, axis=1)


def decisive_target(probabilities: Floats, weights: Weights) -> npt.NDArray[np.intp]:
    """For each request the target that, by its distance from its base rate, raises the score most."""
    return np.argmax(weights.base_losses - np.log1p(-probabilities * weights.severities), axis=1)


def top_factors(
    rows: npt.NDArray[np.float32], contributions: npt.NDArray[np.floating[Any]], limit: int = FACTORS
) -> list[tuple[RiskFactor, ...]]:
    """The largest contributions of each row, both of shape (n, k), in calibrated log-odds.

    The columns that say what the message is about are one thing to a reader: their contributions are added up under
    the name of the one that is true of the message and contributes most.
    """
    sizes = np.where(rows[:, :ABOUT] == 1.0, np.abs(contributions[:, :ABOUT]), -1.0)
    about = np.argmax(sizes, axis=1).tolist()
    summed = contributions[:, :ABOUT].sum(axis=1, keepdims=True)
    merged = np.hstack([summed, contributions[:, ABOUT:]])
    order = np.argsort(-np.abs(merged), axis=1, kind="stable")[:, :limit]
    ranked = zip(about, rows.tolist(), merged.tolist(), order.tolist(), strict=True)
    return [
        tuple(_factor(place, matter, row, values[place]) for place in places if values[place])
        for matter, row, values, places in ranked
    ]


def _factor(place: int, matter: int, row: list[float], contribution: float) -> RiskFactor:
    """The factor at a place of the merged contributions, of which the first is the matter's."""
    if place == 0:
        name, value = FEATURE_NAMES[matter], 1.0
    else:
        name, value = FEATURE_NAMES[ABOUT + place - 1], row[ABOUT + place - 1]
    return RiskFactor(feature=name, value=value, contribution=contribution, label=FACTOR_LABELS[name])


def _level(score: float, specification: RiskSpecification) -> RiskLevel:
    if score >= specification.high_from:
        return RiskLevel.HIGH
    return RiskLevel.MEDIUM if score >= specification.medium_from else RiskLevel.LOW


def _parse(specification: bytes) -> RiskSpecification:
    try:
        parsed = RiskSpecification.model_validate_json(specification)
    except ValidationError as error:
        raise ArtefactRefused("The risk model's specification can't be read; run `python -m aam build`.") from error
    if parsed.features != FEATURE_NAMES or set(parsed.targets) != set(TARGETS):
        raise ArtefactRefused("The risk model was trained for other features; run `python -m aam build`.")
    return parsed


def _load(boosters: Mapping[str, bytes], target: Target) -> _Booster:
    if target not in boosters:
        raise ArtefactRefused(f"The risk artefact has no booster for {target}; run `python -m aam build`.")
    booster = cast(_Booster, xgboost.Booster())
    try:
        booster.load_model(bytearray(boosters[target]))
    except xgboost.core.XGBoostError as error:
        raise ArtefactRefused(f"XGBoost can't read the booster for {target}; run `python -m aam build`.") from error
    if booster.num_features() != len(FEATURE_NAMES):
        raise ArtefactRefused(f"The booster for {target} has other features; run `python -m aam build`.")
    booster.set_param({"nthread": 1})
    return booster
