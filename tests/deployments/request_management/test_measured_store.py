"""What a stored change counts as: once, after the write, and without a word of what was written."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.metrics_memory import MemoryMeter
from core.errors import VersionConflict
from core.labels import Category, Status, Urgency
from core.messages import ItemFailure
from core.metrics import (
    AUTOMATION,
    CORRECTIONS,
    DECISIONS,
    REQUESTS,
    STAGES,
    STATUS_CHANGES,
    TARGETS,
    Metric,
)
from core.record import RequestRecord
from deployments.request_management import corrections, decisions, follow_up, lifecycle, measured_store
from deployments.request_management.change import Change
from deployments.request_management.measured_store import MeasuredStore, Standing
from tests.deployments.request_management.stage import MORNING, Stage, build_decision, build_open, staged

HOUR = timedelta(hours=1)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


@pytest.fixture
def meter() -> MemoryMeter:
    return MemoryMeter()


@pytest.fixture
def store(stage: Stage, meter: MemoryMeter) -> MeasuredStore:
    return MeasuredStore(stage.store, meter)


async def keep(store: MeasuredStore, before: RequestRecord, change: Change | None) -> RequestRecord:
    assert change is not None
    await store.save(change.record, expected_version=before.request.version, events=change.events)
    return change.record


async def opened(store: MeasuredStore) -> RequestRecord:
    record = build_open()
    record = record.model_copy(update={"request": record.request.model_copy(update={"version": 1}), "last_event": 0})
    assert await store.create(record, ())
    return record


async def decided(store: MeasuredStore, **wanted: Any) -> RequestRecord:
    assessment, resolved = build_decision(**wanted)
    record = await opened(store)
    return await keep(
        store,
        record,
        decisions.apply_decision(record, assessment.classification, assessment.risk, resolved, MORNING + HOUR / 60),
    )


async def test_a_judgement_is_counted_by_what_it_gave(store: MeasuredStore, meter: MemoryMeter) -> None:
    record = await decided(store)
    labels = record.request.classification
    assert labels is not None
    assert meter.figures[REQUESTS] == {(labels.category, labels.urgency, labels.intent, Status.AWAITING_SELECTION): 1}
    assert meter.figures[STATUS_CHANGES] == {(Status.AWAITING_SELECTION, "system"): 1}
    assert meter.sum_of(DECISIONS, category=labels.category) == 1
    (taken,) = (found for values, found in meter.observed[STAGES].items() if values[1] == "until_judged")
    assert taken.total == 60.0
    # What comes later is no judgement, and no other decision.
    record = await keep(store, record, lifecycle.escalate(record, "sam", None, MORNING + HOUR))
    assert (meter.sum_of(REQUESTS), meter.sum_of(DECISIONS)) == (1, 1)
    assert meter.figure(STATUS_CHANGES, status=Status.ESCALATED, by="staff") == 1


async def test_what_nothing_could_judge_has_no_labels(store: MeasuredStore, meter: MemoryMeter) -> None:
    record = await opened(store)
    failure = ItemFailure(code="unavailable", detail="no")
    await keep(store, record, decisions.give_to_person(record, failure, MORNING))
    assert meter.figures[REQUESTS] == {("none", "none", "none", Status.NEEDS_REVIEW): 1}
    assert DECISIONS not in meter.given


async def test_a_selection_is_counted_by_who_made_it(store: MeasuredStore, meter: MemoryMeter) -> None:
    record = await decided(store)
    option = record.request.options[0].option_id
    recommended = record.request.decision is not None and record.request.decision.recommended_option_id == option
    await keep(store, record, lifecycle.select_option(record, option, record.request.resident_id, MORNING + HOUR))
    assert meter.sum_of(AUTOMATION, by="resident", recommended=str(recommended).lower()) == 1


async def test_corrected_labels_are_counted_each(store: MeasuredStore, meter: MemoryMeter) -> None:
    record = await decided(store)
    now = MORNING + HOUR
    await keep(store, record, corrections.amend(record, "sam", now, category=Category.LEASING, urgency=Urgency.LOW))
    assert meter.figures[CORRECTIONS] == {("category",): 1, ("urgency",): 1}


async def test_targets_are_decided_once(store: MeasuredStore, meter: MemoryMeter) -> None:
    record = await decided(store)
    assert TARGETS not in meter.given
    record = await keep(store, record, lifecycle.escalate(record, "sam", None, MORNING + HOUR))
    assert meter.figures[TARGETS] == {("response", Urgency.MEDIUM, "true"): 1}
    late = MORNING + 200 * HOUR
    record = await keep(store, record, follow_up.breach_target(record, late))
    record = await keep(store, record, lifecycle.resolve(record, "sam", "done", late + HOUR))
    record = await keep(store, record, lifecycle.reopen(record, record.request.resident_id, None, late + 2 * HOUR))
    await keep(store, record, corrections.amend(record, "sam", late + 3 * HOUR, status=Status.IN_PROGRESS))
    assert meter.figures[TARGETS] == {
        ("response", Urgency.MEDIUM, "true"): 1,
        ("resolution", Urgency.MEDIUM, "false"): 1,
    }


async def test_a_cancelled_request_met_nothing_and_missed_nothing(store: MeasuredStore, meter: MemoryMeter) -> None:
    record = await decided(store)
    await keep(store, record, lifecycle.cancel(record, record.request.resident_id, None, MORNING + HOUR))
    assert meter.sum_of(TARGETS, target="resolution") == 0


async def test_what_was_not_written_is_not_counted(store: MeasuredStore, meter: MemoryMeter) -> None:
    record = await decided(store)
    change = lifecycle.escalate(record, "sam", None, MORNING + HOUR)
    await keep(store, record, change)
    before = dict(meter.figures[STATUS_CHANGES])
    with pytest.raises(VersionConflict):
        await keep(store, record, change)
    assert meter.figures[STATUS_CHANGES] == before


async def test_another_replicas_version_is_read_before_it_is_changed(
    stage: Stage, store: MeasuredStore, meter: MemoryMeter
) -> None:
    record = await decided(store)
    elsewhere = MeasuredStore(stage.store, MemoryMeter())
    record = await keep(elsewhere, record, lifecycle.escalate(record, "sam", None, MORNING + HOUR))
    await keep(store, record, lifecycle.resolve(record, "sam", "done", MORNING + 2 * HOUR))
    assert meter.figures[TARGETS] == {("resolution", Urgency.MEDIUM, "true"): 1}


async def test_no_words_are_remembered_and_not_for_ever(store: MeasuredStore, monkeypatch: pytest.MonkeyPatch) -> None:
    record = await decided(store)
    known: Any = vars(store)["_known"]
    assert record.request.message_text not in repr(known)
    assert record.request.resident_id not in repr(list(known.values()))
    monkeypatch.setattr(measured_store, "REMEMBERED", 2)
    for _ in range(3):
        await store.get(record.request.request_id)
    assert list(known.values()) == [Standing.of(record)]


async def test_what_counts_fails_no_change(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryMeter):
        def add(self, metric: Metric, amount: float = 1.0, **labels: str) -> None:
            raise RuntimeError("no room")

    store = MeasuredStore(stage.store, Broken())
    record = await opened(store)
    failure = ItemFailure(code="unavailable", detail="no")
    changed = await keep(store, record, decisions.give_to_person(record, failure, MORNING))
    found = await store.get(record.request.request_id)
    assert found == changed
    assert "can't be counted" in caplog.text
