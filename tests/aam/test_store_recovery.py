"""Backups of the state directory: taken while others write, verified when restored, refused where anything is wrong."""

import asyncio
import gzip
import io
import json
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aam.__main__ import main
from adapters import build
from adapters.state_snapshot import copy, freeze
from core.labels import Role
from core.ports.blobs import Blob
from core.settings import Settings
from deployments.request_management.audit import PORTFOLIO, Act, AuditLog
from tests.builders import NOON, build_event, build_record
from tests.dynamo_server import CREDENTIALS, connect, endpoint, open_requests_store, tables_of

ROOT = Path(__file__).parent.parent.parent
RECORD = build_record(request_id="REQ_KEPT")
PHOTO = Blob(b"\xff\xd8 a photo", "image/jpeg")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation's state: requests, documents with an audit log, a file, keys, and models that need no backup."""
    folder = tmp_path / "state"
    monkeypatch.setenv("AAM_STATE_DIR", str(folder))
    monkeypatch.setenv("AAM_ARTEFACTS_DIR", str(folder / "artefacts"))
    asyncio.run(_fill())
    (folder / "artefacts" / "text").mkdir(parents=True)
    (folder / "artefacts" / "text" / "model.onnx").write_bytes(b"large")
    return folder


@pytest.fixture
def archive(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "backup.tar.gz"
    assert main(["store", "backup", str(path)]) == 0
    capsys.readouterr()
    return path


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: Path) -> Path:
    """Where it is to be restored."""
    folder = tmp_path / "restored"
    monkeypatch.setenv("AAM_STATE_DIR", str(folder))
    return folder


async def _fill() -> None:
    settings = Settings()
    store, documents, blobs = build.request_store(settings), build.document_store(settings), build.blob_store(settings)
    assert await store.create(RECORD, [build_event(1)])
    audit = AuditLog(documents, lambda: NOON)
    for number in range(3):
        await audit.append(PORTFOLIO, Act("MGR_1", Role.MANAGER, "exported", f"RES_{number}", "c"), "begun")
    await blobs.put("ATT_1", PHOTO)
    build.notice_key(settings)
    await store.close()
    await documents.close()


