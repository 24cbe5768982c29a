"""Parts lead times: how long a job waits for the parts that are not in the store room."""

import zlib
from collections.abc import Sequence

import numpy as np

from core.estate import Part
from deployments.decision_simulation.triangular import Floats, corners, triangular_quantiles
from deployments.decision_simulation.workforce import Durations


def part_hours(part: Part, uniforms: Floats) -> Floats:
    """How long until the part is there, at uniforms (n,) in [0, 1): the inverse of the distribution function.

    It is there at once below the share of times that it is in stock, and comes after its lead time above, so that a
    part which is in stock less often, or takes longer, never comes sooner at the same uniform.
    """
    missing = uniforms >= part.in_stock
    level = np.where(missing, uniforms - part.in_stock, 0.0) / max(1.0 - part.in_stock, np.finfo(np.float64).tiny)
    return np.where(missing, triangular_quantiles(corners([part.lead_hours]), level[None, :])[0], 0.0)


def part_number(part_id: str) -> int:
    """A number of the part's own, to seed a generator with: the same in every process and for every option."""
    return zlib.crc32(part_id.encode())


def lead_with_parts(lead_hours: Durations, parts: Sequence[Part]) -> Durations:
    """The lead times of an option whose slowest missing part adds to its own."""

    def draw(rng: np.random.Generator, number: int) -> Floats:
        lead = lead_hours(rng, number)
        slowest = [part_hours(part, rng.random(number)) for part in parts]
        return lead + np.max(slowest, axis=0) if slowest else lead

    return draw
