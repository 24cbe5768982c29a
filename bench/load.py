"""Closed-loop load: so many clients, each sending its next request when the last was answered."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

CORPUS = Path(__file__).resolve().parent.parent / "models" / "corpus"
Send = Callable[[str, str], Awaitable[None]]
"""Sends one message as one resident and returns when it is decided; raises when it is not."""


@dataclass(frozen=True)
class Figures:
    """What one load gave."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    sent: int


def sample_messages(count: int, seed: int = 11) -> list[str]:
    """Messages of the corpus in an order that is the same in every run."""
    texts = [json.loads(line)["text"] for path in sorted(CORPUS.glob("*.jsonl")) for line in path.open()]
    rng = random.Random(seed)
    return [rng.choice(texts) for _ in range(count)]


async def measure(send: Send, messages: Sequence[str], *, clients: int, seconds: float) -> Figures:
    """Load for about `seconds`, or until the messages are used up."""
    took: list[float] = []
    waiting = iter(list(messages))
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        homes = random.Random(number)
        while (now := time.perf_counter()) < end and (message := next(waiting, None)) is not None:
            resident = f"RES_{homes.choice('ABCDEFGH')}_{homes.randrange(100, 600)}"
            await send(message, resident)
            took.append(time.perf_counter() - now)

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    elapsed = time.perf_counter() - began
    ordered = sorted(took)
    return Figures(
        requests_per_s=len(took) / elapsed,
        p50_ms=1000 * ordered[len(ordered) // 2],
        p99_ms=1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        sent=len(took),
    )


def http_sender(session: aiohttp.ClientSession, base_url: str, token: str) -> Send:
    """Submits as staff for each resident and waits for the decision."""
    headers = {"Authorization": f"Bearer {token}", "Prefer": "wait=30"}

    async def send(message: str, resident: str) -> None:
        body = {"message_text": message, "resident_id": resident}
        async with session.post(f"{base_url}/api/v1/requests", json=body, headers=headers) as response:
            text = await response.text()
            if response.status != 201:
                raise RuntimeError(f"{response.status}: {text[:300]}")

    return send
