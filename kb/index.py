"""Builds the knowledge-base artefact: the rule book, the passages and sentences, their vectors, and the calibration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.artefacts import BuildReport, content_hash, files_hash
from adapters.asked_questions import AskedQuestions, Links
from adapters.chroma_neighbours import write_collections
from adapters.embedder_onnx import ARTEFACT as EMBEDDER
from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_files import (
    ANSWERS,
    CHROMA,
    CONTENTS,
    RULES,
    CollectionName,
    IndexedDocument,
    IndexedText,
    KnowledgeContents,
    Parts,
    VectorsName,
    lexical_folder,
    vectors_file,
)
from adapters.lexical_index import LexicalIndex
from adapters.relevance import RELEVANCE, RelevanceOf
from core.ports.intelligence import Embedder
from kb.asked import Asked, AskedQuestion, asked_folder, read_asked
from kb.calibrate import (
    Evidence,
    Fitted,
    Indexed,
    Read,
    calibration,
    cross_validate,
    fit,
    fit_relevance,
    gather,
    minimum_score,
)
from kb.check import check
from kb.compile import compile_rules, holds_until, in_force
from kb.evaluate import answer_metrics
from kb.passages import passage_input, passage_parts, passages, sentence_input, single_sentences
from kb.queries import QUERIES, LabelledQuery, read_queries
from kb.reader import DOCUMENTS, Document, DocumentFault, read_documents

_CODE = (*Path(__file__).parent.glob("*.py"), *Path(__file__).parent.parent.glob("adapters/*.py"))
_ANSWERING = {"knowledge_files.py", "answer_evidence.py", "question_words.py", "llm_offline.py"} | {
    "resident_words.py",
    "spanish.py",
    "lexical_index.py",
    "relevance.py",
    "asked_questions.py",
    "answer_confidence.py",
    "chroma_neighbours.py",
}


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
            files_hash([*folder.glob("*.md"), *asked_folder(folder).glob("*.jsonl"), QUERIES]).encode(),
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
    rules = compile_rules(in_force(read, day), holds_until(read, day))
    corpus = read_corpus(read, day)
    embed = _embedding(embedder)
    parts = _parts(corpus, embed)
    questions = _questions(corpus, read_asked(documents))
    asked_vectors = embed([asked.question for _, asked in questions]) if questions else None
    passages_held = _indexed_texts(corpus, corpus.passages, passage_input, embed, parts)
    sentences_held = _indexed_texts(corpus, corpus.sentences, sentence_input, embed)
    if asked_vectors is not None:
        passages_held = replace(passages_held, asked=asked_of(corpus.passages, questions, asked_vectors, single=False))
        sentences_held = replace(
            sentences_held, asked=asked_of(corpus.sentences, questions, asked_vectors, single=True)
        )
    labelled = list(queries) if queries is not None else read_queries()
    vectors = embed([query.query for query in labelled])
    by_passage = [passages_held.read(*pair, day) for pair in zip(labelled, vectors, strict=True)]
    by_sentence = [sentences_held.read(*pair, day) for pair in zip(labelled, vectors, strict=True)]
    relevance = RelevanceOf(
        passages=fit_relevance(_fit_part(by_passage), corpus.passages, is_right_section),
        sentences=fit_relevance(_fit_part(by_sentence), corpus.sentences, is_right_sentence),
    )
    evidence = gather(by_sentence, sentences_held, relevance.sentences)
    fitted = fit(_split(evidence, "fit"))
    contents = KnowledgeContents(
        embedding_model=embedder.name,
        embedding_version=embedder.version,
        dimensions=embedder.dimensions,
        passage_minimum=minimum_score(_fit_part(by_passage), corpus.passages, relevance.passages, is_right_section),
        sentence_minimum=minimum_score(
            _fit_part(by_sentence), corpus.sentences, relevance.sentences, is_right_sentence
        ),
        documents=corpus.documents,
        passages=corpus.passages,
        sentences=corpus.sentences,
    )
    (folder / RULES).write_text(rules.model_dump_json(indent=1), encoding="utf-8")
    (folder / CONTENTS).write_text(contents.model_dump_json(indent=1), encoding="utf-8")
    (folder / RELEVANCE).write_text(relevance.model_dump_json(indent=1), encoding="utf-8")
    (folder / ANSWERS).write_text(calibration(fitted, sentences_held).model_dump_json(indent=1), encoding="utf-8")
    parts.save(folder)
    write_collection_files(folder, {"passages": passages_held, "sentences": sentences_held})
    return BuildReport(
        built_with={name: version(name) for name in ("bm25s", "chromadb", "numpy", "pyyaml")},
        metrics=_metrics(fitted, evidence),
        details={
            "kb_version": rules.kb_version,
            "policy_version": rules.policy_version,
            "embedding_model": embedder.name,
            "embedding_version": embedder.version,
            "documents": len(corpus.documents),
            "passages": len(corpus.passages),
            "sentences": len(corpus.sentences),
            "asked": len(questions),
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


def is_right_section(query: LabelledQuery, text: IndexedText) -> bool:
    """Whether this passage is of a section that answers the query."""
    return query.found_in(text.doc_id, text.section)


def is_right_sentence(query: LabelledQuery, text: IndexedText) -> bool:
    """Whether this sentence answers the query."""
    return query.answered_by(text.doc_id, text.text)


def write_collection_files(folder: Path, collections: Mapping[CollectionName, Indexed]) -> None:
    """Write vectors, words, questions and Chroma's index of each collection."""
    vectors: dict[VectorsName, NDArray[np.float32]] = {}
    for name, held in collections.items():
        vectors[name] = held.vectors
        held.words.save(lexical_folder(folder, name))
        if held.asked is not None:
            vectors["asked"] = held.asked.vectors
            held.asked.save(folder, name)
    for name, rows in vectors.items():
        np.save(vectors_file(folder, name), rows, allow_pickle=False)
    write_collections(folder / CHROMA, vectors)


