"""`aam labels export`: what staff corrected, and nothing else, as lines to learn from."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aam.__main__ import main
from adapters.store_sqlite import SqliteRequestStore
from core.erasure import ERASED
from core.labels import Category, Status, Urgency
from core.settings import Settings
from deployments.request_management import corrections
from tests.builders import build_full_record

MADE = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AAM_STATE_DIR", str(tmp_path))
    store = SqliteRequestStore(Settings(state_dir=tmp_path).database)
    for days, text in enumerate(["long ago", "the hall light is out", "left alone", ERASED]):
        made = MADE + timedelta(days=days)
        record = build_full_record(message_text=text, created_at=made, status=Status.ESCALATED)
        await store.create(record, ())
        if text != "left alone":
            for urgency in (Urgency.LOW, Urgency.MEDIUM):
                changed = corrections.amend(record, "sam", made, category=Category.COMMUNITY, urgency=urgency)
                changed_record = changed.record.model_copy(update={"terms": None})
                await store.save(changed_record, expected_version=record.request.version, events=changed.events)
                record = changed_record
    await store.close()
    return tmp_path


def test_corrected_labels_are_exported_with_what_the_model_had_said(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = database / "labels.jsonl"
    assert main(["labels", "export", "--since", "2026-05-05", "--out", str(out)]) == 0
    (line,) = [json.loads(line) for line in out.read_text().splitlines()]
    assert line["message_text"] == "the hall light is out"
    assert (line["category"], line["urgency"]) == ("Community", "Medium")
    assert (line["category_before"], line["urgency_before"]) == ("Maintenance", "High")
    assert (line["model_version"], line["confidence"]) == ("cascade-1", 0.8125)
    assert "sam" not in out.read_text()
    assert "1 corrected" in capsys.readouterr().err


def test_a_day_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["labels", "export", "--since", "soon"])
    assert "2026-03-31" in capsys.readouterr().err
