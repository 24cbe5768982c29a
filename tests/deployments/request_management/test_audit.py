"""The audit log: one unbroken chain whoever writes, and every way in which a chain can be broken is found."""

import asyncio
import json
import logging
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aam import audit as command
from aam.__main__ import main
from adapters.documents_sqlite import SqliteDocumentStore
from core.errors import StoreUnavailable
from core.labels import Role
from core.ports.documents import Document
from deployments.request_management import audit
from deployments.request_management.audit import NO_HASH, PORTFOLIO, Act, AuditLog, verify_all, verify_chain

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACT = Act("sam", Role.STAFF, "resolve", "request_id=REQ_1", "corr-1")


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[SqliteDocumentStore]:
    made = SqliteDocumentStore(tmp_path / "documents.sqlite3")
    yield made
    await made.close()


@pytest.fixture
def log(documents: SqliteDocumentStore) -> AuditLog:
    return AuditLog(documents, lambda: NOW)


async def test_entries_follow_each_other(log: AuditLog, documents: SqliteDocumentStore) -> None:
    entries = [await log.append("A", ACT, outcome) for outcome in ("begun", "refused", "begun")]
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert [entry.prev_hash for entry in entries] == [NO_HASH, entries[0].hash, entries[1].hash]
    assert entries[0].model_dump(mode="json") == {
        "seq": 1,
        "at": "2026-03-02T12:00:00.000Z",
        "actor": "sam",
        "role": "staff",
        "action": "resolve",
        "target": "request_id=REQ_1",
        "outcome": "begun",
        "correlation_id": "corr-1",
        "prev_hash": NO_HASH,
        "hash": entries[0].hash,
    }
    verdict = await verify_chain(documents, "A")
    assert (verdict.entries, verdict.head, verdict.broken_at) == (3, entries[2].hash, None)


async def test_fifty_appends_of_two_writers_give_one_chain(tmp_path: Path) -> None:
    stores = [SqliteDocumentStore(tmp_path / "documents.sqlite3") for _ in range(2)]
    logs = [AuditLog(store, lambda: NOW) for store in stores]
    acts = [Act("sam", Role.STAFF, f"act-{number}", "", f"corr-{number}") for number in range(50)]
    await asyncio.gather(*(logs[number % 2].append("A", act, "begun") for number, act in enumerate(acts)))
    verdict = await verify_chain(stores[0], "A")
    assert (verdict.entries, verdict.broken_at) == (50, None)
    page = await stores[0].list(audit.KIND, "A", limit=200)
    assert {document.body["action"] for document in page.items} == {act.action for act in acts}
    assert (await verify_chain(stores[0], PORTFOLIO)).opened == {"A"}
    for store in stores:
        await store.close()


async def test_a_writer_goes_on_where_another_one_stopped(documents: SqliteDocumentStore) -> None:
    logs = [AuditLog(documents, lambda: NOW) for _ in range(3)]
    rng = random.Random(3)
    for _ in range(40):
        await rng.choice(logs).append("A", ACT, "begun")
    assert (await verify_chain(documents, "A")).entries == 40


class Lagging:
    """A store whose lists are behind, as those of a secondary index may be."""

    def __init__(self, documents: SqliteDocumentStore) -> None:
        self._documents = documents
        self.stale: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)

    async def list(self, *args: Any, **options: Any) -> Any:
        if self.stale is None:
            self.stale = await self._documents.list(*args, **options)
        return self.stale


async def test_a_list_that_lags_does_not_stop_a_writer(documents: SqliteDocumentStore, log: AuditLog) -> None:
    for _ in range(3):
        await log.append(PORTFOLIO, ACT, "begun")
    lagging: Any = Lagging(documents)
    await lagging.list(audit.KIND, PORTFOLIO, limit=1)
    for _ in range(5):
        await log.append(PORTFOLIO, ACT, "begun")
    assert (await AuditLog(lagging, lambda: NOW).append(PORTFOLIO, ACT, "begun")).seq == 9


Tamper = Callable[[sqlite3.Connection], object]


def change(seq: int, **values: Any) -> Tamper:
    def tamper(connection: sqlite3.Connection) -> None:
        query = "SELECT key, body FROM documents WHERE partition = 'A' ORDER BY place LIMIT 1 OFFSET ?"
        key, body = connection.execute(query, (seq - 1,)).fetchone()
        changed = json.dumps({**json.loads(body), **values})
        connection.execute("UPDATE documents SET body = ? WHERE key = ?", (changed, key))

    return tamper


def remove(*seqs: int) -> Tamper:
    def tamper(connection: sqlite3.Connection) -> None:
        for seq in seqs:
            connection.execute("DELETE FROM documents WHERE key = ?", (f"A/{seq:012d}",))

    return tamper


