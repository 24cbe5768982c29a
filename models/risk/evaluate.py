"""`python -m models.risk.evaluate`: how well the built risk model predicts on sites and days that it never saw."""

import sys
import time
from datetime import UTC
from typing import Any

import numpy as np

from adapters.artefacts import build_once
from adapters.risk_artefact import ARTEFACT, read_risk_artefact
from core.settings import Settings
from deployments.ai_processing.risk import TARGETS, RiskModel
from models.risk.ceilings import Ceilings, read_ceilings
from models.risk.dataset import Part, Plan, fit_part, held_out_part
from models.risk.measures import (
    Floats,
    Integers,
    auc,
    calibration_error,
    interval,
    noise_floor,
    reliability,
    resamples,
)
from models.risk.train import category_rates, inputs_hash, train

GAP_LIMIT, ERROR_LIMIT = 0.02, 0.03
"""How far from the best possible AUC, and how badly calibrated, a model may be."""


def evaluate(model: RiskModel, plan: Plan | None = None, ceilings: Ceilings | None = None) -> dict[str, Any]:
    """All figures as data, JSON-ready. Intervals hold 95 % of 300 bootstrap draws of whole sites.

    `{model, trained_on, requests, sites, targets: {name: {rate, auc, auc_interval, ece, ece_interval, ece_noise_floor,
    baseline_auc, baseline_auc_interval, baseline_ece, reliability: [{requests, stated, observed}]}}, ceilings}`, where
    `ceilings` is None where they were never measured and otherwise `{is_current, curve, targets: {name: {observable,
    gap, full_state: {auc, interval, at_half_the_futures}, oracle, true_probability_rmse}}}`.
    """
    plan = plan or Plan()
    fitting, test = fit_part(plan), held_out_part(plan)
    stated = model.probabilities(test.features)
    sites = np.array([each.site for each in test.samples])
    targets = {
        target: _target(test.outcomes[:, index], stated[:, index], category_rates(fitting, test.matters, index), sites)
        for index, target in enumerate(TARGETS)
    }
    return {
        "model": model.version,
        "trained_on": "generated histories of buildings until real ones are imported",
        "requests": len(test.samples),
        "sites": len(np.unique(sites)),
        "targets": targets,
        "ceilings": _ceilings(ceilings, test, stated, targets) if ceilings else None,
    }


def _target(outcomes: Floats, stated: Floats, baseline: Floats, sites: Integers) -> dict[str, Any]:
    draws = list(resamples(sites))
    return {
        "rate": float(outcomes.mean()),
        "auc": auc(outcomes, stated),
        "auc_interval": interval(auc(outcomes[rows], stated[rows]) for rows in draws),
        "ece": calibration_error(outcomes, stated),
        "ece_interval": interval(calibration_error(outcomes[rows], stated[rows]) for rows in draws),
        "ece_noise_floor": noise_floor(stated),
        "baseline_auc": auc(outcomes, baseline),
        "baseline_auc_interval": interval(auc(outcomes[rows], baseline[rows]) for rows in draws),
        "baseline_ece": calibration_error(outcomes, baseline),
        "reliability": reliability(outcomes, stated),
    }


def _ceilings(kept: Ceilings, test: Part, stated: Floats, targets: dict[str, dict[str, Any]]) -> dict[str, Any]:
    full_state, observable = kept.full_state(), kept.observable
    places = {(each.site, each.ticket): place for place, each in enumerate(test.samples)}
    known = [row for row in kept.truth if row[:2] in places]
    rows = [places[row[0], row[1]] for row in known]
    truth = np.array([row[2:] for row in known]).reshape(-1, len(TARGETS)) / kept.branches
    return {
        "is_current": kept.is_current,
        "curve": kept.curve,
        "requests_with_true_probability": len(known),
        "futures": kept.branches,
        "targets": {
            target: {
                "observable": observable[target],
                "gap": observable[target] - targets[target]["auc"],
                "full_state": full_state[target],
                "oracle": kept.oracle[target],
                "true_probability_rmse": _distance(truth[:, index], stated[rows, index], kept.branches),
            }
            for index, target in enumerate(TARGETS)
        },
    }


