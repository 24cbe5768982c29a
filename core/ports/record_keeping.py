"""Everything outside of RequestManagement that it keeps records in or asks, opened together and closed together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from core.ports.blobs import BlobStore, FileInspector
from core.ports.documents import DocumentStore
from core.ports.identity import TokenVerifier
from core.ports.queue import Queue
from core.ports.rate_limits import RateLimits
from core.ports.store import RequestStore
from core.ports.webhooks import WebhookSender


@dataclass(frozen=True)
class RecordKeeping:
    """The ports of RequestManagement."""

    store: RequestStore
    documents: DocumentStore
    blobs: BlobStore
    inspector: FileInspector
    executions: Queue
    outcomes: Queue
    webhooks: Queue
    """Events on their way to the systems of others."""
    sender: WebhookSender
    tokens: TokenVerifier
    limits: RateLimits
    url_key: bytes
    """Signs addresses of attachments that have no server of their own."""

    async def close(self) -> None:
        """Give back what is held open."""
        closers: list[Callable[[], Awaitable[None]]] = [
            self.store.close,
            self.documents.close,
            self.blobs.close,
            self.executions.close,
            self.outcomes.close,
            self.webhooks.close,
        ]
        for close in closers:
            await close()
