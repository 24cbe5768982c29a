"""Takes commands from the queue and has them carried out, many at once, until it is stopped."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from core.correlation import set_correlation
from core.envelopes import unwrap_command
from core.errors import Conflict, Invalid, Unavailable
from core.execution import ExecutionCommand
from core.execution_labels import ExecutionStatus
from core.labels import Urgency
from core.message_tracing import process_span
from core.metrics import STAGES, UNMETERED, Meter, timed
from core.ports.queue import Delivery, Queue
from deployments.execution.executor import ENDED, Executor, Progress, utc_now
from deployments.execution.ordering import PAUSE_S, Ordering
from deployments.execution.pacing import Pacing
from deployments.execution.reports import explain
from deployments.execution.retries import RETRY, RetryPolicy, Turn

logger = logging.getLogger(__name__)

HEARTBEATS_PER_VISIBILITY = 3
IN_HAND = 64


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
    pause_s: float | None = None
    """Before it comes again; None for a pause that grows with its deliveries."""


class Consumer:
    """One loop over the queue, with up to `concurrency` commands in hand.

    Commands of one request that are in hand together run one after another in the order of the queue, but for
    emergencies, which wait for none; `ordering` keeps the order across replicas. One that rests between two tries does
    not hold up the next. A message is deleted only after the outcome of its command is stored.
    """

    def __init__(
        self,
        queue: Queue,
        executor: Executor,
        ordering: Ordering,
        *,
        retries: RetryPolicy | None = None,
        visibility_s: float = 30.0,
        concurrency: int = IN_HAND,
        poll_wait_s: float = 1.0,
        draw: Callable[[], float] = random.random,
        clock: Callable[[], datetime] = utc_now,
        meter: Meter = UNMETERED,
    ) -> None:
        self._meter = meter
        self._queue = queue
        self._executor = executor
        self._ordering = ordering
        self._retries = retries or RetryPolicy()
        self._visibility_s = visibility_s
        self._concurrency = concurrency
        self._poll_wait_s = poll_wait_s
        self._draw = draw
        self._clock = clock
        self._pacing = Pacing(self._retries, draw)
        self._stopping = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._in_hand: dict[asyncio.Task[None], Delivery] = {}
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
        """Stop polling, let the work in hand finish for `grace_s`, then drop it and hand its messages back."""
        self._stopping.set()
        if self._poller is not None:
            for late in await _finish_within(grace_s, [self._poller]):
                await _cancel(late)
        late = await _finish_within(grace_s, self._in_hand)
        if late:
            logger.warning("%d commands were still in hand after %s s and were handed back", len(late), grace_s)
        left = [self._in_hand[task] for task in late]
        await asyncio.gather(*map(_cancel, late))
        await asyncio.gather(*map(self._hand_back, left))

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            free = self._concurrency - len(self._in_hand)
            if free <= 0:
                await asyncio.wait(self._in_hand, timeout=self._poll_wait_s, return_when=asyncio.FIRST_COMPLETED)
                continue
            for delivery in await self._receive(free):
                if self._stopping.is_set():
                    await self._hand_back(delivery)
                else:
                    self._take(delivery)

    async def _receive(self, free: int) -> tuple[Delivery, ...]:
        try:
            return await self._queue.receive(
                max_messages=free, wait_s=self._poll_wait_s, visibility_s=self._visibility_s, stop=self._stopping
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
            self._begin(delivery, self._put_aside(delivery, error.detail))
            return
        if delivery.attempts == 1:
            waited_s = max(0.0, (self._clock() - delivery.message.time).total_seconds())
            self._meter.observe(STAGES, waited_s, service="execution", stage="wait")
        lane = command.request_id or command.execution_id
        earlier = None if command.urgency is Urgency.EMERGENCY else self._last_of_lane.get(lane)
        turn = turn_of(delivery, command)
        task = self._begin(delivery, self._work(delivery, command, turn, earlier))
        self._last_of_lane[lane] = task
        task.add_done_callback(lambda done: self._leave_lane(lane, done))

    def _begin(self, delivery: Delivery, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._in_hand[task] = delivery
        task.add_done_callback(self._in_hand.pop)
        return task

    def _leave_lane(self, lane: str, done: asyncio.Task[None]) -> None:
        if self._last_of_lane.get(lane) is done:
            del self._last_of_lane[lane]

    async def _work(
        self, delivery: Delivery, command: ExecutionCommand, turn: Turn, earlier: asyncio.Task[None] | None
    ) -> None:
        set_correlation(command.correlation_id)
        async with self._kept_hidden(delivery):
            if earlier is not None:
                await asyncio.wait({earlier})
            with process_span(delivery.message, "executions", command):
                verdict = await self._judge(delivery, command, self._with_rests(delivery, turn))
        await self._settle(delivery, verdict, command.urgency)

    async def _judge(self, delivery: Delivery, command: ExecutionCommand, turn: Turn) -> Verdict:
        try:
            if not await self._ordering.may_begin(command, delivery.message.time):
                return Verdict(Fate.AGAIN, pause_s=self._retries.busy_pause_s(PAUSE_S, self._draw()))
            with timed(self._meter, STAGES, service="execution", stage="carry_out"):
                progress = await self._executor.execute(command, turn)
            return self._verdict(progress, command, delivery)
        except (Invalid, Conflict) as error:
            reason = error.detail
            return await self._end(
                delivery, reason, lambda: self._executor.give_up_unreadable(delivery.message, reason=reason)
            )
        except Unavailable as error:
            return self._after_outage(delivery, error, command.urgency)
        except Exception:
            logger.exception("%s failed in an unexpected way", command.execution_id)
            return await self._after_failure(delivery, command, turn)

    def _verdict(self, progress: Progress, command: ExecutionCommand, delivery: Delivery) -> Verdict:
        execution = progress.execution
        if execution.status is ExecutionStatus.SUCCEEDED or (progress.was_over and _is_copy(delivery, command)):
            return Verdict(Fate.DONE)
        if execution.status is ExecutionStatus.DEAD_LETTERED:
            return Verdict(Fate.DEAD, execution.reason or explain(execution))
        message_id = delivery.message.message_id
        return Verdict(
            Fate.AGAIN, pause_s=self._pacing.pause_s(message_id, execution, progress.wait_s, command.urgency)
        )

    def _after_outage(self, delivery: Delivery, error: Unavailable, urgency: Urgency) -> Verdict:
        """A store of our own does not answer: that is no reason ever to give a command up."""
        logger.warning("message %s is left for later: %s", delivery.message.message_id, error.detail)
        pace = self._pacing.of(delivery.message.message_id)
        pace.outages += 1
        pause_s = self._retries.outage_pause_s(pace.outages, self._draw(), urgency)
        return Verdict(Fate.AGAIN, error.detail, pause_s)

    async def _after_failure(self, delivery: Delivery, command: ExecutionCommand, turn: Turn) -> Verdict:
        # Counted apart from deliveries, which grow while a system has no room, too.
        pace = self._pacing.of(delivery.message.message_id)
        pace.failures += 1
        if pace.failures < self._retries.deliveries and not self._retries.is_past(turn, self._clock()):
            return Verdict(Fate.AGAIN, pause_s=self._retries.pause_s(pace.failures, self._draw(), command.urgency))
        reason = f"It failed in an unexpected way {pace.failures} times."
        return await self._end(delivery, reason, lambda: self._executor.give_up(command, reason=reason))

    async def _end(
        self,
        delivery: Delivery,
        reason: str,
        give_up: Callable[[], Awaitable[Progress | None]],
        urgency: Urgency = Urgency.HIGH,
    ) -> Verdict:
        """The message goes aside once the end of what it is about is stored and told; else it comes again."""
        try:
            progress = await give_up()
        except Unavailable as error:
            return self._after_outage(delivery, error, urgency)
        except Exception:
            logger.exception("the end of %s could not be told", delivery.message.message_id)
            return Verdict(Fate.AGAIN)
        if progress is not None and progress.execution.status not in ENDED:
            # Another worker has a step of it.
            return Verdict(Fate.AGAIN, reason, self._retries.pause_s(1, self._draw(), urgency))
        return Verdict(Fate.DEAD, reason)

    def _with_rests(self, delivery: Delivery, turn: Turn) -> Turn:
        return replace(turn, resting=self._pacing.resting(delivery.message.message_id))

    async def _put_aside(self, delivery: Delivery, reason: str) -> None:
        async with self._kept_hidden(delivery):
            verdict = await self._end(
                delivery, reason, lambda: self._executor.give_up_unreadable(delivery.message, reason=reason)
            )
        await self._settle(delivery, verdict, Urgency.HIGH)

    async def _settle(self, delivery: Delivery, verdict: Verdict, urgency: Urgency) -> None:
        if verdict.fate is not Fate.AGAIN:
            self._pacing.forget(delivery.message.message_id)
        try:
            match verdict.fate:
                case Fate.DONE:
                    await self._queue.delete(delivery)
                case Fate.AGAIN:
                    grown_s = self._retries.pause_s(delivery.attempts, self._draw(), urgency)
                    pause_s = grown_s if verdict.pause_s is None else verdict.pause_s
                    await self._queue.retry_later(delivery, delay_s=pause_s)
                case Fate.DEAD:
                    await self._queue.dead_letter(delivery, reason=verdict.reason)
        except Unavailable as error:
            logger.warning("message %s will come again: %s", delivery.message.message_id, error.detail)
        except Exception:
            logger.exception("message %s could not be settled", delivery.message.message_id)

    async def _hand_back(self, delivery: Delivery) -> None:
        """Let another consumer have it at once."""
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
            await _cancel(heartbeat)

    async def _extend(self, delivery: Delivery) -> None:
        while True:
            await asyncio.sleep(self._visibility_s / HEARTBEATS_PER_VISIBILITY)
            try:
                await self._queue.extend(delivery, visibility_s=self._visibility_s)
            except Unavailable as error:
                logger.warning("message %s could not be kept hidden: %s", delivery.message.message_id, error.detail)


def retry_id(command: ExecutionCommand, attempts: int) -> str:
    """The id of a message that has a dead-lettered execution tried again, once, after so many attempts."""
    return f"{command.execution_id}{RETRY}{attempts}"


def turn_of(delivery: Delivery, command: ExecutionCommand) -> Turn:
    """What a delivery is for its command: a dead letter that a person put back is known by the queue."""
    message_id = delivery.message.message_id
    _, is_retry, attempts = message_id.rpartition(RETRY)
    return Turn(
        since=delivery.message.time,
        number=delivery.attempts,
        put_back_at=None if _is_copy(delivery, command) else delivery.redriven_at,
        retries_attempt=int(attempts) if is_retry and attempts.isdigit() else None,
    )


def _is_copy(delivery: Delivery, command: ExecutionCommand) -> bool:
    """Whether the message is neither the command's first one nor one that tries it again."""
    message_id = delivery.message.message_id
    return message_id != command.execution_id and not message_id.startswith(f"{command.execution_id}{RETRY}")


async def _finish_within(grace_s: float, tasks: Iterable[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    waited = set(tasks)
    if not waited:
        return set()
    _, late = await asyncio.wait(waited, timeout=grace_s)
    return late


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
