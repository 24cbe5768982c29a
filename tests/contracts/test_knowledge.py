"""What every implementation of the `Knowledge` port keeps."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from core.messages import Retrieved, RetrieveQuery
from core.ports.intelligence import Knowledge
from tests.adapters.chroma_server import running_chroma

Run = Callable[..., list[tuple[Retrieved, ...]]]
WHERE = ("process", "server")


@pytest.fixture(scope="module", params=WHERE)
def knowledge(
    request: pytest.FixtureRequest, kb_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Knowledge]:
    """The index within the process, and the same on a Chroma server."""
    with ExitStack() as started:
        url: str | None = None
        if request.param == "server":
            data = tmp_path_factory.mktemp("chroma") / "data"
            data.mkdir()
            url, _ = started.enter_context(running_chroma(data))
        opened = ChromaKnowledge(kb_folder, chroma_url=url)
        started.callback(opened.close)
        yield opened


@pytest.fixture
def run(real_embedder: OnnxEmbedder) -> Run:
    def embed_and_search(knowledge: Knowledge, search: str, *queries: RetrieveQuery) -> list[tuple[Retrieved, ...]]:
        vectors = real_embedder.embed([query.text for query in queries])
        return knowledge.search(queries, vectors) if search == "search" else knowledge.sentences(queries, vectors)

    return embed_and_search


def query(text: str, **fields: object) -> RetrieveQuery:
    return RetrieveQuery.model_validate({"text": text, **fields})


SEARCHES = pytest.mark.parametrize("search", ["search", "sentences"])


def test_it_says_what_it_holds(knowledge: Knowledge):
    assert knowledge.documents >= 20
    assert knowledge.chunks >= knowledge.documents
    assert len(knowledge.rules.options) > 50


def test_it_names_the_embedder_that_it_was_indexed_with(knowledge: Knowledge, real_embedder: OnnxEmbedder):
    assert (knowledge.embedding_model, knowledge.embedding_version) == (real_embedder.name, real_embedder.version)


@SEARCHES
def test_no_queries_no_results(knowledge: Knowledge, run: Run, search: str):
    assert run(knowledge, search) == []


@SEARCHES
def test_results_are_best_first_and_no_more_than_asked_for(knowledge: Knowledge, run: Run, search: str):
    for top_k in (1, 3, 50):
        found = run(knowledge, search, query("how much does parking cost?", top_k=top_k, min_score=0.0))[0]
        assert len(found) == top_k
        scores = [passage.score for passage in found]
        assert scores == sorted(scores, reverse=True)
        assert all(0.0 <= score < 1.0 for score in scores)


@SEARCHES
def test_nothing_below_the_minimum_score(knowledge: Knowledge, run: Run, search: str):
    asked = query("what are the quiet hours?", top_k=50, min_score=0.3)
    found = run(knowledge, search, asked)[0]
    assert found
    assert all(passage.score >= 0.3 for passage in found)
    assert run(knowledge, search, asked.model_copy(update={"min_score": 1.0})) == [()]


@SEARCHES
def test_the_calibrated_minimum_hides_what_has_nothing_to_do_with_it(knowledge: Knowledge, run: Run, search: str):
    asked = [query("who scored the winning goal in 1966"), query("photosynthesis in green algae")]
    assert run(knowledge, search, *asked) == [(), ()]


@SEARCHES
def test_a_building_sees_its_own_document_in_place_of_the_general_one(knowledge: Knowledge, run: Run, search: str):
    text = "what time does the gym close?"
    in_b, in_a = run(knowledge, search, query(text, building_id="B"), query(text, building_id="A"))
    assert in_b[0].doc_id == "amenity-hours-building-b"
    assert "22:00" in in_b[0].text
    assert in_a[0].doc_id == "amenity-hours"
    assert "23:00" in in_a[0].text
    assert "amenity-hours" not in {passage.doc_id for passage in in_b}
    assert {passage.building_id for passage in in_a} == {"all"}


@SEARCHES
def test_only_documents_of_the_kind_asked_for(knowledge: Knowledge, run: Run, search: str):
    found = run(knowledge, search, query("how soon do you act?", doc_type="sla", top_k=10, min_score=0.0))[0]
    assert len(found) == 10
    assert {passage.doc_type for passage in found} == {"sla"}
    assert run(knowledge, search, query("how soon do you act?", doc_type="novel", min_score=0.0)) == [()]


@SEARCHES
def test_many_queries_in_one_call_get_what_each_gets_alone(knowledge: Knowledge, run: Run, search: str):
    queries = [
        query("gym hours", building_id="B"),
        query("late fee", building_id="A", top_k=2),
        query("pets", doc_type="information", top_k=7),
        query("elevator is stuck", min_score=0.2),
    ]
    together = run(knowledge, search, *queries)
    assert together == [run(knowledge, search, one)[0] for one in queries]


def test_a_sentence_stands_word_for_word_in_its_passage(knowledge: Knowledge, run: Run):
    sentence = run(knowledge, "sentences", query("when is rent due?", building_id="A", top_k=1))[0][0]
    passages = run(knowledge, "search", query("when is rent due?", building_id="A", top_k=10))[0]
    assert sentence.text == "Rent is due on the 1st of each month."
    assert any(
        sentence.text in passage.text
        and (passage.doc_id, passage.section) == (sentence.doc_id, sentence.section)
        and passage.title == sentence.title
        for passage in passages
    )
