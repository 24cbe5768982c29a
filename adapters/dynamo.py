"""A connection to DynamoDB: calls on threads of its own, retried within bounds, with errors in this system's words."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from adapters.dynamo_values import Expression, Item, Value, Wire, from_wire, to_wire
from core.errors import BrokenInvariant, StoreUnavailable
from core.settings import Settings

T = TypeVar("T")
Action = dict[str, dict[str, Any]]
"""One write as TransactWriteItems takes it: `Put`, `Update`, `Delete` or `ConditionCheck` with its arguments."""

THREADS = 32
ATTEMPTS = 4
"""Of one call in all; botocore waits up to 1, 2 and 4 s between them where the table is throttled, else much less."""
CONTENTION_ATTEMPTS = 8
BATCH_KEYS = 100
"""Of one BatchGetItem."""

_ALONE = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}
_CONTENDED = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_CONTENDED_CALLS = {"TransactionConflictException", "TransactionInProgressException"}
_OUTAGES = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "ThrottledException",
    "Throttling",
    "RequestLimitExceeded",
    "LimitExceededException",
    "InternalServerError",
    "ServiceUnavailable",
}
_MISCONFIGURED = {
    "ResourceNotFoundException",
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
}

log = logging.getLogger(__name__)


class ConditionFailed(Exception):
    """A conditional write was refused. `item` is what is stored; None where there is nothing."""

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


class _Contended(Exception):
    """Another transaction was in the way; the same call may succeed at once."""


@dataclass(frozen=True)
class Selection:
    """The items with `value` in `key`, of a table or an index, whose `sort` lies within bounds.

    With both bounds they are inclusive; one alone is exclusive.
    """

    table: str
    key: str
    value: str
    index: str | None = None
    sort: str | None = None
    low: Value | None = None
    high: Value | None = None
    descending: bool = False
    consistent: bool = False
    attributes: tuple[str, ...] = ()
    """Only these; all that are there (or projected) where it is empty."""

    def arguments(self) -> dict[str, Any]:
        """What a Query call takes."""
        expression = Expression()
        conditions = [f"{expression.name(self.key)} = {expression.value(self.value)}"]
        if self.sort is not None and (self.low, self.high) != (None, None):
            conditions.append(self._bounds(expression, expression.name(self.sort)))
        found: dict[str, Any] = {"TableName": self.table, "ScanIndexForward": not self.descending}
        if self.attributes:
            found["ProjectionExpression"] = ", ".join(map(expression.name, self.attributes))
        found |= {"IndexName": self.index} if self.index else {"ConsistentRead": self.consistent}
        return found | {"KeyConditionExpression": " AND ".join(conditions)} | expression.arguments()

    def _bounds(self, expression: Expression, sort: str) -> str:
        low = "" if self.low is None else expression.value(self.low)
        high = "" if self.high is None else expression.value(self.high)
        if low and high:
            return f"{sort} BETWEEN {low} AND {high}"
        return f"{sort} > {low}" if low else f"{sort} < {high}"


class Dynamo:
    """boto3 is synchronous: each call runs on a thread of its own pool. Calls may come from any event loop."""

    def __init__(
        self,
        *,
        region: str,
        endpoint_url: str | None = None,
        attempts: int = ATTEMPTS,
        threads: int = THREADS,
        timeout_s: float = 5.0,
    ) -> None:
        """Credentials are the environment's. `timeout_s` is for a connection and for each read."""
        config = Config(
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            max_pool_connections=threads,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        self.client: Any = cast(Any, boto3).client(
            "dynamodb", region_name=region, endpoint_url=endpoint_url, config=config
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="dynamodb")
        self._closed = False
        self._retrying = Retrying(
            retry=retry_if_exception_type(_Contended),
            wait=wait_random_exponential(multiplier=0.02, max=0.5),
            stop=stop_after_attempt(CONTENTION_ATTEMPTS),
            reraise=True,
        )

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One call of the client. Raises `ConditionFailed`, `StoreUnavailable` and `BrokenInvariant`."""
        return await self.run(lambda: self._send(operation, arguments))

    async def run(self, work: Callable[[], T]) -> T:
        """Its result, made on a thread of the pool. Raises `StoreUnavailable` once this is closed."""
        if self._closed:
            raise StoreUnavailable("The data was closed; this process is ending.")
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def write(self, actions: Sequence[Action]) -> None:
        """All of them or none: one as the plain call, which costs half, more as one transaction."""
        if len(actions) > 1:
            await self.call("transact_write_items", TransactItems=[*actions])
            return
        ((kind, arguments),) = actions[0].items()
        await self.call(_ALONE[kind], **arguments)

    async def get(self, table: str, key: Mapping[str, Value]) -> Item | None:
        """The item as it is at this moment, or None."""
        found = await self.call("get_item", TableName=table, Key=to_wire(key), ConsistentRead=True)
        return from_wire(found["Item"]) if "Item" in found else None

    async def get_many(self, table: str, key: str, values: Sequence[str]) -> dict[str, Item]:
        """The items by their key, a moment old at most; those that are not there are left out."""
        slices = [values[start : start + BATCH_KEYS] for start in range(0, len(values), BATCH_KEYS)]
        found = await asyncio.gather(*(self.run(lambda part=part: self._batch(table, key, part)) for part in slices))
        return {wire[key]["S"]: from_wire(wire) for batch in found for wire in batch}

    async def page(
        self, selection: Selection, *, limit: int | None = None, start: Wire | None = None
    ) -> tuple[list[Item], Wire | None]:
        """Some of the selection in order, and where to go on if there may be more."""
        paging: dict[str, Any] = {} if limit is None else {"Limit": limit}
        if start is not None:
            paging["ExclusiveStartKey"] = start
        found = await self.call("query", **selection.arguments(), **paging)
        return [from_wire(wire) for wire in found["Items"]], found.get("LastEvaluatedKey")

    async def all(self, selection: Selection) -> list[Item]:
        """The whole selection in order."""
        items, start = await self.page(selection)
        while start is not None:
            more, start = await self.page(selection, start=start)
            items += more
        return items

    async def count(self, selection: Selection) -> int:
        """How many there are."""
        arguments = selection.arguments() | {"Select": "COUNT"}
        found = await self.call("query", **arguments)
        total = found["Count"]
        while (start := found.get("LastEvaluatedKey")) is not None:
            found = await self.call("query", **arguments, ExclusiveStartKey=start)
            total += found["Count"]
        return total

    async def close(self) -> None:
        """Finish the calls under way and give back the threads and connections."""
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown)
        self.client.close()

    def _batch(self, table: str, key: str, values: Sequence[str]) -> list[Wire]:
        """Every item of one batch. What the server left out for want of capacity is asked for again."""
        found: list[Wire] = []
        asked: dict[str, Any] = {table: {"Keys": [to_wire({key: value}) for value in values]}}

        def ask() -> None:
            nonlocal asked
            answer = self._once("batch_get_item", {"RequestItems": asked})
            found.extend(answer["Responses"].get(table, ()))
            asked = answer.get("UnprocessedKeys") or {}
            if asked:
                raise _Contended

        if values:
            self._until_free(ask)
        return found

    def _send(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._until_free(lambda: self._once(operation, arguments))

    def _until_free(self, attempt: Callable[[], T]) -> T:
        try:
            return self._retrying(attempt)
        except _Contended as contended:
            log.warning("DynamoDB: still contended after %d attempts", CONTENTION_ATTEMPTS)
            raise StoreUnavailable("The data can't be reached at the moment; try again.") from contended

    def _once(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return getattr(self.client, operation)(**arguments)
        except ClientError as error:
            raise _translated(operation, cast(dict[str, Any], error.response)) from error
        except ParamValidationError:
            raise
        except BotoCoreError as error:
            log.warning("DynamoDB does not answer %s: %s", operation, error)
            raise StoreUnavailable("The data can't be reached at the moment; try again.") from error


def open_dynamo(settings: Settings) -> Dynamo:
    """The connection that the settings name."""
    return Dynamo(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url)


def _translated(operation: str, answer: dict[str, Any]) -> Exception:
    code, message = str(answer["Error"].get("Code")), str(answer["Error"].get("Message"))
    if code == "ConditionalCheckFailedException":
        return _condition_failed(answer.get("Item"))
    if code == "TransactionCanceledException":
        return _canceled(answer.get("CancellationReasons", []), message)
    if code in _CONTENDED_CALLS:
        return _Contended(code)
    if code in _MISCONFIGURED:
        log.error("DynamoDB refuses %s, which is a matter of its set-up: %s %s", operation, code, message)
        return StoreUnavailable("The data can't be reached at the moment; try again.")
    if code in _OUTAGES or int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500:
        log.warning("DynamoDB does not answer %s: %s %s", operation, code, message)
        return StoreUnavailable("The data can't be reached at the moment; try again.")
    return BrokenInvariant(f"DynamoDB refused {operation} ({code}): {message}")


def _canceled(reasons: Sequence[dict[str, Any]], message: str) -> Exception:
    codes = {reason["Code"] for reason in reasons} - {"None"}
    for reason in reasons:
        if reason["Code"] == "ConditionalCheckFailed":
            return _condition_failed(reason.get("Item"))
    if codes and codes <= _CONTENDED:
        return _Contended(message)
    return BrokenInvariant(f"DynamoDB refused a transaction: {message}")


def _condition_failed(wire: Wire | None) -> ConditionFailed:
    return ConditionFailed(from_wire(wire) if wire else None)
