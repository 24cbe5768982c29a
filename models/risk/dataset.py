"""Generated histories as matrices, split so that neither a site nor a day is on two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapters.artefacts import content_hash
from deployments.ai_processing.features import matrix
from deployments.ai_processing.risk import TARGETS
from models.histories.generator import Sample, generate

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """Which sites and days are generated, and who gets to see them."""

    seed: str = "risk-1"
    fit_sites: int = 32
    hold_sites: int = 10
    """For calibration and the levels' thresholds."""
    test_sites: int = 12
    fit_until: float = 420.0
    """The trees see days before it, the calibration the days from it on."""
    hold_until: float = 540.0
    """Testing sees the days from it on."""
    days: float = 660.0

    @property
    def fit(self) -> range:
        """The sites that the trees are fitted on."""
        return range(self.fit_sites)

    @property
    def hold(self) -> range:
        """The sites that the trees are calibrated on."""
        return range(self.fit_sites, self.fit_sites + self.hold_sites)

    @property
    def test(self) -> range:
        """The sites that nothing is chosen on."""
        first = self.fit_sites + self.hold_sites
        return range(first, first + self.test_sites)


@dataclass(frozen=True)
class Part:
    """Some of the samples, with what the models and the oracle see of them."""

    samples: list[Sample]
    features: Rows
    latents: Rows
    outcomes: Floats
    """0 or 1, of shape (n, 3), in the order of `TARGETS`."""

    @property
    def matters(self) -> list[str]:
        """Category and trade of each request."""
        return [f"{each.classification.category}/{each.classification.trade}" for each in self.samples]


@dataclass(frozen=True)
class Dataset:
    """The three parts."""

    fit: Part
    hold: Part
    test: Part

    def learned_hash(self) -> str:
        """Hash of what a model learns from: features and outcomes of the requests that it is fitted and held to."""
        arrays = (array for each in (self.fit, self.hold) for array in (each.features, each.outcomes))
        return content_hash(array.tobytes() for array in arrays)


def draw(plan: Plan) -> Dataset:
    """Generate and split."""
    return Dataset(
        fit=fit_part(plan),
        hold=part(generate(plan.seed, plan.hold, plan.hold_until, first_day=plan.fit_until)),
        test=held_out_part(plan),
    )


def fit_part(plan: Plan) -> Part:
    """The requests that the trees are fitted on."""
    return part(generate(plan.seed, plan.fit, plan.fit_until))


def held_out_part(plan: Plan) -> Part:
    """The requests that nothing was fitted or chosen on."""
    return part(generate(plan.seed, plan.test, plan.days, first_day=plan.hold_until))


def part(samples: Sequence[Sample]) -> Part:
    """Matrices of these samples, by the very function that serves."""
    outcomes = {"recurrence": "recurred", "sla_breach": "breached", "escalation": "escalated"}
    return Part(
        samples=list(samples),
        features=matrix([each.item for each in samples], [each.classification for each in samples]),
        latents=np.array([each.latents for each in samples], dtype=np.float32),
        outcomes=np.array([[float(getattr(each, outcomes[target])) for target in TARGETS] for each in samples]),
    )
