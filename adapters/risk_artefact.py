"""The risk model's files, read whole and checked against their manifest."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.artefacts import load
from core.errors import ArtefactRefused

ARTEFACT = "risk"
SPECIFICATION = "specification.json"
BOOSTER_SUFFIX = ".ubj"


@dataclass(frozen=True)
class RiskArtefact:
    """What the artefact's folder holds."""

    version: str
    boosters: Mapping[str, bytes]
    """XGBoost's binary JSON by what the booster predicts."""
    specification: bytes
    """JSON: features, calibration, thresholds."""


def read_risk_artefact(folder: Path) -> RiskArtefact:
    """The artefact in `folder`. Raises `ArtefactRefused` where it is missing, damaged or incomplete."""
    manifest = load(folder, ARTEFACT)
    if SPECIFICATION not in manifest.files:
        raise ArtefactRefused(f"The risk artefact in {folder} has no {SPECIFICATION}; run `python -m aam build`.")
    return RiskArtefact(
        version=manifest.version,
        boosters={
            name.removesuffix(BOOSTER_SUFFIX): (folder / name).read_bytes()
            for name in manifest.files
            if name.endswith(BOOSTER_SUFFIX)
        },
        specification=(folder / SPECIFICATION).read_bytes(),
    )
