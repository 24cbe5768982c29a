"""DecisionSimulation on Ray Serve: the knowledge base, the waiting times, and decisions on lists of messages."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from zoneinfo import ZoneInfo

from adapters import build
from core.call_tracing import continues_traces
from core.correlation import configure_logging
from core.entry import EntryTerms
from core.errors import NotFound
from core.knowledge import KnowledgeDocument, KnowledgePage, KnowledgeQuery
from core.labels import ApprovalTier, Category, Role, Trade, Urgency
from core.messages import (
    ItemFailure,
    KnowledgeFacts,
    Resolved,
    ResolveItem,
    Retrieved,
    RetrieveQuery,
    ServiceHealth,
)
from core.metrics import Meter
from core.ports.intelligence import KnowledgeIndex
from core.request import Decision, FactorScores, ResolutionOption, Risk, Sla
from core.rules import RuleBook
from core.service_terms import ServiceTerms
from core.settings import Settings
from core.what_if import WhatIfOrder, WhatIfRun
from core.what_if_figures import ChangeableFigures
from deployments.decision_simulation.answer import KnowledgeAnswerer
from deployments.decision_simulation.gates import tier_for_cost, visit_terms
from deployments.decision_simulation.handles import what_if_runs
from deployments.decision_simulation.resolver import Resolver, stable_seed
from deployments.decision_simulation.retrieval import PASSAGES, Retrieval
from deployments.decision_simulation.versions_in_service import VersionInService, outdated
from deployments.decision_simulation.waiting import WaitingTimes
from deployments.decision_simulation.what_if.figures import changeable
from deployments.decision_simulation.what_if.scenario import apply

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Serving:
    """One version of the knowledge base with all that is made from it."""

    knowledge: KnowledgeIndex
    retrieval: Retrieval
    waiting: WaitingTimes
    resolver: Resolver

    @property
    def rules(self) -> RuleBook:
        return self.knowledge.rules

    def refresh(self) -> None:
        # One seed for all replicas and refreshes: what changes the waiting times is the backlog alone.
        seed = stable_seed("waiting-times", self.rules.kb_version)
        self.waiting.refresh(self.waiting.workload, datetime.now(UTC), seed)


@continues_traces
class DecisionSimulation:
    """One replica. Beside the calls the waiting times are brought up to date and a new knowledge base is taken up."""

    def __init__(self, settings: Settings, meter: Meter | None = None) -> None:
        configure_logging()
        build.start_tracing(settings, "DecisionSimulation")
        self._meter = meter or build.meter()
        self._settings = settings
        self._embedder = build.embedder(settings)
        self._versions = VersionInService(
            partial(build.knowledge_version, settings), self._open, lambda old: old.knowledge.close()
        )
        self._refreshing: asyncio.Task[None] | None = None
        self._what_ifs = what_if_runs(build.version())

    def _open(self) -> _Serving:
        """The knowledge base as it was built last, ready to serve."""
        settings = self._settings
        knowledge = build.knowledge(settings)
        # Before anything is decided by them: a decision must be replayable when the documents have changed.
        build.rules_archive(settings).keep(knowledge.rules)
        retrieval = Retrieval(knowledge, self._embedder)
        waiting = WaitingTimes(knowledge.rules, ZoneInfo(settings.time_zone))
        model = build.language_model(settings, self._meter)
        answerer = KnowledgeAnswerer(model)
        resolver = Resolver(knowledge.rules, retrieval, answerer, waiting, settings.time_zone, model, self._meter)
        serving = _Serving(knowledge, retrieval, waiting, resolver)
        serving.refresh()
        return serving

    @property
    def _now(self) -> _Serving:
        return self._versions.current

    async def resolve(self, items: Sequence[ResolveItem]) -> list[Resolved | ItemFailure]:
        """Options, decision and answer for each assessed message, in order."""
        self._keep_fresh()
        return await self._now.resolver.resolve(items)

    async def simulate(self, item: ResolveItem) -> Resolved:
        """As `resolve` for one message, with the workload that it names."""
        return await self._now.resolver.simulate(item)

    def decide(
        self,
        options: Sequence[ResolutionOption],
        urgency: Urgency,
        category: Category,
        risk: Risk | None = None,
        weights: FactorScores | None = None,
        building_id: str | None = None,
    ) -> Decision:
        """A decision on given options by the rules of a building. Raises `Invalid`."""
        return self._now.resolver.decide(options, urgency, category, risk, weights, building_id)

    def retrieve(self, query: RetrieveQuery) -> tuple[Retrieved, ...]:
        """Passages for a query, best first. Raises `Unavailable`."""
        return self._now.retrieval.retrieve(query)

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """A unit vector for each text, as messages are looked up by. Raises `Unavailable`."""
        return self._now.retrieval.embed(texts)

    def describe_knowledge(self) -> KnowledgeFacts:
        """What is indexed and how it is searched."""
        return KnowledgeFacts(
            embedding_model=self._now.knowledge.embedding_model,
            dimensions=self._now.knowledge.dimensions,
            documents=self._now.knowledge.documents,
            chunks=self._now.knowledge.chunks,
            kb_version=self._now.rules.kb_version,
            top_k=PASSAGES,
            min_score=self._now.knowledge.min_score,
        )

    def knowledge_page(self, query: KnowledgeQuery, limit: int, cursor: str | None) -> KnowledgePage:
        """The documents in force that match. Raises `InvalidCursor`."""
        return self._now.knowledge.library.page(query, limit, cursor)

    def knowledge_document(self, doc_id: str) -> KnowledgeDocument:
        """What a document says and decides. Raises `NotFound`."""
        found = self._now.knowledge.library.document(doc_id)
        if found is None:
            raise NotFound("The knowledge base has no such document.")
        return found

    def versions(self) -> dict[str, str]:
        """What serves, each with its version."""
        now = self._now
        return {
            "knowledge_base": now.rules.kb_version,
            "policy": now.rules.policy_version,
            "embedder": now.retrieval.embedder,
            "waiting_times": now.waiting.tables.version,
        }

    def authority(self, role: Role, building_id: str | None = None) -> ApprovalTier:
        """The highest tier that the approval policy of the building lets a role stand for."""
        return self._now.rules.of(building_id).approvals.authority.get(role, ApprovalTier.NONE)

    def required_tier(
        self,
        urgency: Urgency,
        cost_usd: float,
        building_id: str | None = None,
        category: Category | None = None,
        spent_usd: Mapping[Category, float] | None = None,
    ) -> ApprovalTier:
        """Whose agreement a cost needs in this building.

        `spent_usd` is what it has spent this month; a category that is not in it has spent nothing.
        """
        return tier_for_cost(self._now.rules.of(building_id), urgency, cost_usd, category, spent_usd)

    def terms(
        self,
        building_id: str | None,
        category: Category,
        trade: Trade | None,
        urgency: Urgency,
        message_text: str,
        created_at: datetime,
    ) -> tuple[Sla, ServiceTerms]:
        """What policy promises on a request with labels that a person gave."""
        return self._now.resolver.terms(building_id, category, trade, urgency, message_text, created_at)

    def entry_terms(self, building_id: str | None, urgency: Urgency, entry_consent: bool | None) -> EntryTerms | None:
        """What a visit to a home of this building waits for, as its rules stand; None for an emergency."""
        rules = self._now.rules.of(building_id)
        zone = ZoneInfo(self._now.rules.zone_of(building_id, self._settings.time_zone))
        return visit_terms(rules, urgency, entry_consent, zone)

    async def start_what_if(self, run_id: str, order: WhatIfOrder) -> WhatIfRun:
        """Begin a run under the rules of this moment, or find the one of this id. Raises `Invalid`, `Overloaded`."""
        rules = self._now.rules
        await asyncio.to_thread(apply, rules, order.scenario)
        return await self._what_ifs.start(run_id, rules, order, self._settings.time_zone)

    def what_if_figures(self) -> ChangeableFigures:
        """Which figures of the rules in force a question usually changes."""
        return changeable(self._now.rules)

    async def what_if(self, run_id: str) -> WhatIfRun:
        """How a run stands. Raises `NotFound`."""
        return await self._what_ifs.get(run_id)

    async def what_ifs(self) -> tuple[WhatIfRun, ...]:
        """All runs that are remembered, newest first, without their results."""
        return await self._what_ifs.newest()

    async def cancel_what_if(self, run_id: str) -> WhatIfRun:
        """End a run. Raises `NotFound`, `WrongState` where it has ended."""
        return await self._what_ifs.cancel(run_id)

    def health(self) -> ServiceHealth:
        """Which knowledge base, embedder and waiting times answer; degraded where a newer one was refused."""
        now, refusal = self._now, self._versions.refusal
        detail = (
            f"knowledge base {now.rules.kb_version}, embedder {now.retrieval.embedder}, "
            f"waiting times {now.waiting.tables.version}"
        )
        if refusal:
            return ServiceHealth(
                status="degraded", detail=f"{detail}; a newer one was refused: {refusal}", version=build.version()
            )
        if stale := outdated(now.rules, self._today()):
            return ServiceHealth(status="degraded", detail=f"{detail}; {stale}", version=build.version())
        return ServiceHealth(status="healthy", detail=detail, version=build.version())

    async def check_health(self) -> None:
        """What Ray Serve asks now and then, from the start on: the loop runs also where no message comes."""
        self._keep_fresh()

    def _today(self) -> date:
        return datetime.now(ZoneInfo(self._settings.time_zone)).date()

    def close(self) -> None:
        """Free what the knowledge base holds open."""
        self._versions.close()

    def _keep_fresh(self) -> None:
        """Start the loop with the first call or health check, when there is a running loop for it."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh_forever())

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.waiting_refresh_s)
            try:
                await asyncio.to_thread(self._refresh)
            except Exception:
                # A loop that ended would leave this replica with old waiting times and old documents for good.
                LOG.exception("The waiting times could not be brought up to date; the old ones go on")

    def _refresh(self) -> None:
        workload = self._now.waiting.workload
        if self._versions.look():
            self._now.waiting.observe(workload)
        self._now.refresh()
