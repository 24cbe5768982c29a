"""Replicas that propose at the same moment make one incident of one fault, on every store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.documents_sqlite import SqliteDocumentStore
from adapters.store_sqlite import SqliteRequestStore
from core.errors import StoreUnavailable
from core.labels import Trade, Urgency
from core.ports.documents import Document, DocumentStore
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import BuildingId
from deployments.request_management import incident_proposals
from deployments.request_management.incident import Incident, IncidentStatus
from deployments.request_management.incident_proposals import KEPT_FOR, MOST_KEPT, Proposals
from deployments.request_management.incidents import KIND, Incidents
from tests.builders import NOON
from tests.clock import ManualClock
from tests.deployments.request_management.test_incidents import HEAT, STAFF, Embedding, put
from tests.dynamo_server import open_documents_store, open_requests_store

BUILDING = BuildingId("A")
Open = tuple[Callable[[Path], RequestStore], Callable[[Path], DocumentStore]]
STORES: dict[str, Open] = {
    "dynamodb": (open_requests_store, open_documents_store),
    "sqlite": (
        lambda folder: SqliteRequestStore(folder / "requests.sqlite3"),
        lambda folder: SqliteDocumentStore(folder / "documents.sqlite3"),
    ),
}


class Building:
    """One building with several replicas, each with stores and locks of its own."""

    def __init__(self, opened: list[tuple[RequestStore, DocumentStore]]) -> None:
        self.clock = ManualClock(NOON)
        self.stores = opened
        self.documents = [documents for _, documents in opened]
        self.replicas = [
            Incidents(store, documents, cast(Any, Embedding()), cast(Any, None), self.clock)
            for store, documents in opened
        ]
        self.ports = self
        self.store = opened[0][0]

    async def reports(self, count: int) -> list[RequestRecord]:
        """Residents without heat, a minute apart, of whom nobody has been considered."""
        records: list[RequestRecord] = []
        for number in range(count):
            self.clock.advance(60)
            records.append(await put(cast(Any, self), str(101 + number), HEAT[number % 2]))
        return records

    async def incidents(self) -> list[Incident]:
        page = await self.replicas[0].list_incidents(STAFF, BUILDING, None, 50, None)
        return list(page.items)


@pytest.fixture(params=sorted(STORES))
async def building(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Building]:
    open_store, open_documents = STORES[request.param]
    async with AsyncExitStack() as stack:
        opened = [(open_store(tmp_path), open_documents(tmp_path)) for _ in range(3)]
        for store, documents in opened:
            stack.push_async_callback(store.close)
            stack.push_async_callback(documents.close)
        yield Building(opened)


def meet_after_reading(building: Building, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nobody writes before all replicas have read what there is; the counts of documents that each found."""
    barrier, found = asyncio.Barrier(len(building.replicas)), list[int]()
    for documents in building.documents:
        read = documents.list

        def meeting(read: Any) -> Any:
            met: list[bool] = []

            async def first_together(*args: Any, **kwargs: Any) -> Any:
                page = await read(*args, **kwargs)
                if not met:
                    met.append(True)
                    found.append(len(page.items))
                    await barrier.wait()
                return page

            return first_together

        monkeypatch.setattr(documents, "list", meeting(read))
    return found


async def test_replicas_that_propose_at_once_make_one_incident(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await building.reports(4)
    found = meet_after_reading(building, monkeypatch)
    # By itself each would pair its request with another one: three incidents of one fault.
    await asyncio.gather(*(one.consider(record) for one, record in zip(building.replicas, records[1:], strict=True)))
    assert found == [0, 0, 0]
    monkeypatch.undo()
    await building.replicas[0].consider(records[0])
    (one,) = await building.incidents()
    assert set(one.members) == {record.request.request_id for record in records}
    assert one.status is IncidentStatus.PROPOSED


async def test_a_proposal_whose_replica_died_is_made_by_the_next(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await building.reports(3)
    put_document = building.documents[0].put

    async def dies(document: Document) -> None:
        if document.kind == KIND:
            raise StoreUnavailable("The power went.")
        await put_document(document)

    monkeypatch.setattr(building.documents[0], "put", dies)
    await building.replicas[0].consider(records[1])
    assert await building.incidents() == []
    # Who proposes next finds the proposal that was noted, not the one that it would make itself.
    await building.replicas[1].consider(records[0])
    await building.replicas[2].consider(records[2])
    (one,) = await building.incidents()
    assert set(one.members) == {record.request.request_id for record in records}


async def test_two_faults_of_one_moment_are_two_incidents(building: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = await building.reports(2)
    dark = [
        await put(
            cast(Any, building),
            unit,
            "The elevator is stuck and its doors do not open",
            trade=Trade.ELECTRICAL,
            urgency=Urgency.MEDIUM,
        )
        for unit in ("501", "602")
    ]
    meet_after_reading(building, monkeypatch)
    await asyncio.gather(
        building.replicas[0].consider(cold[1]),
        building.replicas[1].consider(dark[1]),
        building.replicas[2].consider(dark[0]),
    )
    assert sorted(len(one.members) for one in await building.incidents()) == [2, 2]


async def test_old_proposals_are_forgotten(building: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident_proposals, "MOST_KEPT", 2)
    assert MOST_KEPT > 2
    proposals = Proposals(building.documents[0], building.clock)
    made = [
        Incident(
            incident_id=f"INC_{number}",
            building_id=BUILDING,
            status=IncidentStatus.PROPOSED,
            title="Fault",
            lead=cast(Any, "REQ_1"),
            members=(),
            proposed_by="system",
            created_at=building.clock(),
            updated_at=building.clock(),
        )
        for number in range(3)
    ]
    for one in made:
        await proposals.claim(await proposals.turn(BUILDING), one)
    assert (await proposals.turn(BUILDING)).proposals == (made[2], made[1])
    assert (await proposals.turn(BuildingId("B"))).proposals == ()
    building.clock.advance(KEPT_FOR.total_seconds() + 1)
    turn = await proposals.turn(BUILDING)
    assert (turn.version, turn.proposals) == (3, ())
