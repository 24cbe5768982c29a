"""A connection to SQS: calls on threads, polls on threads of their own, errors in this system's words."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from core.errors import BrokenInvariant, QueueUnavailable
from core.settings import Settings

T = TypeVar("T")
Raw = dict[str, Any]
"""A message as ReceiveMessage gives it."""
HandBack = Callable[[Sequence[Raw]], None]

THREADS = 8
ATTEMPTS = 4
"""Of one call in all; botocore waits up to 1, 2 and 4 s between them where the queue is throttled."""
LONGEST_POLL_S = 20

_MISSING = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
_MISCONFIGURED = {
    "AccessDenied",
    "AccessDeniedException",
    "AWS.SimpleQueueService.UnsupportedOperation",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "KmsAccessDenied",
    "KmsDisabled",
    "KmsInvalidState",
    "KmsNotFound",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_OUTAGES = {
    "InternalError",
    "InternalFailure",
    "KmsThrottled",
    "OverLimit",
    "RequestThrottled",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
}

log = logging.getLogger(__name__)


class Sqs:
    """boto3 is synchronous: calls run on a pool's threads, and each poll on a thread of its own.

    So a poll, which lasts up to 20 s, holds up no other call, and neither `close` nor the end of the process waits for
    one. What a poll brings after nobody waits for it any more is handed back. Calls may come from any event loop.
    """

    def __init__(
        self,
        *,
        region: str,
        endpoint_url: str | None = None,
        attempts: int = ATTEMPTS,
        threads: int = THREADS,
        timeout_s: float = 5.0,
    ) -> None:
        """Credentials are the environment's. `timeout_s` is for a connection, and for each read that is no poll."""

        def connect(read_timeout_s: float) -> Any:
            config = Config(
                connect_timeout=timeout_s,
                read_timeout=read_timeout_s,
                max_pool_connections=threads,
                retries={"mode": "standard", "total_max_attempts": attempts},
            )
            return cast(Any, boto3).client("sqs", region_name=region, endpoint_url=endpoint_url, config=config)

        self.client: Any = connect(timeout_s)
        self._poller: Any = connect(LONGEST_POLL_S + timeout_s)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sqs")
        self._waiting: set[asyncio.Future[list[Raw]]] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One call of the client. Raises `QueueUnavailable` and `BrokenInvariant`."""
        return await self.run(lambda: self.call_here(operation, **arguments))

    async def run(self, work: Callable[[], T]) -> T:
        """Its result, made on a thread of the pool. Raises `QueueUnavailable` once this is closed."""
        return await asyncio.wrap_future(self.submit(work))

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Have it done on a thread of the pool. Raises `QueueUnavailable` once this is closed."""
        self._require_open()
        return self._pool.submit(work)

    def call_here(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One call of the client on this thread; raises as `call`."""
        return _translating(operation, getattr(self.client, operation), arguments)

    async def poll(self, hand_back: HandBack, **arguments: Any) -> list[Raw]:
        """What ReceiveMessage brings; nothing where this is closed meanwhile. Raises as `call`.

        `hand_back` gets, on some thread, what came after the caller was cancelled or this was closed.
        """
        self._require_open()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[list[Raw]] = loop.create_future()
        self._waiting.add(waiting)
        threading.Thread(
            target=self._poll, args=(loop, waiting, hand_back, arguments), name="sqs-poll", daemon=True
        ).start()
        try:
            return await waiting
        except asyncio.CancelledError:
            # The result may have come in the same moment.
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                hand_back_elsewhere(hand_back, waiting.result())
            raise
        finally:
            self._waiting.discard(waiting)

    async def close(self) -> None:
        """Finish the calls under way, let go of the polls and give back the threads and connections."""
        self._closed = True
        for waiting in [*self._waiting]:
            waiting.get_loop().call_soon_threadsafe(_let_go, waiting)
        await asyncio.to_thread(self._pool.shutdown)
        self.client.close()
        self._poller.close()

    def _poll(
        self,
        loop: asyncio.AbstractEventLoop,
        waiting: "asyncio.Future[list[Raw]]",
        hand_back: HandBack,
        arguments: dict[str, Any],
    ) -> None:
        found: list[Raw] = []
        failure: Exception | None = None
        try:
            found = _translating("receive_message", self._poller.receive_message, arguments).get("Messages", [])
        except Exception as error:
            failure = error
        try:
            loop.call_soon_threadsafe(_answer, waiting, found, failure, hand_back)
        except RuntimeError:
            # The event loop has ended.
            _hand_back(hand_back, found)

    def _require_open(self) -> None:
        if self._closed:
            raise QueueUnavailable("The queue was closed; this process is ending.")


def open_sqs(settings: Settings) -> Sqs:
    """The connection that the settings name."""
    return Sqs(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url)


def _answer(
    waiting: "asyncio.Future[list[Raw]]", found: list[Raw], failure: Exception | None, hand_back: HandBack
) -> None:
    if waiting.done():
        hand_back_elsewhere(hand_back, found)
    elif failure is not None:
        waiting.set_exception(failure)
    else:
        waiting.set_result(found)


def _let_go(waiting: "asyncio.Future[list[Raw]]") -> None:
    if not waiting.done():
        waiting.set_result([])


def hand_back_elsewhere(hand_back: HandBack, found: Sequence[Raw]) -> None:
    """Hand back on a thread of its own, which neither the caller nor the end of the process waits for."""
    if found:
        threading.Thread(target=_hand_back, args=(hand_back, found), name="sqs-hand-back", daemon=True).start()


def _hand_back(hand_back: HandBack, found: Sequence[Raw]) -> None:
    try:
        if found:
            hand_back(found)
    except Exception as error:
        log.warning("SQS: %d messages could not be handed back and come again later: %s", len(found), error)


def _translating(operation: str, call: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return call(**arguments)
    except ClientError as error:
        raise _translated(operation, cast(dict[str, Any], error.response), arguments) from error
    except ParamValidationError:
        raise
    except (NoCredentialsError, PartialCredentialsError) as error:
        log.error("SQS can't be called without credentials; give this process a role or AWS_ACCESS_KEY_ID: %s", error)
        raise _unreachable() from error
    except BotoCoreError as error:
        log.warning("SQS does not answer %s: %s", operation, error)
        raise _unreachable() from error


def _translated(operation: str, answer: dict[str, Any], arguments: dict[str, Any]) -> Exception:
    code, message = str(answer["Error"].get("Code")), str(answer["Error"].get("Message"))
    queue = arguments.get("QueueName") or arguments.get("QueueUrl")
    if code in _MISSING:
        log.error("SQS has no queue %s; make it by `python -m aam queue create`, or look at its region", queue)
        return _unreachable()
    if code in _MISCONFIGURED:
        log.error("SQS refuses %s on %s; look at this process's role and key: %s %s", operation, queue, code, message)
        return _unreachable()
    if code in _OUTAGES or int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
        log.warning("SQS does not answer %s: %s %s", operation, code, message)
        return _unreachable()
    return BrokenInvariant(f"SQS refused {operation} ({code}): {message}")


def _unreachable() -> QueueUnavailable:
    return QueueUnavailable("The queue can't be reached at the moment; try again.")
