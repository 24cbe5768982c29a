"""When a part is down: nothing is lost, what comes back is resumed, and a person is asked at the end."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bench.one_process import assembled
from core.errors import BrokenInvariant, ServiceUnavailable
from core.execution_labels import ActionKind
from core.identity import Principal
from core.labels import Role, Status
from core.messages import AssessItem, ItemFailure
from core.record import RequestRecord
from core.request import RequestId
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management.intake import new_request_id
from deployments.request_management.schemas import Submission
from deployments.request_management.service import RequestManagementService

RESIDENT = Principal("RES_A_101", Role.RESIDENT)


class Flaky:
    """AIProcessing that answers as it is told."""

    def __init__(self, ai: AIProcessing) -> None:
        self._ai = ai
        self.error: Exception | None = None
        self.failure: ItemFailure | None = None
        self.calls = 0

    async def assess(self, items: list[AssessItem]) -> Any:
        self.calls += 1
        if self.error is not None:
            raise self.error
        if self.failure is not None:
            return [self.failure for _ in items]
        return await self._ai.assess(items)

    def health(self) -> Any:
        if self.error is not None:
            raise self.error
        return self._ai.health()


@pytest.fixture
def flaky(ai: AIProcessing) -> Flaky:
    return Flaky(ai)


Start = Callable[..., Any]


@pytest.fixture
def start(settings: Settings, flaky: Flaky, decision: DecisionSimulation) -> Start:
    """Starts the service on the same state each time, with a short lease."""
    quick = settings.model_copy(update={"pipeline_lease_s": 1.0, "sweep_interval_s": 0.1, "pipeline_attempts": 2})

    return lambda: assembled(quick, flaky, decision)


async def submit(service: RequestManagementService, wait_s: float = 0.0) -> RequestRecord:
    submission = Submission(message_text="the kitchen tap drips")
    return await service.intake.submit(RESIDENT, submission, new_request_id(service.clock()), "corr", wait_s)


async def until(service: RequestManagementService, request_id: RequestId, within_s: float = 15.0) -> Any:
    end = service.clock() + timedelta(seconds=within_s)
    while service.clock() < end:
        request = await service.requests.get(RESIDENT, request_id)
        if request.status not in (Status.SUBMITTED, Status.PROCESSING):
            return request
        await asyncio.sleep(0.05)
    pytest.fail("never decided")


async def test_a_service_that_stays_down_brings_a_person(start: Start, flaky: Flaky) -> None:
    flaky.error = ServiceUnavailable("down")
    async with start() as service:
        record = await submit(service, wait_s=0.2)
        assert record.request.status is Status.PROCESSING
        assert (await service.health()).status == "unhealthy"
        request = await until(service, record.request.request_id)
        assert request.status is Status.NEEDS_REVIEW
        assert request.needs_attention
        for _ in range(100):
            sent = (await service.operations.notifications(Principal("sam", Role.STAFF), None, 10, None)).items
            if sent:
                break
            await asyncio.sleep(0.05)
        assert sent[0].notification.recipient_kind == "on_call"
        assert request.request_id in sent[0].notification.body


async def test_a_service_that_comes_back_decides(start: Start, flaky: Flaky) -> None:
    flaky.error = ServiceUnavailable("down")
    async with start() as service:
        record = await submit(service)
        await asyncio.sleep(0.3)
        flaky.error = None
        request = await until(service, record.request.request_id)
        assert request.status is Status.AWAITING_SELECTION
        assert flaky.calls >= 2


async def test_what_was_in_hand_at_a_stop_is_resumed_by_the_next_start(start: Start, flaky: Flaky) -> None:
    flaky.error = ServiceUnavailable("down")
    async with start() as service:
        request_id = (await submit(service)).request.request_id
    flaky.error = None
    async with start() as service:
        assert (await until(service, request_id)).status is Status.AWAITING_SELECTION


@pytest.mark.parametrize("error", [BrokenInvariant("a bug"), ValueError("a bug")], ids=["known", "unknown"])
async def test_a_bug_brings_a_person_and_no_loop(start: Start, flaky: Flaky, error: Exception) -> None:
    flaky.error = error
    async with start() as service:
        request = await until(service, (await submit(service)).request.request_id)
        assert request.status is Status.NEEDS_REVIEW
        assert flaky.calls <= 4


async def test_an_item_that_fails_alone_brings_a_person(start: Start, flaky: Flaky) -> None:
    flaky.failure = ItemFailure(code="invalid", detail="The message has no words.")
    async with start() as service:
        record = await submit(service, wait_s=5)
        assert record.request.status is Status.NEEDS_REVIEW
        assert record.outbox[0].actions[0].action is ActionKind.ALERT_ON_CALL
