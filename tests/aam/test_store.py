"""`aam store` makes what the stores need, once, and brings old requests up to date."""

import asyncio
from pathlib import Path

import pytest

from aam.__main__ import main
from adapters import build
from core.labels import Status
from core.settings import Settings
from tests.builders import build_full_record, build_record
from tests.dynamo_server import CREDENTIALS, endpoint


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"AAM_STORE": "dynamodb", "AAM_DYNAMODB_TABLE": "made_by_command", "AAM_AWS_ENDPOINT_URL": endpoint()}
    for name, value in (values | CREDENTIALS).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
async def test_the_tables_are_made_once_and_serve(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "create"]) == 0
    assert capsys.readouterr().out.split("\n")[:4] == [
        "made made_by_command",
        "made made_by_command_events",
        "made made_by_command_keys",
        "made made_by_command_documents",
    ]
    assert main(["store", "create"]) == 0
    assert capsys.readouterr().out == "All tables are there.\n"
    store, documents = build.request_store(Settings()), build.document_store(Settings())
    assert await store.create(build_record(), ())
    assert await documents.get("kind", "key") is None
    await store.close()
    await documents.close()


def test_sqlite_needs_no_tables(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AAM_STORE", "sqlite")
    assert main(["store", "create"]) == 1
    assert "AAM_STORE" in capsys.readouterr().err


@pytest.mark.usefixtures("environment")
def test_a_server_that_does_not_answer_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AAM_AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert main(["store", "create"]) == 1
    assert "does not answer" in capsys.readouterr().err


async def _store_an_old_one() -> None:
    store = build.request_store(Settings())
    old = build_full_record(request_id="REQ_OLD", status=Status.ESCALATED, version=1)
    assert await store.create(old.model_copy(update={"terms": None, "timers": {}, "outbox": ()}), ())
    await store.close()


@pytest.mark.parametrize("kind", ["sqlite", "dynamodb"])
def test_old_requests_are_revised_once(
    kind: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path))
    if kind == "dynamodb":
        request.getfixturevalue("environment")
        assert main(["store", "create"]) == 0
        capsys.readouterr()
    asyncio.run(_store_an_old_one())
    assert main(["store", "revise"]) == 0
    assert "1 will be revised, the last at " in capsys.readouterr().out
    assert main(["store", "revise", "--per-minute", "1"]) == 0
    assert "; 0 will be revised.\n" in capsys.readouterr().out


@pytest.mark.parametrize("rate", ["0", "-1", "x", "1.5"])
def test_a_rate_is_a_whole_number(rate: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["store", "revise", f"--per-minute={rate}"])
    assert "whole number" in capsys.readouterr().err
