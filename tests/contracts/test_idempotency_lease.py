"""A call with an idempotency key holds it for as long as it takes, and not much longer, in every `RequestStore`."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import IdempotencyInFlight, StoreUnavailable
from core.identity import Principal
from core.labels import Role
from core.ports.store import RequestStore, StoredAnswer
from deployments.request_management import idempotency
from deployments.request_management.idempotency import Idempotency

LEASE_S = 1.0
"""Long enough for a renewal to be in time where the machine is busy."""
SAM = Principal("sam", Role.STAFF)
DONE = StoredAnswer(200, {}, b"done")


@pytest.fixture(autouse=True)
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "LEASE_S", LEASE_S)
    monkeypatch.setattr(idempotency, "RENEW_EVERY_S", LEASE_S / 5)


class Work:
    """Takes its time, and counts how often it was begun."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.begun: list[str] = []

    async def __call__(self, resource_id: str) -> StoredAnswer:
        self.begun.append(resource_id)
        await asyncio.sleep(self.takes_s)
        return DONE


@pytest.fixture
def replica(store: RequestStore) -> Callable[[Any], Any]:
    """Runs the one call on a replica of its own."""

    def run(work: Any, on: RequestStore = store) -> Any:
        return Idempotency(on, lambda: datetime.now(UTC)).run(SAM, "key", b"call", f"REQ_{id(work)}", work)

    return run


async def test_fifty_calls_that_last_longer_than_the_lease_are_one(replica: Callable[[Any], Any]) -> None:
    work = Work(LEASE_S * 2.2)

    async def insist() -> Any:
        while True:
            try:
                return await replica(work)
            except IdempotencyInFlight:
                await asyncio.sleep(LEASE_S * 0.7)

    replays = await asyncio.gather(*(insist() for _ in range(50)))
    assert len(work.begun) == 1
    assert [replay.answer for replay in replays] == [DONE] * 50
    assert sum(not replay.replayed for replay in replays) == 1


async def test_after_a_crash_the_key_is_free_within_a_lease(replica: Callable[[Any], Any]) -> None:
    lost = Work(3600)
    dying = asyncio.get_running_loop().create_task(replica(lost))
    await asyncio.sleep(LEASE_S * 1.4)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    with pytest.raises(IdempotencyInFlight):
        await replica(Work())
    await asyncio.sleep(LEASE_S * 1.1)
    after = Work()
    assert (await replica(after)).answer == DONE
    assert after.begun == lost.begun


async def test_after_an_error_the_key_is_free_at_once_however_long_it_took(replica: Callable[[Any], Any]) -> None:
    async def fail(_: str) -> StoredAnswer:
        await asyncio.sleep(LEASE_S * 1.5)
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        await replica(fail)
    assert (await replica(Work())).answer == DONE


class Unsure:
    """A store of whose renewals every other one is written, but its answer lost."""

    def __init__(self, store: RequestStore) -> None:
        self._store = store
        self.renewals = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def renew_key(self, key: str, **lease: datetime) -> bool:
        renewed = await self._store.renew_key(key, **lease)
        self.renewals += 1
        if self.renewals % 2:
            raise StoreUnavailable("The answer was lost.")
        return renewed


async def test_a_renewal_whose_answer_was_lost_loses_no_key(replica: Callable[..., Any], store: RequestStore) -> None:
    unsure, work = Unsure(store), Work(LEASE_S * 2.4)
    running = asyncio.get_running_loop().create_task(replica(work, unsure))
    for _ in range(4):
        await asyncio.sleep(LEASE_S * 0.5)
        with pytest.raises(IdempotencyInFlight):
            await replica(work)
    assert (await running).answer == DONE
    assert len(work.begun) == 1
    assert unsure.renewals > 3


async def test_renewing_ends_with_the_call(replica: Callable[..., Any], store: RequestStore) -> None:
    unsure = Unsure(store)
    await replica(Work(LEASE_S * 0.6), unsure)
    before = unsure.renewals
    await asyncio.sleep(LEASE_S)
    assert unsure.renewals == before > 0
