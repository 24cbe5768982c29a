"""Fits the risk model's three boosters on generated histories, calibrates them and measures them on held-out sites."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import xgboost

import adapters.risk_artefact
import core.labels
import core.messages
import deployments.ai_processing.features
import deployments.ai_processing.risk
import deployments.ai_processing.subjects
import models.histories
import models.logistic
import models.risk
from adapters.artefacts import BuildReport, content_hash, files_hash
from adapters.risk_artefact import BOOSTER_SUFFIX, SPECIFICATION
from deployments.ai_processing.features import FEATURE_NAMES
from deployments.ai_processing.risk import (
    TARGETS,
    RiskSpecification,
    Target,
    TargetSpecification,
    Weights,
    calibrate,
    combined_score,
)
from models.histories.tickets import targets
from models.logistic import platt
from models.risk.dataset import Dataset, Part, Plan, draw
from models.risk.measures import auc, calibration_error

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]

ROUNDS = 60
"""Trees are small and few because the reasons (TreeSHAP) of a whole batch must be ready in milliseconds."""
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 3,
    "eta": 0.18,
    "min_child_weight": 8.0,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "lambda": 2.0,
    "seed": 7,
    "nthread": 1,
}
SEVERITIES: dict[Target, float] = {"recurrence": 0.4, "sla_breach": 0.5, "escalation": 0.8}
"""A second visit costs least, a broken promise more; a complaint takes a manager's time and the resident's trust."""
MEDIUM_QUANTILE, HIGH_QUANTILE = 0.60, 0.88
"""Of all requests 40 % are at least Medium and 12 % High: about what a person can look at."""


class Booster(Protocol):
    """What is used of XGBoost's booster."""

    def predict(self, data: object, *, output_margin: bool = False) -> Rows: ...
    def save_model(self, fname: str) -> None: ...
    def num_boosted_rounds(self) -> int: ...


@dataclass(frozen=True)
class Fitted:
    """A booster and its calibration."""

    booster: Booster
    specification: TargetSpecification

    def probabilities(self, rows: Rows) -> Floats:
        """Calibrated, of shape (n,)."""
        raised = margins(self.booster, rows)
        return 1.0 / (1.0 + np.exp(-(raised * self.specification.slope + self.specification.intercept)))


def inputs_hash() -> str:
    """Hash of the code that makes the histories, the features and the model, and of the targets in the documents."""
    files = [*Path(str(models.histories.__file__)).parent.glob("*.py")]
    files += [Path(str(models.risk.__file__)).with_name(name) for name in ("dataset.py", "measures.py", "train.py")]
    files += [Path(str(models.logistic.__file__))]
    modules = (
        adapters.risk_artefact,
        core.labels,
        core.messages,
        deployments.ai_processing.features,
        deployments.ai_processing.risk,
        deployments.ai_processing.subjects,
    )
    return hash_with_targets([*files, *(Path(str(module.__file__)) for module in modules)])


def hash_with_targets(files: list[Path]) -> str:
    """Hash of these files and of the targets that the documents state."""
    code = files_hash(files)
    stated = {urgency.value: target.model_dump_json() for urgency, target in targets().items()}
    return content_hash([code.encode(), json.dumps(stated, sort_keys=True).encode()])


def train(folder: Path, plan: Plan | None = None) -> BuildReport:
    """Write the boosters and the specification into `folder`; about a minute on one core with the usual plan."""
    plan = plan or Plan()
    data = draw(plan)
    fitted: dict[Target, Fitted] = {target: fit(target, data.fit, data.hold) for target in TARGETS}
    specification = _specify(fitted, data.hold)
    for target, each in fitted.items():
        each.booster.save_model(str(folder / f"{target}{BOOSTER_SUFFIX}"))
    (folder / SPECIFICATION).write_text(specification.model_dump_json(indent=1))
    return BuildReport(
        built_with={"xgboost": xgboost.__version__, "numpy": np.__version__},
        metrics=_measure(fitted, data),
        details=_details(plan, fitted, data),
        corpus_hash=data.learned_hash(),
        features=FEATURE_NAMES,
    )


def fit(target: Target, fitting: Part, holding: Part) -> Fitted:
    """A booster for one target, calibrated on other sites and later days: the rates drift as things and trust wear."""
    index = TARGETS.index(target)
    booster = boost(fitting.features, fitting.outcomes[:, index], PARAMETERS, ROUNDS)
    slope, intercept = platt(margins(booster, holding.features), holding.outcomes[:, index])
    specification = TargetSpecification(
        slope=slope,
        intercept=intercept,
        base_rate=float(holding.outcomes[:, index].mean()),
        severity=SEVERITIES[target],
    )
    return Fitted(booster, specification)


def boost(rows: Rows, outcomes: Floats, parameters: dict[str, Any], rounds: int) -> Booster:
    """Trees for outcomes of shape (n,)."""
    data = xgboost.DMatrix(rows, outcomes, nthread=1)
    return cast(Booster, xgboost.train(parameters, data, num_boost_round=rounds))


def category_rates(fitting: Part, matters: list[str], index: int) -> Floats:
    """The baseline: the share of earlier requests of the same category and trade to which it happened."""
    outcomes = fitting.outcomes[:, index]
    keys = np.array(fitting.matters)
    rates = {key: float(outcomes[keys == key].mean()) for key in set(fitting.matters)}
    return np.array([rates.get(key, float(outcomes.mean())) for key in matters])


def margins(booster: Booster, rows: Rows) -> Floats:
    """Log-odds before calibration, of shape (n,)."""
    return booster.predict(xgboost.DMatrix(rows, nthread=1), output_margin=True).astype(np.float64)


def _specify(fitted: dict[Target, Fitted], holding: Part) -> RiskSpecification:
    targets: dict[Target, TargetSpecification] = {target: each.specification for target, each in fitted.items()}
    draft = RiskSpecification(features=FEATURE_NAMES, targets=targets, medium_from=0.5, high_from=0.5)
    raised = np.stack([margins(fitted[target].booster, holding.features) for target in TARGETS], axis=1)
    weights = Weights.of(draft)
    scores = combined_score(calibrate(raised, weights), weights)
    medium, high = np.quantile(scores, [MEDIUM_QUANTILE, HIGH_QUANTILE])
    return draft.model_copy(update={"medium_from": float(medium), "high_from": float(high)})


def _measure(fitted: dict[Target, Fitted], data: Dataset) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for index, target in enumerate(TARGETS):
        outcomes = data.test.outcomes[:, index]
        predictions = {
            "": fitted[target].probabilities(data.test.features),
            "baseline_": category_rates(data.fit, data.test.matters, index),
        }
        for name, probabilities in predictions.items():
            metrics[f"{target}_{name}auc"] = round(auc(outcomes, probabilities), 4)
            metrics[f"{target}_{name}ece"] = round(calibration_error(outcomes, probabilities), 4)
        metrics[f"{target}_rate"] = round(float(outcomes.mean()), 4)
    return metrics


def _details(plan: Plan, fitted: dict[Target, Fitted], data: Dataset) -> dict[str, Any]:
    return {
        "trained_on": "generated histories of buildings (models/histories), not on any real one",
        "split": "fit, hold (calibration) and test have different sites, each on later days than the one before",
        "baseline": "rate of the category and trade in the fitting part",
        "plan": json.loads(json.dumps(plan.__dict__)),
        "requests": {"fit": len(data.fit.samples), "hold": len(data.hold.samples), "test": len(data.test.samples)},
        "trees": {target: each.booster.num_boosted_rounds() for target, each in fitted.items()},
    }
