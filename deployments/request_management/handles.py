"""The other services through Ray Serve handles: gathered calls, deadlines, and errors in this system's own words."""

# Ray's decorators and handles are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

import grpc
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from core.call_tracing import TracedHandle
from core.correlation import current_correlation
from core.entry import EntryTerms
from core.erasure import ErasureScope
from core.errors import AppError, ServiceUnavailable
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
from core.settings import Settings
from core.what_if import WhatIfOrder, WhatIfRun
from core.what_if_figures import ChangeableFigures
from deployments.request_management.gathering import Gathered

T = TypeVar("T")

LOOKUP_TIMEOUT_S = 5.0
ERASURE_TIMEOUT_S = 60.0
"""Files of some hundred MB are written anew."""


async def ask(response: Awaitable[Any], timeout_s: float) -> Any:
    """The answer of another service. Raises its `AppError` as it was raised there, else `ServiceUnavailable`."""
    try:
        return await asyncio.wait_for(response, timeout_s)
    except AppError as error:
        raise _as_raised(error) from None
    except RayTaskError as error:
        cause = cast(BaseException | None, error.cause)
        if isinstance(cause, AppError):
            raise cause from None
        raise
    except (RayError, RayServeException, grpc.RpcError, TimeoutError, ConnectionError) as error:
        raise ServiceUnavailable(f"A service does not answer ({type(error).__name__}).") from None


