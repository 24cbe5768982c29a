"""How every `RequestStore` keeps idempotency keys."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import IdempotencyInFlight, IdempotencyKeyReused
from core.ports.store import RequestStore, StoredAnswer

LEASE = timedelta(seconds=30)


class TestIdempotencyKeys:
    ANSWER = StoredAnswer(201, {"Location": "/x", "X-Odd": "ü"}, b'{"a": "\xc3\xbc \x00\xff"}')

    @pytest.fixture
    def claim(self, store: RequestStore, noon: datetime) -> Callable[..., Any]:
        def call(key: str = "key", fingerprint: str = "body", resource_id: str = "REQ_1", at_s: float = 0) -> Any:
            now = noon + timedelta(seconds=at_s)
            return store.claim_key(
                key,
                fingerprint=fingerprint,
                resource_id=resource_id,
                now=now,
                lease_s=LEASE.total_seconds(),
                ttl_s=3600,
            )

        return call

    async def test_the_first_claimer_holds_the_key(self, claim: Callable[..., Any]) -> None:
        first = await claim()
        assert (first.resource_id, first.answer) == ("REQ_1", None)

    async def test_a_second_call_is_refused_while_the_first_runs(self, claim: Callable[..., Any]) -> None:
        await claim()
        with pytest.raises(IdempotencyInFlight):
            await claim(resource_id="REQ_2", at_s=29.9)

    async def test_a_second_call_gets_the_first_answer(self, store: RequestStore, claim: Callable[..., Any]) -> None:
        await claim()
        await store.finish_key("key", self.ANSWER)
        second = await claim(resource_id="REQ_2")
        assert (second.resource_id, second.answer) == ("REQ_1", self.ANSWER)
        assert (await claim(at_s=3599)).answer == self.ANSWER

    async def test_the_first_answer_stays(self, store: RequestStore, claim: Callable[..., Any], noon: datetime) -> None:
        await claim()
        await store.finish_key("key", self.ANSWER)
        await store.finish_key("key", StoredAnswer(500, {}, b"other"))
        await store.release_key("key", leased_until=noon + LEASE)
        assert not await store.renew_key("key", leased_until=noon + LEASE, until=noon + LEASE * 2)
        assert (await claim()).answer == self.ANSWER

    @pytest.mark.parametrize("finished", [False, True])
    async def test_another_body_is_refused(
        self, store: RequestStore, claim: Callable[..., Any], finished: bool
    ) -> None:
        await claim()
        if finished:
            await store.finish_key("key", self.ANSWER)
        with pytest.raises(IdempotencyKeyReused):
            await claim(fingerprint="other", at_s=100)

    async def test_a_key_whose_lease_ran_out_goes_on_with_the_first_id(self, claim: Callable[..., Any]) -> None:
        await claim()
        again = await claim(resource_id="REQ_2", at_s=30)
        assert (again.resource_id, again.answer) == ("REQ_1", None)
        with pytest.raises(IdempotencyInFlight):
            await claim(resource_id="REQ_3", at_s=59)

    async def test_a_released_key_can_be_claimed_at_once_with_the_first_id(
        self, store: RequestStore, claim: Callable[..., Any], noon: datetime
    ) -> None:
        await claim()
        await store.release_key("key", leased_until=noon + LEASE)
        again = await claim(resource_id="REQ_2", at_s=1)
        assert (again.resource_id, again.answer) == ("REQ_1", None)
        with pytest.raises(IdempotencyInFlight):
            await claim(at_s=2)

    async def test_a_renewed_key_is_held_for_longer(
        self, store: RequestStore, claim: Callable[..., Any], noon: datetime
    ) -> None:
        await claim()
        for times in (1, 2, 3):
            assert await store.renew_key("key", leased_until=noon + LEASE * times, until=noon + LEASE * (times + 1))
        with pytest.raises(IdempotencyInFlight):
            await claim(resource_id="REQ_2", at_s=119.9)
        assert (await claim(resource_id="REQ_2", at_s=120)).resource_id == "REQ_1"

    async def test_a_lease_that_ran_out_goes_on_where_nobody_took_the_key(
        self, store: RequestStore, claim: Callable[..., Any], noon: datetime
    ) -> None:
        await claim()
        assert await store.renew_key("key", leased_until=noon + LEASE, until=noon + LEASE * 3)
        with pytest.raises(IdempotencyInFlight):
            await claim(at_s=89)

    async def test_who_has_lost_a_key_neither_renews_nor_releases_it(
        self, store: RequestStore, claim: Callable[..., Any], noon: datetime
    ) -> None:
        await claim()
        await claim(at_s=30.5)
        assert not await store.renew_key("key", leased_until=noon + LEASE, until=noon + LEASE * 4)
        await store.release_key("key", leased_until=noon + LEASE)
        with pytest.raises(IdempotencyInFlight):
            await claim(at_s=60)

    async def test_an_old_key_is_as_if_never_seen(self, store: RequestStore, claim: Callable[..., Any]) -> None:
        await claim()
        await store.finish_key("key", self.ANSWER)
        anew = await claim(fingerprint="other", resource_id="REQ_2", at_s=3600)
        assert (anew.resource_id, anew.answer) == ("REQ_2", None)

    async def test_keys_are_apart(self, claim: Callable[..., Any]) -> None:
        await claim(key="one")
        assert (await claim(key="two", resource_id="REQ_2")).resource_id == "REQ_2"

    async def test_finishing_or_releasing_an_unknown_key_does_nothing(
        self, store: RequestStore, claim: Callable[..., Any], noon: datetime
    ) -> None:
        await store.finish_key("key", self.ANSWER)
        await store.release_key("key", leased_until=noon + LEASE)
        assert not await store.renew_key("key", leased_until=noon + LEASE, until=noon + LEASE * 2)
        assert (await claim()).answer is None

    async def test_of_fifty_claims_at_once_exactly_one_holds_it(self, claim: Callable[..., Any]) -> None:
        outcomes = await asyncio.gather(
            *(claim(resource_id=f"REQ_{number}") for number in range(50)), return_exceptions=True
        )
        holders = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        assert len(holders) == 1
        assert sum(isinstance(outcome, IdempotencyInFlight) for outcome in outcomes) == 49
