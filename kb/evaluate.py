"""Measures retrieval and answers on the labelled questions: `python -m kb.evaluate [artefacts folder]`."""

import asyncio
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from adapters.artefacts import load
from adapters.embedder_onnx import OnnxEmbedder
from adapters.knowledge_chroma import ChromaKnowledge
from adapters.knowledge_files import ARTEFACT
from adapters.llm_offline import OfflineLanguageModel
from core.messages import Retrieved, RetrieveQuery
from core.ports.intelligence import Embedder, Knowledge
from core.settings import Settings
from deployments.decision_simulation.answer import CONFIDENCE_FLOOR, KnowledgeAnswerer
from kb.calibrate import CANDIDATES, Outcome
from kb.queries import LabelledQuery, read_queries

TOP = 5


def evaluate(queries: Sequence[LabelledQuery], knowledge: Knowledge, embedder: Embedder) -> dict[str, float]:
    """Recall@5 and mean reciprocal rank of the gold section, over the questions that have one; each 0..1."""
    asked = [query for query in queries if query.answerable]
    vectors = embedder.embed([query.query for query in asked])
    found = knowledge.search(_queries(asked, 10, 0.0), vectors)
    ranks = [_rank(query, passages) for query, passages in zip(asked, found, strict=True)]
    shown = knowledge.search(_queries(asked, TOP, None), vectors)
    return {
        "recall_at_5": _share(0 < rank <= TOP for rank in ranks),
        "recall_at_5_above_minimum": _share(
            _rank(query, passages) > 0 for query, passages in zip(asked, shown, strict=True)
        ),
        "mrr": sum(1.0 / rank for rank in ranks if rank) / len(ranks),
    }


def answer_metrics(outcomes: Sequence[Outcome], floor: float = CONFIDENCE_FLOOR) -> dict[str, float]:
    """Shares, each 0..1: of the answerable answered rightly and wrongly, of the unanswerable answered at all.

    `precision` is the share of right ones among the answers given.
    `confidence_error` is the mean over ten equal groups of how far confidence and the share of right ones differ.
    """
    answerable = [outcome for outcome in outcomes if outcome.query.answerable]
    unanswerable = [outcome for outcome in outcomes if not outcome.query.answerable]
    return {
        "questions": float(len(outcomes)),
        "right_answers": _share(outcome.right and outcome.confidence >= floor for outcome in answerable),
        "wrong_answers": _share(not outcome.right and outcome.confidence >= floor for outcome in answerable),
        "false_answers": _share(outcome.confidence >= floor for outcome in unanswerable),
        "precision": _share(outcome.right for outcome in outcomes if outcome.confidence >= floor),
        "confidence_error": _confidence_error(outcomes),
    }


async def ask(
    queries: Sequence[LabelledQuery], knowledge: Knowledge, model: OfflineLanguageModel, embedder: Embedder
) -> list[Outcome]:
    """What the built knowledge base answers, by the path that serves residents."""
    vectors = embedder.embed([query.query for query in queries])
    found = knowledge.sentences(_queries(queries, CANDIDATES, None), vectors)
    answerer = KnowledgeAnswerer(model)
    outcomes: list[Outcome] = []
    for query, sentences in zip(queries, found, strict=True):
        answer = await answerer.answer(query.query, query.building, (), sentences)
        right = answer is not None and any(query.answered_by(cited.doc_id, cited.quote) for cited in answer.citations)
        outcomes.append(Outcome(query, answer.confidence if answer else 0.0, right))
    return outcomes


def _queries(queries: Sequence[LabelledQuery], top: int, minimum: float | None) -> list[RetrieveQuery]:
    return [
        RetrieveQuery(text=query.query, top_k=top, building_id=query.building, min_score=minimum) for query in queries
    ]


def _rank(query: LabelledQuery, passages: Sequence[Retrieved]) -> int:
    """The place of the first passage of a gold section from 1, or 0."""
    right = (place for place, passage in enumerate(passages, 1) if query.found_in(passage.doc_id, passage.section))
    return next(right, 0)


def _confidence_error(outcomes: Sequence[Outcome]) -> float:
    ordered = sorted(outcomes, key=lambda outcome: outcome.confidence)
    groups = [ordered[len(ordered) * part // 10 : len(ordered) * (part + 1) // 10] for part in range(10)]
    return sum(
        abs(sum(outcome.confidence for outcome in group) - sum(outcome.right for outcome in group)) for group in groups
    ) / max(len(ordered), 1)


def _share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / len(found) if found else 0.0


def _print(name: str, metrics: dict[str, float]) -> None:
    sys.stdout.write(f"{name}\n" + "".join(f"  {key:26} {value:.3f}\n" for key, value in metrics.items()))


def main(artefacts: Path) -> None:
    """Print what the built artefacts reach: retrieval, cross-validated answers, and answers to unseen writers."""
    embedder = OnnxEmbedder(artefacts / "embedder")
    knowledge = ChromaKnowledge(artefacts / ARTEFACT)
    queries = read_queries()
    _print("retrieval", evaluate(queries, knowledge, embedder))
    _print("answers, held out when the index was built", load(artefacts / ARTEFACT, ARTEFACT).metrics)
    model = OfflineLanguageModel.open(artefacts / ARTEFACT)
    test = [query for query in queries if query.split == "test"]
    _print(
        "answers as served, writers never fitted on", answer_metrics(asyncio.run(ask(test, knowledge, model, embedder)))
    )
    knowledge.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Settings().artefacts_dir)
