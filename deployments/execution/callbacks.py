"""Takes the word of outside systems that work which they were given has ended."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

from core.errors import NotFound, VersionConflict
from core.ports.documents import Document, DocumentStore
from core.ports.execution import CallbackReader, ExecutionLog
from core.ports.queue import Queue
from deployments.execution.completions import CompletionNews

KIND = "callback"


class Callbacks:
    """Callbacks of all outside systems, each taken once in effect."""

    def __init__(
        self,
        readers: Mapping[str, CallbackReader],
        log: ExecutionLog,
        outcomes: Queue,
        documents: DocumentStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._readers = readers
        self._news = CompletionNews(log, outcomes, clock)
        self._documents = documents
        self._clock = clock

    async def take(self, system: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Tell the request that its work has ended; False where the callback was taken before.

        Raises `Unauthenticated`, `Invalid`, `NotFound` for an unknown system and for work that nobody knows yet, and
        `StoreUnavailable` or `QueueUnavailable`; then the sender tries again.
        """
        reader = self._readers.get(system)
        if reader is None:
            raise NotFound("There is no such outside system.")
        now = self._clock()
        callback_id, completion = reader.read(headers, body, now)
        key = _key(system, callback_id)
        if await self._documents.get(KIND, key) is not None:
            return False
        if completion is not None:
            await self._news.tell(system, completion)
        # Remembered last: a kill before it lets the same news be told again, under the same id.
        return await self._remember(key, system, now)

    async def _remember(self, key: str, system: str, now: datetime) -> bool:
        at = now.isoformat()
        document = Document(KIND, key, partition=system, order=at, version=1, body={"system": system, "at": at})
        try:
            await self._documents.put(document)
        except VersionConflict:
            return False
        return True


def _key(system: str, callback_id: str) -> str:
    """Of one length, whatever the sender calls its callbacks."""
    return f"{system}:{hashlib.sha256(callback_id.encode()).hexdigest()}"
