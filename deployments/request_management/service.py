"""RequestManagement as one object: its parts put together, and the loops that run beside the calls."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from core.errors import AppError
from core.messages import ServiceHealth
from core.metrics import UNMETERED, Meter
from core.ports.record_keeping import RecordKeeping
from core.record import NextAction
from core.request import RequestId
from core.settings import Settings
from deployments.request_management.analysis import Analysis
from deployments.request_management.attachments import Attachments
from deployments.request_management.audit import AuditLog
from deployments.request_management.comments import Comments
from deployments.request_management.desk import Desk
from deployments.request_management.dispatch import Dispatcher, OutcomeConsumer
from deployments.request_management.due_work import Sweeper
from deployments.request_management.duplicates import Duplicates
from deployments.request_management.erasures import Erasures
from deployments.request_management.executions import Executions
from deployments.request_management.export import Export
from deployments.request_management.idempotency import Idempotency
from deployments.request_management.incidents import Incidents
from deployments.request_management.intake import Intake
from deployments.request_management.measured_store import measured
from deployments.request_management.notification_settings import NotificationSettings
from deployments.request_management.operations import Operations
from deployments.request_management.outcome_statistics import OutcomeStatistics
from deployments.request_management.outcome_trend import OutcomeTrend
from deployments.request_management.peers import AIProcessing, DecisionSimulation, ExecutionDesk
from deployments.request_management.pipeline import Pipeline
from deployments.request_management.precedents import Precedents
from deployments.request_management.predictions import Predictions
from deployments.request_management.requests import Requests
from deployments.request_management.resident_data import ResidentDataExport
from deployments.request_management.revision import Revision
from deployments.request_management.schemas import Health
from deployments.request_management.service_status import ServicesStatus
from deployments.request_management.templates import Templates
from deployments.request_management.webhook_delivery import WebhookCourier
from deployments.request_management.webhook_log import DeliveryLog
from deployments.request_management.webhook_publishing import Publisher, publishing
from deployments.request_management.webhooks import Endpoints
from deployments.request_management.what_if import WhatIf

HEALTH_TIMEOUT_S = 3.0


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


class RequestManagementService:
    """Everything that the ingress offers, independent of Ray and of HTTP."""

    def __init__(
        self,
        settings: Settings,
        ports: RecordKeeping,
        ai: AIProcessing,
        decision: DecisionSimulation,
        execution: ExecutionDesk,
        clock: Callable[[], datetime] = utc_now,
        version: str = "unknown",
        meter: Meter = UNMETERED,
    ) -> None:
        self.settings = settings
        self.meter = meter
        self.clock = clock
        self.tokens = ports.tokens
        self.documents = ports.documents
        self.limits = ports.limits
        self.audit = AuditLog(ports.documents, clock)
        self._version = version
        store, executions, outcomes = ports.store, ports.executions, ports.outcomes
        self.webhooks = Endpoints(ports.documents, ports.sender, clock)
        deliveries = DeliveryLog(ports.documents, clock)
        self.courier = WebhookCourier(store, self.webhooks, deliveries, ports.webhooks, ports.sender, clock)
        self.publisher = Publisher(store, self.webhooks, deliveries, ports.webhooks, clock)
        store = measured(publishing(store, self.webhooks, self.publisher.start, clock), meter)
        self._store = store
        self._ai, self._decision, self._execution = ai, decision, execution
        dispatcher = Dispatcher(store, executions, clock)
        self.incidents = Incidents(store, ports.documents, decision, dispatcher, clock, execution)
        self.duplicates = Duplicates(store, self.incidents, decision, dispatcher, clock)
        pipeline = Pipeline(settings, store, ai, decision, dispatcher, clock, self.incidents.start, meter)
        self.idempotency = Idempotency(store, clock)

        async def exists(request_id: RequestId) -> bool:
            return await store.get(request_id) is not None

        limit_bytes = settings.attachment_limit_bytes
        self.attachments = Attachments(
            ports.documents, ports.blobs, ports.inspector, ports.url_key, limit_bytes, clock, exists
        )
        self.precedents = Precedents(store, decision, clock)
        self.intake = Intake(settings, store, pipeline, self.attachments, clock)
        revision = Revision(settings, store, ai, decision, dispatcher, clock)
        zone = ZoneInfo(settings.time_zone)
        self.requests = Requests(store, decision, dispatcher, revision, clock, zone, execution)
        self.templates = Templates(ports.documents, clock)
        self.comments = Comments(store, self.templates, dispatcher, clock)
        self.export = Export(store)
        self.statistics = OutcomeStatistics(store, clock)
        self.trend = OutcomeTrend(store, clock, ZoneInfo(settings.time_zone))
        self.predictions = Predictions(store, clock)
        self.resident_data = ResidentDataExport(store, self.attachments, self.incidents, execution, self.audit, clock)
        self.erasures = Erasures(store, ports.documents, self.attachments, self.incidents, execution, dispatcher, clock)
        self.analysis = Analysis(ai, decision, clock)
        self.what_if = WhatIf(store, decision, clock)
        self.operations = Operations(store, decision, execution, dispatcher, clock, ZoneInfo(settings.time_zone))
        self.desk = Desk(store, execution, clock)
        self.executions = Executions(store, execution, clock)
        self.notification_settings = NotificationSettings(store, execution)
        self.sweeper = Sweeper(settings, store, pipeline, dispatcher, revision, clock, meter)
        self.sweeper.on(NextAction.INCIDENT, self.incidents.start_following)
        self.sweeper.on(NextAction.PUBLISH, self.publisher.start)
        self.services = ServicesStatus(self.health, ai, decision, execution, self.sweeper, clock)
        self._outcomes = OutcomeConsumer(store, outcomes, clock)
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start sweeping and taking news, in the running loop."""
        for loop in (
            self.sweeper.run,
            self._outcomes.run,
            self.attachments.run,
            self.courier.run,
            self.erasures.run,
        ):
            self._loops.append(_forever(loop()))

    async def stop(self) -> None:
        """Stop the loops; work in hand is left to its lease."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._loops.clear()

    async def health(self) -> Health:
        """How each service is; the whole is unhealthy where a part that every request needs is."""
        own = await self._own_health()
        peers = {
            "ai_processing": self._ai.health,
            "decision_simulation": self._decision.health,
            "execution": self._execution.health,
        }
        found = await asyncio.gather(*(_ask(health) for health in peers.values()))
        services = {"request_management": own, **dict(zip(peers, found, strict=True))}
        states = {health.status for health in services.values()}
        worst = "unhealthy" if "unhealthy" in states else "degraded" if "degraded" in states else "healthy"
        return Health(status=worst, services=services)

    async def _own_health(self) -> ServiceHealth:
        try:
            await self._store.workload()
        except AppError as error:
            return ServiceHealth(status="unhealthy", detail=error.title, version=self._version)
        if any(task.done() for task in self._loops):
            return ServiceHealth(status="degraded", detail="a background loop has stopped", version=self._version)
        return ServiceHealth(status="healthy", detail="accepting requests", version=self._version)


async def _ask(health: Callable[[], Coroutine[None, None, ServiceHealth]]) -> ServiceHealth:
    try:
        return await asyncio.wait_for(health(), HEALTH_TIMEOUT_S)
    except Exception:
        return ServiceHealth(status="unhealthy", detail="it does not answer", version="unknown")


def _forever(loop: Coroutine[None, None, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(loop, context=contextvars.Context())
