"""What every `RequestStore` does."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import BrokenInvariant, IdempotencyInFlight, VersionConflict
from core.labels import Category, Crew, Status, Trade, Urgency
from core.messages import Backlog, BuildingFacts, PastRequest, TopicWork
from core.ports.store import RequestFilter, RequestStore
from core.record import NextAction, RequestRecord
from core.request import BuildingId, Event, RequestId, ResidentId, ResolutionNote

MakeRecord = Callable[..., RequestRecord]
MakeEvent = Callable[..., Event]
OpenStore = Callable[[], RequestStore]
History = tuple[tuple[PastRequest, ...], BuildingFacts]

ODD_TEXTS = (
    "Şu anda su damlıyor; 水が漏れています",  # noqa: RUF001
    "🛁💧👩‍👩‍👧‍👦 no hot water 🇺🇸",
    "tabs\tand\r\nnew lines, \"quotes\", 'more', back\\slash, {json: [1]}",
    "'; DROP TABLE requests; --",
    "e\u0301 is not \u00e9; \u202eright to left\u202c; \ufeff; \u2028; \U0010ffff",
    "?1 :name @name $name %s {0} ${x}",
)


def changed(
    record: RequestRecord, version: int, *, item: dict[str, Any] | None = None, **request: Any
) -> RequestRecord:
    return record.model_copy(
        update={"request": record.request.model_copy(update={"version": version} | request)} | (item or {})
    )


async def create_all(store: RequestStore, records: Sequence[RequestRecord]) -> None:
    assert all(await asyncio.gather(*(store.create(record, ()) for record in records)))


class TestItems:
    async def test_what_was_created_is_read_back(
        self, store: RequestStore, full_record: RequestRecord, make_event: MakeEvent
    ) -> None:
        assert await store.create(full_record, [make_event(1)])
        assert await store.get(full_record.request.request_id) == full_record

    async def test_an_unknown_id_is_none(self, store: RequestStore) -> None:
        assert await store.get(RequestId("REQ_none")) is None
        assert await store.events(RequestId("REQ_none")) == ()

    async def test_creating_twice_changes_nothing(
        self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent
    ) -> None:
        first = make_record(request_id="REQ_1", message_text="first")
        second = make_record(request_id="REQ_1", message_text="second")
        assert await store.create(first, [make_event(1)])
        assert not await store.create(second, [make_event(1), make_event(2)])
        assert await store.get(RequestId("REQ_1")) == first
        assert await store.events(RequestId("REQ_1")) == (make_event(1),)

    async def test_of_many_creators_of_one_id_one_succeeds(self, store: RequestStore, make_record: MakeRecord) -> None:
        records = [make_record(request_id="REQ_1", message_text=f"writer {number}") for number in range(20)]
        created = await asyncio.gather(*(store.create(record, ()) for record in records))
        assert created.count(True) == 1
        assert await store.get(RequestId("REQ_1")) == records[created.index(True)]

    async def test_a_new_request_has_version_1(self, store: RequestStore, make_record: MakeRecord) -> None:
        with pytest.raises(BrokenInvariant):
            await store.create(make_record(version=2), ())

    async def test_saving_replaces_everything(
        self, store: RequestStore, make_record: MakeRecord, full_record: RequestRecord
    ) -> None:
        record = make_record()
        await store.create(record, ())
        request_id = record.request.request_id
        saved = changed(full_record, 2, request_id=request_id, message_text="now another text")
        await store.save(saved, expected_version=1, events=())
        assert await store.get(request_id) == saved

    async def test_a_stale_version_is_refused_and_changes_nothing(
        self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent
    ) -> None:
        record = make_record()
        await store.create(record, [make_event(1)])
        winner = changed(record, 2, status=Status.PROCESSING)
        await store.save(winner, expected_version=1, events=[make_event(2)])
        with pytest.raises(VersionConflict):
            await store.save(
                changed(record, 2, status=Status.CANCELLED), expected_version=1, events=[make_event(2), make_event(3)]
            )
        assert await store.get(record.request.request_id) == winner
        assert await store.events(record.request.request_id) == (make_event(1), make_event(2))

    async def test_a_stale_version_is_refused_without_events_too(
        self, store: RequestStore, make_record: MakeRecord
    ) -> None:
        record = make_record()
        await store.create(record, ())
        winner = changed(record, 2, message_text="winner")
        await store.save(winner, expected_version=1, events=())
        for expected in (1, 3):
            late = changed(record, expected + 1, message_text="late")
            with pytest.raises(VersionConflict):
                await store.save(late, expected_version=expected, events=())
        assert await store.get(record.request.request_id) == winner

    async def test_saving_what_was_never_created_is_a_conflict(
        self, store: RequestStore, make_record: MakeRecord
    ) -> None:
        with pytest.raises(VersionConflict):
            await store.save(make_record(version=2), expected_version=1, events=())

    async def test_a_saved_record_carries_the_next_version(self, store: RequestStore, make_record: MakeRecord) -> None:
        record = make_record()
        await store.create(record, ())
        with pytest.raises(BrokenInvariant):
            await store.save(changed(record, 3), expected_version=1, events=())

    async def test_of_many_savers_of_one_version_one_succeeds(
        self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent
    ) -> None:
        record = make_record()
        await store.create(record, ())
        attempts = [changed(record, 2, message_text=f"writer {number}") for number in range(20)]
        outcomes = await asyncio.gather(
            *(store.save(each, expected_version=1, events=[make_event(1)]) for each in attempts),
            return_exceptions=True,
        )
        winners = [number for number, outcome in enumerate(outcomes) if outcome is None]
        assert len(winners) == 1
        assert all(isinstance(outcome, VersionConflict) for outcome in outcomes if outcome is not None)
        assert await store.get(record.request.request_id) == attempts[winners[0]]
        assert len(await store.events(record.request.request_id)) == 1

    @pytest.mark.parametrize("text", ODD_TEXTS)
    async def test_odd_text_comes_back_as_it_was(
        self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent, text: str
    ) -> None:
        record = make_record(
            request_id=f"REQ_{text}", resident_id=text, building_id=text, unit=text, message_text=text,
            record={"correlation_id": text},
        )  # fmt: skip
        event = make_event(1, message=text, details={text: text})
        await store.create(record, [event])
        assert await store.get(record.request.request_id) == record
        assert await store.events(record.request.request_id) == (event,)
        page = await store.list_by_resident(ResidentId(text), limit=10, cursor=None)
        assert page.items == (record.request,)
        assert (await store.list_requests(RequestFilter(building_id=text), limit=10, cursor=None)).items == page.items

    async def test_everything_is_there_after_a_restart(
        self, open_store: OpenStore, full_record: RequestRecord, make_event: MakeEvent, noon: datetime
    ) -> None:
        first = open_store()
        await first.create(full_record, [make_event(1)])
        await first.claim_key("key", fingerprint="f", resource_id="r", now=noon, lease_s=30, ttl_s=60)
        await first.close()
        second = open_store()
        assert await second.get(full_record.request.request_id) == full_record
        assert await second.events(full_record.request.request_id) == (make_event(1),)
        assert (await second.list_requests(RequestFilter(), limit=5, cursor=None)).items == (full_record.request,)
        with pytest.raises(IdempotencyInFlight):
            await second.claim_key("key", fingerprint="f", resource_id="s", now=noon, lease_s=30, ttl_s=60)

    async def test_closing_twice_does_no_harm(self, store: RequestStore) -> None:
        await store.close()
        await store.close()

    async def test_closing_waits_for_writes_under_way(self, open_store: OpenStore, make_record: MakeRecord) -> None:
        store = open_store()
        records = [make_record() for _ in range(30)]
        writes = [asyncio.ensure_future(store.create(record, ())) for record in records]
        await asyncio.sleep(0)
        await store.close()
        assert all(await asyncio.gather(*writes))
        again = open_store()
        assert [await again.get(record.request.request_id) for record in records] == records


class TestTimeline:
    async def test_events_come_in_order_and_after_a_number(
        self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent
    ) -> None:
        record = make_record()
        request_id = record.request.request_id
        events = [make_event(number, details={"cost_usd": 1.5, "by": None, "ok": True}) for number in range(1, 13)]
        await store.create(record, events[:2])
        await store.save(changed(record, 2), expected_version=1, events=events[2:3])
        await store.save(changed(record, 3), expected_version=2, events=())
        await store.save(changed(record, 4), expected_version=3, events=events[3:])
        assert await store.events(request_id) == tuple(events)
        assert await store.events(request_id, after=10) == tuple(events[10:])
        assert await store.events(request_id, after=12) == ()

    async def test_timelines_are_apart(
        self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent
    ) -> None:
        one, other = make_record(), make_record()
        await store.create(one, [make_event(1, message="one")])
        await store.create(other, [make_event(1, message="other")])
        assert [event.message for event in await store.events(one.request.request_id)] == ["one"]

    @pytest.mark.parametrize("numbers", [[2], [1, 3], [1, 1], [2, 1]])
    async def test_a_new_timeline_starts_at_1_without_gaps(
        self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent, numbers: list[int]
    ) -> None:
        record = make_record()
        with pytest.raises(BrokenInvariant):
            await store.create(record, [make_event(number) for number in numbers])
        assert await store.get(record.request.request_id) is None

    @pytest.mark.parametrize("numbers", [[1], [3, 2], [4], [3, 5]])
    async def test_a_gap_or_repetition_is_refused_and_changes_nothing(
        self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent, numbers: list[int]
    ) -> None:
        record = make_record()
        await store.create(record, [make_event(1), make_event(2)])
        with pytest.raises(BrokenInvariant):
            await store.save(changed(record, 2), expected_version=1, events=[make_event(n) for n in numbers])
        assert await store.get(record.request.request_id) == record
        assert len(await store.events(record.request.request_id)) == 2


class TestHistory:
    async def read(self, store: RequestStore, noon: datetime) -> History:
        since = noon - timedelta(days=180)
        return await store.history(ResidentId("RES_A_101"), BuildingId("A"), since=since, before=noon)

    async def test_nothing_is_known_of_an_empty_store(self, store: RequestStore, noon: datetime) -> None:
        assert await self.read(store, noon) == ((), BuildingFacts())

    async def test_past_requests_as_they_stand(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        resolved_at = noon - timedelta(hours=1)
        ended = make_record(
            after_s=-7200, category=Category.MAINTENANCE, urgency=Urgency.HIGH, trade=Trade.HVAC,
            status=Status.RESOLVED,
            resolution={"resolution_notes": "Done", "resolved_by": "S", "resolved_at": resolved_at},
            sla={"response_due_at": noon, "resolution_due_at": noon, "breached": True, "basis": "sla#x"},
        )  # fmt: skip
        chosen = make_record(after_s=-60, record={"chosen_category": Category.BILLING})
        await create_all(store, [ended, chosen, make_record(after_s=-5, resident_id="RES_A_102")])
        (newest, oldest), _ = await self.read(store, noon)
        assert (newest.request_id, newest.status) == (chosen.request.request_id, Status.SUBMITTED)
        assert (newest.category, newest.urgency, newest.trade, newest.resolved_at) == (
            Category.BILLING,
            None,
            None,
            None,
        )
        assert oldest.model_dump() == {
            "request_id": ended.request.request_id, "resident_id": "RES_A_101", "category": Category.MAINTENANCE,
            "trade": Trade.HVAC, "urgency": Urgency.HIGH, "status": Status.RESOLVED,
            "created_at": ended.request.created_at, "resolved_at": resolved_at, "breached": True, "escalated": False,
        }  # fmt: skip

    async def test_the_window_is_half_open(self, store: RequestStore, make_record: MakeRecord, noon: datetime) -> None:
        window_s = 180 * 86400
        offsets = {"too old": -window_s - 0.001, "first": -window_s, "last": -0.001, "now": 0.0, "later": 5}
        await create_all(store, [make_record(request_id=name, after_s=after) for name, after in offsets.items()])
        past, building = await self.read(store, noon)
        assert [each.request_id for each in past] == ["last", "first"]
        assert building.requests_180d == 2

    async def test_at_most_fifty_the_newest(self, store: RequestStore, make_record: MakeRecord, noon: datetime) -> None:
        await create_all(store, [make_record(request_id=f"R{n:02}", after_s=n - 100) for n in range(60)])
        past, building = await self.read(store, noon)
        assert [each.request_id for each in past] == [f"R{n:02}" for n in range(59, 9, -1)]
        assert building.requests_180d == 60

    async def test_the_buildings_counts(self, store: RequestStore, make_record: MakeRecord, noon: datetime) -> None:
        def made(n: int, status: Status, **labels: Any) -> RequestRecord:
            return make_record(after_s=-n, resident_id=f"RES_{n}", status=status, **labels)

        await create_all(
            store,
            [
                made(1, Status.IN_PROGRESS, category=Category.MAINTENANCE, trade=Trade.PLUMBING),
                made(2, Status.CLOSED, category=Category.MAINTENANCE, trade=Trade.PLUMBING),
                made(3, Status.ESCALATED, category=Category.MAINTENANCE, trade=Trade.CLEANING),
                made(4, Status.ANSWERED, category=Category.BILLING),
                made(5, Status.CANCELLED, category=Category.MAINTENANCE),
                made(6, Status.SUBMITTED),
                made(400 * 86400, Status.NEEDS_REVIEW, category=Category.BILLING),
                made(7, Status.SUBMITTED, category=Category.BILLING, building_id="B"),
            ],
        )
        past, building = await self.read(store, noon)
        assert past == ()
        assert building == BuildingFacts(
            requests_180d=6,
            same_trade_180d={"plumbing": 2, "cleaning": 1, "Billing": 1, "Maintenance": 1},
            open_requests=4,
        )

    @pytest.mark.parametrize("status", [Status.ESCALATED, Status.REOPENED])
    async def test_once_escalated_or_reopened_it_stays_so(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime, status: Status
    ) -> None:
        record = make_record(after_s=-9)
        await create_all(store, [record])
        assert not (await self.read(store, noon))[0][0].escalated
        await store.save(changed(record, 2, status=status), expected_version=1, events=())
        await store.save(changed(record, 3, status=Status.IN_PROGRESS), expected_version=2, events=())
        await store.save(changed(record, 4, status=Status.CLOSED), expected_version=3, events=())
        past = (await self.read(store, noon))[0][0]
        assert (past.escalated, past.status) == (True, Status.CLOSED)


class TestSpent:
    async def test_the_actual_costs_of_the_buildings_resolutions_in_the_span_count(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        def made(hours: float, cost: float | None, building: str = "A", **labels: Any) -> RequestRecord:
            resolution = ResolutionNote(
                resolution_notes="Done.",
                actual_cost_usd=cost,
                resolved_by="sam",
                resolved_at=noon + timedelta(hours=hours),
            )
            return make_record(status=Status.CLOSED, building_id=building, resolution=resolution, **labels)

        leasing = {"category": Category.LEASING}
        records = [
            made(0, 100, category=Category.MAINTENANCE),
            made(1, 20.5, category=Category.MAINTENANCE),
            made(2, 1000, category=Category.MAINTENANCE),
            made(-1, 1000, category=Category.MAINTENANCE),
            made(1, 1000, "B", category=Category.MAINTENANCE),
            made(1, None, **leasing),
            made(1, 0.0, category=Category.BILLING),
            make_record(category=Category.SECURITY),
        ]
        await create_all(store, records)
        spent = await store.spent(BuildingId("A"), since=noon, before=noon + timedelta(hours=2))
        assert spent == {Category.MAINTENANCE: 120.5, Category.BILLING: 0.0}
        assert await store.spent(BuildingId("C"), since=noon, before=noon + timedelta(hours=2)) == {}


class TestBacklog:
    async def test_nothing_is_known_of_an_empty_store(self, store: RequestStore) -> None:
        assert await store.backlog() == Backlog()

    async def test_open_work_is_what_was_decided_and_has_not_ended(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        late = {"response_due_at": noon, "resolution_due_at": noon, "breached": True, "basis": "sla#x"}

        def made(n: int, status: Status, **labels: Any) -> RequestRecord:
            return make_record(after_s=-n, status=status, building_id=f"B{n}", **labels)

        billing = {"category": Category.BILLING, "urgency": Urgency.LOW}
        plumbing = {"category": Category.MAINTENANCE, "trade": Trade.PLUMBING, "urgency": Urgency.HIGH}
        await create_all(
            store,
            [
                made(1, Status.IN_PROGRESS, **plumbing),
                made(2, Status.ESCALATED, **plumbing, sla=late),
                made(3, Status.AWAITING_SELECTION, **plumbing | {"urgency": Urgency.LOW}),
                made(4, Status.CANCELLED, **plumbing),
                made(5, Status.NEEDS_REVIEW, **billing, sla=late),
                made(6, Status.SUBMITTED, record={"chosen_category": Category.LEASING}),
                made(7, Status.PROCESSING),
                made(8, Status.NEEDS_REVIEW),
            ],
        )
        assert (await store.backlog()).topics == {
            "plumbing": TopicWork(open={Urgency.HIGH: 2, Urgency.LOW: 1}, overdue=1),
            "Billing": TopicWork(open={Urgency.LOW: 1}, overdue=1),
        }

    async def test_the_newest_twenty_ends_of_a_topic_tell_how_it_goes(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        def ended(n: int, *, late: bool, status: Status = Status.CLOSED) -> RequestRecord:
            at = noon - timedelta(hours=n)
            return make_record(
                request_id=f"R{n:02}", after_s=-n * 3600 - 2 * 86400, status=status,
                category=Category.MAINTENANCE, trade=Trade.HVAC, urgency=Urgency.HIGH,
                resolution={"resolution_notes": "Done", "resolved_by": "S", "resolved_at": at},
                sla={"response_due_at": noon, "resolution_due_at": noon, "breached": late, "basis": "sla#x"},
            )  # fmt: skip

        records = [ended(n, late=n in (1, 2, 22)) for n in range(1, 24)]
        await create_all(store, [*records, ended(30, late=True, status=Status.REOPENED)])
        work = (await store.backlog()).topics["hvac"]
        assert (work.ended, work.breached) == (20, 2)
        assert work.last_ended_at == noon - timedelta(hours=1)
        assert work.ended_since == noon - timedelta(hours=20)
        assert work.mean_days == pytest.approx(2.0)
        assert work.open == {Urgency.HIGH: 1}
        assert work.overdue == 1

    async def test_it_changes_with_the_requests(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        record = make_record(after_s=-86400, status=Status.IN_PROGRESS, category=Category.BILLING, urgency=Urgency.LOW)
        await create_all(store, [record])
        assert (await store.backlog()).topics["Billing"].open == {Urgency.LOW: 1}
        resolution = ResolutionNote(resolution_notes="Done", resolved_by="S", resolved_at=noon)
        await store.save(
            changed(record, 2, status=Status.RESOLVED, resolution=resolution), expected_version=1, events=()
        )
        work = (await store.backlog()).topics["Billing"]
        assert (work.open, work.ended, work.mean_days) == ({}, 1, pytest.approx(1.0))


class TestWorkload:
    async def test_counts_what_is_approved_or_in_progress_by_crew(
        self, store: RequestStore, full_record: RequestRecord
    ) -> None:
        options = full_record.request.options
        office = options[1].model_copy(update={"crew": Crew.OFFICE})
        labels = full_record.request.classification
        assert labels is not None

        def made(n: int, status: Status, option: int | None, urgency: Urgency = Urgency.HIGH) -> RequestRecord:
            return changed(
                full_record, 1, request_id=f"R{n}", status=status, options=(options[0], office),
                selected_option_id=None if option is None else options[option].option_id,
                classification=labels.model_copy(update={"urgency": urgency}),
            )  # fmt: skip

        records = [
            made(1, Status.APPROVED, 0),
            made(2, Status.IN_PROGRESS, 0),
            made(3, Status.IN_PROGRESS, 0, Urgency.LOW),
            made(4, Status.APPROVED, 1),
            made(5, Status.IN_PROGRESS, None),
            made(6, Status.AWAITING_APPROVAL, 0),
            made(7, Status.RESOLVED, 0),
        ]
        assert (await store.workload()).open_by_crew == {}
        await create_all(store, records)
        assert (await store.workload()).open_by_crew == {
            Crew.PLUMBING: {Urgency.HIGH: 2, Urgency.LOW: 1},
            Crew.OFFICE: {Urgency.HIGH: 1},
        }
        await store.save(changed(records[0], 2, status=Status.RESOLVED), expected_version=1, events=())
        assert (await store.workload()).open_by_crew[Crew.PLUMBING] == {Urgency.HIGH: 1, Urgency.LOW: 1}


class TestDueWork:
    @pytest.fixture
    def due(self, make_record: MakeRecord, noon: datetime) -> Callable[..., RequestRecord]:
        def make(request_id: str, at_s: float | None, **item: Any) -> RequestRecord:
            at = None if at_s is None else noon + timedelta(seconds=at_s)
            work = {"next_action": NextAction.PROCESS if at else None, "next_action_at": at}
            return make_record(request_id=request_id, record=work | item)

        return make

    async def test_claims_what_is_due_the_oldest_first(
        self, store: RequestStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        records = [due("now", 0), due("oldest", -90), due("later", 0.001), due("nothing", None), due("old", -50)]
        await create_all(store, records)
        claimed = await store.claim_due(now=noon, lease_s=30, limit=2)
        assert [record.request.request_id for record in claimed] == ["oldest", "old"]
        assert [r.request.request_id for r in await store.claim_due(now=noon, lease_s=30, limit=9)] == ["now"]
        assert await store.claim_due(now=noon, lease_s=30, limit=9) == ()

    async def test_a_claim_moves_the_time_and_counts_but_keeps_the_version(
        self, store: RequestStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        record = due("R", -5, attempts=2)
        await create_all(store, [record])
        (claimed,) = await store.claim_due(now=noon, lease_s=30, limit=5)
        leased = record.model_copy(update={"attempts": 3, "next_action_at": noon + timedelta(seconds=30)})
        assert claimed == leased
        assert await store.get(RequestId("R")) == leased

    async def test_it_is_claimed_again_when_the_lease_has_run_out(
        self, store: RequestStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        await create_all(store, [due("R", 0)])
        for attempt in (1, 2, 3):
            now = noon + timedelta(seconds=30 * (attempt - 1))
            assert [r.attempts for r in await store.claim_due(now=now, lease_s=30, limit=5)] == [attempt]
            assert await store.claim_due(now=now + timedelta(seconds=29.999), lease_s=30, limit=5) == ()

    async def test_saving_ends_or_moves_the_work(
        self, store: RequestStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        await create_all(store, [due("R", 0)])
        (claimed,) = await store.claim_due(now=noon, lease_s=30, limit=5)
        moved = changed(
            claimed, 2,
            item={"next_action": NextAction.DISPATCH, "next_action_at": noon + timedelta(seconds=5), "attempts": 0},
        )  # fmt: skip
        await store.save(moved, expected_version=1, events=())
        now = noon + timedelta(seconds=6)
        (again,) = await store.claim_due(now=now, lease_s=30, limit=5)
        assert (again.next_action, again.attempts, again.request.version) == (NextAction.DISPATCH, 1, 2)
        done = changed(again, 3, item={"next_action": None, "next_action_at": None})
        await store.save(done, expected_version=2, events=())
        assert await store.claim_due(now=noon + timedelta(days=9), lease_s=30, limit=5) == ()

    async def test_two_claimers_never_get_the_same(
        self, open_store: OpenStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        one, other = open_store(), open_store()
        await create_all(one, [due(f"R{n}", -n) for n in range(100)])
        claims = await asyncio.gather(*(store.claim_due(now=noon, lease_s=30, limit=7) for store in [one, other] * 15))
        claimed = [record.request.request_id for claim in claims for record in claim]
        assert sorted(claimed) == sorted(f"R{n}" for n in range(100))
