"""`aam whatif` from the command line."""

import asyncio
import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aam.__main__ import main
from adapters.store_sqlite import SqliteRequestStore
from core.settings import load_settings
from tests.deployments.request_management.test_what_if import record

QUICK = ["--replications", "10", "--processes", "1"]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def test_an_empty_store_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["whatif", "--set", "crews.plumbing.technicians=3", *QUICK]) == 1
    assert "--synthetic DAYS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "crews.plumbing.technicians"], "is not NAME=VALUE"),
        (["--set", "crews.painters.technicians=3"], "crews has appliance"),
        (["--set", "weights.standard.cost=0.9"], "sum to"),
        (["--from", "2026-11-01"], "both --from and --to"),
        (["--from", "someday", "--to", "2026-11-02"], "is no date"),
        (["--backlog", "--synthetic", "3"], "one of"),
        (["--synthetic", "0"], "1 to 92"),
        (["--synthetic", "3", "--replications", "2"], "10 to 1000"),
        (["--synthetic", "3", "--picture", "x.gif"], ".png or .svg"),
        (["--requests", "/nowhere.jsonl"], "can't be read"),
    ],
)
def test_bad_options_are_told(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    base = arguments if "--synthetic" in arguments or "--from" in arguments or "--requests" in arguments else [
        *arguments, "--synthetic", "1"]  # fmt: skip
    assert main(["whatif", "--processes", "1", *base]) == 1
    assert told in capsys.readouterr().err


def test_usual_arrivals_give_a_table_files_and_a_picture(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {kind: state / f"out.{kind}" for kind in ("json", "csv", "png", "svg")}
    arguments = ["whatif", "--set", "crews.plumbing.technicians=4", "--synthetic", "3", "--replications", "10"]
    given = ["--json", str(files["json"]), "--csv", str(files["csv"]), "--picture", str(files["png"])]
    assert main([*arguments, *given, "--processes", "2"]) == 0
    shown = capsys.readouterr()
    assert "SYNTHETIC" in shown.out
    assert "crews.plumbing.technicians = 4" in shown.out
    assert "10/10" in shown.err
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    figures = json.loads(files["json"].read_text())["figures"]
    with files["csv"].open() as file:
        rows = list(csv.DictReader(file))
    assert [row["figure"] for row in rows] == [one["name"] for one in figures]
    # One process gives the same as two.
    again = state / "again.json"
    assert main([*arguments, "--json", str(again), "--picture", str(files["svg"]), "--processes", "1"]) == 0
    assert again.read_text() == files["json"].read_text()
    assert "<svg" in files["svg"].read_text()


def test_the_store_and_a_file_are_replayed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = datetime.now(UTC)
    records = [
        record(number, 0, created_at=made - timedelta(hours=3 * number), updated_at=made) for number in range(1, 15)
    ]

    async def fill() -> None:
        store = SqliteRequestStore(load_settings().database)
        for each in records:
            await store.create(each, [])
        await store.close()

    load_settings().state_dir.mkdir(parents=True)
    asyncio.run(fill())
    assert main(["whatif", "--set", "crews.plumbing.technicians=3", *QUICK]) == 0
    assert "the backlog of" in (shown := capsys.readouterr().out)
    assert ": 14 requests" in shown
    days = [f"{made - timedelta(days=4):%Y-%m-%d}", f"{made + timedelta(days=1):%Y-%m-%d}"]
    assert main(["whatif", "--from", days[0], "--to", days[1], *QUICK]) == 0
    assert ": 14 requests" in (shown := capsys.readouterr().out)
    assert "Nothing is changed." in shown
    file = state / "requests.jsonl"
    file.write_text("\n".join(each.request.model_dump_json() for each in records[:6]) + "\n")
    assert main(["whatif", "--requests", str(file), *QUICK]) == 0
    assert ": 6 requests" in capsys.readouterr().out
    file.write_text("{}\n")
    assert main(["whatif", "--requests", str(file), *QUICK]) == 1
    assert "line 1" in capsys.readouterr().err
