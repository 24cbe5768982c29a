"""`aam queue` on both kinds of queues."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from aam.__main__ import main
from adapters import build, queue_sqs_walk
from core.ports.queue import QueueMessage
from core.settings import load_settings
from tests.aws_server import CREDENTIALS, endpoint
from tests.builders import build_message


@pytest.fixture(params=["sqlite", "sqs"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    values = {"AAM_QUEUE": request.param, "AAM_STATE_DIR": str(tmp_path), "AAM_SQS_QUEUE_PREFIX": f"t-{uuid4().hex}"}
    if request.param == "sqs":
        values |= CREDENTIALS | {"AAM_AWS_ENDPOINT_URL": endpoint()}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    # Moto is one server, of which a poll overlooks nothing.
    monkeypatch.setattr(queue_sqs_walk, "WAIT_S", 0)
    return request.param


async def bury(*messages: QueueMessage) -> None:
    queue = build.execution_queue(load_settings())
    await queue.send(messages)
    for delivery in await queue.receive(max_messages=10, wait_s=0, visibility_s=60):
        await queue.dead_letter(delivery, reason="the desk\nrefused \x1b[31mit")
    await queue.close()


def test_the_queues_are_made_once(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", "create"]) == 0
    first = capsys.readouterr().out.splitlines()
    assert main(["queue", "create"]) == 0
    second = capsys.readouterr().out
    if kind == "sqs":
        assert [line.split("-", 2)[2] for line in first] == [
            f"{name}{end}" for name in ("executions", "outcomes", "webhooks") for end in ("-dead", "")
        ]
        assert second == "All queues are there.\n"
    else:
        assert (len(first), "AAM_QUEUE is sqlite" in second) == (1, True)


def test_dead_letters_are_listed_and_put_back(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", "create"]) == 0
    assert main(["queue", "dead"]) == 0
    assert "Nothing was set aside." in capsys.readouterr().out
    names = ["EXE_1", "EXE_2", "EXE_3"]
    asyncio.run(bury(*(build_message(name, data={"text": "zebrafinch"}) for name in names)))

    assert main(["queue", "dead", "executions"]) == 0
    listed = capsys.readouterr().out
    assert len(listed.splitlines()) == 4
    assert all(name in listed for name in names)
    assert "aam.execution.v1" in listed
    assert "the desk refused  [31mit" in listed
    assert "zebrafinch" not in listed
    assert "\x1b" not in listed

    assert main(["queue", "depth"]) == 0
    assert [row.split()[:4] for row in capsys.readouterr().out.splitlines()[1:4]] == [
        ["executions", "0", "0", "3"],
        ["outcomes", "0", "0", "0"],
        ["webhooks", "0", "0", "0"],
    ]
    assert main(["queue", "redrive", "executions", "EXE_2"]) == 0
    assert main(["queue", "redrive", "executions", "EXE_2"]) == 1
    assert "no dead letter EXE_2" in capsys.readouterr().err
    assert main(["queue", "redrive", "executions", "--all"]) == 0
    assert capsys.readouterr().out == "put back: 2\n"
    assert main(["queue", "depth"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["executions", "3", "0", "0"]


@pytest.mark.parametrize(
    "arguments", [["redrive"], ["redrive", "executions"], ["redrive", "other", "x"], ["dead", "x"]]
)
def test_what_is_not_a_command_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["queue", *arguments])
    assert "usage" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = CREDENTIALS | {"AAM_QUEUE": "sqs", "AAM_AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert main(["queue", "create"]) == 1
    assert "does not answer" in capsys.readouterr().err
