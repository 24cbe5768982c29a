"""`python -m models.risk.ceilings`: the best AUC that any model could reach on the generated histories.

Two ceilings are measured, on the requests that nothing was fitted on, and written to `ceilings.json` beside this file:

- given the full state, which nobody can see: true probabilities by running the future of a request again and again;
- given what may be observed: what a strong learner on the same features reaches with ever more histories. Outcomes are
  unbiased for E[true probability | features], and more sites tell more than more futures of the same ones.

It takes about a quarter of an hour of one core, so the figures are kept; `evaluate` says whether they belong to the
present code.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

import deployments.ai_processing.features
import deployments.ai_processing.subjects
import models.histories
import models.risk.dataset
from deployments.ai_processing.risk import TARGETS
from models.histories.branches import Choice, true_probabilities
from models.histories.generator import generate
from models.risk.dataset import Part, Plan, held_out_part, part
from models.risk.measures import Floats, auc, interval, soft_auc
from models.risk.train import boost, hash_with_targets, margins

FILE = Path(__file__).with_name("ceilings.json")
STRONG: dict[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 6,
    "eta": 0.05,
    "min_child_weight": 20.0,
    "subsample": 0.7,
    "colsample_bytree": 0.3,
    "lambda": 3.0,
    "seed": 11,
    "nthread": 1,
}
STRONG_ROUNDS = 150
SIZES = (8, 16, 32, 64, 96)
"""Sites that the strong learner sees."""
FIRST_SITE = 1000
"""Sites of its own, so that none is the test's."""
BRANCHES = 16
SHARE = 0.085
"""Of the test's requests: about 400."""


@dataclass(frozen=True)
class Ceilings:
    """What `ceilings.json` holds."""

    inputs_hash: str
    branches: int
    truth: list[tuple[int, int, int, int, int]]
    """Site, ticket, and of how many futures each outcome was part, in the order of `TARGETS`."""
    curve: list[dict[str, float]]
    """By number of sites: requests, and the test's AUC of each target."""
    oracle: dict[str, float]
    """AUC of the strong learner that sees the latent causes too: a lower bound of the first ceiling."""

    @property
    def is_current(self) -> bool:
        """Whether it was measured with the present histories and features."""
        return self.inputs_hash == inputs_hash()

    @property
    def observable(self) -> dict[str, float]:
        """The best AUC that was reached on the features alone."""
        return {target: max(point[target] for point in self.curve) for target in TARGETS}

    def full_state(self) -> dict[str, dict[str, Any]]:
        """For each target the AUC of the true probabilities, with its interval over requests."""
        counts = np.array([row[2:] for row in self.truth], dtype=np.float64)
        return {target: full_state_auc(counts[:, index], self.branches) for index, target in enumerate(TARGETS)}


def inputs_hash() -> str:
    """Hash of what the figures rest on: the histories, the features and the split."""
    folder = Path(str(models.histories.__file__)).parent
    modules = (deployments.ai_processing.features, deployments.ai_processing.subjects, models.risk.dataset)
    return hash_with_targets([*folder.glob("*.py"), *(Path(str(module.__file__)) for module in modules)])


def read_ceilings() -> Ceilings | None:
    """The kept figures, or None where there are none."""
    if not FILE.exists():
        return None
    return TypeAdapter(Ceilings).validate_json(FILE.read_text())


def full_state_auc(counts: Floats, branches: int, draws: int = 200) -> dict[str, Any]:
    """The AUC of true probabilities that are known by `counts` of `branches` futures, of shape (n,).

    Half of the futures rank and the others judge, so noise does not flatter. Too few futures rank worse: the loss
    goes with one over their number, so from k and k / 2 futures the limit is 2 A(k) - A(k / 2).
    """
    rng = np.random.default_rng(5)
    half = branches // 2
    ranks = np.array([_split(rng, count, branches, half) for count in counts])
    fewer = rng.hypergeometric(ranks.astype(np.int64), (half - ranks).astype(np.int64), half // 2).astype(np.float64)
    judged = (counts - ranks) / (branches - half)

    def limit(rows: npt.NDArray[np.int64]) -> tuple[float, float]:
        many = soft_auc(judged[rows], ranks[rows])
        return 2.0 * many - soft_auc(judged[rows], fewer[rows]), many

    value, measured = limit(np.arange(len(counts)))
    limits = [limit(rng.integers(len(counts), size=len(counts)))[0] for _ in range(draws)]
    return {"auc": min(1.0, value), "interval": interval(limits), "at_half_the_futures": measured}


def _split(rng: np.random.Generator, count: float, branches: int, half: int) -> float:
    """How many of a random half of the futures had the outcome."""
    return float(rng.hypergeometric(int(count), branches - int(count), half))


def measure(plan: Plan, seconds: float = float("inf")) -> Ceilings:
    """Everything anew."""
    test = held_out_part(plan)
    choice = Choice(SHARE, plan.hold_until, plan.days, BRANCHES)
    truth = [
        (each.site, each.ticket, *each.happened)
        for each in true_probabilities(plan.seed, plan.test, choice, seconds=seconds)
    ]
    curve, oracle = learning_curve(plan, test)
    return Ceilings(inputs_hash(), BRANCHES, truth, curve, oracle)


def learning_curve(plan: Plan, test: Part) -> tuple[list[dict[str, float]], dict[str, float]]:
    """What more histories bring on the same features, and what the latent causes would bring beside them."""
    sites = [_arrays(part(generate(plan.seed, [FIRST_SITE + number], plan.fit_until))) for number in range(max(SIZES))]
    curve: list[dict[str, float]] = []
    for size in SIZES:
        rows, outcomes = (np.vstack([site[place] for site in sites[:size]]) for place in (0, 2))
        reached = _reached(rows, outcomes, test.features, test.outcomes)
        curve.append({"sites": float(size), "requests": float(len(rows)), **reached})
    rows, latents, outcomes = (np.vstack([site[place] for site in sites]) for place in range(3))
    seen, unseen = np.hstack([rows, latents]), np.hstack([test.features, test.latents])
    return curve, _reached(seen, outcomes, unseen, test.outcomes)


def _arrays(histories: Part) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Features, latents and outcomes, without the samples, which take much memory."""
    return histories.features, histories.latents, histories.outcomes


def _reached(
    rows: npt.NDArray[np.float32], outcomes: Floats, unseen: npt.NDArray[np.float32], happened: Floats
) -> dict[str, float]:
    return {
        target: auc(happened[:, index], margins(boost(rows, outcomes[:, index], STRONG, STRONG_ROUNDS), unseen))
        for index, target in enumerate(TARGETS)
    }


def write_ceilings(ceilings: Ceilings) -> None:
    """Keep the figures."""
    FILE.write_text(json.dumps(asdict(ceilings), indent=None, separators=(",", ":")).replace("],[", "],\n[") + "\n")


def main() -> None:
    """Measure and keep."""
    ceilings = measure(Plan())
    write_ceilings(ceilings)
    sys.stdout.write(f"{len(ceilings.truth)} requests with {BRANCHES} futures each; {FILE}\n")


if __name__ == "__main__":
    main()
