"""`aam store create` makes what the stores need, once."""

import pytest

from aam.__main__ import main
from adapters import build
from core.settings import Settings
from tests.builders import build_record
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