def _indexed_texts(
    corpus: Corpus,
    texts: Sequence[IndexedText],
    said_as: Callable[[str, IndexedText], str],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    parts: Parts | None = None,
) -> Indexed:
    inputs = [said_as(corpus.titles[entry.doc_id], entry) for entry in texts]
    return Indexed(corpus.documents, texts, embed(inputs), LexicalIndex.build(inputs), parts)


def _questions(corpus: Corpus, asked: Asked) -> list[tuple[str, AskedQuestion]]:
    """The questions kept for what is indexed, each with its document."""
    return [(document.doc_id, each) for document in corpus.documents for each in asked.get(document.doc_id, ())]


def asked_of(
    texts: Sequence[IndexedText],
    questions: Sequence[tuple[str, AskedQuestion]],
    vectors: NDArray[np.float32],
    *,
    single: bool,
) -> AskedQuestions | None:
    """Which questions each text answers: those of its section whose sentence it holds; None where no text has any.

    A question without a sentence is answered by every passage of its section, and by no single sentence.
    """
    by_section: dict[tuple[str, str], list[int]] = {}
    for place, (doc_id, asked) in enumerate(questions):
        by_section.setdefault((doc_id, asked.section), []).append(place)
    section = [by_section.get((text.doc_id, text.section), []) for text in texts]
    own = [
        [place for place in places if _answers(text, questions[place][1], single)]
        for text, places in zip(texts, section, strict=True)
    ]
    if not any(own):
        return None
    said = [" ".join(questions[place][1].question for place in places) for places in own]
    return AskedQuestions(vectors, Links.of(own), Links.of(section), LexicalIndex.build(said))


def _answers(text: IndexedText, asked: AskedQuestion, single: bool) -> bool:
    if single:
        return text.text == asked.sentence
    return " ".join(asked.sentence.split()) in " ".join(text.text.split())


def _parts(corpus: Corpus, embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> Parts:
    held = [passage_parts(entry) for entry in corpus.passages]
    inputs = [sentence_input(corpus.titles[part.doc_id], part) for each in held for part in each]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in held])]).astype(np.int64)
    return Parts(embed(inputs).astype(np.float16), starts)


def _fit_part(reads: Sequence[Read]) -> list[Read]:
    return [read for read in reads if read.query.split == "fit"]


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
