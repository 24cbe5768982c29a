"""The hand-written questions that scores are calibrated on and retrieval is measured with."""

from pathlib import Path
from typing import Literal

from core.contract import Contract

QUERIES = Path(__file__).with_name("queries.jsonl")


class LabelledQuery(Contract):
    """A question, whose building it comes from, and what answers it."""

    query: str
    building: str
    docs: tuple[str, ...]
    """The documents that answer it; none where the knowledge base holds no answer."""
    sections: tuple[tuple[str, str], ...] = ()
    """The sections that answer it: document id, and the heading below its parent headings as the index has it."""
    answer: tuple[str, ...]
    """A right sentence holds one of these, word for word."""
    split: Literal["fit", "test"]
    """`test` is never used for fitting: it was written last, by somebody who had seen the documents alone."""

    @property
    def answerable(self) -> bool:
        """Whether the knowledge base holds an answer."""
        return bool(self.docs)

    def found_in(self, doc_id: str, section: str) -> bool:
        """Whether this section is one that answers it."""
        return (doc_id, section) in self.sections

    def answered_by(self, doc_id: str, text: str) -> bool:
        """Whether this text of this document answers it."""
        return doc_id in self.docs and any(part in text for part in self.answer)


def read_queries(path: Path = QUERIES) -> list[LabelledQuery]:
    """Every labelled question of the file."""
    return [LabelledQuery.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
