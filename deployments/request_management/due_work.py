"""The sweeper: whatever must happen later is an item with a due time, and this does it."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from core.ports.store import RequestStore
from core.record import NextAction, RequestRecord
from core.settings import Settings
from deployments.request_management.dispatch import Dispatcher
from deployments.request_management.pipeline import Pipeline

log = logging.getLogger(__name__)

BATCH = 50


class Sweeper:
    """Claims due items, each under a lease, and resumes their pipeline or sends their outbox.

    Several replicas may sweep at once; a claim is conditional, so that each item is one replica's for the lease.
    """

    def __init__(
        self,
        settings: Settings,
        store: RequestStore,
        pipeline: Pipeline,
        dispatcher: Dispatcher,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._store = store
        self._pipeline = pipeline
        self._dispatcher = dispatcher
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                claimed = await self.sweep()
            except Exception:
                # Whatever it is, the next sweep may succeed; a sweeper that has ended helps nobody.
                log.exception("sweep failed")
                claimed = 0
            if claimed < BATCH:
                await asyncio.sleep(self._settings.sweep_interval_s)

    async def sweep(self) -> int:
        """Claim what is due and start it; returns how many."""
        due = await self._store.claim_due(now=self._clock(), lease_s=self._settings.pipeline_lease_s, limit=BATCH)
        for record in due:
            self._start(record)
        return len(due)

    def _start(self, record: RequestRecord) -> None:
        if record.next_action is NextAction.PROCESS:
            self._pipeline.start(record)
        elif record.next_action is NextAction.DISPATCH:
            self._dispatcher.start(record)
