"""The knowledge base's documents, for people to read."""

from typing import Protocol

from core.knowledge import KnowledgeDocument, KnowledgePage, KnowledgeQuery


class Library(Protocol):
    """The documents of one version of the knowledge base."""

    def page(self, query: KnowledgeQuery, limit: int, cursor: str | None) -> KnowledgePage:
        """The documents in force that match, by their ids. Raises `InvalidCursor`."""
        ...

    def document(self, doc_id: str) -> KnowledgeDocument | None:
        """One document, also one that is not in force yet; None where there is none."""
        ...
