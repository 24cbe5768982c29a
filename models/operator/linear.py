"""A logistic regression with penalties by column: what words and categories add, in a straight line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import ArtefactRefused
from models.logistic import newton
from models.operator.features import Columns, Floats, Rows


@dataclass(frozen=True)
class Block:
    """Columns that are treated alike."""

    columns: Columns
    penalty: float
    """Half of it, times the squared weights, is added to the loss (ridge)."""
    together: bool
    """Scaled by what they vary in all, so that the larger ones stay larger; else each to a variance of 1."""


@dataclass(frozen=True)
class Design:
    """The rows that a regression sees."""

    names: tuple[str, ...]
    values: Rows
    """Of shape (n, k)."""
    penalties: Floats
    blocks: tuple[slice, ...]
    """Those that are scaled together."""

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> Design:
        """All blocks beside each other."""
        starts = np.cumsum([0, *(len(block.columns.names) for block in blocks)]).tolist()
        return cls(
            names=tuple(name for block in blocks for name in block.columns.names),
            values=np.hstack([block.columns.values for block in blocks]),
            penalties=np.concatenate([np.full(len(block.columns.names), block.penalty) for block in blocks]),
            blocks=tuple(slice(starts[at], starts[at + 1]) for at, block in enumerate(blocks) if block.together),
        )


@dataclass(frozen=True)
class LinearModel:
    """Log-odds = intercept + weights times (values - centre); what is missing counts as the centre."""

    names: tuple[str, ...]
    centre: Floats
    weights: Floats
    intercept: float

    def margins(self, rows: Rows) -> Floats:
        """Log-odds of shape (n,), for rows of shape (n, k)."""
        return np.nan_to_num(rows - self.centre) @ self.weights + self.intercept

    def save(self, file: Path) -> None:
        """As arrays, without objects."""
        names, intercept = np.array(self.names), np.array(self.intercept)
        np.savez_compressed(file, names=names, centre=self.centre, weights=self.weights, intercept=intercept)

    @classmethod
    def load(cls, file: Path) -> LinearModel:
        """Raises `ArtefactRefused` where the file can't be read."""
        try:
            with np.load(file, allow_pickle=False) as arrays:
                names = tuple(arrays["names"].tolist())
                return cls(names, arrays["centre"], arrays["weights"], float(arrays["intercept"]))
        except (OSError, KeyError, ValueError) as error:
            raise ArtefactRefused(f"{file} can't be read; train anew.") from error


def fit_linear(design: Design, fitted: np.ndarray[tuple[int], np.dtype[np.intp]], outcomes: Floats) -> LinearModel:
    """Fitted on these rows; `outcomes` is of all rows."""
    rows = design.values[fitted].astype(np.float64)
    centre = np.nan_to_num(np.nanmean(np.where(np.isnan(rows).all(axis=0), 0.0, rows), axis=0))
    rows = np.nan_to_num(rows - centre)
    spread = rows.std(axis=0)
    for block in design.blocks:
        spread[block] = np.sqrt(float((spread[block] ** 2).sum()))
    # A column that does not vary has nothing to say, neither now nor later.
    scale = np.where(spread > 1e-6, 1.0 / np.maximum(spread, 1e-6), 0.0)
    weights = newton(rows * scale, outcomes[fitted], np.ones(len(fitted)), design.penalties)
    return LinearModel(design.names, centre, weights[:-1] * scale, float(weights[-1]))
