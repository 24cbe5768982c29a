"""What-if over HTTP without Ray: who may ask, what is gathered from the store, and how a run is followed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from adapters import build
from adapters.store_sqlite import SqliteRequestStore
from adapters.tokens import LocalTokens
from core.errors import Invalid
from core.labels import Category, Crew, Role, Status, Trade, Urgency
from core.ports.record_keeping import RecordKeeping
from core.record import RequestRecord
from core.request import RequestId, Risk
from core.rules import RuleBook
from core.settings import Settings
from core.what_if import WhatIfOrder, WhatIfRun
from core.what_if_figures import ChangeableFigures
from deployments.decision_simulation.what_if.figures import changeable
from deployments.decision_simulation.what_if.runs import ThreadRuns
from deployments.decision_simulation.what_if.scenario import apply
from deployments.request_management import replayed_work
from deployments.request_management.api.application import build_api
from deployments.request_management.service import RequestManagementService
from kb.compile import compile_documents
from tests.builders import build_record

NOW = datetime(2026, 3, 30, 15, tzinfo=UTC)
TECHNICIANS = {"figures": {"crews.plumbing.technicians": 3}}
Client = Callable[..., httpx.AsyncClient]


@cache
def documents() -> RuleBook:
    return compile_documents()


class Decision:
    """DecisionSimulation's part of it, on the real documents."""

    def __init__(self) -> None:
        self.rules = documents()
        self.runs = ThreadRuns()
        self.orders: list[WhatIfOrder] = []

    async def start_what_if(self, run_id: str, order: WhatIfOrder) -> WhatIfRun:
        apply(self.rules, order.scenario)
        self.orders.append(order)
        return await self.runs.start(run_id, self.rules, order, "America/New_York")

    async def what_if_figures(self) -> ChangeableFigures:
        return changeable(self.rules)

    async def what_if(self, run_id: str) -> WhatIfRun:
        return await self.runs.get(run_id)

    async def what_ifs(self) -> tuple[WhatIfRun, ...]:
        return await self.runs.newest()

    async def cancel_what_if(self, run_id: str) -> WhatIfRun:
        return await self.runs.cancel(run_id)


@pytest.fixture
def decision() -> Decision:
    return Decision()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRequestStore]:
    made = SqliteRequestStore(tmp_path / "requests.sqlite3")
    yield made
    await made.close()


@pytest.fixture
async def client(tmp_path: Path, store: SqliteRequestStore, decision: Decision) -> AsyncIterator[Client]:
    settings = Settings(state_dir=tmp_path)
    tokens = LocalTokens(settings.local_key)
    nobody = cast(Any, None)
    documents = build.document_store(settings)
    ports = RecordKeeping(
        store=store,
        documents=documents,
        blobs=nobody,
        inspector=nobody,
        executions=nobody,
        outcomes=nobody,
        webhooks=nobody,
        sender=nobody,
        tokens=tokens,
        limits=build.rate_limits(settings),
        url_key=b"key",
    )
    service = RequestManagementService(settings, ports, nobody, cast(Any, decision), nobody, clock=lambda: NOW)
    application = build_api(lambda: service, settings)
    opened: list[httpx.AsyncClient] = []

    def make(role: Role, *, buildings: list[str] | None = None, sub: str | None = None) -> httpx.AsyncClient:
        token = tokens.issue(role, sub or f"a {role}", buildings=buildings)
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {token}"}
        opened.append(httpx.AsyncClient(transport=transport, base_url="http://testserver/api/v1", headers=headers))
        return opened[-1]

    yield make
    for one in opened:
        await one.aclose()
    await documents.close()


def record(number: int, days_ago: float, **request: Any) -> RequestRecord:
    """A plumbing request that somebody chose the repair of the same day for."""
    made = NOW - timedelta(days=days_ago)
    risk = Risk.model_validate(
        {"score": 0.4, "level": "Medium", "recurrence_probability": 0.1, "sla_breach_probability": 0.1,
         "escalation_probability": 0.1, "model_version": "risk-1"}
    )  # fmt: skip
    fields: dict[str, Any] = {
        "request_id": RequestId(f"REQ_{number}"),
        "status": Status.APPROVED,
        "created_at": made,
        "updated_at": made,
        "risk": risk,
        "selected_option_id": "plumbing-same-day-repair",
    }
    return build_record(
        category=Category.MAINTENANCE, urgency=Urgency.HIGH, trade=Trade.PLUMBING, **{**fields, **request}
    )


