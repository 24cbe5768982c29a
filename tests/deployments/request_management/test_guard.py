"""The audit log first, limits for persons and addresses, and headers on every answer, over HTTP."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.documents_sqlite import SqliteDocumentStore
from core.errors import StoreUnavailable
from core.labels import Role, Status
from core.ports.documents import Document
from core.request import RequestId
from deployments.request_management.audit import KIND, PORTFOLIO, verify_all
from tests.builders import build_event, build_full_record
from tests.deployments.request_management.light import Light, open_light


async def stored_request(light: Light) -> str:
    record = build_full_record(status=Status.AWAITING_SELECTION).model_copy(update={"last_event": 1})
    assert await light.ports.store.create(record, [build_event(1)])
    return record.request.request_id


async def entries(light: Light, chain: str) -> list[dict[str, Any]]:
    page = await light.ports.documents.list(KIND, chain, limit=200, newest_first=False)
    return [dict(document.body) for document in page.items]


async def test_a_change_by_staff_is_written_down_in_the_buildings_chain(light: Light) -> None:
    request_id = await stored_request(light)
    async with light.client(Role.STAFF, "sam") as staff:
        answer = await staff.put(f"/requests/{request_id}", json={"comment": "very private words"})
    assert answer.status_code == 200
    (entry,) = await entries(light, "A")
    assert {name: entry[name] for name in ("actor", "role", "action", "target", "outcome", "correlation_id")} == {
        "actor": "sam",
        "role": "staff",
        "action": "amend",
        "target": f"request_id={request_id}",
        "outcome": "begun",
        "correlation_id": answer.headers["X-Request-ID"],
    }
    assert "private" not in str(entry)
    assert all(verdict.broken_at is None for verdict in await verify_all(light.ports.documents))


async def test_what_did_not_succeed_is_written_down_too(light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = await stored_request(light)
    path = f"/requests/{request_id}"
    async with light.client(Role.STAFF, "sam") as staff:
        assert (await staff.post(f"{path}/confirm")).status_code == 409
        assert (await staff.post(f"{path}/resolve", json={})).status_code == 422
        assert (await staff.post(f"{path}/feedback", json={"rating": 1})).status_code == 403
        assert (await staff.put("/requests/REQ_none", json={"comment": "a"})).status_code == 404

        async def broken(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(light.service.requests, "amend", broken)
        assert (await staff.put(path, json={"comment": "a"})).status_code == 500
    assert [(each["action"], each["outcome"]) for each in await entries(light, "A")] == [
        ("confirm", "begun"),
        ("confirm", "refused"),
        ("resolve", "begun"),
        ("resolve", "refused"),
        ("amend", "begun"),
        ("amend", "failed"),
    ]
    assert [(each["action"], each["outcome"]) for each in await entries(light, PORTFOLIO)] == [
        ("open_audit_chain", "begun"),
        ("give_feedback", "refused"),
        ("amend", "begun"),
        ("amend", "refused"),
    ]


async def test_what_residents_do_and_what_changes_nothing_is_not_written_down(light: Light) -> None:
    request_id = await stored_request(light)
    async with light.client(Role.RESIDENT, "RES_A_101") as owner, light.client(Role.MANAGER, "mia") as manager:
        assert (await owner.post(f"/requests/{request_id}/cancel")).status_code == 200
        assert (await manager.get(f"/requests/{request_id}")).status_code == 200
        await manager.post("/classify", json={"message_text": "the tap drips"})
    assert await entries(light, "A") == []
    assert await entries(light, PORTFOLIO) == []


class WithoutAudit:
    """Documents of which the audit log's can't be written."""

    def __init__(self, documents: SqliteDocumentStore) -> None:
        self._documents = documents

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)

    async def put(self, document: Document) -> None:
        if document.kind == KIND:
            raise StoreUnavailable("down")
        await self._documents.put(document)


async def test_what_can_not_be_written_down_is_not_done(tmp_path: Path) -> None:
    documents = SqliteDocumentStore(tmp_path / "documents.sqlite3")
    async with open_light(tmp_path, documents=WithoutAudit(documents)) as light:
        request_id = await stored_request(light)
        async with light.client(Role.STAFF, "sam") as staff, light.client(Role.RESIDENT, "RES_A_101") as owner:
            answer = await staff.put(f"/requests/{request_id}", json={"comment": "a"})
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            # A refusal stays one.
            assert (await staff.post(f"/requests/{request_id}/feedback", json={"rating": 1})).status_code == 403
            record = await light.ports.store.get(RequestId(request_id))
            assert record is not None
            assert record.request.version == 1
            assert (await owner.post(f"/requests/{request_id}/cancel")).status_code == 200
    await documents.close()


async def test_managers_read_the_chains_of_their_buildings(light: Light) -> None:
    request_id = await stored_request(light)
    async with light.client(Role.STAFF, "sam") as staff:
        for number in range(5):
            await staff.put(f"/requests/{request_id}", json={"comment": f"note {number}"})
    async with light.client(Role.MANAGER, "mia") as manager:
        first = (await manager.get("/audit", params={"chain": "A", "limit": 3})).json()
        assert [entry["seq"] for entry in first["items"]] == [5, 4, 3]
        rest = await manager.get("/audit", params={"chain": "A", "limit": 3, "cursor": first["next_cursor"]})
        assert [entry["seq"] for entry in rest.json()["items"]] == [2, 1]
        assert rest.json()["next_cursor"] is None
        assert [entry["target"] for entry in (await manager.get("/audit")).json()["items"]] == ["A"]
        wrong = await manager.get("/audit", params={"cursor": first["next_cursor"]})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_cursor")
    async with light.client(Role.MANAGER, "max", buildings=["B"]) as elsewhere:
        for chain in ("A", PORTFOLIO, None):
            answer = await elsewhere.get("/audit", params={"chain": chain} if chain else None)
            assert answer.status_code == 404
        assert (await elsewhere.get("/audit", params={"chain": "B"})).json()["items"] == []


FAR = "203.0.113.5"


def limited(tmp_path: Path, **changes: Any) -> AbstractAsyncContextManager[Light]:
    rates = {"rate_limit_resident": "3/minute", "rate_limit_address": "8/minute"}
    return open_light(tmp_path, **{**rates, **changes})


def assert_refused(answer: httpx.Response, limit: int) -> None:
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit-Limit"] == str(limit)
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 60
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


async def test_one_person_changes_so_much_a_minute(tmp_path: Path) -> None:
    async with limited(tmp_path, rate_limit_address="1000/minute") as light:
        request_id = await stored_request(light)
        async with (
            light.client(Role.RESIDENT, "RES_A_101", address=FAR) as owner,
            light.client(Role.STAFF, "sam", address=FAR) as staff,
            light.client(Role.SERVICE, "robot", address=FAR) as service,
        ):
            path = f"/requests/{request_id}/confirm"
            left = [(await owner.post(path)).headers["RateLimit-Remaining"] for _ in range(3)]
            assert left == ["2", "1", "0"]
            assert_refused(await owner.post(path), 3)
            # Reading goes on, and so do others at the same address.
            assert (await owner.get(f"/requests/{request_id}")).status_code == 200
            assert (await staff.post(path)).status_code == 409
            for _ in range(4):
                assert (await staff.post("/classify", json={"message_text": "a"})).status_code == 503
                assert (await service.post("/notify", json={})).status_code == 422
            record = await light.ports.store.get(RequestId(request_id))
            assert record is not None
            assert record.request.version == 1


async def test_one_address_calls_so_much_a_minute_whoever_it_says_it_is(tmp_path: Path) -> None:
    async with limited(tmp_path) as light, light.client(address=FAR) as nobody:
        statuses = [(await nobody.get("/requests/REQ_1")).status_code for _ in range(8)]
        assert statuses == [401] * 8
        assert_refused(await nobody.get("/requests/REQ_1", headers={"X-Forwarded-For": "198.51.100.1"}), 8)
        assert (await nobody.get("/health")).status_code in (200, 503)
        async with light.client(address="203.0.113.6") as another, light.client(address="127.0.0.1") as local:
            assert (await another.get("/requests/REQ_1")).status_code == 401
            statuses = [(await local.get("/requests/REQ_1")).status_code for _ in range(20)]
            assert statuses == [401] * 20


async def test_an_ipv6_customer_is_one_address(tmp_path: Path) -> None:
    async with limited(tmp_path, rate_limit_address="1/minute") as light:
        addresses = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::1", "2001:db8:1:3::1", "::ffff:203.0.113.9", "203.0.113.9")
        statuses: list[int] = []
        for address in addresses:
            async with light.client(address=address) as client:
                statuses.append((await client.get("/requests/REQ_1")).status_code)
        assert statuses == [401, 429, 401, 401, 429]


async def test_a_trusted_proxy_says_who_called_it(tmp_path: Path) -> None:
    async with (
        limited(tmp_path, rate_limit_address="1/minute", trusted_proxies=1) as light,
        light.client(address="127.0.0.1") as proxy,
    ):

        async def status(forwarded: str | None) -> int:
            headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
            return (await proxy.get("/requests/REQ_1", headers=headers)).status_code

        assert await status("198.51.100.1") == 401
        assert await status("198.51.100.2") == 401
        # What a caller wrote there stands before what the proxy adds.
        assert await status("10.0.0.1, 198.51.100.1") == 429
        assert await status("198.51.100.7, nonsense, 198.51.100.2") == 429
        # Without it, the proxy itself is the caller, on this machine.
        assert await status(None) == 401
        assert await status("nonsense") == 401


async def test_headers_on_every_answer(light: Light) -> None:
    request_id = await stored_request(light)
    async with light.client(Role.RESIDENT, "RES_A_101") as owner, light.client() as nobody:
        answers = [
            await owner.get(f"/requests/{request_id}"),
            await owner.get("/nothing"),
            await owner.delete("/requests"),
            await owner.post("/requests", content=b"{"),
            await owner.post("/requests", content=b"x" * 300_000),
            await nobody.get("/requests"),
            await nobody.get("/health"),
            await nobody.get("http://testserver/"),
        ]
        page = await nobody.get("http://testserver/docs")
    assert [answer.status_code for answer in answers[:6]] == [200, 404, 405, 422, 413, 401]
    for answer in (*answers, page):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "geolocation=()" in answer.headers["Permissions-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in answer.headers
        assert answer.headers["X-Request-ID"]
        assert answer.headers["Cache-Control"] == "no-store"
    for answer in answers:
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http" not in page.headers["Content-Security-Policy"]


async def test_an_unexpected_error_has_the_headers_too(light: Light, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("the secret of the unit")

    monkeypatch.setattr(light.service.requests, "get", broken)
    async with light.client(Role.RESIDENT, "RES_A_101") as owner:
        answer = await owner.get("/requests/REQ_1")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


async def test_production_asks_browsers_to_stay_with_tls(tmp_path: Path) -> None:
    changes = {"auth_mode": "oidc", "oidc_issuer": "https://issuer.example", "oidc_audience": "aam"}
    async with open_light(tmp_path, environment="production", **changes) as light, light.client() as nobody:
        answer = await nobody.get("/requests")
    assert answer.status_code == 401
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


async def test_no_other_page_may_call_unless_it_is_named(tmp_path: Path) -> None:
    page = "https://app.example"
    async with open_light(tmp_path / "none") as light, light.client(Role.RESIDENT, "RES_A_101") as client:
        for answer in (
            await client.options("/requests", headers={"Origin": page, **PREFLIGHT}),
            await client.get("/notifications", headers={"Origin": page}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]
    async with (
        open_light(tmp_path / "one", cors_origins=(page,)) as light,
        light.client(Role.RESIDENT, "RES_A_101") as client,
    ):
        allowed = await client.options("/requests", headers={"Origin": page, **PREFLIGHT})
        assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, page)
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        assert (await client.get("/notifications", headers={"Origin": page})).headers[
            "Access-Control-Allow-Origin"
        ] == page
        for other in ("https://evil.example", "https://app.example.evil.example", "null"):
            refused = await client.options("/requests", headers={"Origin": other, **PREFLIGHT})
            assert refused.status_code == 400
            answer = await client.get("/notifications", headers={"Origin": other})
            assert "Access-Control-Allow-Origin" not in answer.headers
