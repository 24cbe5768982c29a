"""All four services in one process, without Ray: the ceiling that the graph is measured against."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from adapters import build
from bench.handles import LocalHandle
from core.metrics import UNMETERED, Meter
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.execution.deployment import open_service
from deployments.request_management.handles import AIProcessingHandle, DecisionSimulationHandle, ExecutionHandle
from deployments.request_management.service import RequestManagementService


@asynccontextmanager
async def request_management(
    settings: Settings, ai: Any, decision: Any, execution: Any, meter: Meter = UNMETERED
) -> AsyncGenerator[RequestManagementService]:
    """RequestManagement with its embedded adapters over these handles, started, and closed at the end."""
    ports = build.record_keeping(settings)
    service = RequestManagementService(
        settings,
        ports,
        AIProcessingHandle(ai, settings),
        DecisionSimulationHandle(decision, settings),
        ExecutionHandle(execution),
        version=build.version(),
        meter=meter,
    )
    service.start()
    try:
        yield service
    finally:
        await service.stop()
        await ports.close()


@asynccontextmanager
async def one_process(settings: Settings) -> AsyncGenerator[RequestManagementService]:
    """Everything, started, in the running loop."""
    async with assembled(settings, AIProcessing(settings), DecisionSimulation(settings)) as service:
        yield service


@asynccontextmanager
async def assembled(
    settings: Settings, ai: object, decision: object, meter: Meter = UNMETERED
) -> AsyncGenerator[RequestManagementService]:
    """As `one_process`, around thinking services that are there already."""
    execution = open_service(settings, meter=meter)
    execution.start()
    handles = (LocalHandle(ai), LocalHandle(decision), LocalHandle(execution))
    try:
        async with request_management(settings, *handles, meter=meter) as service:
            yield service
    finally:
        await execution.stop()
        await execution.close()
