"""What is particular to the DynamoDB stores: no scan, bounded retries, large items, lost answers and its cost."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session

from adapters import store_dynamo_due
from adapters.documents_dynamo import DynamoDocumentStore
from adapters.dynamo import Dynamo
from adapters.dynamo_tables import EVENTS, TABLES, create_tables
from adapters.dynamo_values import billed_bytes, from_wire, to_wire
from adapters.execution_log_dynamo import DynamoExecutionLog
from adapters.store_dynamo import DynamoRequestStore
from adapters.store_dynamo_lists import READ_LIMIT
from core.errors import (
    AppError,
    BrokenInvariant,
    IdempotencyInFlight,
    InvalidCursor,
    StoreUnavailable,
    TooLarge,
    VersionConflict,
)
from core.labels import Category, Status, Urgency
from core.messages import DecisionTrace
from core.ports.documents import Document
from core.ports.store import RequestFilter, StoredAnswer
from core.record import NextAction, RequestRecord
from core.request import BuildingId, Event, RequestId, ResidentId
from tests.builders import NOON, build_event, build_record
from tests.dynamo_server import connect, open_documents_store, open_execution_log, open_requests_store

THROTTLED = b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow"}'
CONFLICT = (
    b'{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"conflict",'
    b'"CancellationReasons":[{"Code":"TransactionConflict","Message":"conflict"},{"Code":"None"}]}'
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DynamoRequestStore]:
    opened = open_requests_store(tmp_path, attempts=2)
    yield opened
    await opened.close()


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[DynamoDocumentStore]:
    opened = open_documents_store(tmp_path, attempts=2)
    yield opened
    await opened.close()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[DynamoExecutionLog]:
    opened = open_execution_log(tmp_path, attempts=2)
    yield opened
    await opened.close()


class Wire:
    """What goes over the wire of a store, and answers in the server's place."""

    def __init__(self, store: DynamoRequestStore | DynamoDocumentStore | DynamoExecutionLog) -> None:
        self.dynamo: Dynamo = store._dynamo
        self.calls: Counter[str] = Counter()
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.dynamo.client.meta.events.register("before-call.dynamodb", self._count)
        self.dynamo.client.meta.events.register("provide-client-params.dynamodb", self._note)

    def _count(self, model: Any, **_: Any) -> None:
        self.calls[model.name] += 1

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.sent.append((model.name, params))

    def answer(self, operation: str, body: bytes, *, times: int, status: int = 400) -> list[int]:
        """The next `times` calls get this answer; the returned list grows with each."""
        given: list[int] = []

        def handle(request: Any, **_: Any) -> AWSResponse | None:
            if len(given) >= times:
                return None
            given.append(status)
            return fake_answer(request, status, body)

        self.dynamo.client.meta.events.register(f"before-send.dynamodb.{operation}", handle)
        return given

    def lose_answer(self, operation: str) -> list[int]:
        """The next call is carried out, but its answer does not arrive."""
        session, lost = URLLib3Session(), list[int]()

        def handle(request: Any, **_: Any) -> AWSResponse | None:
            if lost:
                return None
            lost.append(session.send(request).status_code)
            return fake_answer(request, 500, b'{"__type":"InternalServerError","message":"lost"}')

        self.dynamo.client.meta.events.register(f"before-send.dynamodb.{operation}", handle)
        return lost


