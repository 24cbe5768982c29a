from pathlib import Path

import pytest

from adapters.artefacts import load
from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.llm_offline import OfflineLanguageModel
from kb.calibrate import Outcome
from kb.evaluate import answer_metrics, ask, evaluate
from kb.queries import LabelledQuery, read_queries
from kb.reader import read_documents


def test_every_labelled_answer_is_in_a_document_that_is_named_for_it():
    sources = {document.front.id: document.source for document in read_documents()}
    queries = read_queries()
    assert sum(query.answerable for query in queries) >= 60
    assert sum(not query.answerable for query in queries) >= 15
    for query in queries:
        for part in query.answer:
            assert any(part in sources[doc_id] for doc_id in query.docs), (query.query, part)


def test_answers_are_counted_as_right_wrong_and_false():
    known = LabelledQuery(query="q", building="A", docs=("pets",), answer=("two",), split="fit")
    unknown = LabelledQuery(query="q", building="A", docs=(), answer=(), split="fit")
    outcomes = [
        Outcome(known, 0.9, True),
        Outcome(known, 0.8, False),
        Outcome(known, 0.1, True),
        Outcome(known, 0.1, False),
        Outcome(unknown, 0.7, False),
        Outcome(unknown, 0.0, False),
    ]
    metrics = answer_metrics(outcomes, floor=0.6)
    assert metrics["right_answers"] == 0.25
    assert metrics["wrong_answers"] == 0.25
    assert metrics["false_answers"] == 0.5
    assert metrics["precision"] == pytest.approx(1 / 3)


def test_retrieval_and_held_out_answers_reach_what_residents_need(
    kb_folder: Path, real_knowledge: ChromaKnowledge, real_embedder: OnnxEmbedder
):
    reached = evaluate(read_queries(), real_knowledge, real_embedder)
    assert reached["recall_at_5"] >= 0.93
    assert reached["recall_at_5"] - reached["recall_at_5_above_minimum"] <= 0.07
    assert reached["mrr"] >= 0.82
    held_out = load(kb_folder, "kb").metrics
    assert held_out["right_answers"] >= 0.35
    assert held_out["wrong_answers"] <= 0.06
    assert held_out["false_answers"] <= 0.1
    assert held_out["precision"] >= 0.78
    assert held_out["confidence_error"] <= 0.06


async def test_writers_that_nothing_was_fitted_on_are_seldom_answered_wrongly(
    kb_folder: Path, real_knowledge: ChromaKnowledge, real_embedder: OnnxEmbedder
):
    model = OfflineLanguageModel.open(kb_folder)
    queries = [query for query in read_queries() if query.split == "test"]
    assert len(queries) >= 40
    found = evaluate(queries, real_knowledge, real_embedder)
    assert found["recall_at_5"] >= 0.92
    assert found["mrr"] >= 0.83
    served = answer_metrics(await ask(queries, real_knowledge, model, real_embedder))
    assert served["right_answers"] > 0.1
    assert served["wrong_answers"] <= 0.05
    assert served["false_answers"] <= 0.12
