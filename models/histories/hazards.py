"""When things fail: Weibull laws with a season, and repairs that take off only part of a thing's age."""

import math
from random import Random

YEAR = 365.25


def season(day: float, peak_day: float | None, swing: float) -> float:
    """Factor of the hazard on a day, between 1 - swing and 1 + swing; 1 without a peak."""
    if peak_day is None:
        return 1.0
    return 1.0 + swing * math.cos(2.0 * math.pi * (day - peak_day) / YEAR)


def age_at_failure(age: float, scale: float, shape: float, exposure: float) -> float:
    """Age at which the cumulative hazard (age / scale) ** shape has grown by `exposure`."""
    return scale * ((age / scale) ** shape + exposure) ** (1.0 / shape)


def next_failure(
    rng: Random, now: float, age: float, *, scale: float, shape: float, peak_day: float | None, swing: float
) -> float:
    """The day on which a thing of this age fails next, by thinning (Lewis and Shedler 1979) against the peak hazard.

    `now` and the result are days since 1 January; `age` and `scale` are days.
    """
    peak = 1.0 + (swing if peak_day is not None else 0.0)
    reached = age
    while True:
        reached = age_at_failure(reached, scale, shape, rng.expovariate(1.0) / peak)
        day = now + reached - age
        if rng.random() * peak <= season(day, peak_day, swing):
            return day


def age_after_repair(age: float, renewal: float) -> float:
    """Virtual age after a repair that takes off the share `renewal` (Kijima 1989, model II)."""
    return age * (1.0 - renewal)
