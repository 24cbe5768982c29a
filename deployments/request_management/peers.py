"""The other three services as this one sees them; handles in the graph, plain objects or HTTP clients elsewhere."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from core.entry import EntryTerms
from core.erasure import ErasureScope
from core.execution import Execution, ExecutionCommand, WorkOrder
from core.execution_labels import NoticeKind
from core.explanation import Explanation
from core.knowledge import KnowledgeDocument, KnowledgePage, KnowledgeQuery
from core.labels import ApprovalTier, Category, Role, Trade, Urgency
from core.messages import (
    AssessItem,
    Assessment,
    ItemFailure,
    KnowledgeFacts,
    Resolved,
    ResolveItem,
    Retrieved,
    RetrieveQuery,
    ServiceHealth,
)
from core.notices import NotificationPreferences
from core.ports.execution import DeliveredNotification, SystemState
from core.ports.page import Page
from core.request import Decision, ExecutionId, FactorScores, RequestId, ResolutionOption, Risk, Sla
from core.safety_check import SafetyCheck
from core.service_terms import ServiceTerms
from core.what_if import WhatIfOrder, WhatIfRun
from core.what_if_figures import ChangeableFigures


class AIProcessing(Protocol):
    """Understands messages. Raises `ServiceUnavailable`."""

    async def assess(self, item: AssessItem) -> Assessment | ItemFailure:
        """Labels and risk of one message; concurrent calls cross as one."""
        ...

    async def explain(self, message_text: str) -> Explanation:
        """What each word of a message adds to its labels. Raises `Invalid` for a text without words."""
        ...

    async def check_safety(self, message_text: str) -> SafetyCheck:
        """What the life-safety rules alone say of a message."""
        ...

    async def versions(self) -> dict[str, str]:
        """The models that serve, each with its version."""
        ...

    async def health(self) -> ServiceHealth:
        """How the service is."""
        ...


class DecisionSimulation(Protocol):
    """Finds, simulates and chooses options. Raises `ServiceUnavailable`."""

    async def resolve(self, item: ResolveItem) -> Resolved | ItemFailure:
        """Options, decision and answer for one assessed message; concurrent calls cross as one."""
        ...

    async def simulate(self, item: ResolveItem) -> Resolved | ItemFailure:
        """As `resolve`, where the caller wants to see every fitting option."""
        ...

    async def decide(
        self,
        options: list[ResolutionOption],
        urgency: Urgency,
        category: Category,
        risk: Risk | None,
        weights: FactorScores | None,
        building_id: str | None = None,
    ) -> Decision:
        """Score and choose among given options. Raises `Invalid`."""
        ...

    async def retrieve(self, query: RetrieveQuery) -> tuple[Retrieved, ...]:
        """Passages of the knowledge base."""
        ...

    async def describe_knowledge(self) -> KnowledgeFacts:
        """What is indexed and how it is searched."""
        ...

    async def knowledge_page(self, query: KnowledgeQuery, limit: int, cursor: str | None) -> KnowledgePage:
        """The documents in force that match, by their ids. Raises `InvalidCursor`."""
        ...

    async def knowledge_document(self, doc_id: str) -> KnowledgeDocument:
        """What a document says and decides. Raises `NotFound`."""
        ...

    async def versions(self) -> dict[str, str]:
        """The knowledge base and what is made from it, each with its version."""
        ...

    async def authority(self, role: Role, building_id: str | None = None) -> ApprovalTier:
        """The highest tier that the approval policy of the building lets a role stand for."""
        ...

    async def required_tier(
        self,
        urgency: Urgency,
        cost_usd: float,
        building_id: str | None = None,
        category: Category | None = None,
        spent_usd: dict[Category, float] | None = None,
    ) -> ApprovalTier:
        """Whose agreement a cost needs in this building, with what it has spent this month, by category."""
        ...

    async def embed(self, texts: list[str]) -> list[bytes]:
        """A unit vector for each text: float32, little-endian. Raises `Unavailable`."""
        ...

    async def terms(
        self,
        building_id: str | None,
        category: Category,
        trade: Trade | None,
        urgency: Urgency,
        message_text: str,
        created_at: datetime,
    ) -> tuple[Sla, ServiceTerms]:
        """What policy promises on a request that was never decided, or whose labels a person corrected."""
        ...

    async def entry_terms(
        self, building_id: str | None, urgency: Urgency, entry_consent: bool | None
    ) -> EntryTerms | None:
        """What a visit to a home waits for; None for an emergency."""
        ...

    async def start_what_if(self, run_id: str, order: WhatIfOrder) -> WhatIfRun:
        """Begin a run, or find the one of this id. Raises `Invalid` for an illegal change, `Overloaded`."""
        ...

    async def what_if_figures(self) -> ChangeableFigures:
        """Which figures of the rules in force a question usually changes."""
        ...

    async def what_if(self, run_id: str) -> WhatIfRun:
        """How a run stands. Raises `NotFound`."""
        ...

    async def what_ifs(self) -> tuple[WhatIfRun, ...]:
        """All runs that are remembered, newest first, without their results."""
        ...

    async def cancel_what_if(self, run_id: str) -> WhatIfRun:
        """End a run. Raises `NotFound`, `WrongState` where it has ended."""
        ...

    async def health(self) -> ServiceHealth:
        """How the service is."""
        ...


class ExecutionDesk(Protocol):
    """Carries things out and knows what became of them. Raises `ServiceUnavailable`."""

    async def enqueue(self, command: ExecutionCommand) -> Execution:
        """Check, log and queue a command. Raises `Invalid` on parameters that do not fit."""
        ...

    async def describe(self, execution_id: ExecutionId) -> Execution | None:
        """The log of an execution, or None."""
        ...

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """Jobs on the operations desk, newest first. Raises `InvalidCursor`."""
        ...

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """One job, or None."""
        ...

    async def complete_work_order(
        self, work_order_id: str, *, by: str, notes: str, actual_cost_usd: float | None, actual_hours: float | None
    ) -> WorkOrder:
        """Close a job. Raises `NotFound`."""
        ...

    async def cancel_work_orders(self, request_id: RequestId, *, by: str, reason: str) -> tuple[str, ...]:
        """Cancel the open jobs for a request that is settled without them; their ids. May be repeated."""
        ...

    async def calendar(
        self, *, start: datetime, end: datetime, buildings: frozenset[str] | None, limit: int
    ) -> tuple[WorkOrder, ...]:
        """Open jobs that are to begin within the span, the earliest first."""
        ...

    async def plan_work_order(
        self,
        work_order_id: str,
        *,
        by: str,
        expected_version: int,
        assigned_to: str | None,
        scheduled_start: datetime | None,
        scheduled_end: datetime | None,
    ) -> WorkOrder:
        """Say who does a job and when. Raises `NotFound`, `StaleVersion`, `WrongState`, `Invalid`."""
        ...

    async def dead_lettered(self, *, limit: int, cursor: str | None) -> Page[Execution]:
        """Executions that wait for a person, the newest first. Raises `InvalidCursor`."""
        ...

    async def retry(self, execution_id: ExecutionId, by: str) -> Execution:
        """Try again what was given up. Raises `NotFound`, `WrongState`."""
        ...

    async def systems(self) -> tuple[SystemState, ...]:
        """How the outside systems look from one replica."""
        ...

    async def take_callback(self, system: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take an outside system's callback. Raises `Unauthenticated`, `Invalid`, `NotFound`."""
        ...

    async def preferences(self, subject: str) -> NotificationPreferences:
        """How a person wishes to be told; version 0 where they never said."""
        ...

    async def choose_preferences(self, subject: str, preferences: NotificationPreferences) -> NotificationPreferences:
        """Store them over those of the same version. Raises `StaleVersion`, `Invalid`."""
        ...

    async def unsubscribe(self, token: str) -> NoticeKind:
        """Switch a kind of message off. Raises `NotFound` for a token that is none."""
        ...

    async def notifications(
        self, *, recipient: str | None, limit: int, cursor: str | None
    ) -> Page[DeliveredNotification]:
        """What was sent, newest first. Raises `InvalidCursor`."""
        ...

    async def notification(self, notification_id: str) -> DeliveredNotification | None:
        """One notification, or None."""
        ...

    async def acknowledge(self, notification_id: str, by: str) -> DeliveredNotification:
        """Somebody on call has taken an alert. Raises `NotFound`."""
        ...

    async def load(self) -> dict[str, float]:
        """`queue_depth`, commands that wait or are in hand, and `oldest_age_s`."""
        ...

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Take a resident's data out, for good; the ids of all that is about them. Raises `StillAtWork`."""
        ...

    async def health(self) -> ServiceHealth:
        """How the service is."""
        ...
