"""Builds the knowledge-base artefact: the rule book, the passages and sentences, their vectors, and the calibration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.config import Settings as ChromaSettings
from numpy.typing import NDArray

from adapters.artefacts import BuildReport, content_hash, files_hash
from adapters.embedder_onnx import ARTEFACT as EMBEDDER
from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_files import (
    ANSWERS,
    CHROMA,
    CONTENTS,
    DISTANCE,
    RULES,
    IndexedDocument,
    IndexedText,
    KnowledgeContents,
)
from core.ports.intelligence import Embedder
from kb.calibrate import Evidence, Fitted, Indexed, calibration, cross_validate, fit, gather, minimum_score
from kb.check import check
from kb.compile import compile_rules, in_force
from kb.evaluate import answer_metrics
from kb.passages import passage_input, passages, sentence_input, single_sentences
from kb.queries import QUERIES, LabelledQuery, read_queries
from kb.reader import DOCUMENTS, Document, DocumentFault, read_documents

_CODE = (*Path(__file__).parent.glob("*.py"), *Path(__file__).parent.parent.glob("adapters/*.py"))
_ANSWERING = {"knowledge_files.py", "answer_evidence.py", "question_words.py", "llm_offline.py"}
_BATCH = 500


@dataclass(frozen=True)
class Corpus:
    """What is indexed, before it has vectors."""

    documents: tuple[IndexedDocument, ...]
    passages: tuple[IndexedText, ...]
    sentences: tuple[IndexedText, ...]

    @property
    def titles(self) -> dict[str, str]:
        """Title by document id."""
        return {document.doc_id: document.title for document in self.documents}


def inputs_hash(folder: Path = DOCUMENTS, on: date | None = None) -> str:
    """Hash of everything that the index is made from but the embedder: documents, questions, code, and who is in force.

    It changes on the day on which a document comes into force or ends.
    """
    held = in_force(read_documents(folder), on or date.today())
    code = [path for path in _CODE if path.parent.name == "kb" or path.name in _ANSWERING]
    return content_hash(
        [
            files_hash([*folder.glob("*.md"), QUERIES]).encode(),
            files_hash(code).encode(),
            ",".join(sorted(document.front.id for document in held)).encode(),
        ]
    )


def build(
    folder: Path,
    embedder: Embedder,
    *,
    documents: Path = DOCUMENTS,
    queries: Sequence[LabelledQuery] | None = None,
    on: date | None = None,
) -> BuildReport:
    """Write the artefact's files into `folder`. Raises `DocumentFault` with every error that the check found."""
    day = on or date.today()
    errors = [finding for finding in check(documents, day) if finding.severity == "error"]
    if errors:
        raise DocumentFault("; ".join(f"{error.document}: {error.message}" for error in errors))
    read = read_documents(documents)
    rules = compile_rules(in_force(read, day))
    corpus = read_corpus(read, day)
    embed = _embedding(embedder)
    titles = corpus.titles
    passage_index = Indexed(
        corpus.documents,
        corpus.passages,
        embed([passage_input(titles[entry.doc_id], entry) for entry in corpus.passages]),
    )
    sentence_index = Indexed(
        corpus.documents,
        corpus.sentences,
        embed([sentence_input(titles[entry.doc_id], entry) for entry in corpus.sentences]),
    )
    labelled = list(queries) if queries is not None else read_queries()
    vectors = embed([query.query for query in labelled])
    evidence = gather(labelled, vectors, sentence_index, day)
    fitted = fit(_split(evidence, "fit"))
    contents = KnowledgeContents(
        embedding_model=embedder.name,
        embedding_version=embedder.version,
        dimensions=embedder.dimensions,
        passage_minimum=minimum_score(labelled, vectors, passage_index, day),
        sentence_minimum=minimum_score(labelled, vectors, sentence_index, day),
        documents=corpus.documents,
        passages=corpus.passages,
        sentences=corpus.sentences,
    )
    (folder / RULES).write_text(rules.model_dump_json(indent=1), encoding="utf-8")
    (folder / CONTENTS).write_text(contents.model_dump_json(indent=1), encoding="utf-8")
    (folder / ANSWERS).write_text(calibration(fitted, sentence_index).model_dump_json(indent=1), encoding="utf-8")
    _write_vectors(folder / CHROMA, {"passages": passage_index.vectors, "sentences": sentence_index.vectors})
    return BuildReport(
        built_with={name: version(name) for name in ("chromadb", "numpy", "pyyaml")},
        metrics=_metrics(fitted, evidence),
        details={
            "kb_version": rules.kb_version,
            "policy_version": rules.policy_version,
            "embedding_model": embedder.name,
            "embedding_version": embedder.version,
            "documents": len(corpus.documents),
            "passages": len(corpus.passages),
            "sentences": len(corpus.sentences),
        },
    )


def build_with(artefacts: Path, folder: Path) -> BuildReport:
    """As `build`, with the embedder artefact that lies in `artefacts`."""
    return build(folder, OnnxEmbedder(artefacts / EMBEDDER))


def read_corpus(documents: Sequence[Document], on: date) -> Corpus:
    """What is indexed of these documents: all that have not ended, those that are still to begin included."""
    living = [
        document for document in documents if document.front.effective_to is None or document.front.effective_to >= on
    ]
    return Corpus(
        documents=tuple(_indexed(document) for document in living),
        passages=tuple(entry for document in living for entry in passages(document)),
        sentences=tuple(entry for document in living for entry in single_sentences(document)),
    )


def _split(evidence: Sequence[Evidence], split: str) -> list[Evidence]:
    return [item for item in evidence if item.query.split == split]


def _metrics(fitted: Fitted, evidence: Sequence[Evidence]) -> dict[str, float]:
    """Cross-validated figures for the writers that were fitted on, and `test_` ones for those that were not."""
    seen = answer_metrics(cross_validate(_split(evidence, "fit")))
    unseen = answer_metrics([fitted.answer(item) for item in _split(evidence, "test")])
    return seen | {f"test_{name}": value for name, value in unseen.items()}


def _indexed(document: Document) -> IndexedDocument:
    front = document.front
    return IndexedDocument(
        doc_id=front.id,
        title=front.title,
        kind=front.kind,
        building=front.building,
        effective_from=front.effective_from,
        effective_to=front.effective_to,
        supersedes=front.supersedes,
    )


def _embedding(embedder: Embedder) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([np.frombuffer(vector, dtype="<f4") for vector in embedder.embed(texts)])

    return embed


def _write_vectors(folder: Path, collections: dict[str, NDArray[np.float32]]) -> None:
    client: Any = chromadb.PersistentClient(str(folder), ChromaSettings(anonymized_telemetry=False))
    try:
        for name, vectors in collections.items():
            collection = client.create_collection(name, embedding_function=None, configuration={"hnsw": DISTANCE})
            for start in range(0, len(vectors), _BATCH):
                part = vectors[start : start + _BATCH]
                collection.add(ids=[str(start + place) for place in range(len(part))], embeddings=part)
    finally:
        client.close()
