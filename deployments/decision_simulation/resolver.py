"""Resolves a batch of assessed messages: one search, one simulation, and a decision with its trace for each."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import AppError, Invalid
from core.labels import Category, Intent, Urgency
from core.messages import DecisionTrace, ItemFailure, Resolved, ResolveItem, Retrieved, RetrieveQuery
from core.ports.intelligence import Knowledge
from core.request import Answer, Decision, FactorScores, ResolutionOption, Risk
from deployments.decision_simulation.decision import decide
from deployments.decision_simulation.engine import Case, DecisionEngine, Settled
from deployments.decision_simulation.replay import record_inputs
from deployments.decision_simulation.sampling import METHOD
from deployments.decision_simulation.waiting import TablesSource, WaitingTables

LOG = logging.getLogger(__name__)

REPLICATIONS = 512
LEAST_REPLICATIONS, MOST_REPLICATIONS = 32, 20_000
PASSAGES = 5
SENTENCES = 12
EMBEDDING_BYTES = 384 * 4
SEED_BITS = 63


class Answerer(Protocol):
    """Answers questions from the knowledge base."""

    async def answer(
        self,
        question: str,
        building_id: str | None,
        passages: Sequence[Retrieved],
        sentences: Sequence[Retrieved],
    ) -> Answer | None:
        """The answer, or None where the knowledge base holds none."""
        ...


@dataclass(frozen=True)
class _Found:
    """What the knowledge base has on one message."""

    passages: tuple[Retrieved, ...] = ()
    answer: Answer | None = None
    asked: bool = False

    @property
    def answered(self) -> bool | None:
        return self.answer is not None if self.asked else None


class Resolver:
    """DecisionSimulation's work on lists of messages. `zone` names the buildings' time zone."""

    def __init__(self, knowledge: Knowledge, answerer: Answerer, waiting: TablesSource, zone: str = "UTC") -> None:
        self._knowledge = knowledge
        self._answerer = answerer
        self._waiting = waiting
        self._zone = zone
        self._engine = DecisionEngine(knowledge.rules, ZoneInfo(zone))

    async def resolve(self, items: Sequence[ResolveItem]) -> list[Resolved | ItemFailure]:
        """The result, or the failure, of each item in its place."""
        if not items:
            return []
        self._waiting.observe(max(items, key=lambda item: item.at).workload)
        seeds = [stable_seed(item.request_id, self._engine.rules.kb_version) for item in items]
        results = await self._resolve(items, seeds, self._waiting.tables, REPLICATIONS)
        return [
            ItemFailure(code=result.code, detail=result.detail) if isinstance(result, AppError) else result
            for result in results
        ]

    async def simulate(self, item: ResolveItem, replications: int = REPLICATIONS, seed: int | None = None) -> Resolved:
        """As `resolve` for one item, with a chosen precision and seed; a workload that it names is taken as it is.

        Raises `Invalid` for replications outside 32..20,000 or a seed outside 63 bits, and whatever fails the item.
        """
        if not LEAST_REPLICATIONS <= replications <= MOST_REPLICATIONS:
            raise Invalid(f"Replications must be between {LEAST_REPLICATIONS} and {MOST_REPLICATIONS}.")
        if seed is not None and not 0 <= seed < 2**SEED_BITS:
            raise Invalid(f"The seed must be between 0 and 2^{SEED_BITS} - 1.")
        drawn = stable_seed(item.request_id, self._engine.rules.kb_version) if seed is None else seed
        tables = await asyncio.to_thread(self._tables_for, item, drawn)
        result = (await self._resolve([item], [drawn], tables, replications))[0]
        if isinstance(result, AppError):
            raise result
        return result

    def decide(
        self,
        options: Sequence[ResolutionOption],
        urgency: Urgency,
        category: Category,
        risk: Risk | None = None,
        weights: FactorScores | None = None,
    ) -> Decision:
        """A decision on given options; see `decision.decide`."""
        return decide(self._engine.rules, self._engine.catalogue, options, urgency, category, risk, weights)

    def _tables_for(self, item: ResolveItem, seed: int) -> WaitingTables:
        if not item.workload.open_by_crew:
            return self._waiting.tables
        return self._waiting.what_if(item.workload, self._engine.crews(item), item.at, seed)

    async def _resolve(
        self, items: Sequence[ResolveItem], seeds: Sequence[int], tables: WaitingTables, replications: int
    ) -> list[Resolved | AppError]:
        faults = [_embedding_fault(item) for item in items]
        sound = [(item, seed) for item, seed, fault in zip(items, seeds, faults, strict=True) if fault is None]
        found = await self._find([item for item, _ in sound])
        cases = [
            Case(item, seed, replications, tables.quantiles, known.answered, known.passages)
            for (item, seed), known in zip(sound, found, strict=True)
        ]
        settled = await asyncio.to_thread(self._engine.settle, cases)
        rows = zip(cases, settled, found, strict=True)
        results = iter([self._result(case, outcome, known.answer, tables) for case, outcome, known in rows])
        return [fault or next(results) for fault in faults]

    async def _find(self, items: Sequence[ResolveItem]) -> list[_Found]:
        """Passages for every item and answers for the questions, in one query each."""
        asking = [item for item in items if item.classification.intent is Intent.ANSWER_QUESTION]
        questions = [item for item in asking if self._engine.verdict(item).question]
        passages, sentences = await asyncio.to_thread(self._look_up, items, questions)
        answers = await asyncio.gather(
            *(self._ask(item, passages[id(item)], sentences[id(item)]) for item in questions)
        )
        answered = dict(zip(map(id, questions), answers, strict=True))
        return [_Found(passages[id(item)], answered.get(id(item)), id(item) in answered) for item in items]

    def _look_up(
        self, items: Sequence[ResolveItem], questions: Sequence[ResolveItem]
    ) -> tuple[dict[int, tuple[Retrieved, ...]], dict[int, tuple[Retrieved, ...]]]:
        return (
            _by_item(items, self._knowledge.search, PASSAGES),
            _by_item(questions, self._knowledge.sentences, SENTENCES),
        )

    async def _ask(
        self, item: ResolveItem, passages: Sequence[Retrieved], sentences: Sequence[Retrieved]
    ) -> Answer | None:
        """The answer; None also when answering failed, since a person then answers."""
        try:
            return await self._answerer.answer(item.message_text, item.building_id, passages, sentences)
        except Exception:
            LOG.exception("A question could not be answered; it goes to a person", extra={"request": item.request_id})
            return None

    def _result(
        self, case: Case, settled: Settled | AppError, answer: Answer | None, tables: WaitingTables
    ) -> Resolved | AppError:
        if isinstance(settled, AppError):
            return settled
        return Resolved(
            status=settled.verdict.status,
            options=settled.options,
            decision=settled.decision,
            answer=answer,
            act_now=settled.act_now,
            sla=settled.sla,
            retrieved=case.passages,
            trace=self._trace(case, settled, tables),
        )

    def _trace(self, case: Case, settled: Settled, tables: WaitingTables) -> DecisionTrace:
        rules = self._engine.rules
        return DecisionTrace(
            inputs=record_inputs(case.item, case.answered, self._zone),
            seed=case.seed,
            replications=case.replications,
            method=METHOD,
            model_versions={
                "classification": case.item.classification.model_version,
                "risk": case.item.risk.model_version,
                "numpy": np.__version__,
            },
            kb_version=rules.kb_version,
            policy_version=rules.policy_version,
            workforce_version=tables.version,
            waiting_hours=dict(settled.waiting_hours),
            gates=settled.gates,
        )


def stable_seed(request_id: str, kb_version: str) -> int:
    """The seed of a request under one knowledge base, 0..2^63 - 1."""
    digest = hashlib.sha256(f"{request_id}\n{kb_version}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)


def _by_item(
    items: Sequence[ResolveItem],
    query: Callable[[Sequence[RetrieveQuery]], list[tuple[Retrieved, ...]]],
    top_k: int,
) -> dict[int, tuple[Retrieved, ...]]:
    """What one query finds for each item that has an embedding; nothing when the index fails.

    Options and gates need no passages, and an emergency must not wait for an index.
    """
    embedded = [item for item in items if item.embedding]
    queries = [
        RetrieveQuery(text=item.message_text, embedding=item.embedding, top_k=top_k, building_id=item.building_id)
        for item in embedded
    ]
    found: list[tuple[Retrieved, ...]] = []
    try:
        found = query(queries) if queries else []
    except Exception:
        LOG.exception("The knowledge base could not be searched; deciding without passages")
        found = [()] * len(queries)
    by_item = dict(zip(map(id, embedded), found, strict=True))
    return {id(item): by_item.get(id(item), ()) for item in items}


def _embedding_fault(item: ResolveItem) -> AppError | None:
    """An empty embedding means that there is none; any other must be a whole, finite vector."""
    if not item.embedding:
        return None
    if len(item.embedding) != EMBEDDING_BYTES:
        return Invalid(f"The embedding must have {EMBEDDING_BYTES} bytes, not {len(item.embedding)}.")
    if not np.isfinite(np.frombuffer(item.embedding, dtype="<f4")).all():
        return Invalid("The embedding holds numbers that are not finite.")
    return None