class Raw(BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


def fake_answer(request: Any, status: int, body: bytes) -> AWSResponse:
    return AWSResponse(request.url, status, {"Content-Type": "application/x-amz-json-1.0"}, Raw(body))


def changed(record: RequestRecord, version: int, **request: Any) -> RequestRecord:
    return record.model_copy(update={"request": record.request.model_copy(update={"version": version} | request)})


def due(request_id: str, at_s: float = 0) -> RequestRecord:
    at = NOON + timedelta(seconds=at_s)
    return build_record(request_id=request_id, record={"next_action": NextAction.PROCESS, "next_action_at": at})


def large(record: RequestRecord, size: int, seed: int = 1) -> RequestRecord:
    """With a trace of this many hexadecimal digits that don't compress below half."""
    trace = DecisionTrace(
        inputs={"noise": random.Random(seed).randbytes(size // 2).hex()},
        seed=1,
        replications=1,
        method="tables",
        model_versions={},
        kb_version="k",
        policy_version="p",
        workforce_version="w",
    )
    return record.model_copy(update={"trace": trace})


async def rows(store: DynamoRequestStore, request_id: str) -> list[dict[str, Any]]:
    found = await store._dynamo.call(
        "query",
        TableName=EVENTS.format(store._where.table),
        KeyConditionExpression="request_id = :id",
        ExpressionAttributeValues={":id": {"S": request_id}},
    )
    return [from_wire(row) for row in found["Items"]]


async def use_everything(store: DynamoRequestStore) -> None:
    record = build_record(request_id="R1", category=Category.BILLING, needs_attention=True)
    await store.create(record, [build_event(1)])
    await store.create(record, [build_event(1)])
    await store.create(due("R2"), ())
    await store.save(changed(record, 2, status=Status.PROCESSING), expected_version=1, events=[build_event(2)])
    await store.rewrite(changed(record, 3), expected_version=2, events=[build_event(1), build_event(2)])
    await store.get(RequestId("R1"))
    await store.events(RequestId("R1"))
    for where in (
        RequestFilter(),
        RequestFilter(status=Status.SUBMITTED),
        RequestFilter(category=Category.BILLING, urgency=Urgency.MEDIUM),
        RequestFilter(building_id="A"),
        RequestFilter(buildings=frozenset(f"B{n}" for n in range(40))),
        RequestFilter(needs_attention=True),
        RequestFilter(needs_attention=True, building_id="A"),
    ):
        page = await store.list_requests(where, limit=1, cursor=None)
        await store.list_requests(where, limit=1, cursor=page.next_cursor)
    await store.list_by_resident(ResidentId("RES_A_101"), limit=1, cursor=None)
    span = {"since": NOON - timedelta(days=9), "before": NOON + timedelta(days=9)}
    await store.history(ResidentId("RES_A_101"), BuildingId("A"), **span)
    await store.workload()
    await store.backlog()
    await store.spent(BuildingId("A"), **span)
    await store.open_requests(BuildingId("A"), since=NOON - timedelta(days=9), limit=5)
    for buildings in (None, frozenset({"A"})):
        async for _ in store.outcomes(buildings, **span):
            pass
    await store.oldest_due(NOON)
    await store.claim_due(now=NOON, lease_s=9, limit=3)
    for after_s in (0, 1, 31):
        with suppress(AppError):
            now = NOON + timedelta(seconds=after_s)
            await store.claim_key("k", fingerprint="f", resource_id="r", now=now, lease_s=30, ttl_s=3600)
    await store.renew_key("k", leased_until=NOON, until=NOON)
    await store.release_key("k", leased_until=NOON)
    await store.finish_key("k", StoredAnswer(200, {}, b""))
    await store.forget_answers(["r"])


async def test_nothing_ever_scans_and_every_index_is_used(
    store: DynamoRequestStore, documents: DynamoDocumentStore, log: DynamoExecutionLog
) -> None:
    wires = [Wire(store), Wire(documents), Wire(log)]
    await use_everything(store)
    await documents.put(Document("kind", "key", "list", "order", 1, {}))
    await documents.get("kind", "key")
    await documents.list("kind", "list", limit=1)
    await documents.delete("kind", "key")
    await log.dead_lettered(limit=1, cursor=None)
    await log.find_step("system", "id")
    calls = sum((wire.calls for wire in wires), Counter[str]())
    assert calls["Query"] > 50
    assert not {"Scan", "ExecuteStatement", "BatchExecuteStatement"} & calls.keys()
    used = {params.get("IndexName") for wire in wires for name, params in wire.sent if name == "Query"}
    assert {index.name for table in TABLES for index in table.indexes} <= used


async def test_aggregates_never_read_whole_items(store: DynamoRequestStore) -> None:
    await store.create(due("R1"), ())
    wire = Wire(store)
    span = {"since": NOON - timedelta(days=9), "before": NOON + timedelta(days=9)}
    await store.history(ResidentId("RES_A_101"), BuildingId("A"), **span)
    await store.workload()
    await store.backlog()
    await store.spent(BuildingId("A"), **span)
    assert [facts.request_id async for facts in store.outcomes(None, **span)] == ["R1"]
    assert wire.calls.keys() == {"Query"}
    assert all("IndexName" in params for _, params in wire.sent)
    copied = {name for table in TABLES[:1] for index in table.indexes for name in index.holds}
    assert not copied & {"request", "internal"}


def test_the_tables_keep_to_dynamodbs_limits() -> None:
    for table in TABLES:
        assert len(table.indexes) <= 20
        assert sum(len(index.holds) for index in table.indexes) <= 100
        for index in table.indexes:
            assert index.holds_all is False or not index.holds


async def test_the_tables_may_be_made_again() -> None:
    store = DynamoRequestStore(connect(), "made_again")
    assert len(create_tables(store._dynamo.client, "made_again")) == len(TABLES)
    await store.create(build_record(request_id="R1"), ())
    assert create_tables(store._dynamo.client, store._where.table) == []
    assert await store.get(RequestId("R1")) is not None
    described = store._dynamo.client.describe_time_to_live(TableName=f"{store._where.table}_keys")
    assert described["TimeToLiveDescription"]["AttributeName"] == "removable_at"
    await store.close()


async def test_a_table_that_is_not_there_is_unavailable() -> None:
    store = DynamoRequestStore(connect(attempts=1), "no_such_table")
    with pytest.raises(StoreUnavailable):
        await store.get(RequestId("R"))
    await store.close()


class TestOutages:
    async def test_throttling_is_waited_out(self, store: DynamoRequestStore) -> None:
        throttled = Wire(store).answer("PutItem", THROTTLED, times=1)
        assert await store.create(build_record(request_id="R1"), ())
        assert throttled == [400]
        assert await store.get(RequestId("R1")) is not None

    async def test_after_that_it_is_unavailable(self, store: DynamoRequestStore) -> None:
        throttled = Wire(store).answer("GetItem", THROTTLED, times=99)
        with pytest.raises(StoreUnavailable):
            await store.get(RequestId("R1"))
        assert len(throttled) == 2

    async def test_a_server_that_is_not_there_is_unavailable(self) -> None:
        store = DynamoRequestStore(connect(attempts=2, endpoint_url="http://127.0.0.1:9", timeout_s=0.5), "requests")
        with pytest.raises(StoreUnavailable):
            await store.get(RequestId("R1"))
        await store.close()

    async def test_a_transaction_that_met_another_is_tried_again(self, store: DynamoRequestStore) -> None:
        met = Wire(store).answer("TransactWriteItems", CONFLICT, times=3)
        assert await store.create(build_record(request_id="R1"), [build_event(1)])
        assert len(met) == 3

    async def test_a_transaction_that_goes_on_meeting_others_is_unavailable(self, store: DynamoRequestStore) -> None:
        Wire(store).answer("TransactWriteItems", CONFLICT, times=99)
        with pytest.raises(StoreUnavailable):
            await store.create(build_record(request_id="R1"), [build_event(1)])

    async def test_keys_that_a_batch_left_out_are_asked_for_again(self, store: DynamoRequestStore) -> None:
        await store.create(build_record(request_id="R1"), ())
        unprocessed = b'{"Responses":{},"UnprocessedKeys":{"%s":{"Keys":[{"request_id":{"S":"R1"}}]}}}' % (
            store._where.table.encode()
        )
        left_out = Wire(store).answer("BatchGetItem", unprocessed, times=2, status=200)
        assert len((await store.list_requests(RequestFilter(), limit=5, cursor=None)).items) == 1
        assert len(left_out) == 2

    async def test_a_refusal_is_no_outage(self, store: DynamoRequestStore) -> None:
        Wire(store).answer("GetItem", b'{"__type":"ValidationException","message":"no"}', times=1)
        with pytest.raises(BrokenInvariant, match="ValidationException"):
            await store.get(RequestId("R1"))

    async def test_after_closing_nothing_is_taken(self, store: DynamoRequestStore) -> None:
        await store.close()
        with pytest.raises(StoreUnavailable):
            await store.get(RequestId("R1"))


class TestLostAnswers:
    """botocore sends a write again when it hears nothing: its condition then fails by what it wrote itself."""

    async def test_a_creation_knows_itself(self, store: DynamoRequestStore) -> None:
        lost = Wire(store).lose_answer("PutItem")
        assert await store.create(build_record(request_id="R1"), ())
        assert lost == [200]
        assert not await store.create(build_record(request_id="R1"), ())

    async def test_a_save_knows_itself(self, store: DynamoRequestStore) -> None:
        record = build_record(request_id="R1")
        await store.create(record, ())
        lost = Wire(store).lose_answer("UpdateItem")
        await store.save(changed(record, 2), expected_version=1, events=())
        assert lost == [200]
        with pytest.raises(VersionConflict):
            await store.save(changed(record, 2), expected_version=1, events=())

    async def test_a_claim_knows_itself(self, store: DynamoRequestStore) -> None:
        await store.create(due("R1"), ())
        Wire(store).lose_answer("UpdateItem")
        (claimed,) = await store.claim_due(now=NOON, lease_s=30, limit=1)
        assert claimed.attempts == 1
        assert await store.get(RequestId("R1")) == claimed

    async def test_a_key_knows_its_holder(self, store: DynamoRequestStore) -> None:
        Wire(store).lose_answer("PutItem")
        claim = await store.claim_key("k", fingerprint="f", resource_id="r", now=NOON, lease_s=30, ttl_s=60)
        assert (claim.resource_id, claim.answer) == ("r", None)
        with pytest.raises(IdempotencyInFlight):
            await store.claim_key("k", fingerprint="f", resource_id="s", now=NOON, lease_s=30, ttl_s=60)

    async def test_a_document_knows_itself(self, documents: DynamoDocumentStore) -> None:
        Wire(documents).lose_answer("PutItem")
        await documents.put(Document("kind", "key", "list", "order", 1, {}))
        Wire(documents).lose_answer("UpdateItem")
        await documents.put(Document("kind", "key", "list", "order", 2, {}))


class TestLargeItems:
    @pytest.mark.parametrize("size", [400_000, 900_000, 2_400_000])
    async def test_what_an_item_cant_hold_goes_into_parts(self, store: DynamoRequestStore, size: int) -> None:
        record = large(due("R1"), size)
        assert await store.create(record, [build_event(1)])
        assert await store.get(RequestId("R1")) == record
        assert await store.events(RequestId("R1")) == (build_event(1),)
        assert (await store.list_requests(RequestFilter(), limit=5, cursor=None)).items == (record.request,)
        (claimed,) = await store.claim_due(now=NOON, lease_s=30, limit=1)
        assert claimed.trace == record.trace
        sizes = [billed_bytes(to_wire(row)) for row in await rows(store, "R1")]
        assert len(sizes) > 1 or size < 700_000
        assert max(sizes) < 400 * 1024

    async def test_parts_follow_the_versions_and_go_when_they_are_not_needed(self, store: DynamoRequestStore) -> None:
        small = build_record(request_id="R1")
        states = [small, large(small, 2_400_000, 2), large(small, 900_000, 3), large(small, 2_400_000, 4), small]
        await store.create(states[0], [build_event(1)])
        for version, state in enumerate(states[1:], 2):
            saved = changed(state, version)
            await store.save(saved, expected_version=version - 1, events=[build_event(version)])
            assert await store.get(RequestId("R1")) == saved
        assert {row["sequence"] for row in await rows(store, "R1")} == {1, 2, 3, 4, 5}

    async def test_a_stale_save_changes_no_part(self, store: DynamoRequestStore) -> None:
        record = large(build_record(request_id="R1"), 900_000)
        await store.create(record, ())
        for other in (large(changed(record, 3), 900_000, 9), changed(build_record(request_id="R1"), 3)):
            with pytest.raises(VersionConflict):
                await store.save(other, expected_version=2, events=())
        assert await store.get(RequestId("R1")) == record

    async def test_no_item_grows_with_its_timeline(self, store: DynamoRequestStore) -> None:
        record = build_record(request_id="R1")
        await store.create(record, [build_event(n, message="x" * 900) for n in range(1, 1001)])
        assert len(await store.events(RequestId("R1"))) == 1000
        assert [event.sequence for event in await store.events(RequestId("R1"), after=997)] == [998, 999, 1000]
        assert max(billed_bytes(to_wire(row)) for row in await rows(store, "R1")) < 400 * 1024

    async def test_a_timeline_of_many_rows_is_rewritten_whole(self, store: DynamoRequestStore) -> None:
        record = build_record(request_id="R1")
        await store.create(record, ())
        for version in range(2, 132):
            await store.save(changed(record, version), expected_version=version - 1, events=[build_event(version - 1)])
        erased = [build_event(number, message="erased") for number in range(1, 131)]
        with pytest.raises(VersionConflict):
            await store.rewrite(changed(record, 130), expected_version=129, events=erased)
        assert "erased" not in {event.message for event in await store.events(RequestId("R1"))}
        await store.rewrite(changed(record, 132), expected_version=131, events=erased)
        assert await store.events(RequestId("R1")) == tuple(erased)

    async def test_a_document_that_is_too_large_is_refused(self, documents: DynamoDocumentStore) -> None:
        noise = random.Random(1).randbytes(500_000).hex()
        with pytest.raises(TooLarge):
            await documents.put(Document("kind", "key", "list", "order", 1, {"noise": noise}))


class TestLists:
    async def test_a_page_reads_a_bounded_number_of_entries(self, store: DynamoRequestStore) -> None:
        count = READ_LIMIT + 40
        made = (build_record(after_s=n, category=Category.BILLING) for n in range(count))
        await asyncio.gather(*(store.create(record, ()) for record in made))
        nowhere = RequestFilter(building_id="A", category=Category.LEASING)
        first = await store.list_requests(nowhere, limit=5, cursor=None)
        assert first.items == ()
        assert first.next_cursor is not None
        assert (await store.list_requests(nowhere, limit=5, cursor=first.next_cursor)).next_cursor is None

    async def test_what_an_index_tells_late_is_not_shown(self, store: DynamoRequestStore) -> None:
        record = build_record(request_id="R1")
        await store.create(record, ())
        where, original = RequestFilter(status=Status.SUBMITTED), store._dynamo.get_many

        async def change_first(table: str, key: str, values: Any) -> Any:
            await store.save(changed(record, 2, status=Status.PROCESSING), expected_version=1, events=())
            return await original(table, key, values)

        store._dynamo.get_many = change_first
        assert (await store.list_requests(where, limit=5, cursor=None)).items == ()

    @pytest.mark.parametrize("limit", [1, 2])
    async def test_a_cursor_of_another_list_is_refused(self, store: DynamoRequestStore, limit: int) -> None:
        for number in range(limit + 1):
            await store.create(build_record(after_s=number, needs_attention=True), ())
        cursor = (await store.list_requests(RequestFilter(), limit=limit, cursor=None)).next_cursor
        assert cursor is not None
        lists: list[Callable[[], Any]] = [
            lambda: store.list_requests(RequestFilter(needs_attention=True), limit=5, cursor=cursor),
            lambda: store.list_requests(RequestFilter(status=Status.SUBMITTED), limit=5, cursor=cursor),
            lambda: store.list_by_resident(ResidentId("RES_A_101"), limit=5, cursor=cursor),
        ]
        for read in lists:
            with pytest.raises(InvalidCursor):
                await read()

    @pytest.mark.parametrize("odd", ["", "#", "a#b", "ü 水\x00", "'; DROP", "b:"])
    async def test_odd_names_are_apart(self, store: DynamoRequestStore, odd: str) -> None:
        await store.create(build_record(request_id="R1", resident_id=odd, building_id=odd), [build_event(1)])
        await store.create(build_record(request_id="R2"), ())
        page = await store.list_by_resident(ResidentId(odd), limit=5, cursor=None)
        assert [item.request_id for item in page.items] == ["R1"]
        page = await store.list_requests(RequestFilter(building_id=odd), limit=5, cursor=None)
        assert [item.building_id for item in page.items] == [odd]
        await store.claim_key(odd, fingerprint="f", resource_id=odd, now=NOON, lease_s=30, ttl_s=60)
        await store.finish_key(odd, StoredAnswer(200, {}, b""))
        await store.forget_answers([odd])

    async def test_a_claim_that_the_index_tells_late_is_lost(self, store: DynamoRequestStore) -> None:
        await store.create(due("R1"), ())
        stale = await store._dynamo.call("get_item", TableName=store._where.table, Key={"request_id": {"S": "R1"}})
        await store.claim_due(now=NOON, lease_s=30, limit=1)
        answered = {"Items": [{name: stale["Item"][name] for name in ("request_id", "due", "shard")}]}
        original = store._dynamo.client.query
        store._dynamo.client.query = lambda **_: answered
        try:
            assert await store.claim_due(now=NOON, lease_s=30, limit=5) == ()
        finally:
            store._dynamo.client.query = original


def test_times_before_1970_are_refused() -> None:
    from adapters.store_dynamo_attributes import attributes_of, documents_of

    record = build_record(created_at=datetime(1969, 12, 31, tzinfo=UTC))
    with pytest.raises(BrokenInvariant):
        attributes_of(record, documents_of(record), 8)


def test_values_come_back_as_they_were() -> None:
    item = {"a": "ü", "b": b"\x00\xff", "c": True, "d": False, "e": 7, "f": -7, "g": 0.1, "h": 1e100, "i": -0.5}
    assert from_wire(to_wire(item | {"none": None})) == item


def test_sizes_are_billed_as_documented() -> None:
    assert billed_bytes({"ab": {"S": "ü"}, "c": {"B": b"123"}, "d": {"BOOL": True}, "e": {"N": "12345"}}) == (
        (2 + 2) + (1 + 3) + (1 + 1) + (1 + 4)
    )


async def test_events_share_rows_and_are_read_one_by_one(store: DynamoRequestStore) -> None:
    record = build_record(request_id="R1")
    await store.create(record, [build_event(n) for n in range(1, 4)])
    await store.save(changed(record, 2), expected_version=1, events=[build_event(4), build_event(5)])
    assert [row["sequence"] for row in await rows(store, "R1")] == [3, 5]
    found: tuple[Event, ...] = await store.events(RequestId("R1"), after=1)
    assert [event.sequence for event in found] == [2, 3, 4, 5]


async def test_one_that_a_newer_version_wrote_keeps_nobody_waiting(
    store: DynamoRequestStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        due = {"next_action": NextAction.PROCESS, "next_action_at": NOON}
        await store.create(build_record(request_id=f"R{number}", record=due), ())
    read = store_dynamo_due.to_record

    def of_today(item: Any, documents: Any) -> RequestRecord:
        record = read(item, documents)
        if record.request.request_id == "R1":
            return RequestRecord.model_validate(record.model_dump() | {"of_tomorrow": "a resident's words"})
        return record

    monkeypatch.setattr(store_dynamo_due, "to_record", of_today)
    claimed = await store.claim_due(now=NOON, lease_s=9, limit=10)
    assert {each.request.request_id for each in claimed} == {"R0", "R2"}
    assert "R1" in caplog.text
    assert "words" not in caplog.text
