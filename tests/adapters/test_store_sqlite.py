"""What is particular to the SQLite store: every access is by an index, and reads are bounded."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from adapters import sqlite
from adapters.store_sqlite import SqliteRequestStore
from adapters.store_sqlite_items import creation
from adapters.store_sqlite_lists import READ_LIMIT
from adapters.store_sqlite_schema import SCHEMA
from core.errors import AppError, StoreUnavailable
from core.labels import Category, Status, Urgency
from core.ports.store import RequestFilter, StoredAnswer
from core.record import NextAction, RequestRecord
from core.request import BuildingId, Event, Request, RequestId, ResidentId

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "requests.sqlite3"


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The text, values filled in, of each statement that any connection runs from now on."""
    seen: set[str] = set()
    connect = sqlite.connect

    def traced(path: Path, *, timeout_s: float) -> sqlite3.Connection:
        connection = connect(path, timeout_s=timeout_s)
        connection.set_trace_callback(seen.add)
        return connection

    monkeypatch.setattr(sqlite, "connect", traced)
    return seen


@pytest.fixture
async def store(path: Path, statements: set[str]) -> AsyncIterator[SqliteRequestStore]:
    opened = SqliteRequestStore(path, lock_timeout_s=0.2)
    statements.clear()
    yield opened
    await opened.close()


def record(number: int, **request: Any) -> RequestRecord:
    made = NOON + timedelta(seconds=number)
    fields: dict[str, Any] = {
        "request_id": f"R{number}",
        "resident_id": f"RES_{number % 3}",
        "building_id": f"B{number % 3}",
        "message_text": "x",
        "status": Status.SUBMITTED,
        "version": 1,
        "created_at": made,
        "updated_at": made,
        "needs_attention": number % 2 == 0,
    }
    return RequestRecord(
        request=Request(**fields | request),
        correlation_id="c",
        chosen_category=Category.BILLING,
        chosen_urgency=list(Urgency)[number % 4],
        next_action=NextAction.PROCESS,
        next_action_at=made,
    )


def event(sequence: int) -> Event:
    return Event(sequence=sequence, at=NOON, kind="noted", actor="system", message="x")


def every_filter() -> list[RequestFilter]:
    few, many = frozenset({"B0", "B1"}), frozenset(f"B{number}" for number in range(40))
    return [
        RequestFilter(*fields)
        for fields in product(
            (None, Status.SUBMITTED), (None, Category.BILLING), (None, Urgency.HIGH), (None, "B1"), (None, few, many),
            (False, True),
        )
    ]  # fmt: skip


