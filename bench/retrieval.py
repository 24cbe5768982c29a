"""`python -m bench.retrieval`: how long a query takes at today's size and at many times it, on one core.

The large index is made of the real one: sections put together anew from real sentences, with vectors near theirs.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapters.artefacts import BuildReport, build_once
from adapters.asked_questions import AskedQuestions, Links, read_asked_questions
from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.knowledge_files import (
    ARTEFACT,
    CHROMA,
    CONTENTS,
    RULES,
    IndexedText,
    KnowledgeContents,
    Parts,
    read_parts,
    vectors_file,
)
from adapters.lexical_index import LexicalIndex
from adapters.relevance import RELEVANCE
from core.messages import RetrieveQuery
from core.settings import load_settings
from kb.calibrate import Indexed
from kb.index import write_collection_files
from kb.queries import LabelledQuery, read_queries

CHUNKS = 100_000
ROUNDS = 3
_NOISE = 0.6
"""Length of the noise on a vector of length 1; copies are then about 0.86 alike, as sections on one subject are."""


@dataclass(frozen=True)
class RetrievalTimes:
    """Milliseconds of one query at a time, and megabytes."""

    chunks: int
    search_p50_ms: float
    """Without embedding the query."""
    search_p99_ms: float
    whole_p50_ms: float
    """With it."""
    opened_s: float
    """To verify, copy and load the index."""
    artefact_mb: float
    copied_mb: float
    """Of the artefact, what each process copies."""


def main() -> None:
    """Build the large index in a temporary folder, time both, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.retrieval", description=__doc__)
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--artefacts", type=Path, default=load_settings().artefacts_dir)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    embedder, queries = OnnxEmbedder(options.artefacts / "embedder"), read_queries()
    measured = [time_queries(options.artefacts / ARTEFACT, embedder, queries)]
    with tempfile.TemporaryDirectory(prefix="aam-bench-") as scratch:
        folder = Path(scratch) / ARTEFACT
        build_once(folder, ARTEFACT, "bench", lambda made: enlarge(options.artefacts / ARTEFACT, made, options.chunks))
        measured.append(time_queries(folder, embedder, queries))
    print(table(measured))


def table(measured: Sequence[RetrievalTimes]) -> str:
    """As Markdown."""
    lines = [
        "| chunks | search p50, ms | p99, ms | with embedding p50, ms | opened in, s | artefact, MB | copied, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {each.chunks:,} | {each.search_p50_ms:.2f} | {each.search_p99_ms:.2f} | {each.whole_p50_ms:.2f} |"
        f" {each.opened_s:.1f} | {each.artefact_mb:.0f} | {each.copied_mb:.0f} |"
        for each in measured
    ]
    return "\n".join(lines)


def time_queries(folder: Path, embedder: OnnxEmbedder, queries: Sequence[LabelledQuery]) -> RetrievalTimes:
    """Time the labelled questions, one at a time, on the artefact in `folder`."""
    began = time.perf_counter()
    knowledge = ChromaKnowledge(folder)
    opened = time.perf_counter() - began
    asked = [RetrieveQuery(text=query.query, building_id=query.building) for query in queries]
    vectors = embedder.embed([query.text for query in asked])
    pairs = list(zip(asked, vectors, strict=True))
    for query, vector in pairs:
        knowledge.search([query], [vector])
    search = _times([lambda query=query, vector=vector: knowledge.search([query], [vector]) for query, vector in pairs])
    whole = _times([lambda query=query: knowledge.search([query], embedder.embed([query.text])) for query in asked])
    times = RetrievalTimes(
        chunks=knowledge.chunks,
        search_p50_ms=statistics.median(search),
        search_p99_ms=float(np.quantile(search, 0.99)),
        whole_p50_ms=statistics.median(whole),
        opened_s=opened,
        artefact_mb=_megabytes(folder),
        copied_mb=_megabytes(folder / CHROMA),
    )
    knowledge.close()
    return times


def enlarge(source: Path, folder: Path, chunks: int) -> BuildReport:
    """Write an artefact of so many passages into `folder`, made of those of the one in `source`."""
    random = np.random.default_rng(17)
    contents = KnowledgeContents.model_validate_json((source / CONTENTS).read_bytes())
    vectors, parts = np.load(vectors_file(source, "passages")), read_parts(source)
    said = [entry.text.split(". ") for entry in contents.passages]
    chosen = [int(place) for place in random.integers(len(vectors), size=chunks)]
    passages = tuple(_mixed(contents.passages[place], said, random) for place in chosen)
    titles = {document.doc_id: document.title for document in contents.documents}
    words = LexicalIndex.build([f"{titles[each.doc_id]}: {each.section}. {each.text}" for each in passages])
    indexed = Indexed(
        contents.documents,
        passages,
        _near(vectors[chosen], random),
        words,
        asked=_asked(source, passages, chosen, random),
    )
    sentences = Indexed(
        contents.documents,
        contents.sentences,
        np.load(vectors_file(source, "sentences")),
        LexicalIndex.build([each.text for each in contents.sentences]),
    )
    starts = [int(start) for start in parts.starts]
    counts = np.diff(parts.starts)[chosen]
    rows = [row for place in chosen for row in range(starts[place], starts[place + 1])]
    Parts(parts.vectors[rows], np.concatenate([[0], np.cumsum(counts)])).save(folder)
    write_collection_files(folder, {"passages": indexed, "sentences": sentences})
    (folder / CONTENTS).write_text(contents.model_copy(update={"passages": passages}).model_dump_json())
    for name in (RULES, RELEVANCE):
        (folder / name).write_bytes((source / name).read_bytes())
    return BuildReport(built_with={})


def _asked(
    source: Path, passages: Sequence[IndexedText], chosen: Sequence[int], random: np.random.Generator
) -> AskedQuestions | None:
    """Questions near those of the passages that were chosen, each its own; their words are the passage's."""
    held = read_asked_questions(source, "passages")
    if held is None:
        return None
    places = np.array(chosen, dtype=np.intp)
    rows, counts = held.own.rows(places)
    links = Links(np.arange(len(rows)), np.concatenate([[0], np.cumsum(counts)]))
    words = LexicalIndex.build([entry.text for entry in passages])
    return AskedQuestions(_near(held.vectors[rows], random), links, links, words)


def _mixed(entry: IndexedText, said: Sequence[Sequence[str]], random: np.random.Generator) -> IndexedText:
    """The passage with half of its sentences changed for others of the corpus."""
    own = list(said[int(random.integers(len(said)))])
    kept = entry.text.split(". ")
    mixed = [*kept[: max(1, len(kept) // 2)], *own[: len(own) // 2 + 1]]
    return entry.model_copy(update={"text": ". ".join(mixed)})


def _near(vectors: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    noise = random.normal(size=vectors.shape).astype(np.float32)
    moved = vectors + _NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def _times(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Milliseconds of each call, the best of some rounds, as another process on the machine is none of ours."""
    best = [float("inf")] * len(calls)
    for _ in range(ROUNDS):
        for place, call in enumerate(calls):
            began = time.perf_counter()
            call()
            best[place] = min(best[place], 1000 * (time.perf_counter() - began))
    return best


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


if __name__ == "__main__":
    main()
