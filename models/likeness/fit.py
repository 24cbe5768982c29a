"""Fits the weights of likeness on the parts fit and tuning: `python -m models.likeness.fit`.

A logistic model with a ridge penalty; a rule of thresholds alone was not tried. Penalty and threshold are chosen by
leaving out one scenario after the other.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adapters import build
from core.settings import load_settings
from deployments.request_management import likeness
from deployments.request_management.likeness import FEATURES, LikenessModel, Weights, each_their_own, features, log_odds
from models.likeness.measures import Tally, f1, tally
from models.likeness.replay import propose, without_labels, without_systems
from models.likeness.scenarios import Scenario, read
from models.logistic import newton

PENALTIES = (0.3, 1.0, 3.0, 10.0)
THRESHOLDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(13))
HIDDEN = 0.5
"""How much a pair counts once more with its labels hidden, for messages that nothing has judged yet."""
UNKNOWN = 1.0
"""How much it counts once more with its systems hidden: the list was written with these very scenarios in view, and
without this the weights trust it to know every fault."""
WEIGHTS = Path(likeness.__file__).with_name("likeness.json")
Floats = npt.NDArray[np.float64]
Rows = tuple[Floats, Floats, Floats]


def rows_of(scenario: Scenario, *, of_one_resident: bool) -> Rows:
    """Features, outcomes and counts of a scenario's pairs."""
    gold = scenario.repeats if of_one_resident else scenario.same_fault
    pairs = [
        (old, new)
        for old, new in scenario.pairs(of_one_resident=of_one_resident)
        if of_one_resident or not each_their_own(scenario.matters[new], scenario.matters[old])
    ]
    values, outcomes, counts = list[tuple[float, ...]](), list[float](), list[float]()
    forms = ((scenario, 1.0), (without_labels(scenario), HIDDEN), (without_systems(scenario), UNKNOWN))
    for form, count in forms:
        values += [features(form.matters[new], form.matters[old]) for old, new in pairs]
        outcomes += [float(pair in gold) for pair in pairs]
        counts += [count] * len(pairs)
    return np.array(values).reshape(-1, len(FEATURES)), np.array(outcomes), np.array(counts)


def fit_weights(parts: Sequence[Rows], penalty: float, threshold: float) -> Weights:
    """The penalised model of these scenarios' pairs; features are scaled by their spread while fitting."""
    values, outcomes, counts = (np.concatenate([part[column] for part in parts]) for column in range(3))
    spread = np.where(values.std(axis=0) > 1e-9, values.std(axis=0), 1.0)
    fitted = newton(values / spread, outcomes, counts, np.full(len(FEATURES), penalty))
    weights = [round(float(weight), 4) for weight in fitted[:-1] / spread]
    return Weights(weights=tuple(weights), intercept=round(float(fitted[-1]), 4), threshold=threshold)


def left_out(parts: Sequence[Rows], penalty: float) -> tuple[list[Weights], float]:
    """For each scenario the model of all others, and the mean log loss of pairs that their model has not seen."""
    models, losses = list[Weights](), list[float]()
    for place, (values, outcomes, counts) in enumerate(parts):
        weights = fit_weights([part for other, part in enumerate(parts) if other != place], penalty, 0.5)
        models.append(weights)
        margins = np.array([log_odds(row, weights) for row in values.tolist()])
        losses += (counts * (np.logaddexp(0.0, margins) - outcomes * margins)).tolist()
    return models, float(np.mean(losses))


def chosen(scenarios: Sequence[Scenario], *, of_one_resident: bool) -> Weights:
    """The model of the penalty and the threshold that did best on scenarios left out."""
    parts = [rows_of(scenario, of_one_resident=of_one_resident) for scenario in scenarios]
    tried = {penalty: left_out(parts, penalty) for penalty in PENALTIES}
    penalty = min(tried, key=lambda one: tried[one][1])
    scores = {
        threshold: _left_out_f1(scenarios, tried[penalty][0], threshold, of_one_resident) for threshold in THRESHOLDS
    }
    best = max(scores.values())
    # Several do equally well: the one in the middle is least by chance.
    equal = [threshold for threshold, score in scores.items() if score >= best - 0.005]
    threshold = equal[len(equal) // 2]
    what = "repeats" if of_one_resident else "incidents"
    print(f"{what}: penalty {penalty}, threshold {threshold}, F1 on scenarios left out {scores[threshold]:.3f}")  # noqa: T201
    return fit_weights(parts, penalty, threshold)


def _left_out_f1(
    scenarios: Sequence[Scenario], models: Sequence[Weights], threshold: float, of_one_resident: bool
) -> float:
    counts = list[Tally]()
    for scenario, weights in zip(scenarios, models, strict=True):
        one = weights.model_copy(update={"threshold": threshold})
        both = LikenessModel(incident=one, duplicate=one, fitted_on="")
        gold = scenario.repeats if of_one_resident else scenario.same_fault
        counts += [tally(propose(form, both)[of_one_resident], gold) for form in (scenario, without_systems(scenario))]
    return f1(counts)


def main() -> None:
    """Fit and write."""
    embedder = build.embedder(load_settings())
    scenarios = [*read("fit", embedder), *read("tuning", embedder)]
    fitted = LikenessModel(
        incident=chosen(scenarios, of_one_resident=False),
        duplicate=chosen(scenarios, of_one_resident=True),
        fitted_on=f"models/likeness/scenarios, fit and tuning: {len(scenarios)} scenarios",
    )
    WEIGHTS.write_text(fitted.model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    main()