def swap(connection: sqlite3.Connection) -> None:
    query = "SELECT body FROM documents WHERE key = ?"
    keys = ("A/000000000003", "A/000000000005")
    bodies = [connection.execute(query, (key,)).fetchone()[0] for key in keys]
    for key, body in zip(keys, reversed(bodies), strict=True):
        connection.execute("UPDATE documents SET body = ? WHERE key = ?", (body, key))


def change_with_its_hash(connection: sqlite3.Connection) -> None:
    body = json.loads(connection.execute("SELECT body FROM documents WHERE key = 'A/000000000004'").fetchone()[0])
    body["actor"] = "nobody"
    body["hash"] = audit.hash_of(body)
    connection.execute("UPDATE documents SET body = ? WHERE key = 'A/000000000004'", (json.dumps(body),))


@pytest.mark.parametrize(
    ("tamper", "broken_at"),
    [
        (change(4, actor="nobody"), 4),
        (change(4, outcome="refused"), 4),
        (change(4, at="2026-03-02T12:00:00.001Z"), 4),
        (change(4, note="something more"), 4),
        (change(4, hash="0" * 64), 4),
        (change(4, prev_hash="0" * 64), 4),
        (change(1, target=""), 1),
        (change(9, target=""), 9),
        (change_with_its_hash, 5),
        (remove(4), 4),
        (remove(1), 1),
        (remove(4, 5, 6), 4),
        (swap, 3),
    ],
    ids=[
        "actor", "outcome", "at", "added", "hash", "prev_hash", "first", "last", "with-its-hash", "removed",
        "first-removed", "middle-removed", "reordered",
    ],
)  # fmt: skip
async def test_a_chain_that_was_tampered_with_is_found(
    tmp_path: Path, log: AuditLog, documents: SqliteDocumentStore, tamper: Tamper, broken_at: int
) -> None:
    for _ in range(9):
        await log.append("A", ACT, "begun")
    with sqlite3.connect(tmp_path / "documents.sqlite3") as connection:
        tamper(connection)
    connection.close()
    verdict = await verify_chain(documents, "A")
    assert (verdict.broken_at, verdict.entries) == (broken_at, broken_at - 1)
    assert verdict.reason


async def test_a_tail_that_was_cut_off_is_found_by_a_noted_head_alone(
    tmp_path: Path, log: AuditLog, documents: SqliteDocumentStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, audit.__name__):
        entries = [await log.append("A", ACT, "begun") for _ in range(9)]
    assert f"audit chain=A seq=9 hash={entries[-1].hash}" in caplog.messages
    with sqlite3.connect(tmp_path / "documents.sqlite3") as connection:
        remove(8, 9)(connection)
    connection.close()
    assert (await verify_chain(documents, "A")).broken_at is None
    assert (await verify_chain(documents, "A", {9: entries[8].hash})).broken_at == 8
    assert (await verify_chain(documents, "A", {7: entries[6].hash})).broken_at is None
    assert (await verify_chain(documents, "A", {7: entries[8].hash})).broken_at == 7


async def test_a_chain_that_is_gone_is_missed(tmp_path: Path, log: AuditLog, documents: SqliteDocumentStore) -> None:
    for chain in ("A", "B"):
        await log.append(chain, ACT, "begun")
    assert [verdict.chain for verdict in await verify_all(documents)] == [PORTFOLIO, "A", "B"]
    with sqlite3.connect(tmp_path / "documents.sqlite3") as connection:
        remove(1)(connection)
    connection.close()
    broken = [verdict.chain for verdict in await verify_all(documents) if verdict.broken_at is not None]
    assert broken == ["A"]


async def test_what_can_not_be_written_is_an_outage(documents: SqliteDocumentStore) -> None:
    class Down(Lagging):
        async def put(self, document: Document) -> None:
            raise StoreUnavailable("down")

    down: Any = Down(documents)
    with pytest.raises(StoreUnavailable):
        await AuditLog(down, lambda: NOW).append("A", ACT, "begun")


async def test_the_command_names_the_first_broken_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path))
    documents = SqliteDocumentStore(tmp_path / "documents.sqlite3")
    log = AuditLog(documents, lambda: NOW)
    entries = [await log.append("A", ACT, "begun") for _ in range(4)]
    await documents.close()

    def run(*arguments: str) -> tuple[int, str]:
        status = main(["audit", *arguments])
        return status, capsys.readouterr().out

    assert await asyncio.to_thread(run, "verify") == (0, "portfolio: 1 entries in order\nA: 4 entries in order\n")
    status, text = await asyncio.to_thread(run, "head", "--chain", "A")
    assert (status, text) == (0, f"A 4 {entries[-1].hash}\n")
    anchor = ["verify", "--chain", "A", "--noted", f"4:{entries[-1].hash}"]
    assert (await asyncio.to_thread(run, *anchor))[0] == 0
    with sqlite3.connect(tmp_path / "documents.sqlite3") as connection:
        remove(4)(connection)
    connection.close()
    status, text = await asyncio.to_thread(run, *anchor)
    assert status == 1
    assert text.startswith("A: BROKEN at entry 4: ")
    assert command.NAME == "audit"
