"""What the thinking services need: vectors of text, the knowledge base, and a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import Field

from core.contract import Contract
from core.messages import Retrieved, RetrieveQuery
from core.ports.library import Library
from core.request import Answer, Citation, Classification
from core.rules import CataloguedOption, RuleBook


class Embedder(Protocol):
    """Turns text into a vector."""

    name: str
    """The model."""
    version: str
    """What was built of it: vectors of two versions can't be compared."""
    dimensions: int

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A unit vector for each text: `dimensions` float32, little-endian. Text beyond 256 tokens is cut."""
        ...


@dataclass(frozen=True)
class Reading:
    """What the encoder says of one text, all as log-odds."""

    scores: tuple[float, ...]
    """For the labels of all heads, side by side."""
    counts: tuple[float, ...]
    """For one issue, two, and so on."""
    starts: tuple[tuple[int, float], ...]
    """For each word: its place in the text, and that an issue begins there."""


class MessageEncoder(Protocol):
    """Reads messages for the text model that it was trained with."""

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """A reading of each text, in order, which depends on that text alone; long texts are read to their end."""
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

    @property
    def embedding_model(self) -> str:
        """The name of the embedder that the index was built with."""
        ...

    @property
    def embedding_version(self) -> str:
        """Its version; the vectors of queries must come from the same."""
        ...

    def search(self, queries: Sequence[RetrieveQuery], vectors: Sequence[bytes]) -> list[tuple[Retrieved, ...]]:
        """The best passages for each query, best first, in one vector query; none below the minimum score.

        `vectors` are those of the queries' texts, in their order. A query with a building finds the building's passages
        and those for all buildings.
        """
        ...

    def sentences(self, queries: Sequence[RetrieveQuery], vectors: Sequence[bytes]) -> list[tuple[Retrieved, ...]]:
        """As `search`, over single sentences; `text` is the sentence as the document has it."""
        ...


class KnowledgeIndex(Knowledge, Protocol):
    """A knowledge base that says what it holds, and can be closed."""

    @property
    def library(self) -> Library:
        """Its documents, for people to read."""
        ...

    @property
    def documents(self) -> int:
        """How many documents are indexed."""
        ...

    @property
    def chunks(self) -> int:
        """How many passages are indexed."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def min_score(self) -> float:
        """The calibrated score below which a passage does not count."""
        ...

    def close(self) -> None:
        """Free it; it can't be used afterwards."""
        ...


Figure = Annotated[float, Field(allow_inf_nan=False)]


class ProposedOption(Contract):
    """An option as somebody drafted it; nothing in it counts before it was checked."""

    title: str
    action: str
    crew: str
    steps: tuple[str, ...]
    reasoning: str
    cost_usd: tuple[Figure, Figure, Figure]
    """The least, the usual and the most."""
    work_hours: tuple[Figure, Figure, Figure]
    """Hands-on time, as `cost_usd`."""
    lead_hours: tuple[Figure, Figure, Figure]
    """Waiting for parts or others, as `cost_usd`."""
    citations: tuple[Citation, ...]
    unknown_fields: tuple[str, ...] = ()
    """Names of what it said besides, such as an approval."""


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

    async def propose(
        self,
        message_text: str,
        labels: Classification,
        passages: Sequence[Retrieved],
        catalogue: Sequence[CataloguedOption],
    ) -> tuple[ProposedOption, ...]:
        """Drafts of further options for a message, from these passages and catalogued options; () for none."""
        ...
