"""Tells requests that work in outside systems has ended, and asks the systems that do not tell it themselves."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from core.errors import AppError, NotFound, VersionConflict
from core.execution import ExecutionOutcome
from core.ports.documents import Document, DocumentStore
from core.ports.execution import Completion, CompletionSource, ExecutionLog
from core.ports.queue import Queue
from deployments.execution.reports import wrap_completion

KIND = "completion-poll"
ASK_EVERY_S = 60.0
LOOK_BACK = timedelta(days=1)
"""Ends that a system notes late are found within this time."""
MOVE_ON = timedelta(hours=1)
MOST_KNOWN = 2000

log = logging.getLogger(__name__)


class CompletionNews:
    """Puts the end of some work into the queue of news, under the same id at each repetition."""

    def __init__(self, log: ExecutionLog, outcomes: Queue, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._outcomes = outcomes
        self._clock = clock

    async def tell(self, system: str, completion: Completion) -> None:
        """Tell the request whose work it is. Raises `NotFound` for work that nobody knows."""
        found = await self._log.find_step(system, completion.external_id)
        execution = None if found is None else await self._log.get(found[0].execution_id)
        if found is None or execution is None:
            raise NotFound("Nothing is known of this work.")
        command, index = found
        if command.request_id is None:
            return
        outcome = ExecutionOutcome(
            execution_id=command.execution_id,
            request_id=command.request_id,
            kind="work_completed",
            at=self._clock(),
            notes=completion.notes,
            actor=system,
            actual_cost_usd=completion.actual_cost_usd,
            actual_hours=completion.actual_hours,
            job=completion.external_id,
        )
        await self._outcomes.send([wrap_completion(outcome, execution.steps[index], command.correlation_id)])


class CompletionPoller:
    """Asks the systems that send no callbacks which of their work has ended; any number of replicas may do so."""

    def __init__(
        self,
        sources: Mapping[str, CompletionSource],
        news: CompletionNews,
        documents: DocumentStore,
        clock: Callable[[], datetime],
        *,
        every_s: float = ASK_EVERY_S,
    ) -> None:
        self._sources = sources
        self._news = news
        self._documents = documents
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        """Until cancelled; nothing at all where there is nobody to ask."""
        while self._sources:
            for system in self._sources:
                try:
                    await self.ask(system)
                except AppError as error:
                    log.warning("%s could not be asked for what has ended: %s", system, error.code)
                except Exception:
                    log.exception("asking %s for what has ended failed in an unexpected way", system)
            await asyncio.sleep(self._every_s)

    async def ask(self, system: str) -> int:
        """Tell of everything that has ended since the last time; how much that was. Raises `Unavailable`."""
        before = await self._documents.get(KIND, system)
        started = self._clock()
        known: list[str] = list(before.body["known"]) if before is not None else []
        since = datetime.fromisoformat(before.body["asked_at"]) if before is not None else started
        found = await self._sources[system].completions(since=since - LOOK_BACK, known=frozenset(known))
        told = [each.external_id for each in found if await self._tell(system, each)]
        if before is None or told or started - since >= MOVE_ON:
            body = {"asked_at": started.isoformat(), "known": [*known, *told][-MOST_KNOWN:]}
            await self._remember(Document(KIND, system, "", "", before.version + 1 if before else 1, body))
        return len(told)

    async def _tell(self, system: str, completion: Completion) -> bool:
        try:
            await self._news.tell(system, completion)
        except NotFound:
            # Of another installation, or not recorded yet: then it is found at the next look.
            log.info("%s tells of the end of %s, which is not known here", system, completion.external_id)
            return False
        return True

    async def _remember(self, document: Document) -> None:
        try:
            await self._documents.put(document)
        except VersionConflict:
            # Another replica asked at the same moment; what both told is told once.
            return
