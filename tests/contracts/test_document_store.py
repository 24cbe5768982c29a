"""What every `DocumentStore` does."""

import asyncio
import string
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BrokenInvariant, InvalidCursor, StoreUnavailable, VersionConflict
from core.ports.documents import Document, DocumentStore
from core.ports.page import Page

OpenDocuments = Callable[[], DocumentStore]

ODD_BODY: dict[str, Any] = {
    "text": "Şu anda; 水が; 🛁 e\u0301 \u00e9 '; DROP TABLE documents; -- \u2028 \x00 \t\"\\",
    "": "an empty name",
    "numbers": [0, -1, 2**53, -(2**63), 0.1, 1e-300, 1e300, -0.5, 1.0],
    "nothing": None,
    "flags": [True, False],
    "nested": {"list": [[], [{}], {"a": [1, {"b": None}]}], "empty": ""},
}


def document(key: str = "K", *, version: int = 1, **fields: Any) -> Document:
    known: dict[str, Any] = {"kind": "incident", "partition": "A", "order": "2026-03-02", "body": {"n": version}}
    known |= {"key": key, "version": version} | fields
    return Document(**known)


async def follow(
    documents: DocumentStore, partition: str = "A", *, limit: int, newest_first: bool, kind: str = "incident"
) -> list[str]:
    keys: list[str] = []
    cursor = None
    while True:
        page = await documents.list(kind, partition, limit=limit, cursor=cursor, newest_first=newest_first)
        assert len(page.items) <= limit
        keys += [item.key for item in page.items]
        if (cursor := page.next_cursor) is None:
            return keys


class TestDocuments:
    async def test_what_was_put_is_read_back(self, documents: DocumentStore) -> None:
        odd = document('key with "everything": ü/水?#&\'', partition="A/ü", order="z é", body=ODD_BODY)
        await documents.put(odd)
        assert await documents.get("incident", odd.key) == odd
        assert (await documents.list("incident", "A/ü", limit=5)).items == (odd,)

    async def test_numbers_keep_their_kind(self, documents: DocumentStore) -> None:
        await documents.put(document(body={"whole": 1, "real": 1.0, "true": True}))
        found = await documents.get("incident", "K")
        assert found is not None
        assert [type(value) for value in found.body.values()] == [int, float, bool]

    async def test_an_unknown_key_is_none(self, documents: DocumentStore) -> None:
        await documents.put(document())
        assert await documents.get("incident", "other") is None
        assert await documents.get("template", "K") is None

    async def test_each_change_has_the_next_version(self, documents: DocumentStore) -> None:
        for version in (1, 2, 3):
            await documents.put(document(version=version))
            assert await documents.get("incident", "K") == document(version=version)
        assert (await documents.list("incident", "A", limit=5)).items == (document(version=3),)

    @pytest.mark.parametrize("version", [1, 2, 4, 9])
    async def test_another_version_is_refused_and_changes_nothing(self, documents: DocumentStore, version: int) -> None:
        await documents.put(document())
        await documents.put(document(version=2))
        with pytest.raises(VersionConflict):
            await documents.put(document(version=version, body={"late": True}))
        assert await documents.get("incident", "K") == document(version=2)

    async def test_a_change_of_what_is_not_there_is_refused(self, documents: DocumentStore) -> None:
        with pytest.raises(VersionConflict):
            await documents.put(document(version=2))
        assert await documents.get("incident", "K") is None

    @pytest.mark.parametrize("version", [0, -1])
    async def test_versions_begin_with_1(self, documents: DocumentStore, version: int) -> None:
        with pytest.raises(BrokenInvariant):
            await documents.put(document(version=version))
        assert await documents.get("incident", "K") is None

    @pytest.mark.parametrize("place", [{"partition": "B"}, {"order": "2027"}])
    async def test_its_place_in_the_lists_never_changes(self, documents: DocumentStore, place: dict[str, str]) -> None:
        await documents.put(document())
        with pytest.raises(BrokenInvariant):
            await documents.put(document(version=2, **place))
        assert await documents.get("incident", "K") == document()

    async def test_what_is_no_json_is_refused(self, documents: DocumentStore) -> None:
        for odd in (float("nan"), float("inf"), b"bytes", {1, 2}, object()):
            with pytest.raises(BrokenInvariant):
                await documents.put(document(body={"odd": odd}))
        assert await documents.get("incident", "K") is None

    async def test_deleted_is_gone_and_may_be_made_anew(self, documents: DocumentStore) -> None:
        await documents.put(document())
        await documents.put(document(kind="template"))
        await documents.delete("incident", "K")
        await documents.delete("incident", "K")
        assert await documents.get("incident", "K") is None
        assert (await documents.list("incident", "A", limit=5)).items == ()
        assert await documents.get("template", "K") is not None
        with pytest.raises(VersionConflict):
            await documents.put(document(version=2))
        moved = document(partition="B", order="0")
        await documents.put(moved)
        assert await documents.get("incident", "K") == moved

    async def test_it_survives_the_process(self, open_documents: OpenDocuments) -> None:
        first = open_documents()
        await first.put(document())
        await first.close()
        assert await open_documents().get("incident", "K") == document()

    async def test_after_closing_nothing_is_taken(self, documents: DocumentStore) -> None:
        await documents.close()
        with pytest.raises(StoreUnavailable):
            await documents.put(document())
        with pytest.raises(StoreUnavailable):
            await documents.get("incident", "K")
        with pytest.raises(StoreUnavailable):
            await documents.list("incident", "A", limit=1)


