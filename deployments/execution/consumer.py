"""Takes commands from the queue and has them carried out, many at once, until it is stopped."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto

from core.correlation import set_correlation
from core.envelopes import unwrap_command
from core.errors import Conflict, Invalid, Unavailable
from core.labels import ExecutionStatus
from core.messages import ExecutionCommand
from core.ports.queue import Delivery, Queue
from deployments.execution.executor import Executor, explain_failure

logger = logging.getLogger(__name__)

HEARTBEATS_PER_VISIBILITY = 3


@dataclass(frozen=True)
class RetryPolicy:
    """How often a command is tried and how long it rests between tries."""

    attempts: int = 6
    first_pause_s: float = 2.0
    longest_pause_s: float = 300.0

    def pause_s(self, attempt: int, draw: float) -> float:
        """The pause after try `attempt` (from 1): it doubles, and `draw` (0..1) takes away up to half of it."""
        full = min(self.first_pause_s * 2.0 ** min(attempt - 1, 30), self.longest_pause_s)
        return full * (1.0 - draw / 2.0)


class Fate(Enum):
    """What becomes of a message."""

    DONE = auto()
    AGAIN = auto()
    DEAD = auto()


@dataclass(frozen=True)
class Verdict:
    """What becomes of a message, and why."""

    fate: Fate
    reason: str = ""


class Consumer:
    """One loop over the queue, with up to `concurrency` commands in hand.

    Commands of one request that are in hand together run one after another in the order of the queue; one that rests
    between two tries does not hold up the next, since an emergency must not wait for a notification that fails. The
    order is kept within this process only. A message is deleted only after the outcome of its command is stored.
    """

    def __init__(
        self,
        queue: Queue,
        executor: Executor,
        *,
        retries: RetryPolicy | None = None,
        visibility_s: float = 30.0,
        concurrency: int = 16,
        poll_wait_s: float = 1.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._executor = executor
        self._retries = retries or RetryPolicy()
        self._visibility_s = visibility_s
        self._concurrency = concurrency
        self._poll_wait_s = poll_wait_s
        self._draw = draw
        self._stopping = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._in_hand: set[asyncio.Task[None]] = set()
        self._last_of_lane: dict[str, asyncio.Task[None]] = {}

    @property
    def running(self) -> bool:
        """Whether it polls."""
        return self._poller is not None and not self._poller.done()

    @property
    def in_hand(self) -> int:
        """How many messages are being worked on."""
        return len(self._in_hand)

    def start(self) -> None:
        """Begin to poll, on the running event loop; nothing where it polls already."""
        if not self.running:
            self._stopping.clear()
            self._poller = asyncio.create_task(self._poll())

    async def stop(self, *, grace_s: float = 20.0) -> None:
        """Stop polling, let the work in hand finish for `grace_s`, then drop it.

        What is dropped is delivered again when its visibility ends.
        """
        self._stopping.set()
        poller = {self._poller} if self._poller is not None else set[asyncio.Task[None]]()
        late = await _finish_within(grace_s, poller) | await _finish_within(grace_s, self._in_hand)
        if late:
            logger.warning("%d tasks were still at work after %s s and were dropped", len(late), grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            free = self._concurrency - len(self._in_hand)
            if free <= 0:
                await asyncio.wait(self._in_hand, timeout=self._poll_wait_s, return_when=asyncio.FIRST_COMPLETED)
                continue
            deliveries = await self._receive(free)
            for delivery in deliveries:
                if self._stopping.is_set():
                    await self._hand_back(delivery)
                else:
                    self._take(delivery)

    async def _receive(self, free: int) -> tuple[Delivery, ...]:
        try:
            return await self._queue.receive(
                max_messages=free, wait_s=self._poll_wait_s, visibility_s=self._visibility_s
            )
        except Unavailable as error:
            logger.warning("the queue can't be read: %s", error.detail)
        except Exception:
            logger.exception("reading the queue failed in an unexpected way")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), self._retries.first_pause_s)
        return ()

    def _take(self, delivery: Delivery) -> None:
        try:
            command = unwrap_command(delivery.message)
        except Invalid as error:
            self._begin(self._put_aside(delivery, error.detail))
            return
        lane = command.request_id or command.execution_id
        task = self._begin(self._work(delivery, command, self._last_of_lane.get(lane)))
        self._last_of_lane[lane] = task
        task.add_done_callback(lambda done: self._leave_lane(lane, done))

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._in_hand.add(task)
        task.add_done_callback(self._in_hand.discard)
        return task

    def _leave_lane(self, lane: str, done: asyncio.Task[None]) -> None:
        if self._last_of_lane.get(lane) is done:
            del self._last_of_lane[lane]

    async def _work(self, delivery: Delivery, command: ExecutionCommand, earlier: asyncio.Task[None] | None) -> None:
        set_correlation(command.correlation_id)
        async with self._kept_hidden(delivery):
            if earlier is not None:
                await asyncio.wait({earlier})
            verdict = await self._judge(delivery, command)
        await self._settle(delivery, verdict)

    async def _judge(self, delivery: Delivery, command: ExecutionCommand) -> Verdict:
        try:
            return await self._carry_out(delivery, command)
        except Conflict as error:
            return Verdict(Fate.DEAD, error.detail)
        except Unavailable as error:
            logger.warning("%s is left for later: %s", command.execution_id, error.detail)
            return Verdict(Fate.AGAIN, error.detail)
        except Exception:
            logger.exception("%s failed in an unexpected way", command.execution_id)
            if delivery.attempts > self._retries.attempts:
                return Verdict(Fate.DEAD, "It failed in an unexpected way, and so did giving it up.")
            return Verdict(Fate.AGAIN)

    async def _carry_out(self, delivery: Delivery, command: ExecutionCommand) -> Verdict:
        limit = self._retries.attempts
        # Beyond the limit its tries ended without a word: a worker that died, or a log that was down.
        if delivery.attempts > limit:
            return _verdict_of_end(*await self._give_up(command, f"{limit} tries have ended without a result."))
        execution = await self._executor.execute(command)
        if execution.status in (ExecutionStatus.SUCCEEDED, ExecutionStatus.DEAD_LETTERED):
            return _verdict_of_end(execution.status, explain_failure(execution))
        if delivery.attempts < limit:
            return Verdict(Fate.AGAIN)
        return _verdict_of_end(
            *await self._give_up(command, f"Given up after {limit} tries. {explain_failure(execution)}")
        )

    async def _give_up(self, command: ExecutionCommand, reason: str) -> tuple[ExecutionStatus, str]:
        execution = await self._executor.give_up(command, reason=reason)
        return execution.status, reason

    async def _put_aside(self, delivery: Delivery, reason: str) -> None:
        verdict = Verdict(Fate.DEAD, reason)
        async with self._kept_hidden(delivery):
            try:
                await self._executor.give_up_unreadable(delivery.message, reason=reason)
            except Unavailable as error:
                verdict = Verdict(Fate.AGAIN, error.detail)
            except Exception:
                logger.exception("the end of %s could not be told", delivery.message.message_id)
        await self._settle(delivery, verdict)

    async def _settle(self, delivery: Delivery, verdict: Verdict) -> None:
        try:
            match verdict.fate:
                case Fate.DONE:
                    await self._queue.delete(delivery)
                case Fate.AGAIN:
                    pause_s = self._retries.pause_s(delivery.attempts, self._draw())
                    await self._queue.retry_later(delivery, delay_s=pause_s)
                case Fate.DEAD:
                    await self._queue.dead_letter(delivery, reason=verdict.reason)
        except Unavailable as error:
            logger.warning("message %s will come again: %s", delivery.message.message_id, error.detail)
        except Exception:
            logger.exception("message %s could not be settled", delivery.message.message_id)

    async def _hand_back(self, delivery: Delivery) -> None:
        """Let another consumer have at once what came while the last poll was ending."""
        try:
            await self._queue.retry_later(delivery, delay_s=0.0)
        except Unavailable as error:
            logger.warning("message %s could not be handed back: %s", delivery.message.message_id, error.detail)

    @contextlib.asynccontextmanager
    async def _kept_hidden(self, delivery: Delivery) -> AsyncGenerator[None]:
        heartbeat = asyncio.create_task(self._extend(delivery))
        try:
            yield
        finally:
            heartbeat.cancel()
            await asyncio.gather(heartbeat, return_exceptions=True)

    async def _extend(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(self._visibility_s / HEARTBEATS_PER_VISIBILITY)
            try:
                await self._queue.extend(delivery, visibility_s=self._visibility_s)
            except Unavailable as error:
                logger.warning("message %s could not be kept hidden: %s", delivery.message.message_id, error.detail)


def _verdict_of_end(status: ExecutionStatus, reason: str) -> Verdict:
    return Verdict(Fate.DONE) if status is ExecutionStatus.SUCCEEDED else Verdict(Fate.DEAD, reason)


async def _finish_within(grace_s: float, tasks: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    if not tasks:
        return set()
    _, late = await asyncio.wait(tasks, timeout=grace_s)
    return late
