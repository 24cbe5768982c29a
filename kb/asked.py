"""The questions that people ask in their own words, kept for the section that answers them."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from core.contract import Contract
from kb.reader import DOCUMENTS, DocumentFault


class AskedQuestion(Contract):
    """A question as somebody would ask it, and where its document answers it."""

    section: str
    """The heading below its parent headings, as the index has it."""
    question: str
    sentence: str = ""
    """The sentence of the section that answers it; empty where a table or the section as a whole does."""


class AskedFault(DocumentFault):
    """A file of questions that can't be read."""

    def __init__(self, file: str, line: int, detail: str) -> None:
        super().__init__(f"{file}, line {line}: {detail}")
        self.file = file
        self.line = line


Asked = Mapping[str, tuple[AskedQuestion, ...]]
"""By document id; a question's place is its line in the file."""


def asked_folder(documents: Path = DOCUMENTS) -> Path:
    """Where the questions for the documents of this folder lie: one file beside it for each document, by its id."""
    return documents.with_name("asked")


def read_asked(documents: Path = DOCUMENTS) -> Asked:
    """Every question for the documents of this folder. Raises `AskedFault`."""
    return {path.stem: _read(path) for path in sorted(asked_folder(documents).glob("*.jsonl"))}


def _read(path: Path) -> tuple[AskedQuestion, ...]:
    found: list[AskedQuestion] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(AskedQuestion.model_validate_json(line))
        except ValidationError as error:
            raise AskedFault(path.name, number, error.errors()[0]["msg"]) from None
    return tuple(found)
