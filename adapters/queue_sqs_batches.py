"""Batches of SQS: at most ten entries of 256 KB together, of which some may fail and are tried again."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_random_exponential

from core.errors import QueueUnavailable

Entry = dict[str, Any]
Call = Callable[[Sequence[Entry]], dict[str, Any]]
"""A batch call with its entries; its answer has `Failed`."""

ENTRIES = 10
BYTES = 256 * 1024
ATTEMPTS = 4
MOMENT_S = 0.004
"""So long the first entry of a batch waits for others."""

log = logging.getLogger(__name__)


def settle(call: Call, entries: Sequence[Entry]) -> dict[str, Entry]:
    """Send up to ten entries, and again after a pause those that failed on SQS's side; returns what failed, by `Id`.

    Of what failed, `SenderFault` says whether SQS refused it or just did not get to it. Raises as `call`.
    """
    left = {entry["Id"]: entry for entry in entries}
    refused: dict[str, Entry] = {}

    def attempt() -> bool:
        failed = {each["Id"]: each for each in call([*left.values()]).get("Failed", ())}
        refused.update({key: each for key, each in failed.items() if each.get("SenderFault")})
        for key in [*left]:
            if key not in failed or key in refused:
                del left[key]
        return bool(left)

    Retrying(
        retry=retry_if_result(bool),
        wait=wait_random_exponential(multiplier=0.05, max=1.0),
        stop=stop_after_attempt(ATTEMPTS),
        retry_error_callback=lambda _: None,
    )(attempt)
    return refused | {key: {"Id": key, "SenderFault": False, "Code": "Unfinished"} for key in left}


def require_done(operation: str, failure: Entry) -> None:
    """Raises `QueueUnavailable` where SQS did not get to an entry; one that it refused is another matter."""
    if not failure.get("SenderFault"):
        log.warning("SQS did not get to %s in %d attempts", operation, ATTEMPTS)
        raise QueueUnavailable("The queue can't be reached at the moment; try again.")


def in_batches(bodies: Sequence[str]) -> Iterator[list[str]]:
    """The ASCII texts in order, as few at a time as SQS's limits ask for."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        if batch and (len(batch) == ENTRIES or size + len(body) > BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(body)
    if batch:
        yield batch


class Batcher:
    """Gathers the calls of one moment, from any event loop, into batches."""

    def __init__(self, operation: str, call: Call, submit: Callable[[Callable[[], None]], object]) -> None:
        """`submit` runs work on a thread of a pool."""
        self._operation = operation
        self._call = call
        self._submit = submit
        self._guard = threading.Lock()
        self._pending: list[tuple[Entry, Future[Entry | None]]] = []

    async def add(self, entry: Entry) -> Entry | None:
        """None once SQS has confirmed the entry, else what it refused it with. Raises `QueueUnavailable`."""
        promise: Future[Entry | None] = Future()
        with self._guard:
            self._pending.append((entry, promise))
            is_first = len(self._pending) == 1
        if is_first:
            try:
                self._submit(self._gather_and_send)
            except Exception as error:
                self._fail_pending(error)
        return await asyncio.wrap_future(promise)

    def _gather_and_send(self) -> None:
        time.sleep(MOMENT_S)
        with self._guard:
            pending, self._pending = self._pending, []
        for start in range(0, len(pending), ENTRIES):
            self._send(pending[start : start + ENTRIES])

    def _send(self, batch: Sequence[tuple[Entry, "Future[Entry | None]"]]) -> None:
        # Who was cancelled meanwhile wanted it no less.
        waiting = [promise.set_running_or_notify_cancel() for _, promise in batch]
        try:
            failed = settle(self._call, [entry | {"Id": str(number)} for number, (entry, _) in enumerate(batch)])
        except BaseException as error:
            for is_waiting, (_, promise) in zip(waiting, batch, strict=True):
                if is_waiting:
                    promise.set_exception(error)
            return
        for number, (is_waiting, (_, promise)) in enumerate(zip(waiting, batch, strict=True)):
            if is_waiting:
                self._tell(promise, failed.get(str(number)))

    def _tell(self, promise: "Future[Entry | None]", failure: Entry | None) -> None:
        try:
            if failure is not None:
                require_done(self._operation, failure)
            promise.set_result(failure)
        except QueueUnavailable as error:
            promise.set_exception(error)

    def _fail_pending(self, error: Exception) -> None:
        with self._guard:
            pending, self._pending = self._pending, []
        for _, promise in pending:
            promise.set_exception(error)