async def test_everything_comes_back(
    state: Path, archive: Path, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(main, ["store", "restore", str(archive)]) == 0
    assert "audit chain portfolio: 3 entries in order" in capsys.readouterr().out
    restored, request_id = Settings(), RECORD.request.request_id
    store, blobs = build.request_store(restored), build.blob_store(restored)
    assert await store.get(request_id) == RECORD
    assert await store.events(request_id) == (build_event(1),)
    assert await blobs.get("ATT_1") == PHOTO
    assert restored.notice_key.read_bytes() == (state / "notice_key").read_bytes()
    assert restored.notice_key.stat().st_mode & 0o077 == 0
    assert not (empty / "artefacts").exists()
    assert not list(empty.glob(".restoring-*"))
    await store.close()


def test_only_its_owner_reads_a_backup(archive: Path) -> None:
    assert archive.stat().st_mode & 0o077 == 0
    assert [path.name for path in archive.parent.iterdir() if path.name.startswith(".backup-")] == []


def test_a_backup_is_not_written_over_or_into_the_state(
    state: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = archive.read_bytes()
    assert main(["store", "backup", str(archive)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert archive.read_bytes() == before
    assert main(["store", "backup", str(state / "backup.tar.gz")]) == 1
    assert "write it elsewhere" in capsys.readouterr().err


def test_nothing_is_not_backed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path / "elsewhere"))
    assert main(["store", "backup", str(tmp_path / "backup.tar.gz")]) == 1
    assert "AAM_STATE_DIR" in capsys.readouterr().err
    assert not (tmp_path / "backup.tar.gz").exists()


def test_a_state_directory_that_is_not_empty_is_left_alone(
    archive: Path, state: Path, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty.mkdir()
    (empty / "notice_key").write_text("mine")
    assert main(["store", "restore", str(archive)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in empty.iterdir()] == ["notice_key"]


def test_models_that_were_built_already_are_no_obstacle(
    archive: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty / "artefacts").mkdir(parents=True)
    (empty / "artefacts" / "model.onnx").write_bytes(b"built")
    monkeypatch.setenv("AAM_ARTEFACTS_DIR", str(empty / "artefacts"))
    assert main(["store", "restore", str(archive)]) == 0
    assert (empty / "artefacts" / "model.onnx").read_bytes() == b"built"


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    return content[:4000] + bytes([content[4000] ^ 0xFF]) + content[4001:]


def _repacked(change: Callable[[dict[str, bytes]], None]) -> Callable[[bytes], bytes]:
    """The archive with other members, packed without fault."""

    def repack(content: bytes) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            members = {each.name: _content(tar, each) for each in tar}
        change(members)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return packed.getvalue()

    return repack


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _change_key(members: dict[str, bytes]) -> None:
    members["notice_key"] = b"0" * len(members["notice_key"])


def _change_format(members: dict[str, bytes]) -> None:
    members["manifest.json"] = json.dumps(json.loads(members["manifest.json"]) | {"format": 2}).encode()


def _change_place(members: dict[str, bytes]) -> None:
    members["../outside"] = b"x"


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (_cut, "take another backup"),
    "a flipped byte": (_flip, "backup"),
    "no archive": (lambda _: b"something else", "can't be read"),
    "an archive of nothing": (lambda _: gzip.compress(b"\0" * 1024), "manifest"),
    "another key": (_repacked(_change_key), "notice_key is not what its manifest says"),
    "a missing database": (_repacked(lambda members: members.pop("requests.sqlite3")), "requests.sqlite3 is missing"),
    "a missing manifest": (_repacked(lambda members: members.pop("manifest.json")), "manifest"),
    "a further file": (_repacked(lambda members: members.update(more=b"x")), "more is not in its manifest"),
    "a later format": (_repacked(_change_format), "newer"),
    "a place outside": (_repacked(_change_place), "which no backup does"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_archive_is_refused_and_nothing_is_left(
    damage: str, archive: Path, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, reason = DAMAGES[damage]
    archive.write_bytes(change(archive.read_bytes()))
    assert main(["store", "restore", str(archive)]) == 1
    assert reason in capsys.readouterr().err
    assert list(empty.iterdir()) == []


def test_a_broken_audit_chain_is_refused(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(state / "documents.sqlite3")) as connection:
        assert connection.execute(
            "UPDATE documents SET body = replace(body, 'RES_1', 'RES_9') WHERE body LIKE '%RES_1%'"
        ).rowcount
        connection.commit()
    assert main(["store", "backup", str(tmp_path / "broken.tar.gz")]) == 0
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path / "restored"))
    assert main(["store", "restore", str(tmp_path / "broken.tar.gz")]) == 1
    assert "audit chain portfolio" in capsys.readouterr().err
    assert list((tmp_path / "restored").iterdir()) == []
    assert main(["store", "restore", str(tmp_path / "broken.tar.gz"), "--despite-audit"]) == 0
    assert "audit chain portfolio: BROKEN at entry 2" in capsys.readouterr().out


@pytest.fixture
def writers(state: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Two processes that create requests and say each one that was acknowledged."""
    worker = ROOT / "tests" / "adapters" / "sqlite_worker.py"
    started = [
        subprocess.Popen(
            [sys.executable, str(worker), "fill", str(state / "requests.sqlite3"), prefix, "100000"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
        )
        for prefix in ("a", "b")
    ]
    yield started
    for process in started:
        process.kill()
        process.communicate()


async def test_what_was_acknowledged_before_a_backup_is_in_it(
    writers: "list[subprocess.Popen[str]]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged = [_read(process, 150) for process in writers]
    assert await asyncio.to_thread(main, ["store", "backup", str(tmp_path / "backup.tar.gz")]) == 0
    after = [_read(process, 20) for process in writers]
    for process in writers:
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path / "restored"))
    assert await asyncio.to_thread(main, ["store", "restore", str(tmp_path / "backup.tar.gz")]) == 0
    store = build.request_store(Settings())
    for request_id in (each for group in acknowledged for each in group):
        assert await store.get(request_id) is not None
    assert all(after)
    await store.close()


def _read(process: "subprocess.Popen[str]", count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def test_all_databases_are_as_of_one_moment(tmp_path: Path) -> None:
    """A writer that counts in one file and then in the other is never seen ahead in the second."""
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        with closing(sqlite3.connect(path)) as made:
            made.executescript("PRAGMA journal_mode = WAL; CREATE TABLE counted (n); INSERT INTO counted VALUES (0);")
    ended = threading.Event()

    def count() -> None:
        with closing(sqlite3.connect(first, timeout=10)) as one, closing(sqlite3.connect(second, timeout=10)) as two:
            while not ended.is_set():
                for connection in (one, two):
                    with connection:
                        connection.execute("UPDATE counted SET n = n + 1")

    writer = threading.Thread(target=count)
    writer.start()
    seen: list[tuple[int, int]] = []
    for turn in range(25):
        copies = tmp_path / f"{turn}a", tmp_path / f"{turn}b"
        # In the order in which a copy one after the other would be wrong: the second goes on meanwhile.
        with freeze([first, second]) as readers:
            copy(readers[first], copies[0])
            copy(readers[second], copies[1])
        seen.append((_counted(copies[0]), _counted(copies[1])))
    ended.set()
    writer.join()
    assert all(two <= one <= two + 1 for one, two in seen)
    assert seen[-1][0] > seen[0][0]


def _counted(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT n FROM counted").fetchone()[0]


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The prefix of tables with one request in them."""

    async def fill() -> str:
        store = open_requests_store(tmp_path)
        await store.create(RECORD, [build_event(1)])
        await store.close()
        return tables_of(tmp_path)

    prefix = asyncio.run(fill())
    values = {"AAM_STORE": "dynamodb", "AAM_DYNAMODB_TABLE": prefix, "AAM_AWS_ENDPOINT_URL": endpoint()}
    for name, value in (values | CREDENTIALS).items():
        monkeypatch.setenv(name, value)
    return prefix


async def test_tables_are_restored_beside_those_that_are_there(
    tables: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    command = ["store", "restore", "--to", at, "--table", f"{tables}_then"]
    assert await asyncio.to_thread(main, command) == 0
    # One that was cut off may be repeated.
    assert await asyncio.to_thread(main, command) == 0
    assert f"AAM_DYNAMODB_TABLE={tables}_then" in capsys.readouterr().out
    monkeypatch.setenv("AAM_DYNAMODB_TABLE", f"{tables}_then")
    dynamo = connect()
    for name in ("", "_events", "_keys", "_documents", "_executions", "_outside_ids"):
        before = dynamo.client.describe_table(TableName=f"{tables}{name}")["Table"]
        restored = dynamo.client.describe_table(TableName=f"{tables}_then{name}")["Table"]
        assert restored["KeySchema"] == before["KeySchema"]
        assert restored["DeletionProtectionEnabled"]
        backups = dynamo.client.describe_continuous_backups(TableName=f"{tables}_then{name}")
        recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = dynamo.client.describe_time_to_live(TableName=f"{tables}_then_keys")["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "removable_at")
    await dynamo.close()
    store = build.request_store(Settings())
    assert await store.get(RECORD.request.request_id) == RECORD
    await store.close()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--to", "yesterday", "--table", "then"], "is no time"),
        (["--to", "2026-01-01T00:00:00", "--table", "then"], "zone"),
        (["--to", "2999-01-01T00:00:00Z", "--table", "then"], "ahead"),
        (["--to", "2026-01-01T00:00:00Z"], "--table"),
        (["--to", "2026-01-01T00:00:00Z", "--table", "a b"], "table's name"),
        (["--to", "2026-01-01T00:00:00Z", "--table", "SAME"], "another name"),
    ],
)
def test_a_restore_that_can_not_be_meant_is_refused(
    arguments: list[str], reason: str, tables: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [tables if each == "SAME" else each for each in arguments]
    assert main(["store", "restore", *given]) == 1
    assert reason in capsys.readouterr().err


def test_sqlite_knows_no_point_in_time(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AAM_STORE", "sqlite")
    assert main(["store", "restore", "--to", "2026-01-01T00:00:00Z", "--table", "then"]) == 1
    assert "AAM_STORE is sqlite" in capsys.readouterr().err
