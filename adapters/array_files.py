"""Arrays of a trained model, from their artefact's NumPy file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.artefacts import load
from core.errors import ArtefactRefused

ARRAYS = "arrays.npz"


@dataclass(frozen=True)
class ModelArrays:
    """What a model serves from, and the version of the artefact that it came from."""

    version: str
    arrays: dict[str, NDArray[Any]]


def read_arrays(folder: Path, name: str) -> ModelArrays:
    """All arrays of the artefact `name`; nothing is ever unpickled. Raises `ArtefactRefused`."""
    manifest = load(folder, name)
    try:
        with np.load(folder / ARRAYS, allow_pickle=False) as file:
            return ModelArrays(manifest.version, {key: file[key] for key in file.files})
    except (OSError, ValueError) as problem:
        raise ArtefactRefused(f"{folder / ARRAYS} can't be read; run `python -m aam build`.") from problem


def write_arrays(folder: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write the arrays for `read_arrays`, with the same bytes for the same content."""
    np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
