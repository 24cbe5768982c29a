"""Resolves a batch of assessed messages: one search, one simulation, and a decision with its trace for each."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from core.errors import AppError, Invalid
from core.labels import Category, Intent, Trade, Urgency
from core.messages import DecisionTrace, ItemFailure, Resolved, ResolveItem, Retrieved
from core.metrics import STAGES, UNMETERED, Meter, timed
from core.ports.intelligence import LanguageModel, ProposedOption
from core.request import Answer, Decision, FactorScores, ResolutionOption, Risk, Sla
from core.rules import RuleBook, rules_hash
from core.service_terms import ServiceTerms
from deployments.decision_simulation.case import Case, subject_of
from deployments.decision_simulation.decision import decide
from deployments.decision_simulation.engine import DecisionEngine, Settled
from deployments.decision_simulation.gate_metrics import count_autonomy, count_gates
from deployments.decision_simulation.offers import OfferCounts, ask_for_drafts
from deployments.decision_simulation.replay import as_recorded, record_inputs
from deployments.decision_simulation.retrieval import Evidence, Retrieval
from deployments.decision_simulation.sampling import METHOD
from deployments.decision_simulation.sla import Matter
from deployments.decision_simulation.waiting import TablesSource, WaitingTables

LOG = logging.getLogger(__name__)

REPLICATIONS = 1024
LEAST_REPLICATIONS, MOST_REPLICATIONS = 32, 20_000
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
    """What the knowledge base has on one message, and what it answers."""

    evidence: Evidence
    answer: Answer | None
    asked: bool
    proposals: tuple[ProposedOption, ...] = ()

    @property
    def answered(self) -> bool | None:
        return self.answer is not None if self.asked else None


class Resolver:
    """DecisionSimulation's work on lists of messages. `zone` names the portfolio's time zone."""

    def __init__(
        self,
        rules: RuleBook,
        retrieval: Retrieval,
        answerer: Answerer,
        waiting: TablesSource,
        zone: str = "UTC",
        drafter: LanguageModel | None = None,
        meter: Meter = UNMETERED,
    ) -> None:
        """Without a `drafter`, options come from the catalogue alone."""
        self._meter = meter
        self._retrieval = retrieval
        self._answerer = answerer
        self._waiting = waiting
        self._zone = zone
        self._drafter = drafter
        self.offer_counts = OfferCounts()
        self._engine = DecisionEngine(rules, ZoneInfo(zone))
        self._rules_hash = rules_hash(rules)
        for building_id in rules.overrides:
            # Here and not with a building's first request, which would wait for it, or find that its rules are broken.
            self._engine.house(building_id)

    async def resolve(self, items: Sequence[ResolveItem]) -> list[Resolved | ItemFailure]:
        """The result, or the failure, of each item in its place."""
        if not items:
            return []
        self._waiting.observe(max(items, key=lambda item: item.at).workload)
        seeds = [stable_seed(item.request_id, self._engine.rules.kb_version) for item in items]
        results = await self._resolve(items, seeds, self._waiting.tables, REPLICATIONS, self._meter)
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
        building_id: str | None = None,
    ) -> Decision:
        """A decision on given options by the rules of a building; see `decision.decide`."""
        house = self._engine.house(building_id)
        return decide(house.rules, house.catalogue, options, urgency, category, risk, weights, building_id)

    def terms(
        self,
        building_id: str | None,
        category: Category,
        trade: Trade | None,
        urgency: Urgency,
        message_text: str,
        created_at: datetime,
    ) -> tuple[Sla, ServiceTerms]:
        """The promises on a request with these labels, of which none was decided."""
        matter = Matter(category, trade, urgency, message_text)
        return self._engine.promise(building_id, [matter], urgency, created_at)

    def _tables_for(self, item: ResolveItem, seed: int) -> WaitingTables:
        if not item.workload.open_by_crew:
            return self._waiting.tables
        return self._waiting.what_if(item.workload, self._engine.crews(item), item.at, seed)

    async def _resolve(
        self,
        items: Sequence[ResolveItem],
        seeds: Sequence[int],
        tables: WaitingTables,
        replications: int,
        meter: Meter = UNMETERED,
    ) -> list[Resolved | AppError]:
        """`meter` counts decisions on real messages; what is only simulated is none."""
        items = [as_recorded(item) for item in items]
        found = await self._find(items)
        cases = [
            Case(item, seed, replications, tables.quantiles, known.answered, known.evidence.passages, known.proposals)
            for item, seed, known in zip(items, seeds, found, strict=True)
        ]
        with self._timed("settle"):
            settled = await asyncio.to_thread(self._engine.settle, cases)
        for outcome in settled:
            if isinstance(outcome, Settled):
                _count(meter, outcome)
        rows = zip(cases, settled, found, strict=True)
        return [self._result(case, outcome, known, tables) for case, outcome, known in rows]

    async def _find(self, items: Sequence[ResolveItem]) -> list[_Found]:
        """Evidence for every item and answers for the questions."""
        asking = [place for place, item in enumerate(items) if self._is_question(item)]
        with self._timed("look_up"):
            evidence = await asyncio.to_thread(self._retrieval.look_up, items, asking)
        drafting = [place for place, item in enumerate(items) if place not in asking and self._may_draft(item)]
        answers, drafts = await asyncio.gather(
            asyncio.gather(*(self._ask(items[place], evidence[place]) for place in asking)),
            asyncio.gather(*(self._draft(items[place], evidence[place]) for place in drafting)),
        )
        answered = dict(zip(asking, answers, strict=True))
        drafted = dict(zip(drafting, drafts, strict=True))
        return [
            _Found(each, answered.get(place), place in answered, drafted.get(place, ()))
            for place, each in enumerate(evidence)
        ]

    def _may_draft(self, item: ResolveItem) -> bool:
        """Only where the catalogue has but general options; what a person decides anyway waits for no model."""
        if self._drafter is None or self._engine.verdict(item).rule:
            return False
        return not any(match.keywords for match in self._engine.house(item.building_id).pick(subject_of(item)))

    async def _draft(self, item: ResolveItem, evidence: Evidence) -> tuple[ProposedOption, ...]:
        if self._drafter is None:
            return ()
        catalogue = self._engine.house(item.building_id).catalogue
        with self._timed("draft"):
            return await ask_for_drafts(self._drafter, item, subject_of(item), evidence.passages, catalogue)

    def _timed(self, stage: str) -> AbstractContextManager[None]:
        return timed(self._meter, STAGES, service="decision_simulation", stage=stage)

    def _is_question(self, item: ResolveItem) -> bool:
        return item.classification.intent is Intent.ANSWER_QUESTION and self._engine.verdict(item).question

    async def _ask(self, item: ResolveItem, evidence: Evidence) -> Answer | None:
        """The answer; None also when answering failed, since a person then answers."""
        try:
            with self._timed("answer"):
                return await self._answerer.answer(
                    item.message_text, item.building_id, evidence.passages, evidence.sentences
                )
        except Exception:
            LOG.exception("A question could not be answered; it goes to a person", extra={"request": item.request_id})
            return None

    def _result(
        self, case: Case, settled: Settled | AppError, found: _Found, tables: WaitingTables
    ) -> Resolved | AppError:
        if isinstance(settled, AppError):
            return settled
        self.offer_counts.add(settled.report)
        return Resolved(
            status=settled.verdict.status,
            options=settled.options,
            decision=settled.decision,
            answer=found.answer,
            act_now=settled.act_now,
            carry_out=settled.carry_out,
            document_by=settled.document_by,
            sla=settled.sla,
            terms=settled.terms,
            retrieved=case.passages,
            trace=self._trace(case, settled, found.evidence.vector, tables),
        )

    def _trace(self, case: Case, settled: Settled, vector: bytes, tables: WaitingTables) -> DecisionTrace:
        rules = self._engine.rules
        return DecisionTrace(
            inputs=record_inputs(case, vector, self._zone),
            seed=case.seed,
            replications=case.replications,
            method=METHOD,
            model_versions={
                "classification": case.item.classification.model_version,
                "risk": case.item.risk.model_version,
                "embedder": self._retrieval.embedder,
                "numpy": np.__version__,
            },
            kb_version=rules.kb_version,
            policy_version=rules.policy_version,
            rules_hash=self._rules_hash,
            workforce_version=tables.version,
            waiting_hours=dict(settled.waiting_hours),
            gates=settled.gates,
            document_versions=dict(settled.document_versions),
        )


def _count(meter: Meter, settled: Settled) -> None:
    count_gates(meter, settled.option_gates, [option.option_id for option in settled.options])
    if settled.autonomy is not None and settled.options:
        count_autonomy(meter, selects=settled.autonomy.carry_out is not None)


def stable_seed(request_id: str, kb_version: str) -> int:
    """The seed of a request under one knowledge base, 0..2^63 - 1."""
    digest = hashlib.sha256(f"{request_id}\n{kb_version}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)
