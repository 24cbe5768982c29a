"""What Ray Serve says of the deployments, and that asking it holds nobody up."""

import asyncio
import threading
import time
from typing import Any

import pytest
from ray import serve
from ray.serve.exceptions import RayServeException
from ray.serve.schema import (
    ApplicationStatus,
    ApplicationStatusOverview,
    DeploymentStatus,
    DeploymentStatusOverview,
    DeploymentStatusTrigger,
    ReplicaState,
    ServeStatus,
)

from core.errors import Unavailable
from deployments.request_management import deployment
from deployments.request_management.deployment import RayClusterState, states_of


def status(**states: tuple[DeploymentStatus, dict[ReplicaState, int], str]) -> ServeStatus:
    deployments = {
        name: DeploymentStatusOverview(found, DeploymentStatusTrigger.UNSPECIFIED, replicas, message)
        for name, (found, replicas, message) in states.items()
    }
    application = ApplicationStatusOverview(ApplicationStatus.RUNNING, "", 0.0, deployments)
    return ServeStatus(applications={"apartments": application})


def test_replicas_are_counted_by_what_they_do() -> None:
    replicas = {
        ReplicaState.RUNNING: 2,
        ReplicaState.STARTING: 1,
        ReplicaState.RECOVERING: 1,
        ReplicaState.STOPPING: 3,
        ReplicaState.UPDATING: 0,
    }
    found = states_of(
        status(
            Execution=(DeploymentStatus.UPSCALING, replicas, ""),
            AIProcessing=(DeploymentStatus.DEPLOY_FAILED, {}, "no memory"),
            SomebodyElse=(DeploymentStatus.HEALTHY, {}, ""),
        )
    )
    assert set(found) == {"execution", "ai_processing"}
    execution = found["execution"]
    assert (execution.running, execution.starting, execution.stopping, execution.wanted) == (2, 2, 3, 4)
    assert execution.replicas == {"RUNNING": 2, "STARTING": 1, "RECOVERING": 1, "STOPPING": 3}
    assert not execution.failing
    failed = found["ai_processing"]
    assert (failed.status, failed.failing, failed.message, failed.wanted) == ("DEPLOY_FAILED", True, "no memory", 0)


async def test_many_who_ask_at_once_ask_serve_once_and_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def slow() -> ServeStatus:
        asked.append(threading.current_thread().name)
        time.sleep(0.1)
        return status(Execution=(DeploymentStatus.HEALTHY, {ReplicaState.RUNNING: 1}, ""))

    monkeypatch.setattr(serve, "status", slow)
    cluster = RayClusterState()
    answers = await asyncio.gather(*(cluster.deployments() for _ in range(20)))
    assert all(answer["execution"].running == 1 for answer in answers)
    assert len(asked) == 1
    assert asked[0] != threading.main_thread().name


async def test_a_controller_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    release, calls = threading.Event(), list[int]()

    def hanging() -> Any:
        calls.append(1)
        release.wait(5)
        return status()

    monkeypatch.setattr(serve, "status", hanging)
    monkeypatch.setattr(deployment, "STATUS_TIMEOUT_S", 0.05)
    monkeypatch.setattr(deployment, "STATUS_FRESH_S", 0.0)
    cluster = RayClusterState()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await cluster.deployments()
    release.set()
    assert len(calls) == 1, "one thread hangs, however many ask"


async def test_serve_s_own_errors_become_ours_and_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Any:
        raise RayServeException("no controller")

    monkeypatch.setattr(serve, "status", gone)
    monkeypatch.setattr(deployment, "STATUS_FRESH_S", 0.0)
    cluster = RayClusterState()
    with pytest.raises(Unavailable):
        await cluster.deployments()
    monkeypatch.setattr(serve, "status", status)
    assert await cluster.deployments() == {}
