"""A second click comes while the first is being answered: it waits for the same answer."""

import asyncio
from collections.abc import Awaitable, Callable

from web.api_client import Answer, Problem

TRIES = 24
PAUSE_S = 0.5


async def answer_of(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """The answer to a call with an idempotency key, which is being answered elsewhere perhaps. Raises `Problem`."""
    for _ in range(TRIES):
        try:
            return await call()
        except Problem as problem:
            if problem.code != "idempotency_in_flight":
                raise
        await asyncio.sleep(PAUSE_S)
    return await call()
