"""What-if runs on real Ray: one register for all replicas, tasks that tell their progress and can be cancelled."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import ray

from core.errors import NotFound, WrongState
from core.rules import RuleBook
from core.what_if import RunStatus, Scenario, WhatIfOrder, WhatIfRun, Work
from deployments.decision_simulation.handles import RayRuns, what_if_runs
from deployments.decision_simulation.what_if.registry import TooManyRuns
from deployments.decision_simulation.what_if.replay import replay
from kb.compile import compile_documents

ZONE = "America/New_York"
MONDAY = datetime(2026, 3, 2, 5, tzinfo=UTC)


def order(replications: int = 10, days: int = 2) -> WhatIfOrder:
    return WhatIfOrder(
        scenario=Scenario(figures={"crews.plumbing.technicians": 3}),
        work=Work(source="synthetic", begin=MONDAY, end=MONDAY + timedelta(days=days)),
        replications=replications,
        seed=1,
        requested_by="mia",
    )


@pytest.fixture(scope="module")
def rules() -> RuleBook:
    return compile_documents()


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster of this process's own."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)  # pyright: ignore
    yield
    ray.shutdown()  # pyright: ignore


async def until(runs: RayRuns, run_id: str, *statuses: RunStatus, progress: float = 0.0) -> WhatIfRun:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        run = await runs.get(run_id)
        if run.status in statuses and run.progress >= progress:
            return run
        assert not run.status.ended, run.error
        await asyncio.sleep(0.1)
    pytest.fail("it took too long")


async def test_runs_on_a_cluster(cluster: None, rules: RuleBook) -> None:
    assert isinstance(what_if_runs("1"), RayRuns)
    one, other = RayRuns("1"), RayRuns("1")
    with pytest.raises(NotFound):
        await one.get("a")
    # What one replica starts, each sees; the task's result is the replay's, byte for byte.
    await one.start("a", rules, order(), ZONE)
    assert (await other.start("a", rules, order(), ZONE)).run_id == "a"
    done = await until(other, "a", RunStatus.SUCCEEDED)
    assert done.result == replay(rules, order(), ZoneInfo(ZONE))
    with pytest.raises(WrongState):
        await other.cancel("a")
    # A long run tells its progress, is cancelled while it runs, and gives its place back.
    await one.start("b", rules, order(1000, 14), ZONE)
    await until(other, "b", RunStatus.RUNNING, progress=0.001)
    assert (await other.cancel("b")).status is RunStatus.CANCELLED
    before = (await one.get("b")).progress
    await one.start("c", rules, order(), ZONE)
    await until(one, "c", RunStatus.SUCCEEDED)
    after = await one.get("b")
    assert (after.status, after.progress, after.result) == (RunStatus.CANCELLED, before, None)
    # What is wrong with an order is the run's error in words; the register stays.
    await one.start("d", rules, order().model_copy(update={"work": empty()}), ZONE)
    failed = await until_ended(one, "d")
    assert failed.status is RunStatus.FAILED
    assert "nothing to replay" in (failed.error or "")
    for name in "efgh":
        await one.start(name, rules, order(1000, 30), ZONE)
    with pytest.raises(TooManyRuns):
        await other.start("i", rules, order(), ZONE)
    for name in "hgfe":
        assert (await one.cancel(name)).status is RunStatus.CANCELLED
    assert [run.run_id for run in await other.newest()] == list("hgfedcba")


def empty() -> Work:
    return Work(source="period", begin=MONDAY, end=MONDAY + timedelta(days=1))


async def until_ended(runs: RayRuns, run_id: str) -> WhatIfRun:
    end = time.monotonic() + 60
    while not (run := await runs.get(run_id)).status.ended:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)
    return run
