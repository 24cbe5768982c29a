"""The live timeline over real connections, from two replicas on one store."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from adapters.tokens import LocalTokens
from core.identity import Principal
from core.labels import Role, Status
from core.request import RequestId
from deployments.request_management.api import event_stream
from tests.builders import NOON, build_event, build_full_record
from tests.deployments.request_management.light import Light, open_light

OWNER = "RES_A_101"
ACCEPT = {"Accept": "text/event-stream"}


@asynccontextmanager
async def listening(light: Light) -> AsyncGenerator[str]:
    """The application on a port of this machine; its address."""
    config = uvicorn.Config(light.application, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    task = asyncio.create_task(server._serve())  # pyright: ignore[reportPrivateUsage]
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        server.should_exit = True
        await task


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "POLL_S", 0.02)


@pytest.fixture
async def lights(tmp_path: Path) -> AsyncIterator[tuple[Light, Light]]:
    async with open_light(tmp_path) as first, open_light(tmp_path) as second:
        yield first, second


async def seed(light: Light, **request: Any) -> str:
    fields: dict[str, Any] = {"status": Status.ESCALATED, "created_at": NOON, "updated_at": NOON} | request
    record = build_full_record(**fields).model_copy(update={"last_event": 2, "outbox": ()})
    events = [build_event(1), build_event(2, internal=True, message="Secret of the house")]
    assert await light.ports.store.create(record, events)
    return record.request.request_id


async def comment(light: Light, request_id: str, text: str, **order: Any) -> None:
    async with light.client(Role.STAFF, "sam") as staff:
        made = await staff.post(f"/requests/{request_id}/comments", json={"text": text, **order})
    assert made.status_code == 201, made.text


def headers_of(light: Light, role: Role = Role.RESIDENT, sub: str = OWNER, **options: Any) -> dict[str, str]:
    token = LocalTokens(light.settings.local_key).issue(role, sub, **options)
    return {"Authorization": f"Bearer {token}", **ACCEPT}


async def follow(lines: AsyncIterator[str], until: int) -> list[dict[str, Any]]:
    """The events of a stream up to one with this id."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        async for line in lines:
            if line.startswith("data:"):
                found.append(json.loads(line[5:]))
            if found and found[-1]["sequence"] == until:
                return found
    return found


async def test_every_replica_sends_the_same_and_a_broken_stream_goes_on_at_another(lights: tuple[Light, Light]) -> None:
    first, second = lights
    request_id = await seed(first)
    async with listening(first) as here, listening(second) as there, httpx.AsyncClient() as client:
        path = f"/requests/{request_id}/events"
        async with client.stream("GET", here + path, headers=headers_of(first)) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.aiter_lines()
            await follow(lines, 1)
            await comment(second, request_id, "Three")
            await comment(second, request_id, "Not for you", visibility="internal")
            await comment(first, request_id, "Five")
            live = await follow(lines, 5)
        assert [one["message"] for one in live] == ["Three", "Five"]
        resumed = headers_of(second) | {"Last-Event-ID": "3"}
        async with client.stream("GET", there + path, headers=resumed) as stream:
            assert [one["sequence"] for one in await follow(stream.aiter_lines(), 5)] == [5]
        staff = headers_of(second, Role.STAFF, "sam")
        async with client.stream("GET", there + path, headers=staff) as stream:
            assert [one["sequence"] for one in await follow(stream.aiter_lines(), 5)] == [1, 2, 3, 4, 5]


async def test_it_ends_when_the_request_is_closed(lights: tuple[Light, Light]) -> None:
    first, second = lights
    request_id = await seed(first, status=Status.RESOLVED)
    async with listening(first) as here, httpx.AsyncClient(headers=headers_of(first)) as client:
        async with client.stream("GET", f"{here}/requests/{request_id}/events") as stream:
            lines = stream.aiter_lines()
            await follow(lines, 1)
            async with second.client(Role.RESIDENT, OWNER) as owner:
                assert (await owner.post(f"/requests/{request_id}/confirm")).status_code == 200
            async with asyncio.timeout(10):
                rest = [line async for line in lines]
        assert any('"to":"Closed"' in line for line in rest)
        last = max(int(line[3:]) for line in rest if line.startswith("id:"))
        again = await client.get(f"{here}/requests/{request_id}/events", headers={"Last-Event-ID": str(last)})
        assert (again.status_code, again.content) == (204, b"")
        missed = await client.get(f"{here}/requests/{request_id}/events", headers={"Last-Event-ID": str(last - 1)})
        assert missed.status_code == 200
        assert f"id: {last}" in missed.text


async def test_it_ends_when_the_token_has_expired(lights: tuple[Light, Light], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "RECHECK_S", 0.1)
    first, _ = lights
    request_id = await seed(first)
    # Thirty seconds of skew are let pass.
    short = headers_of(first, valid_for=timedelta(seconds=-27))
    async with listening(first) as here, httpx.AsyncClient() as client, asyncio.timeout(10):
        async with client.stream("GET", f"{here}/requests/{request_id}/events", headers=short) as stream:
            assert stream.status_code == 200
            assert [line async for line in stream.aiter_lines()]
        refused = await client.get(f"{here}/requests/{request_id}/events", headers=short)
        assert refused.status_code == 401


