"""Tells requests that work in outside systems has ended, and asks the systems whose own word of it does not suffice."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.errors import AppError, NotFound, VersionConflict
from core.execution import ExecutionOutcome
from core.ports.documents import Document, DocumentStore
from core.ports.execution import CallbackReader, Completion, CompletionSource, ExecutionLog
from core.ports.queue import Queue
from deployments.execution.reports import wrap_completion

KIND = "completion-poll"
ASK_EVERY_S = 60.0
LOOK_BACK = timedelta(days=1)
"""Ends that a system notes late are found within this time."""
MOVE_ON = timedelta(hours=1)
MOST_KNOWN = 2000
WOKEN_AFTER_S = 5.0
"""Callbacks that come together are one look."""
UNKNOWN_TIMES = 3
FIRST_REST = timedelta(hours=1)
"""Work that is unknown here is left out after so many looks, for so long, and each time for twice as long as before: it
is another installation's, or its step is recorded late."""

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


class PolledCallbackReader:
    """The callbacks of a system that is asked, too: an end without its cost is asked for at once instead of told.

    News of an end is taken once, so that what is told without a cost keeps the cost from being counted.
    """

    def __init__(self, inner: CallbackReader, wake: Callable[[], None]) -> None:
        self._inner, self._wake = inner, wake

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[str, Completion | None]:
        """See the port."""
        callback_id, completion = self._inner.read(headers, body, now)
        if completion is None or completion.actual_cost_usd is not None:
            return callback_id, completion
        self._wake()
        return callback_id, None


class CompletionPoller:
    """Asks outside systems which of their work has ended; any number of replicas may do so."""

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
        self._bells = {system: asyncio.Event() for system in sources}

    def readers(self, readers: Mapping[str, CallbackReader]) -> dict[str, CallbackReader]:
        """The same, but that those of systems that are asked let this ask."""
        return {
            name: PolledCallbackReader(reader, self._bells[name].set) if name in self._bells else reader
            for name, reader in readers.items()
        }

    async def run(self) -> None:
        """Until cancelled; nothing at all where there is nobody to ask. No system waits for another."""
        async with asyncio.TaskGroup() as group:
            for system in self._sources:
                group.create_task(self._watch(system))

    async def _watch(self, system: str) -> None:
        while True:
            # Cleared before it is asked, so that what ends meanwhile is seen in the next turn.
            self._bells[system].clear()
            try:
                await self.ask(system)
            except AppError as error:
                log.warning("%s could not be asked for what has ended: %s", system, error.code)
            except Exception:
                log.exception("asking %s for what has ended failed in an unexpected way", system)
            pause_s = min(WOKEN_AFTER_S, self._every_s)
            await asyncio.sleep(pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._bells[system].wait(), self._every_s - pause_s)

    async def ask(self, system: str) -> int:
        """Tell of everything that has ended since the last time; how much that was. Raises `Unavailable`."""
        before = await self._documents.get(KIND, system)
        started = self._clock()
        known: list[str] = list(before.body["known"]) if before is not None else []
        since = datetime.fromisoformat(before.body["asked_at"]) if before is not None else started
        unknown: dict[str, dict[str, Any]] = dict(before.body.get("unknown", {})) if before is not None else {}
        resting = {each for each, seen in unknown.items() if _rests(seen, started)}
        found = await self._sources[system].completions(since=since - LOOK_BACK, known=frozenset(known) | resting)
        told = [each.external_id for each in found if await self._tell(system, each)]
        unknown = _seen_again(unknown, [each.external_id for each in found], told, started)
        if before is None or found or started - since >= MOVE_ON:
            body = {"asked_at": started.isoformat(), "known": [*known, *told][-MOST_KNOWN:], "unknown": unknown}
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


def _rests(seen: Mapping[str, Any], now: datetime) -> bool:
    """Whether work that is unknown here is left out for now."""
    more = seen["times"] - UNKNOWN_TIMES
    return more >= 0 and now < datetime.fromisoformat(seen["at"]) + FIRST_REST * 2 ** min(more, 6)


def _seen_again(
    unknown: Mapping[str, dict[str, Any]], found: Sequence[str], told: Sequence[str], now: datetime
) -> dict[str, dict[str, Any]]:
    """What is unknown after a look, without what ended so long ago that it is not found any more."""
    kept = {
        each: seen
        for each, seen in unknown.items()
        if each not in told and now - datetime.fromisoformat(seen["at"]) < 2 * LOOK_BACK
    }
    for each in found:
        if each not in told:
            times = kept.pop(each, {"times": 0})["times"] + 1
            kept[each] = {"times": times, "at": now.isoformat()}
    return dict(list(kept.items())[-MOST_KNOWN:])