async def fill(store: SqliteRequestStore, number: int = 12, **request: Any) -> None:
    for index in range(number):
        assert await store.create(record(index, days_ago=index + 0.5, **request), [])


async def ended(client: httpx.AsyncClient, run_id: str) -> dict[str, Any]:
    for _ in range(800):
        run = (await client.get(f"/what-if/{run_id}")).json()
        if run["status"] not in ("Queued", "Running"):
            return run
        await asyncio.sleep(0.02)
    pytest.fail("it did not end")


async def test_a_run_from_the_question_to_the_result(client: Client, store: SqliteRequestStore) -> None:
    await fill(store)
    staff = client(Role.STAFF)
    body = {"changes": TECHNICIANS, "backlog": True, "replications": 10}
    started = await staff.post("/what-if", json=body)
    assert started.status_code == 202
    assert started.json()["status"] == "Queued"
    assert started.headers["Location"] == f"/api/v1/what-if/{started.json()['run_id']}"
    run = await ended(staff, started.json()["run_id"])
    assert (run["status"], run["progress"], run["error"]) == ("Succeeded", 1.0, None)
    result = run["result"]
    assert (result["source"], result["counted"], result["replications"]) == ("backlog", 12, 10)
    waiting = next(one for one in result["figures"] if (one["name"], one["resource"]) == ("waiting_hours", "plumbing"))
    assert waiting["difference"]["mean"] < 0
    assert result["chart"]["data"]["values"]
    listed = (await staff.get("/what-if")).json()["items"]
    assert [(one["run_id"], one["result"]) for one in listed] == [(run["run_id"], None)]


async def test_a_period_counts_what_was_reported_in_it_and_its_buildings(
    client: Client, store: SqliteRequestStore, decision: Decision
) -> None:
    await fill(store)
    await store.create(record(100, 4.6, building_id="B"), [])
    await store.create(record(101, 4.7, status=Status.CANCELLED), [])
    await store.create(record(102, 4.8, duplicate_of=RequestId("REQ_4")), [])
    period = {"from": "2026-03-24T15:00:00Z", "to": "2026-03-28T15:00:00Z"}
    body = {"changes": {}, "period": period, "replications": 10}
    one = client(Role.MANAGER, buildings=["A"])
    assert (await one.post("/what-if", json=body)).status_code == 202
    work = decision.orders[0].work
    assert sorted(each.item.request_id for each in work.requests if each.counted) == [
        "REQ_2",
        "REQ_3",
        "REQ_4",
        "REQ_5",
    ]
    assert "REQ_100" in {each.item.request_id for each in work.requests}
    assert not {"REQ_101", "REQ_102"} & {each.item.request_id for each in work.requests}
    assert "Counted are the requests of A" in decision.orders[0].notes[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/what-if"), ("GET", "/what-if"), ("GET", "/what-if/x"), ("POST", "/what-if/x/cancel")],
)
async def test_residents_may_not(client: Client, method: str, path: str) -> None:
    body = {"changes": {}, "synthetic_days": 7} if path == "/what-if" and method == "POST" else None
    answer = await client(Role.RESIDENT).request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("role", [Role.STAFF, Role.MANAGER, Role.SERVICE])
