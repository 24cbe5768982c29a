"""The knowledge base on a Chroma server: a real one, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest

from adapters import chroma_neighbours
from adapters.artefacts import build_once
from adapters.chroma_neighbours import hang_up
from adapters.knowledge_chroma import ChromaKnowledge
from core.errors import ArtefactRefused, Unavailable
from core.messages import RetrieveQuery
from kb.index import build
from kb.queries import read_queries
from tests.adapters.chroma_server import running_chroma
from tests.kb.word_embedder import DAY, WordEmbedder

OPEN = """
import sys
from pathlib import Path
from adapters.knowledge_chroma import ChromaKnowledge
ChromaKnowledge(Path(sys.argv[1]), chroma_url=sys.argv[2]).close()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("server") / "kb"
    build_once(made, "kb", "x", lambda scratch: build(scratch, WordEmbedder(), on=DAY))
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("chroma") / "data"
    data.mkdir()
    with running_chroma(data) as (url, _):
        yield url


def connect(server: str) -> Any:
    host, port = server.removeprefix("http://").split(":")
    return chromadb.HttpClient(host=host, port=int(port))


def asked() -> tuple[list[RetrieveQuery], list[bytes]]:
    queries = [
        RetrieveQuery(text=query.query, building_id=query.building, min_score=0.0) for query in read_queries()[::5]
    ]
    return queries, WordEmbedder().embed([query.text for query in queries])


def test_a_server_finds_what_the_index_of_a_process_finds(folder: Path, server: str):
    queries, vectors = asked()
    remote = ChromaKnowledge(folder, chroma_url=server, today=lambda: DAY)
    local = ChromaKnowledge(folder, today=lambda: DAY)
    assert remote.search(queries, vectors) == local.search(queries, vectors)
    assert remote.sentences(queries, vectors) == local.sentences(queries, vectors)
    local.close()
    remote.close()


def test_processes_that_start_together_upload_one_index_under_its_version(folder: Path, tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    with running_chroma(data) as (url, _):
        command = [sys.executable, "-c", OPEN, str(folder), url]
        starting = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(2)]
        assert [process.wait(60) for process in starting] == [0, 0]
        knowledge = ChromaKnowledge(folder, chroma_url=url, today=lambda: DAY)
        client = connect(url)
        sizes = {each.name: each.count() for each in client.list_collections()}
        hang_up(client)
        assert sizes.keys() == {f"aam-{knowledge.version}-{name}" for name in ("passages", "sentences", "asked")}
        assert sizes[f"aam-{knowledge.version}-passages"] == knowledge.chunks
        knowledge.close()


def test_a_half_done_upload_is_made_whole(folder: Path, server: str):
    client = connect(server)
    knowledge = ChromaKnowledge(folder, chroma_url=server, today=lambda: DAY)
    held = client.get_collection(f"aam-{knowledge.version}-passages", embedding_function=None)
    held.delete(ids=[str(place) for place in range(10)])
    assert held.count() == knowledge.chunks - 10
    knowledge.close()
    again = ChromaKnowledge(folder, chroma_url=server, today=lambda: DAY)
    assert held.count() == again.chunks
    hang_up(client)
    again.close()


def test_no_server_is_unavailable(folder: Path, tmp_path: Path):
    queries, vectors = asked()
    data = tmp_path / "data"
    data.mkdir()
    with running_chroma(data) as (url, process):
        knowledge = ChromaKnowledge(folder, chroma_url=url, today=lambda: DAY)
        assert any(knowledge.search(queries[:1], vectors[:1]))
        process.kill()
        process.wait()
        with pytest.raises(Unavailable):
            knowledge.search(queries[:1], vectors[:1])
        with pytest.raises(Unavailable):
            ChromaKnowledge(folder, chroma_url=url)
        knowledge.close()


def test_no_document_of_another_kind_or_building_comes_from_the_server(folder: Path, server: str):
    knowledge = ChromaKnowledge(folder, chroma_url=server, today=lambda: DAY)
    vector = np.eye(1, WordEmbedder.dimensions, dtype="<f4").tobytes()
    query = RetrieveQuery(text="hours", building_id="B", doc_type="information", top_k=50, min_score=0.0)
    (found,) = knowledge.search([query], [vector])
    assert len(found) == 50
    assert {passage.doc_type for passage in found} == {"information"}
    assert {passage.building_id for passage in found} <= {"all", "B"}
    knowledge.close()


def test_a_url_with_a_path_is_refused_before_anything_is_asked(folder: Path):
    with pytest.raises(ArtefactRefused, match="without a path"):
        ChromaKnowledge(folder, chroma_url="http://127.0.0.1:9/chroma")


def test_a_client_is_hung_up_where_a_collection_cannot_be_opened(server: str, monkeypatch: pytest.MonkeyPatch):
    hung: list[Any] = []

    def refuse(client: Any, name: str, vectors: Any) -> Any:
        raise ValueError("no such collection")

    def note(client: Any) -> None:
        hung.append(client)
        hang_up(client)

    monkeypatch.setattr(chroma_neighbours, "_uploaded", refuse)
    monkeypatch.setattr(chroma_neighbours, "hang_up", note)
    with pytest.raises(Unavailable):
        chroma_neighbours.open_server(server, "v1", {"passages": np.zeros((0, 4), dtype=np.float32)})
    assert len(hung) == 1