async def test_it_ends_when_the_request_is_gone_and_outlasts_an_outage(
    lights: tuple[Light, Light], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.errors import NotFound, StoreUnavailable

    monkeypatch.setattr(event_stream, "RECHECK_S", 0.1)
    first, _ = lights
    request_id = await seed(first)
    real = first.service.requests.newest_event

    async def broken(*_: Any) -> Any:
        raise StoreUnavailable("down")

    async def gone(*_: Any) -> Any:
        raise NotFound("gone")

    async with (
        listening(first) as here,
        httpx.AsyncClient(headers=headers_of(first)) as client,
        client.stream("GET", f"{here}/requests/{request_id}/events") as stream,
    ):
        lines = stream.aiter_lines()
        await follow(lines, 1)
        monkeypatch.setattr(first.service.requests, "newest_event", broken)
        monkeypatch.setattr(first.service.requests, "get", broken)
        await asyncio.sleep(0.3)
        monkeypatch.setattr(first.service.requests, "newest_event", real)
        monkeypatch.delattr(first.service.requests, "get")
        await comment(first, request_id, "After the outage")
        assert [one["message"] for one in await follow(lines, 3)] == ["After the outage"]
        monkeypatch.setattr(first.service.requests, "get", gone)
        async with asyncio.timeout(10):
            assert not [line async for line in lines if line.startswith("data:")]


async def test_a_person_has_so_many_streams_and_a_closed_one_gives_its_place_back(
    lights: tuple[Light, Light], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "MOST_STREAMS", 2)
    first, _ = lights
    request_id = await seed(first)
    path = f"/requests/{request_id}/events"
    async with listening(first) as here, httpx.AsyncClient() as client:
        own, staff = headers_of(first), headers_of(first, Role.STAFF, "sam")
        async with client.stream("GET", here + path, headers=own) as one:
            # Lines that nobody holds any more close their stream.
            first_lines = one.aiter_lines()
            await follow(first_lines, 1)
            async with client.stream("GET", here + path, headers=own) as two:
                second_lines = two.aiter_lines()
                await follow(second_lines, 1)
                refused = await client.get(here + path, headers=own)
                assert refused.status_code == 429
                assert refused.headers["Retry-After"]
                async with client.stream("GET", here + path, headers=staff) as other:
                    assert other.status_code == 200
        async with asyncio.timeout(5):
            while first.application.state.open_streams:
                await asyncio.sleep(0.02)
        async with client.stream("GET", here + path, headers=own) as again:
            assert again.status_code == 200


async def test_streams_take_no_calls_place_and_have_a_limit_of_their_own(tmp_path: Path) -> None:
    async with open_light(tmp_path, concurrent_calls=2, concurrent_streams=3) as light:
        request_id = await seed(light)
        path = f"/requests/{request_id}/events"
        own, staff = headers_of(light), headers_of(light, Role.STAFF, "sam")
        async with listening(light) as here, httpx.AsyncClient() as client, AsyncExitStack() as opened:
            held: list[AsyncIterator[str]] = []
            for headers in (own, own, staff):
                stream = await opened.enter_async_context(client.stream("GET", here + path, headers=headers))
                assert stream.status_code == 200
                held.append(stream.aiter_lines())
                await follow(held[-1], 1)
            listed = await client.get(here + path, headers=own | {"Accept": "application/json"})
            assert listed.status_code == 200
            refused = await client.get(here + path, headers=staff)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["Retry-After"]
            await opened.aclose()
            held.clear()
            async with asyncio.timeout(5):
                while light.application.state.open_streams:
                    await asyncio.sleep(0.02)
            for _ in range(3):
                assert (await client.get(here + path, headers=own | {"Accept": "*/*"})).status_code == 200


async def test_a_quiet_stream_does_not_read_the_request(
    lights: tuple[Light, Light], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = lights
    request_id = await seed(first)
    requests = first.service.requests
    reads, polls = list[str](), list[int]()
    get, newest_event = requests.get, requests.newest_event

    async def counted_get(principal: Principal, wanted: str) -> Any:
        reads.append(wanted)
        return await get(principal, wanted)

    async def counted_poll(wanted: str, after: int) -> int:
        polls.append(after)
        return await newest_event(wanted, after)

    monkeypatch.setattr(requests, "get", counted_get)
    monkeypatch.setattr(requests, "newest_event", counted_poll)
    async with (
        listening(first) as here,
        httpx.AsyncClient(headers=headers_of(first)) as client,
        client.stream("GET", f"{here}/requests/{request_id}/events") as stream,
    ):
        lines = stream.aiter_lines()
        await follow(lines, 1)
        before = len(reads)
        async with asyncio.timeout(5):
            while len(polls) < 10:
                await asyncio.sleep(0.02)
        assert len(reads) == before
        # What is for staff only was passed over: it is not read again and again.
        assert set(polls[1:]) == {2}


async def test_a_quiet_stream_is_kept_alive(lights: tuple[Light, Light], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "KEEPALIVE_S", 0.1)
    first, _ = lights
    request_id = await seed(first)
    async with (
        listening(first) as here,
        httpx.AsyncClient(headers=headers_of(first)) as client,
        client.stream("GET", f"{here}/requests/{request_id}/events") as stream,
        asyncio.timeout(10),
    ):
        kept = 0
        async for line in stream.aiter_lines():
            kept += line.startswith(":")
            if kept == 2:
                break


async def test_the_timeline_as_a_list_hides_what_is_internal(lights: tuple[Light, Light]) -> None:
    first, _ = lights
    request_id = await seed(first)
    async with first.client(Role.RESIDENT, OWNER) as owner:
        found = await owner.get(f"/requests/{request_id}/events")
    assert [one["sequence"] for one in found.json()["items"]] == [1]
    assert len(await first.ports.store.events(RequestId(request_id))) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, 0), ("", 0), ("7", 7), ("-1", 0), ("x", 0), ("٣", 0), ("9" * 30, 0), ("1.5", 0)],
)
def test_a_last_event_id_that_is_none_means_from_the_beginning(text: str | None, expected: int) -> None:
    assert event_stream.last_sequence(text) == expected