async def test_those_may(client: Client, role: Role) -> None:
    asker = client(role)
    started = await asker.post("/what-if", json={"changes": {}, "synthetic_days": 1, "replications": 1000})
    assert started.status_code == 202
    cancelled = await asker.post(f"/what-if/{started.json()['run_id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "Cancelled")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"changes": {}}, "exactly one of"),
        ({"changes": {}, "backlog": True, "synthetic_days": 3}, "exactly one of"),
        ({"changes": {}, "backlog": True, "replications": 1}, "greater than or equal to 10"),
        ({"changes": {}, "synthetic_days": 10_000}, "less than or equal to"),
        ({"changes": {"figures": {"technicians": 3}}, "synthetic_days": 3}, "pattern"),
        ({"changes": {"figures": {"crews.painters.technicians": 3}}, "synthetic_days": 3}, "crews has appliance"),
        ({"changes": {"figures": {"weights.standard.cost": 0.9}}, "synthetic_days": 3}, "sum to"),
        ({"changes": {"remove_vendors": ["nobody"]}, "synthetic_days": 3}, "There is no vendor nobody"),
        ({"changes": {}, "backlog": True}, "no open request to replay; a synthetic replay"),
        ({"changes": {}, "period": {"from": "2026-03-24T00:00:00Z", "to": "2026-03-24T00:00:00Z"}}, "must end after"),
        ({"changes": {}, "period": {"from": "2026-03-24T00:00:00Z", "to": "2027-03-24T00:00:00Z"}}, "at most 92 days"),
        ({"changes": {}, "period": {"from": "2026-03-24T00:00:00Z", "to": "2026-03-25T00:00:00Z"}}, "of this period"),
    ],
)
async def test_what_can_not_be_replayed_is_told_at_once(client: Client, body: dict[str, Any], told: str) -> None:
    answer = await client(Role.MANAGER).post("/what-if", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.text


async def test_a_key_starts_one_run_and_too_many_are_refused(client: Client) -> None:
    manager = client(Role.MANAGER)
    body = {"changes": {}, "synthetic_days": 30, "replications": 1000}
    first, again = [await manager.post("/what-if", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.json()["run_id"] == again.json()["run_id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    for _ in range(3):
        assert (await manager.post("/what-if", json=body)).status_code == 202
    full = await manager.post("/what-if", json=body)
    assert (full.status_code, full.json()["code"]) == (429, "too_many_runs")
    assert int(full.headers["Retry-After"]) > 0
    for one in (await manager.get("/what-if")).json()["items"]:
        assert (await manager.post(f"/what-if/{one['run_id']}/cancel")).status_code == 200


async def test_whoever_sees_one_building_sees_their_own_runs_only(client: Client) -> None:
    body = {"changes": {}, "synthetic_days": 1, "replications": 10}
    run_id = (await client(Role.MANAGER).post("/what-if", json=body)).json()["run_id"]
    elsewhere = client(Role.STAFF, buildings=["B"], sub="bo")
    assert (await elsewhere.get(f"/what-if/{run_id}")).status_code == 404
    assert (await elsewhere.post(f"/what-if/{run_id}/cancel")).status_code == 404
    assert (await elsewhere.get("/what-if")).json()["items"] == []
    done = await ended(client(Role.STAFF), run_id)
    assert done["status"] == "Succeeded"
    assert (await client(Role.STAFF).post(f"/what-if/{run_id}/cancel")).status_code == 409
    assert (await client(Role.STAFF).get("/what-if/WIF_none")).status_code == 404


async def test_more_than_one_run_may_replay_is_refused(
    store: SqliteRequestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, 8)
    monkeypatch.setattr(replayed_work, "MOST_JOBS", 5)
    with pytest.raises(Invalid, match="at most 5 requests"):
        await replayed_work.backlog(store, NOW, lambda _: True)
    monkeypatch.setattr(replayed_work, "PAGE", 2)
    monkeypatch.setattr(replayed_work, "MOST_READ", 4)
    with pytest.raises(Invalid, match="more recent period"):
        await replayed_work.past_period(store, NOW - timedelta(days=60), NOW - timedelta(days=50), lambda _: True)


async def test_what_may_be_changed_is_told_to_those_who_may_ask(client: Client) -> None:
    told = (await client(Role.SERVICE).get("/what-if/figures")).json()
    plumbers = next(one for one in told["figures"] if one["path"] == "crews.plumbing.technicians")
    assert plumbers["present"] == documents().crews[Crew.PLUMBING].technicians
    assert plumbers["range"]["low"] <= plumbers["present"] <= plumbers["range"]["high"]
    assert {one["vendor_id"] for one in told["vendors"]} == set(documents().vendors)
    assert (await client(Role.RESIDENT).get("/what-if/figures")).status_code == 403