def index_names(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        return {name for (name,) in found}


async def use_everything(store: SqliteRequestStore) -> None:
    for number in range(12):
        await store.create(record(number), [event(1)])
    await store.create(record(1), [event(1)])
    changed = record(1, version=2, status=Status.PROCESSING)
    await store.save(changed, expected_version=1, events=[event(2)])
    with suppress(AppError):
        await store.save(changed, expected_version=1, events=[event(3)])
    await store.get(RequestId("R1"))
    await store.events(RequestId("R1"), after=1)
    for where in every_filter():
        page = await store.list_requests(where, limit=2, cursor=None)
        await store.list_requests(where, limit=2, cursor=page.next_cursor)
    await store.list_by_resident(ResidentId("RES_1"), limit=2, cursor=None)
    await store.history(ResidentId("RES_1"), BuildingId("B1"), since=NOON - timedelta(days=180), before=NOON)
    await store.workload()
    await store.backlog()
    await store.spent(BuildingId("B1"), since=NOON - timedelta(days=20), before=NOON)
    await store.open_requests(BuildingId("B1"), since=NOON, limit=2)
    for buildings in (None, frozenset({"B0", "B1"})):
        async for _ in store.outcomes(buildings, since=NOON, before=NOON + timedelta(days=1)):
            pass
    await store.rewrite(record(1, version=3), expected_version=2, events=[event(1), event(2)])
    await store.oldest_due(NOON)
    await store.claim_due(now=NOON + timedelta(seconds=3), lease_s=9, limit=3)
    await use_keys(store)
    await store.forget_answers({"r"})


async def use_keys(store: SqliteRequestStore) -> None:
    for after_s, fingerprint in ((0, "f"), (1, "f"), (31, "f"), (32, "other"), (9999, "f")):
        with suppress(AppError):
            now = NOON + timedelta(seconds=after_s)
            await store.claim_key("k", fingerprint=fingerprint, resource_id="r", now=now, lease_s=30, ttl_s=3600)
    await store.renew_key("k", leased_until=NOON, until=NOON)
    await store.release_key("k", leased_until=NOON)
    await store.finish_key("k", StoredAnswer(200, {}, b""))
    await store.claim_key("k", fingerprint="f", resource_id="r", now=NOON, lease_s=30, ttl_s=3600)


async def test_no_statement_scans_a_table_or_sorts(path: Path, store: SqliteRequestStore, statements: set[str]) -> None:
    await use_everything(store)
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE")
    queries = sorted(statement for statement in statements if statement.startswith(verbs))
    assert len(queries) > 80
    with closing(sqlite3.connect(path)) as connection:
        steps = {
            (detail, query) for query in queries for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {query}")
        }
    bad = {step for step in steps if step[0].startswith("SCAN") or "TEMP B-TREE" in step[0]}
    assert [step for step in bad if not step[0].endswith("CONSTANT ROWS")] == []
    used = " ".join(detail for detail, _ in steps) + " "
    assert [index for index in index_names(path) if f"INDEX {index} " not in used] == []


async def test_the_check_above_sees_a_scan(path: Path, store: SqliteRequestStore) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (step,) = connection.execute("EXPLAIN QUERY PLAN SELECT * FROM requests WHERE version = 3")
    assert step[3].startswith("SCAN")


async def test_history_workload_and_outcomes_read_indexes_alone(
    path: Path, store: SqliteRequestStore, statements: set[str]
) -> None:
    await store.history(ResidentId("R"), BuildingId("B"), since=NOON, before=NOON)
    await store.workload()
    await store.backlog()
    await store.spent(BuildingId("B"), since=NOON, before=NOON)
    for buildings in (None, frozenset({"B"})):
        async for _ in store.outcomes(buildings, since=NOON, before=NOON):
            pass
    with closing(sqlite3.connect(path)) as connection:
        details = [
            detail
            for query in statements
            if query.startswith("SELECT")
            for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {query}")
        ]
    searches = [detail for detail in details if detail.startswith("SEARCH")]
    assert searches
    assert [detail for detail in searches if "COVERING INDEX" not in detail] == []


async def test_a_page_reads_a_bounded_number_of_entries(store: SqliteRequestStore) -> None:
    await asyncio.gather(
        *(store.create(record(n, status=list(Status)[n % 2], building_id="A"), ()) for n in range(READ_LIMIT * 4 + 8))
    )
    nowhere = RequestFilter(building_id="A", status=Status.SUBMITTED, urgency=Urgency.MEDIUM)
    pages, cursor = 0, None
    while True:
        page = await store.list_requests(nowhere, limit=5, cursor=cursor)
        assert page.items == ()
        pages += 1
        if (cursor := page.next_cursor) is None:
            break
    assert pages == 5


async def test_a_rare_filter_drives_so_that_one_page_finds_all(store: SqliteRequestStore) -> None:
    await asyncio.gather(*(store.create(record(n, building_id="A"), ()) for n in range(READ_LIMIT * 3)))
    rare = record(-5, building_id="A", status=Status.NEEDS_REVIEW)
    await store.create(rare, ())
    where = RequestFilter(building_id="A", status=Status.NEEDS_REVIEW, category=Category.BILLING)
    page = await store.list_requests(where, limit=5, cursor=None)
    assert (page.items, page.next_cursor) == ((rare.request,), None)


async def test_expired_keys_are_removed_on_the_way(path: Path, store: SqliteRequestStore) -> None:
    async def claim(key: str, after_s: float) -> None:
        now = NOON + timedelta(seconds=after_s)
        await store.claim_key(key, fingerprint="f", resource_id="r", now=now, lease_s=30, ttl_s=60)

    await asyncio.gather(*(claim(f"old{number}", 0) for number in range(20)))
    for number in range(6):
        await claim(f"new{number}", 100)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM idempotency_keys WHERE key LIKE 'old%'").fetchone() == (0,)


async def test_a_locked_file_is_unavailable_for_writes_and_open_for_reads(
    path: Path, store: SqliteRequestStore
) -> None:
    await store.create(record(1), ())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await store.create(record(2), ())
        assert await store.get(RequestId("R1")) is not None
        assert len((await store.list_requests(RequestFilter(), limit=5, cursor=None)).items) == 1


async def test_rows_that_a_version_3_program_writes_are_read_by_an_index_too(
    path: Path, store: SqliteRequestStore, statements: set[str]
) -> None:
    await store.create(record(1), ())
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("UPDATE requests SET version = 2, breached = 1")
    await store.claim_due(now=NOON - timedelta(days=1), lease_s=9, limit=3)
    reindexing = [statement for statement in statements if "is_stale" in statement or "indexed_version = " in statement]
    assert len(reindexing) >= 2
    with closing(sqlite3.connect(path)) as connection:
        details = [d for query in reindexing for *_, d in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert [detail for detail in details if detail.startswith("SCAN")] == []


async def test_two_stores_share_ten_thousand_due_items(path: Path, store: SqliteRequestStore) -> None:
    writes = [creation(record(-number), ()) for number in range(10_000)]
    filling = sqlite.Database(path, SCHEMA, unavailable=StoreUnavailable)
    assert all(await filling.write(lambda connection: [write(connection) for write in writes]))
    await filling.close()
    other = SqliteRequestStore(path)

    async def work(claimer: SqliteRequestStore) -> list[str]:
        claimed: list[str] = []
        while batch := await claimer.claim_due(now=NOON, lease_s=600, limit=100):
            claimed += [each.request.request_id for each in batch]
        return claimed

    shares = await asyncio.gather(work(store), work(other))
    await other.close()
    assert sorted(shares[0] + shares[1]) == sorted(f"R{-number}" for number in range(10_000))
    assert min(map(len, shares)) >= 1000


async def test_one_that_a_newer_version_wrote_keeps_nobody_waiting(
    store: SqliteRequestStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        await store.create(record(number), [event(1)])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE requests SET request = json_set(request, '$.of_tomorrow', 'a resident''s words') "
            "WHERE request_id = 'R1'"
        )
    claimed = await store.claim_due(now=NOON + timedelta(minutes=1), lease_s=9, limit=10)
    assert [each.request.request_id for each in claimed] == ["R0", "R2"]
    assert "R1" in caplog.text
    assert "of_tomorrow" in caplog.text
    assert "words" not in caplog.text
