"""Idempotency keys in DynamoDB.

A key's item has the time from which DynamoDB may remove it, which it does hours late; whether a key is still held is
decided by its own expiry alone.
"""

import asyncio
import hashlib
import json
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from uuid import uuid4

from adapters.dynamo import ConditionFailed, Dynamo, Selection
from adapters.dynamo_tables import BY_RESOURCE
from adapters.dynamo_values import Expression, Item, Value, to_wire
from adapters.wanted_key import WantedKey
from core.errors import IdempotencyInFlight, IdempotencyKeyReused, StoreUnavailable
from core.ports.store import IdempotencyClaim, StoredAnswer

CLAIM_ATTEMPTS = 3
ANSWER = ("status", "headers", "body", "answered_key")


async def claim(dynamo: Dynamo, table: str, wanted: WantedKey) -> IdempotencyClaim:
    """Take the key or tell what came of it."""
    token = uuid4().hex
    for _ in range(CLAIM_ATTEMPTS):
        held = await _take(dynamo, table, wanted, token)
        if held is None:
            return IdempotencyClaim(wanted.resource_id, None)
        if held["fingerprint"] != wanted.fingerprint:
            raise IdempotencyKeyReused("This idempotency key came before with another body.")
        if "status" in held:
            return IdempotencyClaim(held["resource_id"], _answer(held))
        if held["lease_token"] == token:
            return IdempotencyClaim(held["resource_id"], None)
        if held["leased_until"] > wanted.now:
            break
        if await _join(dynamo, table, wanted, held, token):
            return IdempotencyClaim(held["resource_id"], None)
    raise IdempotencyInFlight("The first call with this idempotency key is still running.")


async def finish(dynamo: Dynamo, table: str, key: str, answer: StoredAnswer) -> None:
    """Keep the answer, unless there is one."""
    stored = _stored(key)
    changes: dict[str, Value] = {
        "status": answer.status,
        "headers": json.dumps(dict(answer.headers)),
        "body": zlib.compress(answer.body),
        "answered_key": stored,
    }
    expression = Expression()
    unanswered = f"attribute_not_exists({expression.name('status')})"
    condition = f"attribute_exists({expression.name('key')}) AND {unanswered}"
    with suppress(ConditionFailed):
        await _change(dynamo, table, stored, expression, changes, condition)


async def move_lease(dynamo: Dynamo, table: str, key: str, before: int, after: int) -> bool:
    """Have the lease that ends at `before` end at `after`; False where there is no such one.

    Its end tells the holder: whoever takes a key over does so after that moment, and so holds it until a later one.
    """
    expression = Expression()
    until = f"{expression.name('leased_until')} = {expression.value(before)}"
    condition = f"{until} AND attribute_not_exists({expression.name('status')})"
    try:
        await _change(dynamo, table, _stored(key), expression, {"leased_until": after}, condition)
    except ConditionFailed as refused:
        # The answer to this very call may have been lost, and botocore sent it again.
        return refused.item is not None and "status" not in refused.item and refused.item["leased_until"] == after
    return True


async def forget(dynamo: Dynamo, table: str, resource_ids: Collection[str]) -> None:
    """Remove the answers about these resources. One that was kept milliseconds ago may not be indexed yet."""
    selections = [
        Selection(table, BY_RESOURCE.partition, f"r:{resource_id}", BY_RESOURCE.name) for resource_id in resource_ids
    ]
    found = await asyncio.gather(*map(dynamo.all, selections))
    await asyncio.gather(*(_forget_one(dynamo, table, entry["key"]) for entries in found for entry in entries))


async def _take(dynamo: Dynamo, table: str, wanted: WantedKey, token: str) -> Item | None:
    """Store the key as new; where somebody holds it, what they hold."""
    expression = Expression()
    expiry, now = expression.name("expires_at"), expression.value(wanted.now)
    item: dict[str, Value] = {
        "key": _stored(wanted.key),
        "fingerprint": wanted.fingerprint,
        "resource_id": f"r:{wanted.resource_id}",
        "leased_until": wanted.leased_until,
        "lease_token": token,
        "expires_at": wanted.expires_at,
        "removable_at": wanted.expires_at // 1000 + 1,
    }
    try:
        await dynamo.call(
            "put_item",
            TableName=table,
            Item=to_wire(item),
            ConditionExpression=f"attribute_not_exists({expression.name('key')}) OR {expiry} <= {now}",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **expression.arguments(),
        )
    except ConditionFailed as refused:
        if refused.item is None:
            raise StoreUnavailable("The key changes faster than it can be read; try again.") from None
        return refused.item | {"resource_id": refused.item["resource_id"][2:]}
    return None


async def _join(dynamo: Dynamo, table: str, wanted: WantedKey, held: Item, token: str) -> bool:
    """Take over a key whose lease ran out; False where another caller did."""
    expression = Expression()
    same = f"{expression.name('lease_token')} = {expression.value(held['lease_token'])}"
    until = f"{expression.name('leased_until')} = {expression.value(held['leased_until'])}"
    open_still = f"attribute_not_exists({expression.name('status')})"
    changes: dict[str, Value | None] = {"leased_until": wanted.leased_until, "lease_token": token}
    try:
        await _change(dynamo, table, _stored(wanted.key), expression, changes, f"{same} AND {until} AND {open_still}")
    except ConditionFailed:
        return False
    return True


async def _change(
    dynamo: Dynamo,
    table: str,
    stored: str,
    expression: Expression,
    changes: Mapping[str, Value | None],
    condition: str,
) -> None:
    """Change a stored key; `condition` is of `expression`. Raises `ConditionFailed` with what is stored."""
    await dynamo.call(
        "update_item",
        TableName=table,
        Key=to_wire({"key": stored}),
        UpdateExpression=expression.update(changes),
        ConditionExpression=condition,
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        **expression.arguments(),
    )


async def _forget_one(dynamo: Dynamo, table: str, stored: str) -> None:
    expression = Expression()
    changes: dict[str, Value | None] = dict.fromkeys(ANSWER)
    answered = f"attribute_exists({expression.name('status')})"
    with suppress(ConditionFailed):
        await _change(dynamo, table, stored, expression, changes | {"leased_until": 0}, answered)


def _stored(key: str) -> str:
    """The key's partition: of one length, whatever a caller sends."""
    return hashlib.sha256(key.encode()).hexdigest()


def _answer(held: Item) -> StoredAnswer:
    return StoredAnswer(held["status"], json.loads(held["headers"]), zlib.decompress(held["body"]))
