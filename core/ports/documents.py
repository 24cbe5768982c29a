"""Small documents beside the requests: incidents, templates, subscriptions, deliveries, the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from core.ports.page import Page


@dataclass(frozen=True)
class Document:
    """One document as it is stored."""

    kind: str
    key: str
    """Unique within its kind."""
    partition: str
    """The list within its kind that it stands in."""
    order: str
    """Its place in that list: lists go by this text, and by key where it is the same."""
    version: int
    """1 when it is made; grows by one with every change."""
    body: Mapping[str, Any]
    """JSON."""


class DocumentStore(Protocol):
    """Documents by kind and key, and lists of them. Every method may raise `StoreUnavailable`."""

    async def get(self, kind: str, key: str) -> Document | None:
        """The document, or None."""
        ...

    async def put(self, document: Document) -> None:
        """Store it, if the stored one has the version before; version 1 only where there is none.

        `partition` and `order` never change. Raises `VersionConflict`.
        """
        ...

    async def delete(self, kind: str, key: str) -> None:
        """Remove it; nothing happens where there is none."""
        ...

    async def list(
        self, kind: str, partition: str, *, limit: int, cursor: str | None = None, newest_first: bool = True
    ) -> Page[Document]:
        """A page of a list, by `order` falling or rising. Raises `InvalidCursor`."""
        ...

    async def compact(self) -> None:
        """Overwrite what was removed, where the storage keeps it; after an erasure."""
        ...

    async def close(self) -> None:
        """Give back connections and threads."""
        ...