def _as_raised(error: AppError) -> AppError:
    """Ray hands on an error of two types at once; what is wanted is the one that the service raised."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, AppError) else error


class AIProcessingHandle:
    """`AIProcessing` over a handle."""

    def __init__(self, handle: DeploymentHandle[Any], settings: Settings) -> None:
        self._handle = TracedHandle(handle, "AIProcessing")
        self._timeout_s = settings.assess_timeout_s
        self._gathered = Gathered(self._assess)

    async def assess(self, item: AssessItem) -> Assessment | ItemFailure:
        """One message."""
        return await self._gathered(item)

    async def _assess(self, items: list[AssessItem]) -> list[Assessment | ItemFailure]:
        return await ask(self._handle.assess.remote(items), self._timeout_s)

    async def explain(self, message_text: str) -> Explanation:
        """What each word adds."""
        return await ask(self._handle.explain.remote(message_text), self._timeout_s)

    async def check_safety(self, message_text: str) -> SafetyCheck:
        """What the rules alone say."""
        return await ask(self._handle.check_safety.remote(message_text), LOOKUP_TIMEOUT_S)

    async def versions(self) -> dict[str, str]:
        """Which models serve."""
        return await ask(self._handle.versions.remote(), LOOKUP_TIMEOUT_S)

    async def health(self) -> ServiceHealth:
        """How the service is."""
        return await ask(self._handle.health.remote(), LOOKUP_TIMEOUT_S)


class DecisionSimulationHandle:
    """`DecisionSimulation` over a handle."""

    def __init__(self, handle: DeploymentHandle[Any], settings: Settings) -> None:
        self._handle = TracedHandle(handle, "DecisionSimulation")
        self._timeout_s = settings.resolve_timeout_s
        self._gathered = Gathered(self._resolve)
        # A question in the same call may wait for a language model; an emergency must not wait with it.
        self._emergencies = Gathered(self._resolve)

    async def resolve(self, item: ResolveItem) -> Resolved | ItemFailure:
        """One assessed message."""
        lane = self._emergencies if item.classification.emergency else self._gathered
        return await lane(item)

    async def _resolve(self, items: list[ResolveItem]) -> list[Resolved | ItemFailure]:
        return await ask(self._handle.resolve.remote(items), self._timeout_s)

    async def simulate(self, item: ResolveItem) -> Resolved | ItemFailure:
        """Options for given labels."""
        return await ask(self._handle.simulate.remote(item), self._timeout_s)

    async def decide(
        self,
        options: list[ResolutionOption],
        urgency: Urgency,
        category: Category,
        risk: Risk | None,
        weights: FactorScores | None,
        building_id: str | None = None,
    ) -> Decision:
        """Choose among given options."""
        call = self._handle.decide.remote(options, urgency, category, risk, weights, building_id)
        return await ask(call, self._timeout_s)

    async def retrieve(self, query: RetrieveQuery) -> tuple[Retrieved, ...]:
        """Passages of the knowledge base."""
        return await ask(self._handle.retrieve.remote(query), self._timeout_s)

    async def describe_knowledge(self) -> KnowledgeFacts:
        """What is indexed."""
        return await ask(self._handle.describe_knowledge.remote(), LOOKUP_TIMEOUT_S)

    async def knowledge_page(self, query: KnowledgeQuery, limit: int, cursor: str | None) -> KnowledgePage:
        """Documents in force."""
        return await ask(self._handle.knowledge_page.remote(query, limit, cursor), LOOKUP_TIMEOUT_S)

    async def knowledge_document(self, doc_id: str) -> KnowledgeDocument:
        """One document."""
        return await ask(self._handle.knowledge_document.remote(doc_id), LOOKUP_TIMEOUT_S)

    async def versions(self) -> dict[str, str]:
        """Which knowledge base serves."""
        return await ask(self._handle.versions.remote(), LOOKUP_TIMEOUT_S)

    async def authority(self, role: Role, building_id: str | None = None) -> ApprovalTier:
        """The highest tier of a role."""
        return await ask(self._handle.authority.remote(role, building_id), LOOKUP_TIMEOUT_S)

    async def required_tier(
        self,
        urgency: Urgency,
        cost_usd: float,
        building_id: str | None = None,
        category: Category | None = None,
        spent_usd: dict[Category, float] | None = None,
    ) -> ApprovalTier:
        """Whose agreement a cost needs."""
        call = self._handle.required_tier.remote(urgency, cost_usd, building_id, category, spent_usd)
        return await ask(call, LOOKUP_TIMEOUT_S)

    async def embed(self, texts: list[str]) -> list[bytes]:
        """Vectors of texts."""
        return await ask(self._handle.embed.remote(texts), LOOKUP_TIMEOUT_S)

    async def terms(
        self,
        building_id: str | None,
        category: Category,
        trade: Trade | None,
        urgency: Urgency,
        message_text: str,
        created_at: datetime,
    ) -> tuple[Sla, ServiceTerms]:
        """What policy promises on given labels."""
        call = self._handle.terms.remote(building_id, category, trade, urgency, message_text, created_at)
        return await ask(call, LOOKUP_TIMEOUT_S)

    async def entry_terms(
        self, building_id: str | None, urgency: Urgency, entry_consent: bool | None
    ) -> EntryTerms | None:
        """What a visit waits for."""
        return await ask(self._handle.entry_terms.remote(building_id, urgency, entry_consent), LOOKUP_TIMEOUT_S)

    async def start_what_if(self, run_id: str, order: WhatIfOrder) -> WhatIfRun:
        """Begin a run."""
        return await ask(self._handle.start_what_if.remote(run_id, order), self._timeout_s)

    async def what_if_figures(self) -> ChangeableFigures:
        """Which figures a question usually changes."""
        return await ask(self._handle.what_if_figures.remote(), LOOKUP_TIMEOUT_S)

    async def what_if(self, run_id: str) -> WhatIfRun:
        """How a run stands."""
        return await ask(self._handle.what_if.remote(run_id), LOOKUP_TIMEOUT_S)

    async def what_ifs(self) -> tuple[WhatIfRun, ...]:
        """All runs."""
        return await ask(self._handle.what_ifs.remote(), LOOKUP_TIMEOUT_S)

    async def cancel_what_if(self, run_id: str) -> WhatIfRun:
        """End a run."""
        return await ask(self._handle.cancel_what_if.remote(run_id), LOOKUP_TIMEOUT_S)

    async def health(self) -> ServiceHealth:
        """How the service is."""
        return await ask(self._handle.health.remote(), LOOKUP_TIMEOUT_S)


class ExecutionHandle:
    """`ExecutionDesk` over a handle."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = TracedHandle(handle, "Execution")

    async def enqueue(self, command: ExecutionCommand) -> Execution:
        """Check, log and queue a command."""
        return await ask(self._handle.enqueue.remote(command), LOOKUP_TIMEOUT_S)

    async def describe(self, execution_id: ExecutionId) -> Execution | None:
        """The log of an execution."""
        return await ask(self._handle.describe.remote(execution_id), LOOKUP_TIMEOUT_S)

    async def work_orders(
        self, *, open_only: bool, buildings: frozenset[str] | None, limit: int, cursor: str | None
    ) -> Page[WorkOrder]:
        """Jobs on the operations desk."""
        response = self._handle.work_orders.remote(open_only=open_only, buildings=buildings, limit=limit, cursor=cursor)
        return await ask(response, LOOKUP_TIMEOUT_S)

    async def work_order(self, work_order_id: str) -> WorkOrder | None:
        """One job."""
        return await ask(self._handle.work_order.remote(work_order_id), LOOKUP_TIMEOUT_S)

    async def complete_work_order(
        self, work_order_id: str, *, by: str, notes: str, actual_cost_usd: float | None, actual_hours: float | None
    ) -> WorkOrder:
        """Close a job."""
        response = self._handle.complete_work_order.remote(
            work_order_id,
            by=by,
            notes=notes,
            actual_cost_usd=actual_cost_usd,
            actual_hours=actual_hours,
            correlation_id=current_correlation(),
        )
        return await ask(response, LOOKUP_TIMEOUT_S)

    async def cancel_work_orders(self, request_id: RequestId, *, by: str, reason: str) -> tuple[str, ...]:
        """Cancel open jobs."""
        call = self._handle.cancel_work_orders.remote(request_id, by=by, reason=reason)
        return await ask(call, LOOKUP_TIMEOUT_S)

    async def calendar(
        self, *, start: datetime, end: datetime, buildings: frozenset[str] | None, limit: int
    ) -> tuple[WorkOrder, ...]:
        """Planned jobs."""
        call = self._handle.calendar.remote(start=start, end=end, buildings=buildings, limit=limit)
        return await ask(call, LOOKUP_TIMEOUT_S)

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
        """Who does a job and when."""
        call = self._handle.plan_work_order.remote(
            work_order_id,
            by=by,
            expected_version=expected_version,
            assigned_to=assigned_to,
            scheduled_start=scheduled_start,
            scheduled_end=scheduled_end,
        )
        return await ask(call, LOOKUP_TIMEOUT_S)

    async def dead_lettered(self, *, limit: int, cursor: str | None) -> Page[Execution]:
        """What waits for a person."""
        return await ask(self._handle.dead_lettered.remote(limit=limit, cursor=cursor), LOOKUP_TIMEOUT_S)

    async def retry(self, execution_id: ExecutionId, by: str) -> Execution:
        """Once more."""
        return await ask(self._handle.retry.remote(execution_id, by=by), LOOKUP_TIMEOUT_S)

    async def systems(self) -> tuple[SystemState, ...]:
        """How the outside systems are."""
        return await ask(self._handle.systems.remote(), LOOKUP_TIMEOUT_S)

    async def take_callback(self, system: str, headers: Mapping[str, str], body: bytes) -> bool:
        """An outside system's callback."""
        return await ask(self._handle.take_callback.remote(system, dict(headers), body), LOOKUP_TIMEOUT_S)

    async def preferences(self, subject: str) -> NotificationPreferences:
        """How a person wishes to be told."""
        return await ask(self._handle.preferences.remote(subject), LOOKUP_TIMEOUT_S)

    async def choose_preferences(self, subject: str, preferences: NotificationPreferences) -> NotificationPreferences:
        """Store them."""
        return await ask(self._handle.choose_preferences.remote(subject, preferences), LOOKUP_TIMEOUT_S)

    async def unsubscribe(self, token: str) -> NoticeKind:
        """Switch a kind of message off."""
        return await ask(self._handle.unsubscribe.remote(token), LOOKUP_TIMEOUT_S)

    async def notifications(
        self, *, recipient: str | None, limit: int, cursor: str | None
    ) -> Page[DeliveredNotification]:
        """What was sent."""
        response = self._handle.notifications.remote(recipient=recipient, limit=limit, cursor=cursor)
        return await ask(response, LOOKUP_TIMEOUT_S)

    async def notification(self, notification_id: str) -> DeliveredNotification | None:
        """One notification."""
        return await ask(self._handle.notification.remote(notification_id), LOOKUP_TIMEOUT_S)

    async def acknowledge(self, notification_id: str, by: str) -> DeliveredNotification:
        """Take an alert."""
        return await ask(self._handle.acknowledge.remote(notification_id, by=by), LOOKUP_TIMEOUT_S)

    async def load(self) -> dict[str, float]:
        """What waits in the queue."""
        return await ask(self._handle.load.remote(), LOOKUP_TIMEOUT_S)

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Take a resident's data out."""
        return await ask(self._handle.erase.remote(scope), ERASURE_TIMEOUT_S)

    async def health(self) -> ServiceHealth:
        """How the service is."""
        return await ask(self._handle.health.remote(), LOOKUP_TIMEOUT_S)
