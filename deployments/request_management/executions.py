"""What staff do about executions that failed, and what outside systems tell of the end of their work."""

from collections.abc import Callable, Mapping
from datetime import datetime

from core.errors import NotFound
from core.execution import Execution
from core.identity import Principal
from core.ports.execution import SystemState
from core.ports.page import Page
from core.ports.store import RequestStore
from core.request import ExecutionId, RequestId
from deployments.request_management import access, news
from deployments.request_management.dispatch import change_record
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
        """Try again what was given up. Raises `NotFound`, `WrongState` for one that is not dead-lettered."""
        access.require_role(principal, access.STAFF)
        found = await self._execution.describe(ExecutionId(execution_id))
        if found is None or not await self._may_see(principal, found.request_id):
            raise NotFound("There is no such execution.")
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
