"""Shares of counted things: how sure one may be of them."""

from math import sqrt
from statistics import NormalDist


def wilson_interval(part: int, whole: int, level: float = 0.95) -> tuple[float, float]:
    """The interval of a share of `part` in `whole`, both ends from 0 to 1; `whole` is at least 1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927). It holds for few cases and for shares near 0 and 1, too.
    """
    if not 0 <= part <= whole or whole < 1:
        raise ValueError(f"{part} of {whole} is no share")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, spread = part / whole, z * z / whole
    middle = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / whole + spread / (4 * whole)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)
