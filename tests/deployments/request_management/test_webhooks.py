"""Events to the systems of others: registered over HTTP, delivered to a real server, whatever dies on the way."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.documents_sqlite import SqliteDocumentStore
from adapters.queue_sqlite import SqliteQueue
from core.errors import QueueUnavailable, StoreUnavailable
from core.identity import Principal
from core.labels import Role, Status
from core.ports.page import Page
from core.record import NextAction
from core.request import RequestId
from deployments.request_management.webhook_delivery import GIVE_UP, RETRY_S, VISIBILITY_S
from tests.builders import NOON, build_event, build_full_record
from tests.clock import ManualClock
from tests.deployments.request_management.light import Light, open_light
from tests.webhook_receiver import Receiver, receiving

MANAGER = Principal("mia", Role.MANAGER)


class Setting:
    """Replicas on one store and one clock, with a receiver."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        self.folder, self.receiver = folder, receiver
        self.clock = ManualClock(NOON + timedelta(hours=1))
        receiver.clock = self.clock
        self.opened = AsyncExitStack()
        self.light: Light

    async def replica(self, **parts: Any) -> Light:
        queue = SqliteQueue(self.folder / "queues.sqlite3", "webhooks", clock=lambda: self.clock().timestamp())
        light = await self.opened.enter_async_context(open_light(self.folder, webhooks=queue, **parts))
        self.opened.push_async_callback(queue.close)
        light.clock.now = self.clock.now
        # One clock for all replicas.
        object.__setattr__(light, "clock", self.clock)
        for part in (light.service.publisher, light.service.courier, light.service.webhooks, light.service.comments):
            part._clock = self.clock  # pyright: ignore[reportPrivateUsage]
        return light

    async def register(self, **order: Any) -> dict[str, Any]:
        async with self.light.client(Role.MANAGER, "mia") as client:
            answer = await client.post("/webhooks", json={"url": self.receiver.url} | order)
        assert answer.status_code == 201, answer.text
        self.clock.advance(11)
        return answer.json()

    async def request(self, building_id: str = "A") -> str:
        made = {"status": Status.AWAITING_SELECTION, "building_id": building_id}
        record = build_full_record(**made, created_at=NOON, updated_at=NOON).model_copy(
            update={"last_event": 1, "outbox": ()}
        )
        assert await self.light.ports.store.create(record, [build_event(1)])
        return record.request.request_id

    async def comment(self, request_id: str, text: str = "Hello", **order: Any) -> None:
        async with self.light.client(Role.STAFF, "sam") as client:
            answer = await client.post(f"/requests/{request_id}/comments", json={"text": text, **order})
        assert answer.status_code == 201, answer.text
        await self.light.service.publisher.settle()

    async def deliver(self, light: Light | None = None) -> None:
        courier = (light or self.light).service.courier
        while await courier.take():
            await courier.settle()

    async def log(self, endpoint_id: str) -> list[dict[str, Any]]:
        """Oldest first."""
        async with self.light.client(Role.MANAGER, "mia") as client:
            answer = await client.get(f"/webhooks/{endpoint_id}/deliveries")
        return answer.json()["items"][::-1]

    async def post(self, path: str) -> Any:
        async with self.light.client(Role.MANAGER, "mia") as client:
            answer = await client.post(path)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    async with receiving() as receiver:
        made = Setting(tmp_path, receiver)
        async with made.opened:
            made.light = await made.replica()
            yield made


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [one["data"]["sequence"] for one in found]


