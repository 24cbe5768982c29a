"""Opens the text model and the safety screen as they are served."""

from pathlib import Path

import deployments.ai_processing.safety
from adapters import build
from adapters.artefacts import load
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.text import TextModel

ARTEFACT = "text"
SAFETY_RULES = Path(deployments.ai_processing.safety.__file__).with_name("safety_rules.yaml")


def open_text_model(folder: Path) -> TextModel:
    """The text model in this folder. Raises `ArtefactRefused`."""
    load(folder, ARTEFACT)
    text = build.text_arrays(folder)
    return TextModel(build.message_encoder(folder), text.arrays, text.version)


def open_screen() -> SafetyScreen:
    """The life-safety screen with the reviewed rules."""
    return SafetyScreen.from_rules(build.safety_rules(SAFETY_RULES))
