"""The triangular distribution by inversion, for whole arrays of distributions at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.estate import Triangle

Floats = NDArray[np.float64]


def corners(triangles: Sequence[Triangle]) -> Floats:
    """Low, mode and high of each triangle, of shape (n, 3)."""
    return np.array([(one.low, one.mode, one.high) for one in triangles], dtype=np.float64).reshape(-1, 3)


def triangular_quantiles(triangles: Floats, uniforms: Floats) -> Floats:
    """The quantiles of n triangles (n, 3) at uniforms (n, m) in [0, 1): an array (n, m).

    A triangle of no width gives its one value. Source: the inverse of the distribution function, in which both
    branches are square roots (Kotz and van Dorp, Beyond Beta, 2004, chapter 1).
    """
    low, mode, high = (triangles[:, index : index + 1] for index in range(3))
    width = high - low
    at_mode = np.divide(mode - low, width, out=np.zeros_like(width), where=width > 0)
    rising = low + np.sqrt(uniforms * (width * (mode - low)))
    falling = high - np.sqrt((1.0 - uniforms) * (width * (high - mode)))
    return np.where(uniforms < at_mode, rising, falling)