def _distance(truth: Floats, stated: Floats, branches: int) -> float:
    """Root mean square distance from the true probabilities, less the noise of so many futures."""
    noise = truth * (1.0 - truth) / (branches - 1)
    return float(np.sqrt(max(0.0, ((truth - stated) ** 2 - noise).mean())))


def table(figures: dict[str, Any]) -> str:
    """The figures for a reader."""
    lines = [
        f"{figures['model']}, trained on {figures['trained_on']};",
        f"{figures['requests']} requests of {figures['sites']} sites that it never saw, later than all training.",
        "",
        f"{'':<12}{'rate':>6}  {'AUC':<21}{'baseline':<21}{'ECE':<21}{'its noise floor':<16}",
    ]
    for target, each in figures["targets"].items():
        lines.append(
            f"{target:<12}{each['rate']:>6.3f}  {_with('auc', each)}{_with('baseline_auc', each)}{_with('ece', each)}"
            f"{each['ece_noise_floor']:.3f}"
        )
    return "\n".join([*lines, "", *_ceiling_lines(figures["ceilings"]), ""])


def _ceiling_lines(ceilings: dict[str, Any] | None) -> list[str]:
    if ceilings is None:
        return ["The best possible was never measured: python -m models.risk.ceilings."]
    lines = [] if ceilings["is_current"] else ["THE CEILINGS ARE OF OTHER CODE: python -m models.risk.ceilings."]
    lines.append(
        f"{'best AUC':<12}{'from features':>14}{'model below it':>16}  {'from the full state':<23}{'oracle':>7}"
    )
    for target, each in ceilings["targets"].items():
        low, high = each["full_state"]["interval"]
        lines.append(
            f"{target:<12}{each['observable']:>14.3f}{each['gap']:>16.3f}"
            f"  {each['full_state']['auc']:.3f} [{low:.3f}, {high:.3f}]   {each['oracle']:>7.3f}"
        )
    lines.append("Learning curve of the best AUC from features:")
    for point in ceilings["curve"]:
        reached = "  ".join(f"{target} {point[target]:.3f}" for target in TARGETS)
        lines.append(f"  {point['sites']:>4.0f} sites, {point['requests']:>6.0f} requests:  {reached}")
    return lines


def _with(name: str, each: dict[str, Any]) -> str:
    low, high = each[f"{name}_interval"]
    return f"{each[name]:.3f} [{low:.3f}, {high:.3f}] "


def median_ms(model: RiskModel, test: Part, size: int, repeats: int = 200) -> float:
    """Milliseconds for a batch of this size: features, probabilities and reasons."""
    items = [each.item for each in test.samples]
    labels = [each.classification for each in test.samples]
    taken: list[float] = []
    for repeat in range(repeats):
        first = repeat * size % (len(items) - size)
        started = time.perf_counter()
        model.predict(items[first : first + size], labels[first : first + size])
        taken.append(time.perf_counter() - started)
    return float(np.median(taken)) * 1000.0


def main() -> None:
    """Build the artefact if need be, and print its measures as it serves."""
    folder = Settings().artefacts_dir / ARTEFACT
    build_once(folder, ARTEFACT, inputs_hash(), train)
    # The generator's local time is UTC.
    model = RiskModel(read_risk_artefact(folder), UTC)
    sys.stdout.write(table(evaluate(model, ceilings=read_ceilings())))
    test = held_out_part(Plan(test_sites=1))
    for size in (1, 32):
        sys.stdout.write(f"p50 of a batch of {size}: {median_ms(model, test, size):.2f} ms\n")


if __name__ == "__main__":
    main()