class TestRegistering:
    async def test_the_secret_is_shown_once(self, setting: Setting) -> None:
        made = await setting.register()
        assert made["secret"].startswith("whsec_")
        endpoint_id = made["endpoint"]["endpoint_id"]
        async with setting.light.client(Role.MANAGER, "mia") as client:
            for path in ("/webhooks", f"/webhooks/{endpoint_id}", f"/webhooks/{endpoint_id}/deliveries"):
                answer = await client.get(path)
                assert answer.status_code == 200
                assert "whsec_" not in answer.text

    async def test_a_repeated_call_makes_one_endpoint(self, setting: Setting) -> None:
        async with setting.light.client(Role.MANAGER, "mia") as client:
            answers = [
                await client.post("/webhooks", json={"url": setting.receiver.url}, headers={"Idempotency-Key": "same"})
                for _ in range(2)
            ]
            assert answers[0].json() == answers[1].json()
            assert len((await client.get("/webhooks")).json()["items"]) == 1

    @pytest.mark.parametrize("url", ["http://10.0.0.1/x", "https://169.254.169.254/", "http://example.com/", "x" * 9])
    async def test_an_address_inside_the_house_is_refused(self, setting: Setting, url: str) -> None:
        async with setting.light.client(Role.MANAGER, "mia") as client:
            assert (await client.post("/webhooks", json={"url": url})).status_code == 422
            assert (await client.get("/webhooks")).json()["items"] == []

    async def test_managers_see_and_register_for_their_buildings_only(self, setting: Setting) -> None:
        everywhere = (await setting.register())["endpoint"]["endpoint_id"]
        in_a = (await setting.register(building_ids=["A"]))["endpoint"]["endpoint_id"]
        async with setting.light.client(Role.MANAGER, "max", buildings=["A"]) as client:
            assert [one["endpoint_id"] for one in (await client.get("/webhooks")).json()["items"]] == [in_a]
            for path in ("", "/deliveries"):
                assert (await client.get(f"/webhooks/{everywhere}{path}")).status_code == 404
            for step in ("pause", "resume", "rotate-secret", "deliveries/DEL_1/redeliver"):
                assert (await client.post(f"/webhooks/{everywhere}/{step}")).status_code == 404
            assert (await client.delete(f"/webhooks/{everywhere}")).status_code == 404
            elsewhere = {"url": setting.receiver.url, "building_ids": ["A", "B"]}
            assert (await client.post("/webhooks", json=elsewhere)).status_code == 403
            own = await client.post("/webhooks", json={"url": setting.receiver.url})
            assert own.json()["endpoint"]["building_ids"] == ["A"]
        async with setting.light.client(Role.STAFF, "sam") as client:
            assert (await client.get("/webhooks")).status_code == 403


