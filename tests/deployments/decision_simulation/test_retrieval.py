"""Looking things up: the index's own embedder, each text embedded once, and a text that fails by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from core.errors import ArtefactRefused, Unavailable
from core.messages import ResolveItem, RetrieveQuery
from deployments.decision_simulation.retrieval import PASSAGES, SENTENCES, Evidence, Retrieval

DRIP, COLD, BROKEN = "the tap drips", "no heat", "the tap drips, this breaks the embedder"


@pytest.mark.parametrize(("name", "value"), [("name", "others"), ("version", "2")])
def test_another_embedder_than_the_indexs_is_refused(knowledge: Any, embedder: Any, name: str, value: str) -> None:
    setattr(embedder, name, value)
    with pytest.raises(ArtefactRefused, match=r"hashes/1.*aam build"):
        Retrieval(knowledge, embedder)


def test_a_text_that_comes_twice_is_embedded_once(
    retrieval: Retrieval, embedder: Any, knowledge: Any, make_item: Callable[..., ResolveItem]
) -> None:
    found = retrieval.look_up([make_item(DRIP), make_item(COLD), make_item(DRIP)], asking=[2])
    assert embedder.calls == [[DRIP, COLD]]
    drip, cold = embedder.vector(DRIP), embedder.vector(COLD)
    assert [each.vector for each in found] == [drip, cold, drip]
    assert knowledge.vectors == [[drip, cold, drip], [drip]]
    assert [query.text for query in knowledge.searches[0]] == [DRIP, COLD, DRIP]
    assert {query.top_k for query in knowledge.searches[0]} == {PASSAGES}
    assert {(query.top_k, query.building_id) for query in knowledge.sentence_searches[0]} == {(SENTENCES, "BLD_A")}
    assert [len(each.passages) for each in found] == [1, 1, 1]
    assert [len(each.sentences) for each in found] == [0, 0, 1]


@pytest.mark.parametrize("text", [BROKEN, "this has a short vector", "this has no end"])
def test_a_text_without_a_sound_vector_has_no_evidence_and_its_neighbours_have_theirs(
    retrieval: Retrieval, embedder: Any, make_item: Callable[..., ResolveItem], text: str
) -> None:
    first, bad, last = retrieval.look_up([make_item(DRIP), make_item(text), make_item(COLD)], asking=[1, 2])
    assert bad == Evidence()
    assert (first.vector, last.vector) == (embedder.vector(DRIP), embedder.vector(COLD))
    assert first.passages == last.passages == last.sentences
    assert first.passages


def test_a_dead_index_leaves_the_vectors(
    retrieval: Retrieval, knowledge: Any, embedder: Any, make_item: Callable[..., ResolveItem]
) -> None:
    knowledge.down = True
    assert retrieval.look_up([make_item(DRIP)], asking=[]) == [Evidence(vector=embedder.vector(DRIP))]


def test_a_query_is_embedded_and_passed_on_as_it_is(retrieval: Retrieval, knowledge: Any, embedder: Any) -> None:
    query = RetrieveQuery(text=DRIP, top_k=7, building_id="B", doc_type="sla", min_score=0.1)
    assert retrieval.retrieve(query) == (knowledge.passage,)
    assert (knowledge.searches, knowledge.vectors) == ([[query]], [[embedder.vector(DRIP)]])


def test_a_query_that_can_not_be_embedded_is_unavailable(retrieval: Retrieval, knowledge: Any) -> None:
    with pytest.raises(Unavailable):
        retrieval.retrieve(RetrieveQuery(text=BROKEN))
    assert knowledge.searches == []


def test_the_built_index_is_searched_with_the_embedder_that_it_was_built_with(
    real_knowledge: ChromaKnowledge, real_embedder: OnnxEmbedder, embedder: Any, make_item: Callable[..., ResolveItem]
) -> None:
    item = make_item("what time does the gym close?")
    (found,) = Retrieval(real_knowledge, real_embedder).look_up([item], asking=[0])
    assert found.vector == real_embedder.embed([item.message_text])[0]
    assert found.passages[0].doc_id == found.sentences[0].doc_id == "amenity-hours"
    assert len(found.sentences) > len(found.passages)
    with pytest.raises(ArtefactRefused, match=real_embedder.version):
        Retrieval(real_knowledge, embedder)
