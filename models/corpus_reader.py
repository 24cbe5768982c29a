"""Reads the hand-written messages, checks their labels and splits them by voice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from core.contract import Contract
from core.errors import Invalid
from core.labels import Category, Intent, Trade, Urgency
from core.request import MAX_MESSAGE_CHARACTERS, Issue

CORPUS = Path(__file__).parent / "corpus"
TEST_VOICES = frozenset(
    {
        "anxious_librarian_midrise",
        "brazilian_student_coliving",
        "chef_above_shop",
        "disabled_senior_accessible",
        "dog_owner_loft",
        "music_teacher_triplex",
        "retired_officer_lakeside",
        "warehouse_worker_courtyard",
        "young_renter_highrise",
    }
)
"""Held out from everything: training, choosing, calibrating, and the writing of the safety rules and the lexicon."""
VALIDATION_VOICES = frozenset(
    {"care_home_visitor_seniors", "podcast_host_condo", "polish_carpenter_rowhouse", "school_bus_driver_duplex"}
)
"""Never learned from: what is chosen and calibrated, is so on them."""


class LabelledMessage(Contract):
    """One line of the corpus."""

    text: str = Field(min_length=1, max_length=MAX_MESSAGE_CHARACTERS)
    category: Category
    urgency: Urgency
    intent: Intent
    trade: Trade | None
    issues: tuple[Issue, ...]
    """Empty for a message with one issue; else two or more."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for part in (self, *self.issues):
            if (part.trade is not None) != (part.category is Category.MAINTENANCE):
                raise ValueError(f"a trade goes with Maintenance, and only with it: {part.text!r}")
        if len(self.issues) == 1:
            raise ValueError("one issue is no list of issues")
        for issue in self.issues:
            if issue.text not in self.text:
                raise ValueError(f"the issue is no part of the message: {issue.text!r}")
        return self


class Message(LabelledMessage):
    """A labelled message and who speaks."""

    voice: str


@dataclass(frozen=True)
class Splits:
    """Messages to learn from, to choose and calibrate by, and to judge by; no voice is in two of them."""

    training: tuple[Message, ...]
    validation: tuple[Message, ...]
    test: tuple[Message, ...]


def read_corpus(folder: Path = CORPUS) -> tuple[Message, ...]:
    """All messages, by file name and line. Raises `Invalid`, which names the file and the line."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise Invalid(f"There are no *.jsonl files in {folder}.")
    return tuple(message for file in files for message in _read_voice(file))


def split(messages: Sequence[Message]) -> Splits:
    """By voice: `TEST_VOICES`, `VALIDATION_VOICES`, and all others to learn from."""
    held_out = TEST_VOICES | VALIDATION_VOICES
    return Splits(
        training=tuple(message for message in messages if message.voice not in held_out),
        validation=tuple(message for message in messages if message.voice in VALIDATION_VOICES),
        test=tuple(message for message in messages if message.voice in TEST_VOICES),
    )


def _read_voice(file: Path) -> Iterable[Message]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            labelled = LabelledMessage.model_validate_json(line)
        except ValidationError as problem:
            reason = problem.errors()[0]
            place = ".".join(str(part) for part in reason["loc"])
            raise Invalid(f"{file.name}, line {number}: {place or 'message'}: {reason['msg']}") from None
        yield Message(voice=file.stem, **dict(labelled))
