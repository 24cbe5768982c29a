"""What staff do about executions that failed, and what outside systems tell of the end of their work."""

from collections.abc import Callable, Mapping
from datetime import datetime

from core.errors import NotFound, WrongState
from core.execution import Execution
from core.execution_labels import MESSAGES, StepStatus
from core.identity import Principal
from core.ports.execution import SystemState
from core.ports.page import Page
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import ExecutionId, RequestId
from core.status import ENDED
from deployments.request_management import access, news
from deployments.request_management.dispatch import change_record
from deployments.request_management.incident_lead import require_orderable
from deployments.request_management.peers import ExecutionDesk


class Executions:
    """Executions as staff see them, and the callbacks of outside systems."""

    def __init__(self, store: RequestStore, execution: ExecutionDesk, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._execution = execution
        self._clock = clock

    async def dead_lettered(self, principal: Principal, limit: int, cursor: str | None) -> Page[Execution]:
        """What waits for a person in the caller's buildings, the newest first."""
        access.require_role(principal, access.STAFF)
        page = await self._execution.dead_lettered(limit=limit, cursor=cursor)
        shown = [each for each in page.items if await self._may_see(principal, each.request_id)]
        return Page(tuple(shown), page.next_cursor)

    async def retry(self, principal: Principal, execution_id: str) -> Execution:
        """Try again what was given up.

        Raises `NotFound`, and `WrongState` for one that is not dead-lettered, or whose work nobody wants any more.
        """
        access.require_role(principal, access.STAFF)
        found = await self._execution.describe(ExecutionId(execution_id))
        if found is None or not await self._may_see(principal, found.request_id):
            raise NotFound("There is no such execution.")
        await self._require_wanted(found)
        again = await self._execution.retry(found.execution_id, by=principal.sub)
        if found.request_id is not None:
            await self._note_retry(found, principal.sub)
        return again

    async def systems(self, principal: Principal) -> tuple[SystemState, ...]:
        """How the outside systems look from the replica that answers."""
        access.require_role(principal, access.ANALYSTS)
        return await self._execution.systems()

    async def take_callback(self, system: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take an outside system's word that some work has ended; False for one that was taken before.

        Raises `Unauthenticated`, `Invalid`, and `NotFound` for an unknown system or work.
        """
        return await self._execution.take_callback(system, headers, body)

    async def _require_wanted(self, execution: Execution) -> None:
        """Messages are always wanted; work is where its request goes on and nothing took its place.

        Raises `WrongState`.
        """
        record = await self._store.get(execution.request_id) if execution.request_id is not None else None
        if record is None or all(step.action in MESSAGES for step in execution.steps):
            return
        request = record.request
        if request.status in ENDED:
            raise WrongState(f"The request is {request.status}; reopen it first.")
        for step in execution.steps:
            if step.status is not StepStatus.SUCCEEDED:
                require_orderable(record, step.action)
        summary = request.execution
        if summary is not None and summary.execution_id == execution.execution_id:
            return
        if execution.execution_id not in record.orders or await self._is_of_option(record, execution.execution_id):
            raise WrongState("Another execution, or another choice, has taken the place of this one.")

    async def _is_of_option(self, record: RequestRecord, execution_id: ExecutionId) -> bool:
        """Whether its command carried out an option: as the outbox still holds it, or as its dispatch was told."""
        waiting = [command for command in record.outbox if command.execution_id == execution_id]
        if waiting:
            return waiting[0].option_id is not None
        told = [
            event.details
            for event in await self._store.events(record.request.request_id)
            if event.kind == "execution_queued"
        ]
        return any(each.get("execution_id") == execution_id and each.get("option_id") for each in told)

    async def _note_retry(self, execution: Execution, by: str) -> None:
        now, request_id = self._clock(), execution.request_id
        if request_id is None:
            return
        try:
            await change_record(
                self._store, request_id, lambda current: news.retried(current, execution.execution_id, by, now)
            )
        except NotFound:
            # An execution outlives a request that was erased.
            return

    async def _may_see(self, principal: Principal, request_id: RequestId | None) -> bool:
        if principal.buildings is None:
            return True
        record = await self._store.get(request_id) if request_id is not None else None
        return record is not None and principal.covers(record.request.building_id)
