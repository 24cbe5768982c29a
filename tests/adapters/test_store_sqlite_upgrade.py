"""What becomes of files and rows that earlier versions of the SQLite store's program wrote."""

import base64
import sqlite3
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.store_sqlite import SqliteRequestStore
from adapters.store_sqlite_items import DERIVED_COLUMNS
from adapters.store_sqlite_reindex import REINDEX_LIMIT
from core.errors import IdempotencyKeyReused, StoreUnavailable
from core.labels import Category, RiskLevel, Status, Urgency
from core.messages import DecisionTrace
from core.ports.store import RequestFilter
from core.record import NextAction, RequestRecord
from core.request import BuildingId, Feedback, RequestId, ResidentId, ResolutionNote, Risk, Sla
from tests.adapters import store_version_3
from tests.builders import NOON, build_event, build_full_record, build_record

A = BuildingId("A")
VECTOR = struct.pack("<3f", 0.6, 0.8, 0.0)
FAR = NOON + timedelta(days=400)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.sqlite3"


@pytest.fixture
def old(path: Path) -> Iterator[sqlite3.Connection]:
    """A program of version 3, which goes on with the connection that it has."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        store_version_3.make_file(connection)
        yield connection


@pytest.fixture
async def stores() -> AsyncIterator[list[SqliteRequestStore]]:
    opened: list[SqliteRequestStore] = []
    yield opened
    for store in opened:
        await store.close()


@pytest.fixture
def upgraded(path: Path, old: sqlite3.Connection, stores: list[SqliteRequestStore]) -> SqliteRequestStore:
    for record in everything():
        store_version_3.insert(old, record, [build_event(1), build_event(2)])
    stores.append(SqliteRequestStore(path))
    return stores[0]


def attended(request_id: str, hours: float, score: float = 0.0) -> RequestRecord:
    due = NOON + timedelta(hours=hours)
    risk = Risk(
        score=score, level=RiskLevel.LOW, recurrence_probability=0, sla_breach_probability=0,
        escalation_probability=0, model_version="r",
    )  # fmt: skip
    sla = Sla(response_due_at=due, resolution_due_at=due, basis="sla#x")
    return build_record(request_id=request_id, urgency=Urgency.HIGH, needs_attention=True, risk=risk, sla=sla)


def resolved(request_id: str, cost: float | None, **fields: Any) -> RequestRecord:
    at = NOON + timedelta(hours=2)
    note = ResolutionNote(resolution_notes="Done", resolved_by="S", resolved_at=at, actual_cost_usd=cost)
    return build_record(
        request_id=request_id, after_s=-60, category=Category.BILLING, status=Status.RESOLVED, resolution=note,
        feedback=Feedback(rating=3, at=at), record={"selected_by": "policy"}, **fields,
    )  # fmt: skip


def alike(request_id: str) -> RequestRecord:
    inputs = {"embedding": base64.b64encode(VECTOR).decode()}
    trace = DecisionTrace(
        inputs=inputs, seed=1, replications=1, method="tables", model_versions={}, kb_version="k", policy_version="p",
        workforce_version="w",
    )  # fmt: skip
    return build_record(
        request_id=request_id, after_s=5, unit="101", incident_id="INC_1", status=Status.IN_PROGRESS,
        record={"trace": trace},
    )  # fmt: skip


def due(request_id: str, at_s: float) -> RequestRecord:
    at = NOON + timedelta(seconds=at_s)
    return build_record(request_id=request_id, record={"next_action": NextAction.PROCESS, "next_action_at": at})


def everything() -> list[RequestRecord]:
    return [
        build_full_record(request_id="full", building_id="B"),
        attended("calm", 5),
        attended("risky", 8, score=1.0),
        resolved("paid", 25.5),
        alike("alike"),
        due("older", -60),
        due("later", 3600),
    ]


async def listed(store: SqliteRequestStore, where: RequestFilter) -> list[str]:
    return [item.request_id for item in (await store.list_requests(where, limit=50, cursor=None)).items]


async def bring_up_to_date(store: SqliteRequestStore) -> None:
    await store.claim_due(now=NOON - timedelta(days=999), lease_s=1, limit=1)


def columns(path: Path, request_id: str) -> dict[str, Any]:
    with closing(sqlite3.connect(path)) as connection:
        look = f"SELECT {', '.join(DERIVED_COLUMNS)} FROM requests WHERE request_id = ?"
        return dict(zip(DERIVED_COLUMNS, connection.execute(look, (request_id,)).fetchone(), strict=True))


def stale(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT count(*) FROM requests WHERE is_stale = 1").fetchone()[0]


async def check_facts(store: SqliteRequestStore) -> None:
    """What the rows of `everything` and no other must tell, however far the columns are."""
    found = {each.request_id: each async for each in store.outcomes(None, since=NOON - timedelta(days=1), before=FAR)}
    assert set(found) == {record.request.request_id for record in everything()}
    paid = found[RequestId("paid")]
    assert (paid.cost_usd, paid.rating, paid.automated, paid.corrected, paid.reopened) == (25.5, 3, True, False, 0)
    assert (found[RequestId("alike")].cost_usd, found[RequestId("alike")].automated) == (None, False)
    (newest, *rest) = await store.open_requests(A, since=NOON, limit=9)
    assert (newest.request_id, newest.unit, newest.incident_id, newest.vector) == ("alike", "101", "INC_1", VECTOR)
    assert [each.vector for each in rest] == [b""] * 4


async def test_everything_is_kept(upgraded: SqliteRequestStore) -> None:
    for record in everything():
        assert await upgraded.get(record.request.request_id) == record
        assert await upgraded.events(record.request.request_id) == (build_event(1), build_event(2))
    assert await listed(upgraded, RequestFilter(building_id="B")) == ["full"]
    assert await listed(upgraded, RequestFilter(status=Status.RESOLVED)) == ["paid"]
    page = await upgraded.list_by_resident(ResidentId("RES_A_101"), limit=50, cursor=None)
    assert len(page.items) == len(everything())
    assert await upgraded.spent(A, since=NOON, before=FAR) == {Category.BILLING: 25.5}
    past, building = await upgraded.history(ResidentId("RES_A_101"), A, since=NOON - timedelta(days=1), before=FAR)
    assert (len(past), building.open_requests) == (7, 5)


async def test_facts_are_right_before_and_after_the_columns_are(path: Path, upgraded: SqliteRequestStore) -> None:
    assert stale(path) == 7
    await check_facts(upgraded)
    await bring_up_to_date(upgraded)
    assert stale(path) == 0
    await check_facts(upgraded)


async def test_attention_goes_by_age_until_the_columns_are_right(upgraded: SqliteRequestStore) -> None:
    where = RequestFilter(needs_attention=True)
    assert await listed(upgraded, where) == ["calm", "risky"]
    await bring_up_to_date(upgraded)
    assert await listed(upgraded, where) == ["risky", "calm"]
    assert await listed(upgraded, RequestFilter(needs_attention=True, building_id="A")) == ["risky", "calm"]


async def test_the_columns_become_those_of_a_new_row(
    path: Path, tmp_path: Path, upgraded: SqliteRequestStore, stores: list[SqliteRequestStore]
) -> None:
    await bring_up_to_date(upgraded)
    fresh = tmp_path / "fresh.sqlite3"
    stores.append(SqliteRequestStore(fresh))
    for record in everything():
        request_id = record.request.request_id
        await stores[-1].create(record, ())
        assert columns(path, request_id) == columns(fresh, request_id)


async def test_due_work_is_claimed_at_the_first_look(upgraded: SqliteRequestStore) -> None:
    assert await upgraded.oldest_due(NOON) == NOON - timedelta(seconds=60)
    (claimed,) = await upgraded.claim_due(now=NOON, lease_s=30, limit=9)
    assert (claimed.request.request_id, claimed.attempts) == ("older", 1)
    assert claimed.pending == {NextAction.PROCESS: NOON + timedelta(seconds=30)}
    assert await upgraded.oldest_due(NOON) is None


async def test_kept_answers_stay(path: Path, old: sqlite3.Connection, stores: list[SqliteRequestStore]) -> None:
    key = "INSERT INTO idempotency_keys VALUES ('k', 'f', 'R', 0, 9000000000000, 201, '{}', x'61')"
    old.execute(key)
    stores.append(SqliteRequestStore(path))
    asked: dict[str, Any] = {"resource_id": "other", "now": NOON, "lease_s": 1, "ttl_s": 9}
    claim = await stores[0].claim_key("k", fingerprint="f", **asked)
    assert claim.answer is not None
    assert (claim.resource_id, claim.answer.body) == ("R", b"a")
    await stores[0].forget_answers(["R"])
    with pytest.raises(IdempotencyKeyReused):
        await stores[0].claim_key("k", fingerprint="other", **asked)
    assert (await stores[0].claim_key("k", fingerprint="f", **asked)).answer is None


async def test_a_program_of_version_3_goes_on_beside_this_one(
    path: Path, upgraded: SqliteRequestStore, old: sqlite3.Connection
) -> None:
    await bring_up_to_date(upgraded)
    store_version_3.insert(old, attended("new", 1), [build_event(1)])
    ended = resolved("alike", 99.0, version=2, created_at=alike("alike").request.created_at)
    store_version_3.update(old, ended)
    assert stale(path) == 2
    assert "new" in await listed(upgraded, RequestFilter(needs_attention=True))
    found = {each.request_id: each async for each in upgraded.outcomes(None, since=NOON, before=FAR)}
    now_ended = found[RequestId("alike")]
    assert (now_ended.cost_usd, now_ended.rating, now_ended.automated) == (99.0, 3, True)
    await bring_up_to_date(upgraded)
    assert stale(path) == 0
    assert await listed(upgraded, RequestFilter(needs_attention=True)) == ["new", "risky", "calm"]
    assert await upgraded.spent(A, since=NOON, before=FAR) == {Category.BILLING: 124.5}
    assert await upgraded.get(RequestId("alike")) == ended


async def test_a_cost_that_version_2_left_out_is_not_lost(
    path: Path, old: sqlite3.Connection, stores: list[SqliteRequestStore]
) -> None:
    store_version_3.insert(old, resolved("R", 40.0), [], actual_cost_usd=None)
    stores.append(SqliteRequestStore(path))
    await bring_up_to_date(stores[0])
    assert await stores[0].spent(A, since=NOON, before=FAR) == {Category.BILLING: 40.0}


async def test_a_save_makes_the_rows_columns_right(path: Path, upgraded: SqliteRequestStore) -> None:
    record = await upgraded.get(RequestId("alike"))
    assert record is not None
    saved = record.model_copy(update={"request": record.request.model_copy(update={"version": 2})})
    await upgraded.save(saved, expected_version=1, events=())
    assert columns(path, "alike")["vector"] == VECTOR
    assert columns(path, "alike")["indexed_version"] == 2
    assert stale(path) == 6


async def test_the_statements_of_version_3_still_work(upgraded: SqliteRequestStore, old: sqlite3.Connection) -> None:
    await bring_up_to_date(upgraded)
    assert [row[-1] for row in old.execute(store_version_3.ATTENTION)] == ["calm", "risky"]
    assert [row[-1] for row in old.execute(store_version_3.ATTENTION_OF_BUILDING)] == ["calm", "risky"]
    assert len(old.execute(store_version_3.OF_BUILDING).fetchall()) == 6
    assert old.execute(store_version_3.OPEN).fetchone() == (5,)


async def test_each_look_brings_a_bounded_number_of_rows_up_to_date(
    path: Path, old: sqlite3.Connection, stores: list[SqliteRequestStore]
) -> None:
    for n in range(2 * REINDEX_LIMIT + 50):
        store_version_3.insert(old, build_record(request_id=f"R{n}"), [])
    stores += [SqliteRequestStore(path), SqliteRequestStore(path)]
    left: list[int] = []
    for n in range(4):
        await bring_up_to_date(stores[n % 2])
        left.append(stale(path))
    assert left == [REINDEX_LIMIT + 50, 50, 0, 0]


async def test_a_row_that_cannot_be_read_is_told_of_and_keeps_no_other_waiting(
    path: Path, upgraded: SqliteRequestStore, old: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    old.execute("""UPDATE requests SET request = '{"message_text": "private"}' WHERE request_id = 'full'""")
    await bring_up_to_date(upgraded)
    assert "can't be read" in caplog.text
    assert "private" not in caplog.text
    assert stale(path) == 0
    assert columns(path, "alike")["vector"] == VECTOR


@pytest.mark.parametrize("version", [1, 2])
async def test_older_files_open_too(tmp_path: Path, stores: list[SqliteRequestStore], version: int) -> None:
    path = tmp_path / "older.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        store_version_3.make_file(connection, version)
        values = store_version_3.column_values(resolved("paid", 25.5)) | {"events": 0}
        del values["actual_cost_usd"]
        names = ", ".join(values)
        connection.execute(f"INSERT INTO requests ({names}) VALUES (:{', :'.join(values)})", values)
    stores.append(SqliteRequestStore(path))
    assert await stores[0].get(RequestId("paid")) == resolved("paid", 25.5)
    assert await stores[0].spent(A, since=NOON, before=FAR) == {Category.BILLING: 25.5}


async def test_a_newer_file_is_refused(path: Path, old: sqlite3.Connection) -> None:
    old.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnavailable):
        SqliteRequestStore(path)
