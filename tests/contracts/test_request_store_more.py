"""What every `RequestStore` knows of likeness, statistics, erasure and waiting work."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.errors import BrokenInvariant, StoreUnavailable, VersionConflict
from core.identity import POLICY
from core.labels import Category, RiskLevel, Status, Trade, Urgency
from core.messages import DecisionTrace
from core.ports.store import OpenRequest, OutcomeFacts, RequestFilter, RequestStore, StoredAnswer
from core.record import LabelCorrection, NextAction, RequestRecord
from core.request import BuildingId, Event, Feedback, RequestId, ResolutionNote, Risk, Sla

MakeRecord = Callable[..., RequestRecord]
MakeEvent = Callable[..., Event]
OpenStore = Callable[[], RequestStore]

DAY = timedelta(days=1)


def changed(
    record: RequestRecord, version: int, *, item: dict[str, Any] | None = None, **request: Any
) -> RequestRecord:
    return record.model_copy(
        update={"request": record.request.model_copy(update={"version": version} | request)} | (item or {})
    )


async def create_all(store: RequestStore, records: Sequence[RequestRecord]) -> None:
    assert all(await asyncio.gather(*(store.create(record, ()) for record in records)))


def build_trace(vector: Sequence[float]) -> DecisionTrace:
    return DecisionTrace(
        inputs={"embedding": base64.b64encode(pack(vector)).decode()},
        seed=1,
        replications=1,
        method="tables",
        model_versions={},
        kb_version="k",
        policy_version="p",
        workforce_version="w",
    )


def pack(vector: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(vector)}f", *vector)


def build_risk(score: float) -> Risk:
    return Risk(
        score=score,
        level=RiskLevel.HIGH,
        recurrence_probability=0.1,
        sla_breach_probability=0.1,
        escalation_probability=0.1,
        model_version="risk-1",
    )


def build_sla(due: datetime, **fields: Any) -> Sla:
    return Sla(response_due_at=due, resolution_due_at=due, basis="sla#x", **fields)


class TestOpenRequests:
    BUILDING = BuildingId("A")

    async def ids(self, store: RequestStore, since: datetime, limit: int = 50) -> list[str]:
        return [each.request_id for each in await store.open_requests(self.BUILDING, since=since, limit=limit)]

    async def test_they_tell_what_likeness_is_judged_by(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        vector = [0.6, -0.8, 0.0, 1e-7]
        known = make_record(
            after_s=2, category=Category.MAINTENANCE, urgency=Urgency.HIGH, trade=Trade.HVAC, unit="101",
            status=Status.IN_PROGRESS, incident_id="INC_1", record={"trace": build_trace(vector)},
        )  # fmt: skip
        new = make_record(after_s=1, record={"chosen_category": Category.BILLING})
        await create_all(store, [new, known])
        assert await store.open_requests(self.BUILDING, since=noon, limit=5) == (
            OpenRequest(
                request_id=known.request.request_id, resident_id="RES_A_101", building_id="A", unit="101",
                created_at=noon + timedelta(seconds=2), status=Status.IN_PROGRESS, category=Category.MAINTENANCE,
                trade=Trade.HVAC, urgency=Urgency.HIGH, incident_id="INC_1", vector=pack(vector),
            ),
            OpenRequest(
                request_id=new.request.request_id, resident_id="RES_A_101", building_id="A", unit=None,
                created_at=noon + timedelta(seconds=1), status=Status.SUBMITTED, category=Category.BILLING,
                trade=None, urgency=None, incident_id=None, vector=b"",
            ),
        )  # fmt: skip

    async def test_newest_first_since_then_and_no_more_than_the_limit(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        await create_all(
            store,
            [
                *(make_record(request_id=f"R{n}", after_s=n // 2) for n in range(8)),
                make_record(request_id="too old", after_s=-0.001),
                make_record(request_id="elsewhere", building_id="B"),
            ],
        )
        assert await self.ids(store, noon) == ["R7", "R6", "R5", "R4", "R3", "R2", "R1", "R0"]
        assert await self.ids(store, noon, limit=3) == ["R7", "R6", "R5"]
        assert await self.ids(store, noon + timedelta(seconds=2)) == ["R7", "R6", "R5", "R4"]
        assert await store.open_requests(BuildingId("none"), since=noon, limit=5) == ()

    async def test_ended_ones_are_left_out_however_many(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        ended = (Status.RESOLVED, Status.CLOSED, Status.CANCELLED, Status.ANSWERED)
        await create_all(
            store,
            [
                make_record(request_id="open", status=Status.AWAITING_SELECTION),
                *(make_record(after_s=n + 1, status=ended[n % 4]) for n in range(120)),
            ],
        )
        assert await self.ids(store, noon, limit=3) == ["open"]

    async def test_they_follow_changes(self, store: RequestStore, make_record: MakeRecord, noon: datetime) -> None:
        record = make_record(request_id="R", status=Status.IN_PROGRESS)
        await create_all(store, [record])
        learned = changed(record, 2, item={"trace": build_trace([1.0])}, incident_id="INC_2")
        await store.save(learned, expected_version=1, events=())
        (found,) = await store.open_requests(self.BUILDING, since=noon, limit=5)
        assert (found.vector, found.incident_id) == (pack([1.0]), "INC_2")
        await store.save(changed(learned, 3, status=Status.RESOLVED), expected_version=2, events=())
        assert await self.ids(store, noon) == []
        await store.save(changed(learned, 4, status=Status.REOPENED), expected_version=3, events=())
        assert await self.ids(store, noon) == ["R"]


class TestOutcomes:
    async def read(
        self, store: RequestStore, noon: datetime, buildings: frozenset[str] | None = None, days: float = 30
    ) -> list[OutcomeFacts]:
        return [each async for each in store.outcomes(buildings, since=noon, before=noon + days * DAY)]

    async def test_they_tell_what_statistics_count(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        resolved_at = noon + timedelta(hours=5)
        full = make_record(
            request_id="full", after_s=1, category=Category.MAINTENANCE, urgency=Urgency.HIGH, status=Status.CLOSED,
            sla=build_sla(noon, breached=True, response_breached=True), reopened=2,
            resolution=ResolutionNote(
                resolution_notes="Done", actual_cost_usd=120.25, resolved_by="S", resolved_at=resolved_at
            ),
            feedback=Feedback(rating=4, at=resolved_at), record={"selected_by": POLICY},
        )  # fmt: skip
        plain = make_record(request_id="plain", after_s=2)
        answered = make_record(request_id="answered", after_s=3, status=Status.ANSWERED, category=Category.BILLING)
        await create_all(store, [answered, plain, full])
        nothing: dict[str, Any] = {
            "building_id": "A", "category": None, "urgency": None, "resolved_at": None, "breached": False,
            "response_breached": False, "escalated": False, "reopened": 0, "automated": False, "corrected": False,
            "cost_usd": None, "rating": None,
        }  # fmt: skip
        answer: dict[str, Any] = nothing | {"category": Category.BILLING, "urgency": Urgency.MEDIUM, "automated": True}
        assert await self.read(store, noon) == [
            OutcomeFacts(
                request_id=RequestId("full"), building_id="A", category=Category.MAINTENANCE, urgency=Urgency.HIGH,
                status=Status.CLOSED, created_at=noon + timedelta(seconds=1), resolved_at=resolved_at, breached=True,
                response_breached=True, escalated=False, reopened=2, automated=True, corrected=False,
                cost_usd=120.25, rating=4,
            ),
            OutcomeFacts(
                request_id=RequestId("plain"), status=Status.SUBMITTED,
                created_at=noon + timedelta(seconds=2), **nothing,
            ),
            OutcomeFacts(
                request_id=RequestId("answered"), status=Status.ANSWERED, created_at=noon + timedelta(seconds=3),
                **answer,
            ),
        ]  # fmt: skip

    async def test_a_label_that_staff_changed_is_told(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        record = make_record(category=Category.BILLING)
        labels = record.request.classification
        assert labels is not None
        # What the writer chose is no correction.
        record = changed(record, 1, classification=labels.model_copy(update={"source": "user"}))
        await create_all(store, [record])
        assert [each.corrected for each in await self.read(store, noon)] == [False]
        await store.save(correct(record, 2, Category.LEASING), expected_version=1, events=())
        assert [(each.category, each.corrected) for each in await self.read(store, noon)] == [(Category.LEASING, True)]

    async def test_once_escalated_it_stays_so(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        record = make_record(status=Status.ESCALATED)
        await create_all(store, [record])
        await store.save(changed(record, 2, status=Status.IN_PROGRESS), expected_version=1, events=())
        assert [(each.escalated, each.status) for each in await self.read(store, noon)] == [(True, Status.IN_PROGRESS)]

    async def test_the_window_is_half_open_and_the_oldest_comes_first(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        offsets = {"early": -0.001, "b": 0, "a": 0, "middle": 3600, "last": 86400 - 0.001, "late": 86400}
        await create_all(store, [make_record(request_id=name, after_s=after) for name, after in offsets.items()])
        assert [each.request_id for each in await self.read(store, noon, days=1)] == ["a", "b", "middle", "last"]
        assert await self.read(store, noon, days=0) == []

    @pytest.mark.parametrize("buildings", [None, frozenset({"B1", "B3"}), frozenset({"B0", "none"}), frozenset[str]()])
    async def test_all_of_the_buildings_over_many_pages(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime, buildings: frozenset[str] | None
    ) -> None:
        records = [make_record(request_id=f"R{n:04}", after_s=n // 7, building_id=f"B{n * n % 5}") for n in range(1300)]
        await create_all(store, records[::-1])
        expected = [
            record.request.request_id
            for record in records
            if buildings is None or record.request.building_id in buildings
        ]
        assert [each.request_id for each in await self.read(store, noon, buildings)] == expected

    async def test_what_is_written_meanwhile_neither_repeats_nor_hides_anything(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        records = [make_record(request_id=f"R{n:04}", after_s=n) for n in range(1100)]
        await create_all(store, records)
        reading = store.outcomes(None, since=noon, before=noon + DAY)
        seen = [(await anext(reading)).request_id]
        await asyncio.gather(
            *(
                store.save(changed(record, 2, status=Status.PROCESSING), expected_version=1, events=())
                for record in records[::3]
            ),
            *(store.create(make_record(request_id=f"S{n}", after_s=n), ()) for n in range(0, 1000, 10)),
        )
        seen += [each.request_id async for each in reading]
        assert [request_id for request_id in seen if request_id.startswith("R")] == [
            record.request.request_id for record in records
        ]
        assert len(set(seen)) == len(seen)

    async def test_the_loop_goes_on_while_it_reads(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        await create_all(store, [make_record(after_s=n) for n in range(1200)])
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        try:
            assert len(await self.read(store, noon)) == 1200
        finally:
            turning.cancel()
        assert turns > 1

    async def test_a_reader_may_stop_early(self, store: RequestStore, make_record: MakeRecord, noon: datetime) -> None:
        await create_all(store, [make_record(request_id=f"R{n}", after_s=n) for n in range(5)])
        async for each in store.outcomes(None, since=noon, before=noon + DAY):
            assert each.request_id == "R0"
            break
        assert await store.create(make_record(), ())

    async def test_closing_the_store_ends_the_reading_with_an_error(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        await create_all(store, [make_record(after_s=n) for n in range(1200)])
        reading: AsyncIterator[OutcomeFacts] = store.outcomes(None, since=noon, before=noon + DAY)
        await anext(reading)
        await store.close()
        with pytest.raises(StoreUnavailable):
            async for _ in reading:
                pass


def correct(record: RequestRecord, version: int, category: Category) -> RequestRecord:
    """The record after staff gave it another category."""
    labels = record.request.classification
    assert labels is not None
    correction = LabelCorrection(
        at=record.request.created_at,
        by="staff",
        category_before=labels.category,
        category_after=category,
        urgency_before=labels.urgency,
        urgency_after=labels.urgency,
        model_version=labels.model_version,
        confidence=labels.confidence,
    )
    relabelled = labels.model_copy(update={"category": category, "source": "user"})
    return changed(record, version, item={"corrections": (correction,)}, classification=relabelled)


class TestAttention:
    async def order(self, store: RequestStore, limit: int = 50, **where: Any) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = await store.list_requests(RequestFilter(needs_attention=True, **where), limit=limit, cursor=cursor)
            found += [item.request_id for item in page.items]
            if (cursor := page.next_cursor) is None:
                return found

    async def test_within_an_urgency_the_target_counts_and_risk_brings_it_forward(
        self, store: RequestStore, make_record: MakeRecord, noon: datetime
    ) -> None:
        def attended(name: str, hours: float, *, urgency: Urgency = Urgency.HIGH, **more: Any) -> RequestRecord:
            sla = build_sla(noon + timedelta(hours=hours))
            return make_record(request_id=name, urgency=urgency, needs_attention=True, **{"sla": sla} | more)

        ordered = [
            attended("emergency", 40, urgency=Urgency.EMERGENCY),
            attended("no target", 0, sla=None, after_s=60),
            attended("in 3 h", 3),
            attended("risky in 8 h", 8, risk=build_risk(1.0)),
            attended("in 5 h", 5),
            attended("rather risky in 8 h", 8, risk=build_risk(0.5)),
            attended("in 7 h a", 7),
            attended("in 7 h b", 7),
            attended("medium in 1 h", 1, urgency=Urgency.MEDIUM),
        ]
        names = [record.request.request_id for record in ordered]
        await create_all(store, ordered[::-1])
        for limit in (1, 2, 50):
            assert await self.order(store, limit) == names
            assert await self.order(store, limit, buildings=frozenset({"A", "B"})) == names

    async def test_it_follows_the_target(self, store: RequestStore, make_record: MakeRecord, noon: datetime) -> None:
        first = make_record(request_id="first", needs_attention=True, sla=build_sla(noon + DAY))
        second = make_record(request_id="second", needs_attention=True, sla=build_sla(noon + 2 * DAY))
        await create_all(store, [second, first])
        assert await self.order(store) == ["first", "second"]
        await store.save(changed(first, 2, sla=build_sla(noon + 3 * DAY)), expected_version=1, events=())
        assert await self.order(store) == ["second", "first"]
        await store.save(changed(first, 3, risk=build_risk(1.0)), expected_version=2, events=())
        assert await self.order(store) == ["first", "second"]


class TestRewrite:
    @pytest.fixture
    async def record(self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent) -> RequestRecord:
        record = make_record(request_id="R", message_text="My name is Ann")
        await store.create(record, [make_event(1, message="Ann wrote"), make_event(2), make_event(3)])
        return record

    async def test_the_timeline_is_replaced_under_the_same_numbers(
        self, store: RequestStore, record: RequestRecord, make_event: MakeEvent
    ) -> None:
        events = tuple(make_event(number, message="erased") for number in (1, 2, 3))
        erased = changed(record, 2, message_text="erased")
        await store.rewrite(erased, expected_version=1, events=events)
        assert await store.get(RequestId("R")) == erased
        assert await store.events(RequestId("R")) == events
        assert await store.events(RequestId("R"), after=2) == events[2:]
        await store.save(changed(erased, 3), expected_version=2, events=[make_event(4)])
        assert [event.sequence for event in await store.events(RequestId("R"))] == [1, 2, 3, 4]

    async def test_the_erasure_itself_may_be_noted_at_its_end(
        self, store: RequestStore, record: RequestRecord, make_event: MakeEvent
    ) -> None:
        events = tuple(make_event(number) for number in (1, 2, 3, 4))
        await store.rewrite(changed(record, 2), expected_version=1, events=events)
        assert await store.events(RequestId("R")) == events
        await store.save(changed(record, 3), expected_version=2, events=[make_event(5)])
        assert len(await store.events(RequestId("R"))) == 5

    @pytest.mark.parametrize("numbers", [(), (1,), (1, 2), (2, 3), (1, 3), (1, 2, 2), (2, 3, 4), (1, 2, 4)])
    async def test_missing_events_are_refused_and_nothing_changes(
        self, store: RequestStore, record: RequestRecord, make_event: MakeEvent, numbers: tuple[int, ...]
    ) -> None:
        before = await store.events(RequestId("R"))
        with pytest.raises(BrokenInvariant):
            await store.rewrite(
                changed(record, 2, message_text="erased"),
                expected_version=1,
                events=[make_event(number) for number in numbers],
            )
        assert await store.get(RequestId("R")) == record
        assert await store.events(RequestId("R")) == before

    async def test_a_stale_version_is_refused_and_changes_nothing(
        self, store: RequestStore, record: RequestRecord, make_event: MakeEvent
    ) -> None:
        winner = changed(record, 2, status=Status.PROCESSING)
        await store.save(winner, expected_version=1, events=[make_event(4)])
        before = await store.events(RequestId("R"))
        with pytest.raises(VersionConflict):
            await store.rewrite(
                changed(record, 2), expected_version=1, events=[make_event(number) for number in (1, 2, 3)]
            )
        assert await store.get(RequestId("R")) == winner
        assert await store.events(RequestId("R")) == before

    async def test_an_unknown_request_and_a_wrong_version_are_refused(
        self, store: RequestStore, record: RequestRecord, make_record: MakeRecord, make_event: MakeEvent
    ) -> None:
        with pytest.raises(VersionConflict):
            await store.rewrite(make_record(version=2), expected_version=1, events=[make_event(1)])
        with pytest.raises(BrokenInvariant):
            await store.rewrite(
                changed(record, 3), expected_version=1, events=[make_event(number) for number in (1, 2, 3)]
            )

    async def test_a_long_timeline(self, store: RequestStore, make_record: MakeRecord, make_event: MakeEvent) -> None:
        record = make_record(request_id="long")
        await store.create(record, [make_event(number, message=f"Ann {number}" * 20) for number in range(1, 401)])
        erased = tuple(make_event(number, message="erased") for number in range(1, 401))
        await store.rewrite(changed(record, 2), expected_version=1, events=erased)
        assert await store.events(RequestId("long")) == erased


class TestForgettingAnswers:
    ANSWER = StoredAnswer(201, {"Location": "/x"}, b'{"message_text": "My name is Ann"}')

    @pytest.fixture
    def claim(self, store: RequestStore, noon: datetime) -> Callable[..., Any]:
        def call(key: str, resource_id: str = "R1", at_s: float = 0, fingerprint: str = "body") -> Any:
            return store.claim_key(
                key, fingerprint=fingerprint, resource_id=resource_id, now=noon + timedelta(seconds=at_s), lease_s=30,
                ttl_s=3600,
            )  # fmt: skip

        return call

    async def test_a_retry_runs_anew_with_the_same_resource_id(
        self, store: RequestStore, claim: Callable[..., Any]
    ) -> None:
        for key, resource in (("a", "R1"), ("b", "R1"), ("c", "R2"), ("d", "R3")):
            await claim(key, resource)
            await store.finish_key(key, self.ANSWER)
        await store.forget_answers({"R1", "R3", "R9"})
        for key, resource in (("a", "R1"), ("b", "R1"), ("d", "R3")):
            again = await claim(key, "other", 1)
            assert (again.resource_id, again.answer) == (resource, None)
        assert (await claim("c", "other", 1)).answer == self.ANSWER

    async def test_the_retrys_answer_is_kept_again(self, store: RequestStore, claim: Callable[..., Any]) -> None:
        await claim("a")
        await store.finish_key("a", self.ANSWER)
        await store.forget_answers(["R1"])
        await claim("a", at_s=1)
        await store.finish_key("a", StoredAnswer(410, {}, b"gone"))
        assert (await claim("a", at_s=2)).answer == StoredAnswer(410, {}, b"gone")

    async def test_the_key_keeps_its_fingerprint(self, store: RequestStore, claim: Callable[..., Any]) -> None:
        await claim("a")
        await store.finish_key("a", self.ANSWER)
        await store.forget_answers(["R1"])
        with pytest.raises(Exception, match="another body"):
            await claim("a", fingerprint="other", at_s=1)

    async def test_a_call_that_runs_keeps_its_lease(self, store: RequestStore, claim: Callable[..., Any]) -> None:
        await claim("a")
        await store.forget_answers(["R1"])
        with pytest.raises(Exception, match="still running"):
            await claim("a", at_s=29)

    async def test_nothing_and_many(self, store: RequestStore, claim: Callable[..., Any]) -> None:
        await store.forget_answers(())
        await asyncio.gather(*(claim(f"k{n}", f"R{n}") for n in range(60)))
        await asyncio.gather(*(store.finish_key(f"k{n}", self.ANSWER) for n in range(60)))
        await store.forget_answers([f"R{n}" for n in range(0, 600)])
        assert [(await claim(f"k{n}", at_s=1)).answer for n in range(60)] == [None] * 60


class TestWaitingWork:
    @pytest.fixture
    def due(self, make_record: MakeRecord, noon: datetime) -> Callable[..., RequestRecord]:
        def make(request_id: str, at_s: float | None) -> RequestRecord:
            at = None if at_s is None else noon + timedelta(seconds=at_s)
            timers = {} if at is None else {NextAction.PROCESS: at}
            work = {"next_action": NextAction.PROCESS if at else None, "next_action_at": at, "timers": timers}
            return make_record(request_id=request_id, record=work)

        return make

    async def test_the_oldest_that_nobody_has_claimed(
        self, store: RequestStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        assert await store.oldest_due(noon) is None
        await create_all(store, [due("older", -60), due("old", -50), due("later", 0.001), due("never", None)])
        assert await store.oldest_due(noon) == noon - timedelta(seconds=60)
        assert await store.oldest_due(noon - timedelta(seconds=55)) == noon - timedelta(seconds=60)
        await store.claim_due(now=noon, lease_s=30, limit=1)
        assert await store.oldest_due(noon) == noon - timedelta(seconds=50)
        await store.claim_due(now=noon, lease_s=30, limit=1)
        assert await store.oldest_due(noon) is None
        assert await store.oldest_due(noon + timedelta(seconds=1)) == noon + timedelta(milliseconds=1)

    async def test_a_claim_that_ran_out_waits_since_then(
        self, store: RequestStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        await create_all(store, [due("R", -60)])
        await store.claim_due(now=noon, lease_s=30, limit=1)
        assert await store.oldest_due(noon + timedelta(seconds=29)) is None
        assert await store.oldest_due(noon + timedelta(seconds=45)) == noon + timedelta(seconds=30)

    async def test_a_claim_leaves_the_timers_alone(
        self, store: RequestStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        await create_all(store, [due("R", -5)])
        (claimed,) = await store.claim_due(now=noon, lease_s=30, limit=1)
        assert claimed.next_action_at == noon + timedelta(seconds=30)
        assert claimed.timers == {NextAction.PROCESS: noon - timedelta(seconds=5)}
        assert await store.get(RequestId("R")) == claimed

    async def test_concurrent_claimers_share_the_work_and_each_gets_some(
        self, open_store: OpenStore, due: Callable[..., RequestRecord], noon: datetime
    ) -> None:
        one, other = open_store(), open_store()
        await create_all(one, [due(f"R{n:03}", -n) for n in range(400)])

        async def work(store: RequestStore) -> list[str]:
            claimed: list[str] = []
            while batch := await store.claim_due(now=noon, lease_s=30, limit=10):
                claimed += [record.request.request_id for record in batch]
            return claimed

        first, second = await asyncio.gather(work(one), work(other))
        assert sorted(first + second) == [f"R{n:03}" for n in range(400)]
        assert min(len(first), len(second)) > 0