class TestConcurrency:
    @pytest.mark.parametrize("first", [1, 2])
    async def test_of_fifty_writers_of_a_version_exactly_one_wins(
        self, open_documents: OpenDocuments, first: int
    ) -> None:
        one, other = open_documents(), open_documents()
        for version in range(1, first):
            await one.put(document(version=version))
        outcomes = await asyncio.gather(
            *((one, other)[n % 2].put(document(version=first, body={"writer": n})) for n in range(50)),
            return_exceptions=True,
        )
        winners = [n for n, outcome in enumerate(outcomes) if outcome is None]
        assert len(winners) == 1
        assert [type(outcome) for outcome in outcomes if outcome is not None] == [VersionConflict] * 49
        assert await other.get("incident", "K") == document(version=first, body={"writer": winners[0]})

    async def test_a_chain_of_documents_that_many_append_to_has_no_gap(self, open_documents: OpenDocuments) -> None:
        stores = [open_documents(), open_documents()]

        async def append(store: DocumentStore, text: str) -> None:
            while True:
                page = await store.list("audit", "chain", limit=1)
                number = int(page.items[0].key) + 1 if page.items else 0
                try:
                    line = document(f"{number:08}", kind="audit", partition="chain", order=f"{number:08}")
                    await store.put(replace(line, body={"text": text}))
                    return
                except VersionConflict:
                    continue

        await asyncio.gather(*(append(stores[n % 2], str(n)) for n in range(12)))
        page = await stores[0].list("audit", "chain", limit=50, newest_first=False)
        assert [line.key for line in page.items] == [f"{n:08}" for n in range(12)]
        assert {line.body["text"] for line in page.items} == {str(n) for n in range(12)}


