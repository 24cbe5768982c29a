"""What the thinking services need: vectors of text, the knowledge base, and a language model."""

from collections.abc import Sequence
from typing import Protocol

from core.messages import Retrieved, RetrieveQuery
from core.request import Answer, Classification
from core.rules import RuleBook


class Embedder(Protocol):
    """Turns text into a vector."""

    name: str
    dimensions: int

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A unit vector for each text: `dimensions` float32, little-endian. Text beyond 256 tokens is cut."""
        ...


class Knowledge(Protocol):
    """The knowledge base as it was indexed: its rules and its passages."""

    @property
    def rules(self) -> RuleBook:
        """The rules that the documents state."""
        ...

    @property
    def documents(self) -> int:
        """How many documents are indexed."""
        ...

    @property
    def chunks(self) -> int:
        """How many passages are indexed."""
        ...

    def search(self, queries: Sequence[RetrieveQuery]) -> list[tuple[Retrieved, ...]]:
        """The best passages for each query, best first, in one vector query; none below the minimum score.

        A query with a building finds the building's passages and those for all buildings.
        """
        ...

    def sentences(self, queries: Sequence[RetrieveQuery]) -> list[tuple[Retrieved, ...]]:
        """As `search`, over single sentences; `text` is the sentence as the document has it."""
        ...


class LanguageModel(Protocol):
    """What a language model is asked for. Every method may raise `Unavailable`."""

    source: str
    """What answers carry as their source: `llm`, or `extract` for the offline one."""

    async def classify(self, message_text: str) -> Classification | None:
        """Labels for a message that the local model is unsure of, or None where it has none to give."""
        ...

    async def answer(self, question: str, sentences: Sequence[Retrieved]) -> Answer | None:
        """An answer from these sentences alone, or None where they don't hold one."""
        ...