class TestPublishing:
    async def test_where_nobody_registered_a_change_is_written_as_it_is(
        self, setting: Setting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lists: list[str] = []
        real = SqliteDocumentStore.list

        async def counted(store: SqliteDocumentStore, kind: str, *rest: Any, **options: Any) -> Page[Any]:
            lists.append(kind)
            return await real(store, kind, *rest, **options)

        monkeypatch.setattr(SqliteDocumentStore, "list", counted)
        request_id = await setting.request()
        for _ in range(5):
            await setting.comment(request_id)
        record = await setting.light.ports.store.get(RequestId(request_id))
        assert record is not None
        assert NextAction.PUBLISH not in record.timers
        assert (record.published, record.last_event) == (0, 6)
        assert lists.count("webhook-endpoint") == 1
        assert (await setting.light.ports.webhooks.depth(now=setting.clock())).visible == 0

    async def test_events_come_signed_in_order_and_once(self, setting: Setting) -> None:
        made = await setting.register()
        first, second = await setting.request(), await setting.request()
        for _ in range(4):
            await setting.comment(first)
            await setting.comment(second)
        await setting.deliver()
        found = setting.receiver.events(made["secret"])
        for request_id in (first, second):
            own = [one for one in found if one["subject"] == request_id]
            assert numbers(own) == [2, 3, 4, 5]
            assert [one["id"] for one in own] == [f"{request_id}:{number}" for number in (2, 3, 4, 5)]
        assert {one["type"] for one in found} == {"aam.request.comment.v1"}
        assert len({headers["webhook-id"] for headers, _ in setting.receiver.got}) == 8
        assert {one["result"] for one in await setting.log(made["endpoint"]["endpoint_id"])} == {"delivered"}
        record = await setting.light.ports.store.get(RequestId(first))
        assert record is not None
        assert record.published == record.last_event == 5
        assert NextAction.PUBLISH not in record.timers

    async def test_only_what_was_asked_for_comes(self, setting: Setting) -> None:
        await setting.register(building_ids=["B"])
        await setting.register(kinds=["decided"])
        plain = await setting.register()
        request_id = await setting.request()
        await setting.comment(request_id, "Bring the key of Mr Kim")
        await setting.comment(request_id, "Mr Kim never pays", visibility="internal")
        await setting.deliver()
        (found,) = setting.receiver.events(plain["secret"])
        assert numbers([found]) == [2]
        assert b"Kim" not in setting.receiver.got[0][1]
        assert b"sam" not in setting.receiver.got[0][1]

    async def test_internal_events_and_text_come_on_request(self, setting: Setting) -> None:
        made = await setting.register(include_internal=True, include_text=True)
        request_id = await setting.request()
        await setting.comment(request_id, "Mr Kim never pays", visibility="internal")
        await setting.deliver()
        (found,) = setting.receiver.events(made["secret"])
        assert found["data"].items() >= {"internal": True, "message": "Mr Kim never pays", "actor": "sam"}.items()

    async def test_what_happened_before_the_registration_does_not_come(self, setting: Setting) -> None:
        request_id = await setting.request()
        await setting.comment(request_id)
        made = await setting.register()
        await setting.comment(request_id)
        await setting.deliver()
        assert numbers(setting.receiver.events(made["secret"])) == [3]

    async def test_whoever_stored_a_change_and_died_leaves_it_to_the_sweeper(
        self, setting: Setting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = await setting.register()
        request_id = await setting.request()

        async def dead(*_: Any) -> None:
            raise QueueUnavailable("the process dies here")

        with monkeypatch.context() as patched:
            patched.setattr(setting.light.service.publisher, "publish", dead)
            await setting.comment(request_id)
        await setting.deliver()
        assert setting.receiver.got == []
        other = await setting.replica()
        setting.clock.advance(6)
        other.service.sweeper._clock = setting.clock  # pyright: ignore[reportPrivateUsage]
        await other.service.sweeper.sweep()
        await other.service.sweeper.settle()
        await setting.deliver(other)
        assert numbers(setting.receiver.events(made["secret"])) == [2]

    async def test_publishing_that_died_before_it_was_noted_sends_nothing_twice(self, setting: Setting) -> None:
        made = await setting.register()
        request_id = await setting.request()
        await setting.comment(request_id)
        store = setting.light.ports.store
        record = await store.get(RequestId(request_id))
        assert record is not None
        version = record.request.version
        back = record.model_copy(
            update={
                "published": 0,
                "request": record.request.model_copy(update={"version": version + 1}),
                "timers": {**record.timers, NextAction.PUBLISH: NOON},
            }
        )
        await store.save(back, expected_version=version, events=())
        for _ in range(3):
            await setting.light.service.publisher.publish(RequestId(request_id))
        await setting.deliver()
        assert numbers(setting.receiver.events(made["secret"])) == [2]


class TestDelivering:
    async def test_a_failure_is_tried_again_and_keeps_the_order(self, setting: Setting) -> None:
        made = await setting.register()
        request_id, other_id = await setting.request(), await setting.request()
        setting.receiver.answers = [500, 503]
        await setting.comment(request_id)
        await setting.deliver()
        await setting.comment(request_id)
        setting.clock.advance(1)
        await setting.deliver()
        assert numbers(setting.receiver.events(made["secret"])) == [2]
        first, second = await setting.log(made["endpoint"]["endpoint_id"])
        assert (first["attempts"], first["last_status"], first["result"]) == (1, 500, "pending")
        assert second["attempts"] == 0
        setting.clock.advance(RETRY_S[0])
        await setting.deliver()
        assert numbers(setting.receiver.events(made["secret"])) == [2, 2]
        await setting.comment(other_id)
        await setting.deliver()
        for _ in range(3):
            setting.clock.advance(RETRY_S[1])
            await setting.deliver()
        found = setting.receiver.events(made["secret"])
        assert numbers([one for one in found if one["subject"] == request_id]) == [2, 2, 2, 3]
        assert [one["subject"] for one in found].index(other_id) == 2
        ids = [headers["webhook-id"] for headers, _ in setting.receiver.got]
        assert ids[0] == ids[1]
        async with setting.light.client(Role.MANAGER, "mia") as client:
            shown = (await client.get(f"/webhooks/{made['endpoint']['endpoint_id']}")).json()
        assert shown["failing_since"] is None

    async def test_a_killed_consumer_loses_nothing(self, setting: Setting) -> None:
        made = await setting.register()
        request_id = await setting.request()
        for _ in range(3):
            await setting.comment(request_id)
        taken = await setting.light.ports.webhooks.receive(max_messages=2, wait_s=0, visibility_s=VISIBILITY_S)
        assert len(taken) == 2
        other = await setting.replica()
        await setting.deliver(other)
        assert setting.receiver.got == []
        setting.clock.advance(VISIBILITY_S + 1)
        await setting.deliver(other)
        assert numbers(setting.receiver.events(made["secret"])) == [2, 3, 4]

    async def test_a_consumer_killed_after_the_answer_sends_the_same_id_again(
        self, setting: Setting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await setting.register()
        request_id = await setting.request()
        await setting.comment(request_id)

        async def dead(*_: Any, **__: Any) -> None:
            raise RuntimeError("the process dies here")

        with monkeypatch.context() as patched:
            patched.setattr(setting.light.service.courier, "_end", dead)
            await setting.deliver()
        setting.clock.advance(VISIBILITY_S + 1)
        await setting.deliver(await setting.replica())
        (first, _), (second, _) = setting.receiver.got
        assert first["webhook-id"] == second["webhook-id"]

    async def test_an_endpoint_that_is_gone_is_disabled(self, setting: Setting) -> None:
        endpoint_id = (await setting.register())["endpoint"]["endpoint_id"]
        request_id = await setting.request()
        setting.receiver.answers = [410]
        await setting.comment(request_id)
        await setting.comment(request_id)
        await setting.deliver()
        await setting.comment(request_id)
        await setting.deliver()
        assert [one["result"] for one in await setting.log(endpoint_id)] == ["failed", "dropped"]
        assert len(setting.receiver.got) == 1
        again = await setting.post(f"/webhooks/{endpoint_id}/resume")
        assert (again["state"], again["reason"]) == ("active", None)
        setting.clock.advance(11)
        await setting.comment(request_id)
        await setting.deliver()
        assert len(setting.receiver.got) == 2

    async def test_after_five_days_of_failure_nothing_more_is_tried(self, setting: Setting) -> None:
        endpoint_id = (await setting.register())["endpoint"]["endpoint_id"]
        request_id = await setting.request()
        setting.receiver.answers = [500] * 100
        begun = setting.clock()
        await setting.comment(request_id)
        await setting.comment(request_id)
        tried_at: list[float] = []
        while setting.clock() - begun < GIVE_UP + timedelta(hours=12):
            before = len(setting.receiver.got)
            await setting.deliver()
            tried_at += [(setting.clock() - begun).total_seconds()] * (len(setting.receiver.got) - before)
            setting.clock.advance(3600)
        last, after = await setting.log(endpoint_id)
        assert after["result"] in ("failed", "dropped")
        assert max(tried_at) <= GIVE_UP.total_seconds() + 6 * 3600
        assert last["attempts"] >= len(RETRY_S)
        async with setting.light.client(Role.MANAGER, "mia") as client:
            shown = (await client.get(f"/webhooks/{endpoint_id}")).json()
        assert shown["state"] == "disabled"
        assert "five days" in shown["reason"]
        depth = await setting.light.ports.webhooks.depth(now=setting.clock())
        assert (depth.visible, depth.in_flight) == (0, 0)
        assert depth.dead >= 1

    async def test_a_paused_endpoint_gets_all_when_it_goes_on(self, setting: Setting) -> None:
        made = await setting.register()
        endpoint_id = made["endpoint"]["endpoint_id"]
        request_id = await setting.request()
        assert (await setting.post(f"/webhooks/{endpoint_id}/pause"))["state"] == "paused"
        await setting.comment(request_id)
        await setting.deliver()
        await setting.comment(request_id)
        await setting.deliver()
        assert setting.receiver.got == []
        await setting.post(f"/webhooks/{endpoint_id}/resume")
        for _ in range(3):
            setting.clock.advance(31)
            await setting.deliver()
        assert numbers(setting.receiver.events(made["secret"])) == [2, 3]

    async def test_a_deleted_endpoint_gets_nothing_of_what_waits(self, setting: Setting) -> None:
        made = await setting.register()
        await setting.comment(await setting.request())
        async with setting.light.client(Role.MANAGER, "mia") as client:
            path = f"/webhooks/{made['endpoint']['endpoint_id']}"
            assert (await client.delete(path)).status_code == 204
            assert (await client.get(path)).status_code == 404
        await setting.deliver()
        assert setting.receiver.got == []
        assert (await setting.light.ports.webhooks.depth(now=setting.clock())).dead == 1

    async def test_after_a_rotation_both_secrets_hold_for_a_day(self, setting: Setting) -> None:
        made = await setting.register()
        endpoint_id = made["endpoint"]["endpoint_id"]
        rotated = await setting.post(f"/webhooks/{endpoint_id}/rotate-secret")
        assert rotated["secret"] != made["secret"]
        request_id = await setting.request()
        await setting.comment(request_id)
        await setting.deliver()
        for secret in (made["secret"], rotated["secret"]):
            assert len(setting.receiver.events(secret)) == 1
        setting.receiver.got.clear()
        setting.receiver.came_at.clear()
        setting.clock.advance(24 * 3600)
        await setting.comment(request_id)
        await setting.deliver()
        signatures = setting.receiver.got[0][0]["webhook-signature"]
        assert len(signatures.split(" ")) == 1

    async def test_a_second_rotation_within_the_day_cuts_nobody_off(self, setting: Setting) -> None:
        made = await setting.register()
        path = f"/webhooks/{made['endpoint']['endpoint_id']}/rotate-secret"
        secrets = [made["secret"]]
        for _ in range(2):
            secrets.append((await setting.post(path))["secret"])
            setting.clock.advance(3600)
        request_id = await setting.request()
        await setting.comment(request_id)
        await setting.deliver()
        for secret in secrets:
            assert len(setting.receiver.events(secret)) == 1
        for _ in range(2):
            await setting.post(path)
        async with setting.light.client(Role.MANAGER, "mia") as client:
            assert (await client.post(path)).status_code == 409
        # The first has ended, a day after it was replaced; there is room for one more.
        setting.clock.advance(22 * 3600)
        await setting.post(path)
        assert len(await setting.light.service.webhooks.signing_secrets(made["endpoint"]["endpoint_id"])) == 5

    async def test_a_rotation_that_is_tried_again_after_a_crash_rotates_once(
        self, setting: Setting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        endpoint_id = (await setting.register())["endpoint"]["endpoint_id"]
        endpoints = setting.light.service.webhooks
        real, shown = endpoints.rotate, list[str]()

        async def lost(*given: Any) -> Any:
            shown.append((await real(*given)).secret)
            raise StoreUnavailable("the answer is lost here")

        key = {"Idempotency-Key": "rotation"}
        async with setting.light.client(Role.MANAGER, "mia") as client:
            with monkeypatch.context() as patched:
                patched.setattr(endpoints, "rotate", lost)
                assert (await client.post(f"/webhooks/{endpoint_id}/rotate-secret", headers=key)).status_code == 503
            again = await client.post(f"/webhooks/{endpoint_id}/rotate-secret", headers=key)
            other = await client.post(f"/webhooks/{endpoint_id}/rotate-secret", headers={"Idempotency-Key": "next"})
        assert [again.json()["secret"]] == shown
        assert other.json()["secret"] not in shown
        assert len(await endpoints.signing_secrets(endpoint_id)) == 3

    async def test_an_event_is_sent_once_more_when_asked_for(self, setting: Setting) -> None:
        made = await setting.register()
        endpoint_id = made["endpoint"]["endpoint_id"]
        await setting.comment(await setting.request())
        await setting.deliver()
        (delivery,) = await setting.log(endpoint_id)
        for _ in range(2):
            again = await setting.post(f"/webhooks/{endpoint_id}/deliveries/{delivery['delivery_id']}/redeliver")
            assert (again["result"], again["redeliveries"]) == ("pending", 1)
        await setting.deliver()
        ids = [headers["webhook-id"] for headers, _ in setting.receiver.got]
        assert ids == [delivery["delivery_id"]] * 2

    async def test_the_loop_delivers_by_itself_and_no_secret_is_logged(
        self, setting: Setting, caplog: pytest.LogCaptureFixture, eventually: Callable[..., Any]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        made = await setting.register()
        setting.receiver.answers = [500, 204]
        setting.light.service.start()
        try:
            await setting.comment(await setting.request(), "Mr Kim never pays")
            await eventually(lambda: setting.receiver.got)
            await setting.post(f"/webhooks/{made['endpoint']['endpoint_id']}/rotate-secret")
            await eventually(lambda: "failed at try 1" in caplog.text)
        finally:
            await setting.light.service.stop()
        assert "whsec_" not in caplog.text
        assert made["secret"].removeprefix("whsec_") not in caplog.text
        assert "Kim" not in caplog.text


@pytest.fixture
def eventually() -> Callable[..., Any]:
    import asyncio

    async def wait(holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.02)

    return wait
