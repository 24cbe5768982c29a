"""`python -m models.risk.evaluate`: how well the built risk model predicts on sites that it never saw."""

import sys
import time

import numpy as np

from adapters.artefacts import build_once
from adapters.risk_artefact import ARTEFACT, read_risk_artefact
from core.settings import Settings
from deployments.ai_processing.risk import TARGETS, RiskModel
from models.risk.dataset import Part, Plan, test_part
from models.risk.measures import auc, calibration_error
from models.risk.train import inputs_hash, train


def main() -> None:
    """Build the artefact if need be, and print its measures as it serves."""
    folder = Settings().artefacts_dir / ARTEFACT
    manifest = build_once(folder, ARTEFACT, inputs_hash(), train)
    model = RiskModel(read_risk_artefact(folder))
    test = test_part(Plan())
    sys.stdout.write(f"{model.version}, {len(test.samples)} requests of held-out sites, later than all training\n")
    sys.stdout.write(_table(model, test, manifest.metrics))
    for size in (1, 32):
        sys.stdout.write(f"p50 of a batch of {size}: {_median_ms(model, test, size):.2f} ms\n")


def _table(model: RiskModel, test: Part, metrics: dict[str, float]) -> str:
    probabilities = model.probabilities(test.features)
    lines = [f"{'target':<12}{'rate':>7}{'AUC':>8}{'ECE':>8}{'baseline AUC':>14}{'oracle AUC':>12}"]
    for index, target in enumerate(TARGETS):
        outcomes, stated = test.outcomes[:, index], probabilities[:, index]
        lines.append(
            f"{target:<12}{outcomes.mean():>7.3f}{auc(outcomes, stated):>8.3f}"
            f"{calibration_error(outcomes, stated):>8.3f}"
            f"{metrics[f'{target}_baseline_auc']:>14.3f}{metrics[f'{target}_oracle_auc']:>12.3f}"
        )
    return "\n".join(lines) + "\n"


def _median_ms(model: RiskModel, test: Part, size: int, repeats: int = 200) -> float:
    items = [each.item for each in test.samples]
    labels = [each.classification for each in test.samples]
    taken: list[float] = []
    for repeat in range(repeats):
        first = repeat * size % (len(items) - size)
        started = time.perf_counter()
        model.predict(items[first : first + size], labels[first : first + size])
        taken.append(time.perf_counter() - started)
    return float(np.median(taken)) * 1000.0


if __name__ == "__main__":
    main()