class TestLists:
    async def test_both_ways_and_ties_by_key(self, documents: DocumentStore) -> None:
        rows = [document(f"K{n:02}", order=f"{n // 3}") for n in range(10)]
        await asyncio.gather(*(documents.put(row) for row in rows[::2] + rows[1::2]))
        rising = [row.key for row in rows]
        for limit in (1, 3, 10, 50):
            assert await follow(documents, limit=limit, newest_first=False) == rising
            assert await follow(documents, limit=limit, newest_first=True) == rising[::-1]

    async def test_the_newest_come_first_unless_asked_otherwise(self, documents: DocumentStore) -> None:
        await documents.put(document("old", order="1"))
        await documents.put(document("new", order="2"))
        assert [item.key for item in (await documents.list("incident", "A", limit=1)).items] == ["new"]

    async def test_lists_are_apart(self, documents: DocumentStore) -> None:
        await asyncio.gather(
            documents.put(document("a")),
            documents.put(document("b", partition="AB")),
            documents.put(document("a", kind="template")),
            documents.put(document("c", kind="incidentA", partition="")),
        )
        assert await follow(documents, limit=5, newest_first=True) == ["a"]
        assert await follow(documents, "AB", limit=5, newest_first=True) == ["b"]
        assert await follow(documents, limit=5, newest_first=True, kind="template") == ["a"]
        assert await documents.list("incident", "none", limit=5) == Page((), None)

    async def test_the_last_page_has_no_cursor(self, documents: DocumentStore) -> None:
        await asyncio.gather(*(documents.put(document(f"K{n}")) for n in range(4)))
        page = await documents.list("incident", "A", limit=4)
        assert (len(page.items), page.next_cursor) == (4, None)

    async def test_pages_are_stable_under_changes(self, documents: DocumentStore) -> None:
        await asyncio.gather(*(documents.put(document(f"K{n}", order=f"{n}")) for n in range(6)))
        page = await documents.list("incident", "A", limit=3)
        assert [item.key for item in page.items] == ["K5", "K4", "K3"]
        await documents.put(document("K9", order="9"))
        await documents.put(document("K1", order="1", version=2))
        await documents.delete("incident", "K3")
        await documents.delete("incident", "K2")
        rest = await documents.list("incident", "A", limit=9, cursor=page.next_cursor)
        assert [(item.key, item.version) for item in rest.items] == [("K1", 2), ("K0", 1)]

    async def test_a_long_list_is_read_to_its_end(self, documents: DocumentStore) -> None:
        rows = [document(f"K{n:04}", order=f"{n:04}", body={"text": "x" * 2000}) for n in range(700)]
        await asyncio.gather(*(documents.put(row) for row in rows))
        assert await follow(documents, limit=300, newest_first=False) == [row.key for row in rows]

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        places=st.lists(st.text(string.printable + "éü水🛁\uffff", min_size=1, max_size=3), min_size=1, max_size=8),
        limit=st.integers(1, 4),
        newest_first=st.booleans(),
    )
    async def test_lists_go_by_code_points(
        self, documents: DocumentStore, places: list[str], limit: int, newest_first: bool
    ) -> None:
        partition = uuid4().hex
        rows = [document(uuid4().hex, partition=partition, order=order) for order in places]
        await asyncio.gather(*(documents.put(row) for row in rows))
        rows.sort(key=lambda row: (row.order, row.key), reverse=newest_first)
        assert await follow(documents, partition, limit=limit, newest_first=newest_first) == [row.key for row in rows]


class TestCursors:
    @pytest.fixture
    async def cursor(self, documents: DocumentStore) -> str:
        await asyncio.gather(*(documents.put(document(f"K{n}")) for n in range(3)))
        page = await documents.list("incident", "A", limit=1)
        assert page.next_cursor is not None
        return page.next_cursor

    async def test_its_own_list_takes_it(self, documents: DocumentStore, cursor: str) -> None:
        assert len((await documents.list("incident", "A", limit=5, cursor=cursor)).items) == 2

    @pytest.mark.parametrize(
        ("kind", "partition", "newest_first"),
        [("incident", "B", True), ("template", "A", True), ("incident", "A", False), ("incidentA", "", True)],
    )
    async def test_another_list_refuses_it(
        self, documents: DocumentStore, cursor: str, kind: str, partition: str, newest_first: bool
    ) -> None:
        with pytest.raises(InvalidCursor):
            await documents.list(kind, partition, limit=5, cursor=cursor, newest_first=newest_first)

    @pytest.mark.parametrize("garbage", ["", "x", "AAAA", "💥", "e30", "bnVsbA", "a" * 100_000, "../../etc/passwd"])
    async def test_garbage_is_refused(self, documents: DocumentStore, cursor: str, garbage: str) -> None:
        for text in (garbage, cursor[:-3] + garbage):
            with pytest.raises(InvalidCursor):
                await documents.list("incident", "A", limit=5, cursor=text)
