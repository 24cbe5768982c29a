"""Fixtures: the real four services in one process."""

from collections.abc import AsyncIterator

import pytest

from bench.one_process import assembled
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management.service import RequestManagementService


@pytest.fixture(scope="session")
def ai(built_settings: Settings) -> AIProcessing:
    return AIProcessing(built_settings)


@pytest.fixture(scope="session")
def decision(built_settings: Settings) -> DecisionSimulation:
    return DecisionSimulation(built_settings)


@pytest.fixture
async def service(
    settings: Settings, ai: AIProcessing, decision: DecisionSimulation
) -> AsyncIterator[RequestManagementService]:
    async with assembled(settings, ai, decision) as made:
        yield made
