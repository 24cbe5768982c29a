"""Messages as a client sees them classified, beside what a person says of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters import build
from adapters.artefacts import load
from core.errors import BrokenInvariant
from core.labels import Category, Urgency
from core.messages import ItemFailure
from core.ports.intelligence import MessageEncoder, Reading
from core.request import Classification
from deployments.ai_processing.assessor import Assessor
from deployments.ai_processing.issues import split_issues
from deployments.ai_processing.safety import SafetyScreen
from deployments.ai_processing.text import HEADS, HeadName, TextModel, TextPrediction
from models.corpus_reader import Message
from models.text.cascade_evaluation import open_assessor
from models.text.measures import Floats, Places
from models.text.served import ARTEFACT


class RememberedReadings:
    """An encoder that reads no text twice: many figures are made of the same messages."""

    def __init__(self, encoder: MessageEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, Reading] = {}

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """As the encoder reads each text."""
        unread = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(unread, self._encoder.read(unread), strict=True))
        return [self._known[text] for text in texts]


@dataclass(frozen=True)
class OpenedText:
    """The text model of an artefact with its encoder."""

    encoder: RememberedReadings
    model: TextModel


def open_remembering(folder: Path) -> OpenedText:
    """The built text model, which reads no text twice. Raises `ArtefactRefused`."""
    load(folder, ARTEFACT)
    text = build.text_arrays(folder)
    encoder = RememberedReadings(build.message_encoder(folder))
    return OpenedText(encoder, TextModel(encoder, text.arrays, text.version))


@dataclass(frozen=True)
class Judgement:
    """A message with its true labels, and everything that is made of it."""

    message: Message
    prediction: TextPrediction
    model_alarm: bool
    """The model alone calls it, or a part of it, an Emergency."""
    found: Classification
    """What a client is answered, without a second opinion."""

    @property
    def alarmed(self) -> bool:
        """A safety rule fired."""
        return self.found.safety_rule is not None

    @property
    def emergency(self) -> bool:
        """It truly is one."""
        return self.message.urgency is Urgency.EMERGENCY

    def right(self, head: HeadName) -> bool:
        """Whether the client's label of this head is true; no trade is right where there is none."""
        return getattr(self.found, head) == getattr(self.message, head)

    @property
    def all_right(self) -> bool:
        """Whether every label is true."""
        return all(self.right(head) for head in HEADS)


def judge(messages: Sequence[Message], model: TextModel, screen: SafetyScreen) -> list[Judgement]:
    """Each message, classified end to end but for the language model, which is never asked."""
    texts = [message.text for message in messages]
    found = classify(open_assessor(model, screen), texts)
    return [
        Judgement(message, prediction, _alarms(model, message.text, prediction), label)
        for message, prediction, label in zip(messages, model.predict(texts), found, strict=True)
    ]


def classify(assessor: Assessor, texts: Sequence[str]) -> list[Classification]:
    """What a client is answered to each text. Raises `BrokenInvariant` where one can't be classified."""
    return [_sound(label) for label in asyncio.run(assessor.classify(texts))]


def client_labels(head: HeadName, judged: Sequence[Judgement]) -> tuple[Places, Places]:
    """True and found labels as places in `HEADS`; the place behind the last means "no trade".

    A trade is judged wherever there is a true or a found one, so that a wrong category counts against it, too.
    """
    pairs = [
        (_place(head, getattr(each.message, head)), _place(head, getattr(each.found, head)))
        for each in judged
        if head != "trade" or Category.MAINTENANCE in (each.message.category, each.found.category)
    ]
    return np.array([one for one, _ in pairs], dtype=np.intp), np.array([two for _, two in pairs], dtype=np.intp)


def head_confidences(head: HeadName, judged: Sequence[Judgement]) -> tuple[Floats, NDArray[np.bool_]]:
    """The confidence that a client is given in the label of this head, and whether that is true, where there is one."""
    given = [(each, each.found.confidences) for each in judged if getattr(each.message, head) is not None]
    rows = [(getattr(known, head), each.right(head)) for each, known in given if known and getattr(known, head)]
    return np.array([confidence for confidence, _ in rows]), np.array([right for _, right in rows])


def _alarms(model: TextModel, text: str, prediction: TextPrediction) -> bool:
    parts = model.predict(split_issues(text, prediction))
    return any(each.urgency is Urgency.EMERGENCY for each in (prediction, *parts))


def _place(head: HeadName, label: str | None) -> int:
    return len(HEADS[head]) if label is None else HEADS[head].index(label)


def _sound(label: Classification | ItemFailure) -> Classification:
    if isinstance(label, ItemFailure):
        raise BrokenInvariant("A message of the corpus could not be classified.")
    return label
