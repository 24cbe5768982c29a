"""Several partitions of an index read as one list, little by little."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from adapters.dynamo import Dynamo, Selection
from adapters.dynamo_values import Item, Wire

LEAST_CHUNK = 12
"""So many index entries of a usual size are billed like one."""
CHUNK_LIMIT = 250


async def merged(dynamo: Dynamo, selections: Sequence[Selection], *, chunk: int) -> AsyncIterator[Item]:
    """The entries of all selections, which go by the same text attribute, in its order.

    `chunk` entries in all are read at first and more with each further read, from those that have run out; what is
    written meanwhile is seen where it stands further on.
    """
    partitions = [_Partition(dynamo, each, max(LEAST_CHUNK, -(-chunk * 2 // len(selections)))) for each in selections]
    choose = max if any(each.descending for each in selections) else min
    while True:
        await asyncio.gather(*(partition.fill() for partition in partitions if partition.is_wanting))
        waiting = [partition for partition in partitions if partition.entries]
        if not waiting:
            return
        # Until one of them runs out, nothing has to be read.
        while all(partition.entries for partition in waiting):
            yield choose(waiting, key=_Partition.head).entries.popleft()


class _Partition:
    def __init__(self, dynamo: Dynamo, selection: Selection, chunk: int) -> None:
        self._dynamo = dynamo
        self._selection = selection
        self._chunk = min(chunk, CHUNK_LIMIT)
        self._start: Wire | None = None
        self._ended = False
        self.entries: deque[Item] = deque()

    @property
    def is_wanting(self) -> bool:
        return not self.entries and not self._ended

    def head(self) -> str:
        return self.entries[0][self._selection.sort or ""]

    async def fill(self) -> None:
        while self.is_wanting:
            found, self._start = await self._dynamo.page(self._selection, limit=self._chunk, start=self._start)
            self.entries.extend(found)
            self._ended = self._start is None
            self._chunk = min(self._chunk * 2, CHUNK_LIMIT)
