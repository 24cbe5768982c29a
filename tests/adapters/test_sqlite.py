"""What the shared SQLite database promises: durability, groups of writes, several processes, and clear failure."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters import sqlite
from adapters.sqlite import Database, from_millis, to_millis
from core.errors import QueueUnavailable, StoreUnavailable

WORKER = Path(__file__).with_name("sqlite_worker.py")
NOTES = "CREATE TABLE notes (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "on" / "demand" / "notes.sqlite3"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = Database(path, (NOTES,), unavailable=StoreUnavailable, lock_timeout_s=0.3)
    yield opened
    await opened.close()


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each COMMIT that any connection makes from now on."""
    seen: list[str] = []
    connect = sqlite.connect

    def traced(path: Path, *, timeout_s: float) -> sqlite3.Connection:
        connection = connect(path, timeout_s=timeout_s)
        connection.set_trace_callback(lambda statement: seen.append(statement) if statement == "COMMIT" else None)
        return connection

    monkeypatch.setattr(sqlite, "connect", traced)
    return seen


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts worker processes and ends what is left of them."""
    started: list[subprocess.Popen[str]] = []

    def start_one(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(WORKER), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def add(name: str, text: str = "x") -> Callable[[sqlite3.Connection], str]:
    def write(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (name, text))
        return name

    return write


def names(database: Database) -> list[str]:
    return database.read(lambda connection: [row[0] for row in connection.execute("SELECT name FROM notes")])


async def pragma(database: Database, name: str) -> object:
    return await database.write(lambda connection: connection.execute(f"PRAGMA {name}").fetchone()[0])


async def test_write_ahead_log_and_full_synchronisation(database: Database) -> None:
    assert await pragma(database, "journal_mode") == "wal"
    assert await pragma(database, "synchronous") == 2
    assert await pragma(database, "user_version") == 1


async def test_a_write_returns_its_result_and_is_seen(database: Database) -> None:
    assert await database.write(add("a")) == "a"
    assert names(database) == ["a"]
    assert (
        await database.read_in_thread(lambda connection: len(connection.execute("SELECT * FROM notes").fetchall())) == 1
    )


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        database.read(add("a"))


async def test_what_waits_is_written_in_one_commit(path: Path, commits: list[str]) -> None:
    database = Database(path, (NOTES,), unavailable=StoreUnavailable)
    await database.write(add("first"))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writes = [asyncio.ensure_future(database.write(add(str(number)))) for number in range(50)]
        await asyncio.sleep(0.05)
        commits.clear()
        other.execute("ROLLBACK")
        assert await asyncio.gather(*writes) == [str(number) for number in range(50)]
    assert commits == ["COMMIT"]
    await database.close()


async def test_lone_writes_commit_one_by_one(path: Path, commits: list[str]) -> None:
    database = Database(path, (NOTES,), unavailable=StoreUnavailable)
    commits.clear()
    for number in range(5):
        await database.write(add(str(number)))
    assert len(commits) == 5
    await database.close()


async def test_one_operations_failure_is_its_own(database: Database) -> None:
    def half_done(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO notes VALUES ('half', 'x')")
        raise KeyError("no more")

    await database.write(add("there"))
    outcomes = await asyncio.gather(
        database.write(add("a")), database.write(half_done), database.write(add("there")), database.write(add("b")),
        return_exceptions=True,
    )  # fmt: skip
    assert [type(outcome) for outcome in outcomes] == [str, KeyError, sqlite3.IntegrityError, str]
    assert sorted(names(database)) == ["a", "b", "there"]


async def test_a_cancelled_caller_does_not_stop_its_write(database: Database) -> None:
    write = asyncio.ensure_future(database.write(add("a")))
    await asyncio.sleep(0)
    write.cancel()
    await database.write(add("b"))
    assert sorted(names(database)) == ["a", "b"]


async def test_any_event_loop_may_call(database: Database) -> None:
    async def write_many(prefix: str) -> None:
        await asyncio.gather(*(database.write(add(f"{prefix}{number}")) for number in range(20)))
        assert len(names(database)) >= 20

    threads = [threading.Thread(target=asyncio.run, args=(write_many(prefix),)) for prefix in "xy"]
    for thread in threads:
        thread.start()
    await write_many("z")
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert sorted(names(database)) == sorted(f"{prefix}{number}" for prefix in "xyz" for number in range(20))


async def test_a_locked_file_is_unavailable_and_then_works_again(path: Path, database: Database) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable) as caught:
            await database.write(add("a"))
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert names(database) == []
        other.execute("ROLLBACK")
    await database.write(add("a"))
    assert names(database) == ["a"]


async def test_a_full_disk_is_unavailable_for_all_of_a_commit_and_then_works_again(database: Database) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    await database.write(fill)
    outcomes = await asyncio.gather(
        *(database.write(add(str(number), "x" * 10_000)) for number in range(8)), return_exceptions=True
    )
    full = [outcome for outcome in outcomes if isinstance(outcome, StoreUnavailable)]
    stored = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert full
    assert len(full) + len(stored) == 8
    assert sorted(names(database)) == sorted(stored)
    await database.write(add("after"))


async def test_a_transaction_that_sqlite_gave_up_fails_for_all_who_were_in_it(path: Path) -> None:
    def give_up(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    database = Database(path, (NOTES,), unavailable=StoreUnavailable)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        operations = (add("a"), give_up, add("b"))
        writes = [asyncio.ensure_future(database.write(operation)) for operation in operations]
        await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    assert all(str(outcome.__cause__) == "disk I/O error" for outcome in outcomes if isinstance(outcome, Exception))
    assert names(database) == []
    await database.write(add("c"))
    assert names(database) == ["c"]
    await database.close()


def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(QueueUnavailable):
        Database(tmp_path / "file" / "x.sqlite3", (NOTES,), unavailable=QueueUnavailable)
    (tmp_path / "x.sqlite3").mkdir()
    with pytest.raises(QueueUnavailable):
        Database(tmp_path / "x.sqlite3", (NOTES,), unavailable=QueueUnavailable)
    (tmp_path / "text.sqlite3").write_text("this is no database, " * 100)
    with pytest.raises(QueueUnavailable):
        Database(tmp_path / "text.sqlite3", (NOTES,), unavailable=QueueUnavailable)


async def test_a_schema_grows_by_versions(path: Path, database: Database) -> None:
    await database.write(add("old"))
    await database.close()
    added = "ALTER TABLE notes ADD COLUMN author TEXT; CREATE INDEX by_author ON notes (author)"
    newer = Database(path, (NOTES, added), unavailable=StoreUnavailable)
    assert newer.read(lambda connection: connection.execute("SELECT name, author FROM notes").fetchall()) == [
        ("old", None)
    ]
    await newer.close()
    with pytest.raises(StoreUnavailable):
        Database(path, (NOTES,), unavailable=StoreUnavailable)


async def test_a_failed_upgrade_leaves_the_old_version(path: Path, database: Database) -> None:
    await database.write(add("old"))
    with pytest.raises(StoreUnavailable):
        Database(path, (NOTES, "CREATE TABLE more (x INTEGER) STRICT; no such statement"), unavailable=StoreUnavailable)
    assert await pragma(database, "user_version") == 1
    again = Database(path, (NOTES,), unavailable=StoreUnavailable)
    assert names(again) == ["old"]
    await again.close()


async def test_after_closing_nothing_is_taken(database: Database) -> None:
    write = asyncio.ensure_future(database.write(add("a")))
    await asyncio.sleep(0)
    await asyncio.gather(database.close(), database.close())
    assert await write == "a"
    with pytest.raises(StoreUnavailable):
        await database.write(add("b"))
    with pytest.raises(StoreUnavailable):
        names(database)


@pytest.mark.parametrize("micros", [0, 1, 999, 1000, 999_999])
def test_times_are_cut_to_milliseconds(micros: int) -> None:
    moment = datetime(2026, 3, 2, 12, 0, 1, micros, tzinfo=UTC)
    assert from_millis(to_millis(moment)) == moment - timedelta(microseconds=micros % 1000)


def output(process: subprocess.Popen[str]) -> list[str]:
    text, _ = process.communicate(timeout=25)
    assert process.returncode == 0
    return text.split()


def check_integrity(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_processes_that_make_the_same_file_and_write_it_at_once(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    path = tmp_path / "requests.sqlite3"
    fillers = [start("fill", path, prefix, 60) for prefix in "xyz"]
    made = [name for filler in fillers for name in output(filler)]
    assert sorted(made) == sorted(f"{prefix}{number}" for prefix in "xyz" for number in range(60))
    claimers = [start("claim", path) for _ in range(3)]
    claimed = [name for claimer in claimers for name in output(claimer)]
    assert sorted(claimed) == sorted(made)
    check_integrity(path)


def test_messages_between_processes_arrive_once(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    path = tmp_path / "queues.sqlite3"
    workers = [start("receive", path), start("receive", path), start("send", path, "M", 60)]
    first, second, sent = map(output, workers)
    assert len(sent) == 60
    assert sorted(first + second) == sorted(sent)
    check_integrity(path)


def test_nothing_that_was_acknowledged_is_lost_at_kill_9(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    path = tmp_path / "requests.sqlite3"
    filler = start("fill", path, "R", 1_000_000)
    assert filler.stdout is not None
    acknowledged = [filler.stdout.readline().strip() for _ in range(200)]
    filler.kill()
    acknowledged += filler.stdout.read().split("\n")[:-1]
    filler.wait()
    check_integrity(path)
    with closing(sqlite3.connect(path)) as connection:
        stored = {name for (name,) in connection.execute("SELECT request_id FROM requests")}
        without_event = connection.execute(
            "SELECT count(*) FROM requests WHERE row NOT IN (SELECT request FROM events)"
        ).fetchone()
    assert set(acknowledged) <= stored
    assert without_event == (0,)
