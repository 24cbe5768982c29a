"""Open requests that an earlier version stored get their clocks after an upgrade, in every `RequestStore`."""

from datetime import datetime, timedelta
from typing import Any

from core.labels import Status
from core.ports.store import RequestStore
from core.record import NextAction, RequestRecord
from core.request import RequestId
from deployments.request_management.change import SYSTEM, Change, Draft
from deployments.request_management.dispatch import change_record
from deployments.request_management.renewal import OPEN, schedule_revisions
from tests.builders import build_event, build_full_record
from tests.deployments.request_management.stage import build_terms

SOON = timedelta(minutes=10)


def old(number: int, noon: datetime, status: Status = Status.ESCALATED, **record: Any) -> RequestRecord:
    """As an earlier version stored it: with targets and a timer of its own, and without terms."""
    built = build_full_record(request_id=f"REQ_{number:03}", status=status, version=1, created_at=noon)
    timers = {NextAction.REMIND: noon + SOON}
    fields: dict[str, Any] = {"terms": None, "outbox": (), "attempts": 0, "last_event": 1, "timers": timers}
    fields |= {"next_action": NextAction.REMIND, "next_action_at": noon + SOON}
    return built.model_copy(update=fields | record)


async def stored(store: RequestStore, *records: RequestRecord) -> None:
    for record in records:
        assert record.request.sla is not None
        assert await store.create(record, [build_event(1)])


async def read(store: RequestStore, number: int) -> RequestRecord:
    record = await store.get(RequestId(f"REQ_{number:03}"))
    assert record is not None
    return record


async def test_all_open_ones_are_scheduled_spread_over_time_and_once(store: RequestStore, noon: datetime) -> None:
    await stored(store, *(old(number, noon, status) for number, status in enumerate(OPEN * 3)))
    count = len(OPEN) * 3
    done = await schedule_revisions(store, lambda: noon, per_minute=6)
    assert (done.looked_at, done.scheduled) == (count, count)
    records = [await read(store, number) for number in range(count)]
    due = sorted(record.timers[NextAction.REVISE] for record in records)
    assert due == [noon + timedelta(seconds=10 * place) for place in range(count)]
    assert done.last_due_at == due[-1]
    for record in records:
        assert record.timers[NextAction.REMIND] == noon + SOON
        assert (record.request.version, record.next_action) == (2, NextAction.REVISE)
    claimed = await store.claim_due(now=noon + timedelta(seconds=25), lease_s=30, limit=50)
    assert len(claimed) == 3
    again = await schedule_revisions(store, lambda: noon, per_minute=6)
    assert (again.looked_at, again.scheduled, again.last_due_at) == (count, 0, None)
    timeline = await store.events(RequestId("REQ_000"))
    assert [(event.kind, event.internal) for event in timeline[1:]] == [("revision_scheduled", True)]


async def test_what_needs_no_clock_or_has_one_is_left_alone(store: RequestStore, noon: datetime) -> None:
    revised = {NextAction.REVISE: noon + SOON}
    _, with_terms = build_terms()
    statuses = [status for status in Status if status not in OPEN]
    await stored(store, *(old(number, noon, status) for number, status in enumerate(statuses)))
    await stored(store, old(100, noon, terms=with_terms), old(101, noon, timers=revised, next_action=NextAction.REVISE))
    done = await schedule_revisions(store, lambda: noon, per_minute=600)
    assert (done.looked_at, done.scheduled) == (2, 0)
    for number in (*range(len(statuses)), 100, 101):
        assert (await read(store, number)).request.version == 1


async def test_one_that_changes_meanwhile_is_changed_once_and_keeps_both(store: RequestStore, noon: datetime) -> None:
    await stored(store, old(1, noon))
    busy = Busy(store, noon)
    done = await schedule_revisions(busy, lambda: noon, per_minute=600)  # type: ignore[arg-type]
    record = await read(store, 1)
    assert (done.scheduled, record.request.version) == (1, 3)
    assert [event.kind for event in await store.events(RequestId("REQ_001"))][1:] == ["noted", "revision_scheduled"]


class Busy:
    """A store in which somebody changes the request right before it is saved for the first time."""

    def __init__(self, store: RequestStore, noon: datetime) -> None:
        self._store = store
        self._noon = noon
        self._changed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save(self, record: RequestRecord, **rest: Any) -> None:
        def note(current: RequestRecord) -> Change:
            draft = Draft(current, self._noon, SYSTEM)
            draft.tell("noted", "Noted.")
            return draft.done()

        if not self._changed:
            self._changed = True
            await change_record(self._store, record.request.request_id, note)
        await self._store.save(record, **rest)
