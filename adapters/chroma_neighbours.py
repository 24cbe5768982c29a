"""Nearest vectors in ChromaDB: from a private copy of the artefact's index, or from a Chroma server."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import chromadb
import httpx
import numpy as np
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError
from numpy.typing import NDArray

from adapters.knowledge_files import DISTANCE, VectorsName
from adapters.private_copy import PrivateCopy
from core.errors import ArtefactRefused, Unavailable

NAMES: tuple[VectorsName, ...] = ("passages", "sentences", "asked")
_BATCH = 500
_KNOCK_S, _ANSWER_S = 10.0, 30.0
_UPLOAD_S = 120.0
"""How long a replica waits until what was uploaded can be counted."""

Vectors = NDArray[np.float32]


class _Collection(Protocol):
    def query(self, *, query_embeddings: Vectors, n_results: int, include: Sequence[str]) -> Mapping[str, Any]: ...

    def upsert(self, *, ids: list[str], embeddings: Vectors) -> None: ...

    def add(self, *, ids: list[str], embeddings: Vectors) -> None: ...

    def count(self) -> int: ...


_Collections = Mapping[VectorsName, _Collection]


class Neighbours:
    """The collections of one knowledge base, opened for searching."""

    def __init__(self, collections: _Collections, close: Callable[[], None]) -> None:
        self._collections = collections
        self._close = close

    def nearest(self, name: VectorsName, vectors: Vectors, count: int) -> list[list[int]]:
        """For each of the vectors, (q, d), the places of the `count` nearest, nearest first. Raises `Unavailable`."""
        try:
            found = self._collections[name].query(query_embeddings=vectors, n_results=count, include=[])
        except (ChromaError, httpx.HTTPError) as problem:
            raise Unavailable("The knowledge base can't be searched at the moment.") from problem
        return [[int(key) for key in keys] for keys in found["ids"]]

    def count(self, name: VectorsName) -> int:
        """How many vectors a collection holds. Raises `Unavailable`."""
        try:
            return self._collections[name].count()
        except (ChromaError, httpx.HTTPError) as problem:
            raise Unavailable("The knowledge base can't be searched at the moment.") from problem

    def close(self) -> None:
        """Free the index and its private copy."""
        self._close()


def open_copy(folder: Path) -> Neighbours:
    """The index in `folder`, from a copy of this process's own, as Chroma writes where it opens.

    Raises `ArtefactRefused`.
    """
    try:
        copy = PrivateCopy(folder, "aam-knowledge-")
    except OSError as problem:
        raise ArtefactRefused(f"The index in {folder} can't be copied: {problem}") from problem
    try:
        client: Any = chromadb.PersistentClient(str(copy.path), ChromaSettings(anonymized_telemetry=False))
        collections: _Collections = {
            name: _held(client.get_collection(name, embedding_function=None)) for name in NAMES
        }
    except ChromaError as problem:
        copy.close()
        raise ArtefactRefused("Chroma can't open the knowledge base's index; run `python -m aam build`.") from problem

    def close() -> None:
        client.close()
        copy.close()

    return Neighbours(collections, close)


def open_server(url: str, version: str, vectors: Mapping[VectorsName, Vectors]) -> Neighbours:
    """The collections of this version on the Chroma server at `url`, uploaded first where they are not there whole.

    A collection carries the artefact's version in its name and is never changed, so replicas of two versions can use
    one server, and several that upload at the same time write the same. Raises `Unavailable`, and `ArtefactRefused` for
    a URL with a path.
    """
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query or parts.fragment:
        # Chroma's client takes a host and a port alone, and would ask another place than the one that answered.
        raise ArtefactRefused("The Chroma server's URL must be a host and a port, without a path.")
    _knock(url)
    settings = ChromaSettings(anonymized_telemetry=False)
    secure = parts.scheme == "https"
    client: Any = None
    try:
        client = chromadb.HttpClient(
            host=parts.hostname or "localhost",
            port=parts.port or (443 if secure else 80),
            ssl=secure,
            settings=settings,
        )
        # The client's own limit is none at all, so that a server that hangs would hold up every decision.
        client._server._session.timeout = httpx.Timeout(_ANSWER_S)
        collections: _Collections = {name: _uploaded(client, f"aam-{version}-{name}", vectors[name]) for name in NAMES}
    except BaseException as problem:
        if client is not None:
            hang_up(client)
        # Chroma's client answers a server that it can't reach with a ValueError.
        if isinstance(problem, ChromaError | httpx.HTTPError | ValueError):
            raise Unavailable("The Chroma server can't be reached or does not take the knowledge base.") from problem
        raise
    return Neighbours(collections, lambda: hang_up(client))


def hang_up(client: Any) -> None:
    """Close an HTTP client of Chroma with its connections, which Chroma itself leaves open."""
    for each in (client, client._admin_client):
        each._server._session.close()
    client.close()


def _knock(url: str) -> None:
    """Chroma's client leaves a connection open where it finds no server, so this asks first."""
    try:
        httpx.get(f"{url.rstrip('/')}/api/v2/heartbeat", timeout=_KNOCK_S).raise_for_status()
    except httpx.HTTPError as problem:
        raise Unavailable("The Chroma server can't be reached.") from problem


def write_collections(folder: Path, vectors: Mapping[VectorsName, Vectors]) -> None:
    """Build the index of the artefact in `folder`."""
    client: Any = chromadb.PersistentClient(str(folder), ChromaSettings(anonymized_telemetry=False))
    try:
        for name in NAMES:
            rows = vectors.get(name, np.zeros((0, 1), dtype=np.float32))
            held = client.create_collection(name, embedding_function=None, configuration={"hnsw": DISTANCE})
            for ids, part in _batches(rows):
                held.add(ids=ids, embeddings=part)
    finally:
        client.close()


def _uploaded(client: Any, name: str, vectors: Vectors) -> _Collection:
    held = _held(client.get_or_create_collection(name, embedding_function=None, configuration={"hnsw": DISTANCE}))
    if held.count() != len(vectors):
        for ids, part in _batches(vectors):
            held.upsert(ids=ids, embeddings=part)
    until = time.monotonic() + _UPLOAD_S
    while (count := held.count()) != len(vectors):
        if time.monotonic() > until:
            raise Unavailable(f"The Chroma server holds {count} of {len(vectors)} vectors of {name}.")
        time.sleep(0.1)
    return held


def _batches(vectors: Vectors) -> list[tuple[list[str], Vectors]]:
    return [
        ([str(start + place) for place in range(len(vectors[start : start + _BATCH]))], vectors[start : start + _BATCH])
        for start in range(0, len(vectors), _BATCH)
    ]


def _held(collection: Any) -> _Collection:
    return cast(_Collection, collection)
