"""DecisionSimulation on Ray Serve: the knowledge base, the waiting times, and decisions on lists of messages."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from adapters import build
from core.correlation import configure_logging
from core.labels import ApprovalTier, Category, Role, Urgency
from core.messages import (
    ItemFailure,
    KnowledgeFacts,
    Resolved,
    ResolveItem,
    Retrieved,
    RetrieveQuery,
    ServiceHealth,
)
from core.request import Decision, FactorScores, ResolutionOption, Risk
from core.settings import Settings
from deployments.decision_simulation.answer import KnowledgeAnswerer
from deployments.decision_simulation.resolver import Resolver, stable_seed
from deployments.decision_simulation.retrieval import PASSAGES, Retrieval
from deployments.decision_simulation.waiting import WaitingTimes


class DecisionSimulation:
    """One replica. The waiting times are brought up to date beside the calls, and each call reads the newest."""

    def __init__(self, settings: Settings) -> None:
        configure_logging()
        self._knowledge = build.knowledge(settings)
        self._retrieval = Retrieval(self._knowledge, build.embedder(settings))
        self._rules = self._knowledge.rules
        self._waiting = WaitingTimes(self._rules, ZoneInfo(settings.time_zone))
        self._refresh_s = settings.waiting_refresh_s
        self._refresh()
        answerer = KnowledgeAnswerer(build.language_model(settings))
        self._resolver = Resolver(self._rules, self._retrieval, answerer, self._waiting, settings.time_zone)
        self._refreshing: asyncio.Task[None] | None = None

    async def resolve(self, items: Sequence[ResolveItem]) -> list[Resolved | ItemFailure]:
        """Options, decision and answer for each assessed message, in order."""
        self._keep_fresh()
        return await self._resolver.resolve(items)

    async def simulate(self, item: ResolveItem) -> Resolved:
        """As `resolve` for one message, with the workload that it names."""
        return await self._resolver.simulate(item)

    def decide(
        self,
        options: Sequence[ResolutionOption],
        urgency: Urgency,
        category: Category,
        risk: Risk | None = None,
        weights: FactorScores | None = None,
    ) -> Decision:
        """A decision on given options. Raises `Invalid`."""
        return self._resolver.decide(options, urgency, category, risk, weights)

    def retrieve(self, query: RetrieveQuery) -> tuple[Retrieved, ...]:
        """Passages for a query, best first. Raises `Unavailable`."""
        return self._retrieval.retrieve(query)

    def describe_knowledge(self) -> KnowledgeFacts:
        """What is indexed and how it is searched."""
        return KnowledgeFacts(
            embedding_model=self._knowledge.embedding_model,
            dimensions=self._knowledge.dimensions,
            documents=self._knowledge.documents,
            chunks=self._knowledge.chunks,
            kb_version=self._rules.kb_version,
            top_k=PASSAGES,
            min_score=self._knowledge.min_score,
        )

    def authority(self, role: Role) -> ApprovalTier:
        """The highest tier that the approval policy lets a role stand for."""
        return self._rules.approvals.authority.get(role, ApprovalTier.NONE)

    def required_tier(self, urgency: Urgency, cost_usd: float) -> ApprovalTier:
        """Whose agreement a cost needs."""
        return self._rules.approvals.limits[urgency].tier(cost_usd)

    def health(self) -> ServiceHealth:
        """Which knowledge base, embedder and waiting times answer."""
        detail = (
            f"knowledge base {self._rules.kb_version}, embedder {self._retrieval.embedder}, "
            f"waiting times {self._waiting.tables.version}"
        )
        return ServiceHealth(status="healthy", detail=detail, version=build.version())

    def _keep_fresh(self) -> None:
        """Start the loop with the first call, when there is a running loop for it."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh_forever())

    async def _refresh_forever(self) -> None:
        while True:
            await asyncio.sleep(self._refresh_s)
            await asyncio.to_thread(self._refresh)

    def _refresh(self) -> None:
        # One seed for all replicas and refreshes: what changes the waiting times is the backlog alone.
        seed = stable_seed("waiting-times", self._rules.kb_version)
        self._waiting.refresh(self._waiting.workload, datetime.now(UTC), seed)
