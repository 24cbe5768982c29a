"""What no client should send is refused with a problem document, and never breaks anything."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from core.labels import Role, Status
from tests.builders import build_event, build_full_record
from tests.deployments.request_management.light import Light

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def owner(light: Light) -> AsyncIterator[httpx.AsyncClient]:
    async with light.client(Role.RESIDENT, "RES_A_101") as client:
        yield client


@pytest.fixture
async def manager(light: Light) -> AsyncIterator[httpx.AsyncClient]:
    async with light.client(Role.MANAGER, "mia") as client:
        yield client


def assert_problem(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in statuses, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    json.loads(answer.content, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def nested(opening: str, closing: str, depth: int = 10_000) -> bytes:
    return f'{{"message_text": {opening * depth}{closing * depth}}}'.encode()


BODIES = {
    "deep lists": nested("[", "]"),
    "deep objects": nested('{"a":', "}").replace(b":}", b":1}"),
    "deep and open": b"[" * 100_000,
    "deep in numbers' place": b'{"rating": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "invalid UTF-8": b'{"message_text": "\xff\xfe"}',
    "overlong UTF-8": b'{"message_text": "\xc0\xaf"}',
    "a half of a pair": b'{"message_text": "\\ud800"}',
    "a NUL byte": b'{"message_text": "a\x00b"}',
    "NUL bytes alone": b"\x00" * 100,
    "infinity": b'{"message_text": 1e999}',
    "NaN": b'{"message_text": NaN}',
    "a huge integer": b'{"message_text": ' + b"9" * 50_000 + b"}",
    "nothing": b"",
    "a list": b"[]",
    "null": b"null",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "two objects": b"{}{}",
    "an unknown name": b'{"message_text": "a", "__class__": "b"}',
    "a name that is long": b'{"' + b"x" * 100_000 + b'": 1}',
}


@pytest.mark.parametrize("content", BODIES.values(), ids=BODIES.keys())
async def test_a_body_that_means_nothing(owner: httpx.AsyncClient, manager: httpx.AsyncClient, content: bytes) -> None:
    for client, path in ((owner, "/requests"), (manager, "/classify"), (manager, "/decide"), (manager, "/execute")):
        assert_problem(await client.post(path, content=content, headers=JSON), 400, 422)


NUMBERS = [b"1e999", b"-1e999", b"NaN", b"Infinity", b"-1", b"9" * 5000, b'"1"x', b"true", b"[1]"]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:10].decode())
async def test_numbers_that_are_none(light: Light, owner: httpx.AsyncClient, number: bytes) -> None:
    record = build_full_record(status=Status.RESOLVED).model_copy(update={"last_event": 1})
    assert await light.ports.store.create(record, [build_event(1)])
    path = f"/requests/{record.request.request_id}"
    body = b'{"rating": ' + number + b"}"
    assert_problem(await owner.post(f"{path}/feedback", content=body, headers=JSON), 400, 422)
    async with light.client(Role.STAFF, "sam") as staff:
        body = b'{"resolution_notes": "done", "actual_cost_usd": ' + number + b"}"
        answer = await staff.post(f"{path}/resolve", content=body, headers=JSON)
        # Pydantic takes true for 1.0, which is no harm; the state refuses it then.
        assert_problem(answer, 400, 409, 422)
        assert answer.status_code != 409 or number == b"true"


async def test_a_name_that_is_given_twice_counts_once(owner: httpx.AsyncClient) -> None:
    body = b'{"message_text": "a", "message_text": ""}'
    assert_problem(await owner.post("/requests", content=body, headers=JSON), 422)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "", "application", "\xff/json"]
)
async def test_a_body_of_another_kind(owner: httpx.AsyncClient, kind: str) -> None:
    answer = await owner.post(
        "/requests", content=b'{"message_text": "a"}', headers=[(b"Content-Type", kind.encode("latin-1"))]
    )
    assert_problem(answer, 415, 422)


@pytest.mark.parametrize(
    "path",
    [
        "/requests/" + "x" * 50_000,
        "/requests/%00",
        "/requests/%ff%fe",
        "/requests/..%2f..%2fetc%2fpasswd",
        "/requests/%F0%9F%94%A5",
        "/requests/REQ_1'%20OR%20'1'='1",
        "/requests/%0d%0aSet-Cookie:%20a=b",
        "/residents/%00/requests",
        "/residents/" + "x" * 10_000 + "/requests",
        "/attachments/%00",
        "/executions/%00" + "y" * 5000,
    ],
    ids=lambda path: path[:30],
)
async def test_odd_paths(owner: httpx.AsyncClient, manager: httpx.AsyncClient, path: str) -> None:
    assert_problem(await owner.get(path), 403, 404, 422)
    answer = await manager.get(path)
    assert answer.status_code < 500, answer.text[:300]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=1e3", "limit=" + "9" * 5000, "cursor=%00", "cursor=" + "x" * 999, "cursor=%ff",
     "status=%00", "cursor=" + "x" * 5000, "limit=5&limit=x", "building_id=" + "x" * 101, "needs_attention=maybe"],
    ids=lambda query: query[:20],
)  # fmt: skip
async def test_odd_queries(manager: httpx.AsyncClient, query: str) -> None:
    assert_problem(await manager.get(f"/requests?{query}"), 422)


@pytest.mark.parametrize(
    "headers",
    [
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "x" * 256},
        {"Idempotency-Key": "a\x7fb"},
        {"Idempotency-Key": "x" * 60_000},
    ],
    ids=lambda headers: str(headers)[:30],
)
async def test_odd_keys(owner: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert_problem(await owner.post("/requests", json={"message_text": "a"}, headers=headers), 422)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer  "),
        ("Authorization", "Basic YTpi"),
        ("Authorization", "Bearer " + "x" * 60_000),
        ("Authorization", "Bearer a b c"),
        ("Authorization", "Bearer \xff.\xff.\xff"),
        ("Authorization", "Bearer ." + "." * 5000),
    ],
    ids=lambda value: value[:20],
)
async def test_odd_tokens(light: Light, name: str, value: str) -> None:
    async with light.client() as client:
        headers = [(name.encode(), value.encode("latin-1"))]
        assert_problem(await client.get("/requests/REQ_1", headers=headers), 401)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Prefer", "wait=" + "9" * 50_000),
        ("If-Match", '"' + "9" * 50_000 + '"'),
        ("Last-Event-ID", "9" * 50_000),
        ("X-Request-ID", "x" * 50_000),
        ("X-Forwarded-For", "," * 50_000),
        ("Content-Length-Again", "\x01"),
        ("Accept", "\xff" * 1000),
    ],
    ids=lambda value: value[:20],
)
async def test_odd_headers_break_nothing(manager: httpx.AsyncClient, name: str, value: str) -> None:
    headers = [(name.encode(), value.encode("latin-1"))]
    answer = await manager.put("/requests/REQ_1", json={"comment": "a"}, headers=headers)
    assert_problem(answer, 404, 412)
    assert_problem(await manager.get("/requests/REQ_1/events", headers=headers), 404)


async def test_a_body_over_the_limit_whether_it_is_announced_or_not(light: Light, owner: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 10_000

    assert_problem(await owner.post("/requests", content=parts()), 413)
    assert_problem(await owner.post("/requests", content=b"x" * 400_000), 413)
    announced = {"Content-Length": str(10**15), **JSON}
    assert_problem(await owner.post("/requests", content=b"{}", headers=announced), 413)
    # A path that takes files has a limit of its own.
    answer = await owner.post("/attachments", content=b"x" * 400_000, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
