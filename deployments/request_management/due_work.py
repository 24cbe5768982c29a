"""The sweeper: whatever must happen later is an item with a due time, and this does it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from core import tracing
from core.correlation import detached_context, set_correlation
from core.errors import AppError
from core.metrics import DUE_WORK, DUE_WORK_LAG, UNMETERED, Meter
from core.ports.store import RequestStore
from core.record import NextAction, RequestRecord
from core.settings import Settings
from deployments.request_management.dispatch import Dispatcher, change_record
from deployments.request_management.follow_up import EFFECTS
from deployments.request_management.pipeline import Pipeline
from deployments.request_management.revision import Revision

log = logging.getLogger(__name__)

BATCH = 50
CAPACITY = 200
"""So many items one sweeper has in hand at most; more are left to other replicas, or wait."""
LAG_EVERY_S = 10.0

Starter = Callable[[RequestRecord], "asyncio.Future[Any]"]


def due_actions(record: RequestRecord, now: datetime) -> tuple[NextAction, ...]:
    """What is due of a claimed record: the action that it was claimed for, and whatever else is due by now."""
    return tuple(kind for kind, at in record.pending.items() if kind is record.next_action or at <= now)


class Sweeper:
    """Claims due items, each under a lease, and does all that is due of them.

    Several replicas may sweep at once; a claim is conditional, so that each item is one replica's for the lease. What
    ends without a write, whatever the reason, is due again when the lease is over.
    """

    def __init__(
        self,
        settings: Settings,
        store: RequestStore,
        pipeline: Pipeline,
        dispatcher: Dispatcher,
        revision: Revision,
        clock: Callable[[], datetime],
        meter: Meter = UNMETERED,
    ) -> None:
        self._settings = settings
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._starters: dict[NextAction, Starter] = {
            NextAction.PROCESS: pipeline.start,
            NextAction.REVISE: lambda record: _task(revision.attempt(record)),
        }
        self._in_hand: set[asyncio.Future[Any]] = set()
        self._lag_shown_at: datetime | None = None
        self._meter = meter

    def on(self, action: NextAction, start: Starter) -> None:
        """Have this action done by `start`, which must take the action off the record in the write that it makes."""
        self._starters[action] = start

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            claimed = 0
            try:
                claimed = await self.sweep()
                await self._show_lag()
            except Exception:
                # Whatever it is, the next sweep may succeed; a sweeper that has ended helps nobody.
                log.exception("sweep failed")
            if claimed < BATCH:
                await asyncio.sleep(self._settings.sweep_interval_s)

    async def sweep(self) -> int:
        """Claim what is due, as much as there is room for, and start it; returns how many."""
        limit = min(BATCH, CAPACITY - len(self._in_hand))
        if limit <= 0:
            return 0
        due = await self._store.claim_due(now=self._clock(), lease_s=self._settings.pipeline_lease_s, limit=limit)
        for record in due:
            self._start(record)
        return len(due)

    async def settle(self) -> None:
        """Wait until all that was started has ended."""
        while self._in_hand:
            await asyncio.wait(self._in_hand)

    async def lag_s(self) -> float:
        """For how many seconds the oldest due item that nobody has claimed has waited; 0 where none does."""
        now = self._clock()
        oldest = await self._store.oldest_due(now)
        return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())

    async def _show_lag(self) -> None:
        now = self._clock()
        if self._lag_shown_at is None or (now - self._lag_shown_at).total_seconds() >= LAG_EVERY_S:
            self._lag_shown_at = now
            self._meter.set(DUE_WORK_LAG, await self.lag_s())

    def _start(self, record: RequestRecord) -> None:
        actions = due_actions(record, self._clock())
        for action in actions:
            self._meter.add(DUE_WORK, action=action)
            start = self._starters.get(action)
            if start is not None:
                self._hold(start(record))
        effects = tuple(action for action in actions if action in EFFECTS)
        if effects:
            self._hold(_task(self._follow_up(record, effects)))
        elif record.outbox:
            self._hold(self._dispatcher.start(record))

    def _hold(self, work: "asyncio.Future[Any]") -> None:
        self._in_hand.add(work)
        work.add_done_callback(self._in_hand.discard)

    async def _follow_up(self, record: RequestRecord, actions: tuple[NextAction, ...]) -> None:
        set_correlation(record.correlation_id)
        request_id = record.request.request_id
        try:
            for action in actions:
                effect, now = EFFECTS[action], self._clock()
                with tracing.span("due work", attributes={"aam.request_id": request_id, "aam.due_action": str(action)}):
                    record = await change_record(
                        self._store, request_id, lambda current, e=effect, t=now: e(current, t)
                    )
            if record.outbox:
                await self._dispatcher.dispatch(record)
        except AppError as error:
            log.warning("due work of %s is tried again: %s", request_id, error.code)
        except Exception:
            log.exception("due work of %s is tried again", request_id)


def _task(work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    return asyncio.get_running_loop().create_task(work, context=detached_context())
