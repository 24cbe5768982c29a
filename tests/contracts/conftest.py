"""The implementations of each port, and records and messages to try them with."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from adapters.documents_sqlite import SqliteDocumentStore
from adapters.queue_sqlite import SqliteQueue
from adapters.store_sqlite import SqliteRequestStore
from core.ports.documents import DocumentStore
from core.ports.queue import Queue, QueueMessage
from core.ports.store import RequestStore
from core.record import RequestRecord
from core.request import Event
from tests.builders import NOON, build_event, build_full_record, build_message, build_record
from tests.dynamo_server import open_documents_store, open_requests_store
from tests.sqs_server import open_sqs_queue

STORES: dict[str, Callable[[Path], RequestStore]] = {
    "dynamodb": open_requests_store,
    "sqlite": lambda folder: SqliteRequestStore(folder / "state" / "requests.sqlite3"),
}
DOCUMENTS: dict[str, Callable[[Path], DocumentStore]] = {
    "dynamodb": open_documents_store,
    "sqlite": lambda folder: SqliteDocumentStore(folder / "state" / "documents.sqlite3"),
}
QUEUES: dict[str, Callable[[Path, str], Queue]] = {
    "sqs": open_sqs_queue,
    "sqlite": lambda folder, name: SqliteQueue(folder / "state" / "queues.sqlite3", name),
}


@dataclass(frozen=True)
class QueueTraits:
    """What one kind of queue promises beyond the port."""

    keeps_order: bool
    knows_ids: bool
    """An id that was sent within the last day is dropped."""
    shortest_s: float
    """The shortest visibility that it keeps to."""


TRAITS = {
    "sqs": QueueTraits(keeps_order=False, knows_ids=False, shortest_s=1.0),
    "sqlite": QueueTraits(keeps_order=True, knows_ids=True, shortest_s=0.05),
}


@pytest.fixture(params=sorted(STORES))
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], RequestStore]]:
    """Opens an adapter on the same data each time it is called."""
    opened: list[RequestStore] = []

    def open_one() -> RequestStore:
        opened.append(STORES[request.param](tmp_path))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


@pytest.fixture
def store(open_store: Callable[[], RequestStore]) -> RequestStore:
    return open_store()


@pytest.fixture(params=sorted(DOCUMENTS))
async def open_documents(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], DocumentStore]]:
    """Opens an adapter on the same data each time it is called."""
    opened: list[DocumentStore] = []

    def open_one() -> DocumentStore:
        opened.append(DOCUMENTS[request.param](tmp_path))
        return opened[-1]

    yield open_one
    for documents in opened:
        await documents.close()


@pytest.fixture
def documents(open_documents: Callable[[], DocumentStore]) -> DocumentStore:
    return open_documents()


@pytest.fixture(params=sorted(QUEUES))
def queue_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def traits(queue_kind: str) -> QueueTraits:
    return TRAITS[queue_kind]


@pytest.fixture
async def open_queue(queue_kind: str, tmp_path: Path) -> AsyncIterator[Callable[..., Queue]]:
    """Opens an adapter on the same data each time it is called."""
    opened: list[Queue] = []

    def open_one(name: str = "executions") -> Queue:
        opened.append(QUEUES[queue_kind](tmp_path, name))
        return opened[-1]

    yield open_one
    for queue in opened:
        await queue.close()


@pytest.fixture
def queue(open_queue: Callable[..., Queue]) -> Queue:
    return open_queue()


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def make_record() -> Callable[..., RequestRecord]:
    return build_record


@pytest.fixture
def full_record() -> RequestRecord:
    return build_full_record()


@pytest.fixture
def make_event() -> Callable[..., Event]:
    return build_event


@pytest.fixture
def make_message() -> Callable[..., QueueMessage]:
    return build_message
