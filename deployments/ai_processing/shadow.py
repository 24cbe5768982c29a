"""A version that judges the same messages after their answers have gone out, and is only compared with them."""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import Sequence
from time import perf_counter
from typing import Literal, Protocol

from core.messages import AssessItem, Assessment, ItemFailure
from deployments.ai_processing.agreement import Comparison, Tally, compare
from deployments.ai_processing.model_set import ModelSet

CAPACITY = 256
"""Messages that may wait; those that come on top are dropped."""

Skip = Literal["dropped", "failed", "second_opinion"]

_log = logging.getLogger(__name__)


class ShadowMeter(Protocol):
    """Takes what becomes known."""

    def compared(self, models: str, comparison: Comparison) -> None:
        """One message was judged by both."""
        ...

    def skipped(self, models: str, reason: Skip) -> None:
        """One message was not compared."""
        ...


class Shadow:
    """Judges in a thread of its own, one message at a time, and pauses as long as each took.

    So it takes at most half a core, holds no caller up, and drops what it can't keep up with.
    """

    def __init__(self, models: ModelSet, meter: ShadowMeter, capacity: int = CAPACITY) -> None:
        self.models = models
        self.tally = Tally()
        self.skips: Counter[Skip] = Counter()
        self._meter = meter
        self._waiting: asyncio.Queue[tuple[AssessItem, Assessment]] = asyncio.Queue(capacity)
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    def offer(self, items: Sequence[AssessItem], answers: Sequence[Assessment | ItemFailure]) -> None:
        """Compare these later; answers that are failures, or the language model's, can't be compared."""
        if self._closed:
            return
        for item, answer in zip(items, answers, strict=True):
            if isinstance(answer, ItemFailure):
                continue
            if answer.classification.source == "llm":
                self._skip("second_opinion")
            elif self._waiting.full():
                self._skip("dropped")
            else:
                self._waiting.put_nowait((item, answer))
        if self._worker is None or self._worker.done():
            # A context of its own: it works for no request in particular.
            self._worker = asyncio.get_running_loop().create_task(self._work(), context=contextvars.Context())

    def describe(self) -> str:
        """What it came to so far."""
        skipped = ", ".join(f"{reason} {count}" for reason, count in sorted(self.skips.items()))
        return f"{self.models.name} {self.tally.describe()}" + (f" ({skipped})" if skipped else "")

    async def drained(self) -> None:
        """Return when nothing waits any more."""
        await self._waiting.join()

    def close(self) -> None:
        """Judge no more."""
        self._closed = True
        if self._worker is not None:
            self._worker.cancel()

    async def _work(self) -> None:
        while True:
            item, answer = await self._waiting.get()
            began = perf_counter()
            try:
                await self._judge(item, answer)
            finally:
                self._waiting.task_done()
            await asyncio.sleep(perf_counter() - began)

    async def _judge(self, item: AssessItem, answer: Assessment) -> None:
        try:
            (other,) = await asyncio.to_thread(self._assess, item)
            if isinstance(other, ItemFailure):
                self._skip("failed")
                return
            comparison = compare(answer, other)
            self.tally.add(comparison)
            self._meter.compared(self.models.name, comparison)
        except Exception:
            # On trial: what it does wrong is counted, and nobody waits for it.
            _log.warning("the shadow failed on a message", exc_info=True)
            self._skip("failed")

    def _assess(self, item: AssessItem) -> list[Assessment | ItemFailure]:
        return asyncio.run(self.models.silent.assess([item]))

    def _skip(self, reason: Skip) -> None:
        self.skips[reason] += 1
        self._meter.skipped(self.models.name, reason)
