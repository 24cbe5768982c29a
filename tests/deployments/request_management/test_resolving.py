"""Staff resolve a request: what was ordered for it and nobody has closed is cancelled, and nothing else."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from core.execution_labels import ExecutionStatus
from core.labels import Role, Status
from core.request import ExecutionId, ExecutionSummary, RequestId
from tests.deployments.request_management.light import Jobs, Light

WORK = ExecutionSummary(execution_id=ExecutionId("EXE_1"), status=ExecutionStatus.SUCCEEDED)
DONE = {"resolution_notes": "Replaced the washer"}


@pytest.fixture
def jobs(light: Light, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    made = Jobs()
    monkeypatch.setattr(light.service.requests, "_jobs", made)
    return made


@pytest.fixture
async def sam(light: Light) -> AsyncIterator[httpx.AsyncClient]:
    async with light.client(Role.STAFF, "sam") as client:
        yield client


async def seed(light: Light, **fields: Any) -> RequestId:
    return await light.seed(**{"status": Status.IN_PROGRESS, "execution": WORK} | fields)


async def status(light: Light, request_id: RequestId) -> Status:
    record = await light.ports.store.get(request_id)
    assert record is not None
    return record.request.status


async def test_its_open_jobs_are_cancelled_with_the_reason(light: Light, jobs: Jobs, sam: httpx.AsyncClient) -> None:
    request_id = await seed(light)
    answer = await sam.post(f"/requests/{request_id}/resolve", json=DONE)
    assert answer.status_code == 200, answer.text
    reason = "Cancelled, as its request was resolved: Replaced the washer"
    assert jobs.cancelled == [(request_id, "sam", reason)]
    amended = await seed(light)
    assert (await sam.put(f"/requests/{amended}", json={"status": "Resolved"})).is_success
    assert [each[0] for each in jobs.cancelled] == [request_id, amended]


async def test_what_is_refused_cancels_nothing(light: Light, jobs: Jobs, sam: httpx.AsyncClient) -> None:
    cancelled = await seed(light, status=Status.CANCELLED)
    assert (await sam.post(f"/requests/{cancelled}/resolve", json=DONE)).status_code == 409
    stale = await seed(light)
    answer = await sam.post(f"/requests/{stale}/resolve", json=DONE, headers={"If-Match": '"99"'})
    assert answer.status_code == 412
    assert (await sam.put(f"/requests/{stale}", json={"comment": "Soon"})).is_success
    assert jobs.cancelled == []


async def test_without_any_work_nobody_is_asked(light: Light, jobs: Jobs, sam: httpx.AsyncClient) -> None:
    jobs.is_down = True
    request_id = await seed(light, status=Status.ESCALATED, execution=None)
    assert (await sam.post(f"/requests/{request_id}/resolve", json=DONE)).is_success


async def test_where_execution_does_not_answer_the_same_call_ends_the_jobs_later(
    light: Light, jobs: Jobs, sam: httpx.AsyncClient
) -> None:
    request_id = await seed(light)
    jobs.is_down = True
    key = {"Idempotency-Key": "resolve-1"}
    answer = await sam.post(f"/requests/{request_id}/resolve", json=DONE, headers=key)
    assert answer.status_code == 503
    assert await status(light, request_id) is Status.RESOLVED
    assert jobs.cancelled == []
    jobs.is_down = False
    assert (await sam.post(f"/requests/{request_id}/resolve", json=DONE, headers=key)).is_success
    assert await status(light, request_id) is Status.RESOLVED
    assert len(jobs.cancelled) == 1
