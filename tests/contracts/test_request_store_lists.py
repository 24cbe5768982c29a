"""How every `RequestStore` lists requests."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest

from core.errors import InvalidCursor
from core.labels import Category, Status, Urgency
from core.ports.page import Page
from core.ports.store import RequestFilter, RequestStore
from core.record import RequestRecord
from core.request import Request, ResidentId

MakeRecord = Callable[..., RequestRecord]


def changed(record: RequestRecord, version: int, **request: Any) -> RequestRecord:
    return record.model_copy(update={"request": record.request.model_copy(update={"version": version} | request)})


async def create_all(store: RequestStore, records: Sequence[RequestRecord]) -> None:
    assert all(await asyncio.gather(*(store.create(record, ()) for record in records)))


async def follow(read: Callable[[str | None], Any]) -> list[Request]:
    """Every item of a list, page after page."""
    items: list[Request] = []
    cursor: str | None = None
    while True:
        page: Page[Request] = await read(cursor)
        items.extend(page.items)
        if page.next_cursor is None:
            return items
        cursor = page.next_cursor


def ids(items: Sequence[Request]) -> list[str]:
    return [item.request_id for item in items]


class TestLists:
    async def test_newest_first_and_ties_by_id(self, store: RequestStore, make_record: MakeRecord) -> None:
        records = [make_record(request_id=f"REQ_{n:02}", after_s=n // 3) for n in range(12)]
        await create_all(store, records[::2] + records[1::2])
        expected = [record.request.request_id for record in reversed(records)]
        for limit in (1, 2, 5, 12, 50):
            listed = await follow(
                lambda cursor, limit=limit: store.list_requests(RequestFilter(), limit=limit, cursor=cursor)
            )
            assert ids(listed) == expected

    async def test_the_last_page_has_no_cursor(self, store: RequestStore, make_record: MakeRecord) -> None:
        await create_all(store, [make_record(after_s=n) for n in range(4)])
        page = await store.list_requests(RequestFilter(), limit=4, cursor=None)
        assert (len(page.items), page.next_cursor) == (4, None)
        assert await store.list_requests(RequestFilter(building_id="none"), limit=4, cursor=None) == Page((), None)

    async def test_pages_are_stable_under_inserts(self, store: RequestStore, make_record: MakeRecord) -> None:
        old = [make_record(after_s=n) for n in range(10)]
        await create_all(store, old)
        seen = await store.list_requests(RequestFilter(), limit=4, cursor=None)
        await create_all(store, [make_record(after_s=n + 100) for n in range(5)])
        rest = await store.list_requests(RequestFilter(), limit=50, cursor=seen.next_cursor)
        assert ids(seen.items + rest.items) == [record.request.request_id for record in reversed(old)]

    async def test_every_combination_of_filters(self, store: RequestStore, make_record: MakeRecord) -> None:
        kinds = list(
            product(
                (Status.SUBMITTED, Status.RESOLVED), (Category.BILLING, Category.MAINTENANCE),
                (Urgency.LOW, Urgency.EMERGENCY), ("A", "B", "C"), (False, True),
            )
        )  # fmt: skip
        records = [
            make_record(
                after_s=n, status=status, category=category, urgency=urgency, building_id=building, needs_attention=flag
            )
            for n, (status, category, urgency, building, flag) in enumerate(kinds * 2)
        ]
        await create_all(store, records)
        for status, category, urgency, building, buildings, attention in product(
            (None, Status.RESOLVED), (None, Category.BILLING), (None, Urgency.EMERGENCY), (None, "B"),
            (None, frozenset({"A", "B"}), frozenset({"C"}), frozenset[str]()), (False, True),
        ):  # fmt: skip
            where = RequestFilter(status, category, urgency, building, buildings, attention)
            expected = {
                request.request_id
                for request in (record.request for record in records)
                if (status is None or request.status is status)
                and (category is None or (request.classification and request.classification.category is category))
                and (urgency is None or (request.classification and request.classification.urgency is urgency))
                and (building is None or request.building_id == building)
                and (buildings is None or request.building_id in buildings)
                and (not attention or request.needs_attention)
            }
            listed = ids(await follow(lambda cursor, where=where: store.list_requests(where, limit=7, cursor=cursor)))
            assert len(listed) == len(set(listed)), where
            assert set(listed) == expected, where

    async def test_labels_are_the_writers_until_it_is_classified(
        self, store: RequestStore, make_record: MakeRecord
    ) -> None:
        chosen = make_record(record={"chosen_category": Category.BILLING, "chosen_urgency": Urgency.HIGH})
        await create_all(store, [chosen])
        where = RequestFilter(category=Category.BILLING, urgency=Urgency.HIGH)
        assert (await store.list_requests(where, limit=5, cursor=None)).items == (chosen.request,)
        classified = make_record(category=Category.SECURITY, urgency=Urgency.LOW).request.classification
        await store.save(changed(chosen, 2, classification=classified), expected_version=1, events=())
        assert (await store.list_requests(where, limit=5, cursor=None)).items == ()

    async def test_many_buildings(self, store: RequestStore, make_record: MakeRecord) -> None:
        records = [make_record(after_s=n, building_id=f"B{n % 60}") for n in range(120)]
        await create_all(store, records)
        buildings = frozenset(f"B{n}" for n in range(0, 60, 2))
        where = RequestFilter(buildings=buildings)
        listed = await follow(lambda cursor: store.list_requests(where, limit=9, cursor=cursor))
        assert ids(listed) == [r.request.request_id for r in reversed(records) if r.request.building_id in buildings]

    async def test_a_rare_match_is_found_in_a_large_store(self, store: RequestStore, make_record: MakeRecord) -> None:
        await create_all(
            store, [make_record(after_s=n, building_id=f"B{n % 30}", category=Category.BILLING) for n in range(1200)]
        )
        rare = make_record(after_s=-1, category=Category.BILLING, urgency=Urgency.LOW, status=Status.NEEDS_REVIEW)
        await create_all(store, [rare])
        many = frozenset({f"B{n}" for n in range(17)} | {"A"})
        for where in (
            RequestFilter(status=Status.NEEDS_REVIEW, category=Category.BILLING),
            RequestFilter(category=Category.BILLING, urgency=Urgency.LOW, building_id="A"),
            RequestFilter(category=Category.BILLING, buildings=many, status=Status.NEEDS_REVIEW),
        ):
            listed = await follow(lambda cursor, where=where: store.list_requests(where, limit=5, cursor=cursor))
            assert ids(listed) == [rare.request.request_id]
        both_common = RequestFilter(category=Category.BILLING, status=Status.SUBMITTED)
        assert len(await follow(lambda cursor: store.list_requests(both_common, limit=200, cursor=cursor))) == 1200

    async def test_needs_attention_is_the_most_urgent_first_then_the_oldest(
        self, store: RequestStore, make_record: MakeRecord
    ) -> None:
        def attended(request_id: str, after_s: float, urgency: Urgency | None) -> RequestRecord:
            return make_record(request_id=request_id, after_s=after_s, urgency=urgency, needs_attention=True)

        ordered = [
            attended("emergency-old", 1, Urgency.EMERGENCY),
            attended("emergency-new", 9, Urgency.EMERGENCY),
            attended("unknown", 0, None),
            attended("high-a", 5, Urgency.HIGH),
            attended("high-b", 5, Urgency.HIGH),
            attended("medium", 2, Urgency.MEDIUM),
            attended("low-old", -9, Urgency.LOW),
            attended("low-new", 3, Urgency.LOW),
        ]
        await create_all(store, [*reversed(ordered), make_record(urgency=Urgency.EMERGENCY)])
        where = RequestFilter(needs_attention=True)
        for limit in (1, 3, 50):
            listed = await follow(lambda cursor, limit=limit: store.list_requests(where, limit=limit, cursor=cursor))
            assert ids(listed) == [record.request.request_id for record in ordered]
        await store.save(changed(ordered[0], 2, needs_attention=False), expected_version=1, events=())
        listed = await follow(lambda cursor: store.list_requests(where, limit=50, cursor=cursor))
        assert ids(listed) == [record.request.request_id for record in ordered[1:]]

    async def test_a_residents_requests(self, store: RequestStore, make_record: MakeRecord) -> None:
        mine = [make_record(after_s=n, resident_id="RES_1", building_id="AB"[n % 2]) for n in range(7)]
        await create_all(store, [*mine, *(make_record(after_s=n, resident_id="RES_10") for n in range(3))])
        listed = await follow(lambda cursor: store.list_by_resident(ResidentId("RES_1"), limit=3, cursor=cursor))
        assert listed == [record.request for record in reversed(mine)]

    async def test_a_list_follows_changes(self, store: RequestStore, make_record: MakeRecord) -> None:
        record = make_record()
        await create_all(store, [record])
        await store.save(changed(record, 2, status=Status.PROCESSING), expected_version=1, events=())
        assert not (await store.list_requests(RequestFilter(status=Status.SUBMITTED), limit=5, cursor=None)).items
        page = await store.list_requests(RequestFilter(status=Status.PROCESSING), limit=5, cursor=None)
        assert [item.version for item in page.items] == [2]


class TestCursors:
    @pytest.fixture
    async def cursor(self, store: RequestStore, make_record: MakeRecord) -> str:
        await create_all(store, [make_record(after_s=n, needs_attention=True) for n in range(3)])
        page = await store.list_requests(RequestFilter(building_id="A"), limit=1, cursor=None)
        assert page.next_cursor is not None
        return page.next_cursor

    async def test_its_own_list_takes_it(self, store: RequestStore, cursor: str) -> None:
        assert len((await store.list_requests(RequestFilter(building_id="A"), limit=5, cursor=cursor)).items) == 2

    @pytest.mark.parametrize(
        "where",
        [
            RequestFilter(),
            RequestFilter(building_id="B"),
            RequestFilter(building_id="A", status=Status.SUBMITTED),
            RequestFilter(building_id="A", buildings=frozenset({"A"})),
            RequestFilter(building_id="A", needs_attention=True),
        ],
    )
    async def test_another_filter_refuses_it(self, store: RequestStore, cursor: str, where: RequestFilter) -> None:
        with pytest.raises(InvalidCursor):
            await store.list_requests(where, limit=5, cursor=cursor)

    async def test_another_list_refuses_it(self, store: RequestStore, cursor: str) -> None:
        with pytest.raises(InvalidCursor):
            await store.list_by_resident(ResidentId("RES_A_101"), limit=5, cursor=cursor)
        page = await store.list_by_resident(ResidentId("RES_A_101"), limit=1, cursor=None)
        with pytest.raises(InvalidCursor):
            await store.list_by_resident(ResidentId("RES_A_102"), limit=1, cursor=page.next_cursor)

    @pytest.mark.parametrize("garbage", ["", "x", "AAAA", "💥", "e30", "bnVsbA", "a" * 100_000, "../../etc/passwd"])
    async def test_garbage_is_refused(self, store: RequestStore, cursor: str, garbage: str) -> None:
        for text in (garbage, cursor[:-3] + garbage):
            with pytest.raises(InvalidCursor):
                await store.list_requests(RequestFilter(building_id="A"), limit=5, cursor=text)
