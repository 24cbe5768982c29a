"""The register of runs is bounded and never takes anything back; runs in threads go through it."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from core.errors import Invalid, NotFound, WrongState
from core.estate import Vendor
from core.rules import RuleBook
from core.what_if import RunStatus, Scenario, WhatIfOrder, WhatIfRun
from deployments.decision_simulation.what_if.registry import RunRegistry, TooManyRuns
from deployments.decision_simulation.what_if.replay import replay
from deployments.decision_simulation.what_if.runs import ThreadRuns
from deployments.decision_simulation.what_if.scenario import apply

MakeOrder = Callable[..., WhatIfOrder]
UTC_ZONE = ZoneInfo("UTC")


def registry(active: int = 2, remembered: int = 4) -> RunRegistry:
    return RunRegistry(lambda: datetime(2026, 3, 2, tzinfo=UTC), active, remembered)


def test_an_id_is_one_run(make_order: MakeOrder) -> None:
    runs = registry()
    assert runs.add("a", make_order())[1] is True
    assert runs.add("a", make_order())[1] is False
    assert len(runs.newest()) == 1


def test_only_so_many_are_active(make_order: MakeOrder) -> None:
    runs = registry()
    runs.add("a", make_order())
    runs.add("b", make_order())
    with pytest.raises(TooManyRuns) as caught:
        runs.add("c", make_order())
    assert caught.value.status == 429
    runs.cancel("a")
    assert runs.add("c", make_order())[1]


def test_the_oldest_ended_are_forgotten(make_order: MakeOrder) -> None:
    runs = registry()
    for number in range(10):
        runs.add(f"r{number}", make_order())
        runs.fail(f"r{number}", "no")
    assert [run.run_id for run in runs.newest()] == ["r9", "r8", "r7", "r6"]
    with pytest.raises(NotFound):
        runs.get("r0")


def test_an_ended_run_stays_as_it_ended(rules: RuleBook, make_order: MakeOrder) -> None:
    runs = registry()
    runs.add("a", make_order())
    runs.tell("a", 0.5)
    runs.tell("a", 0.25)
    assert (runs.get("a").status, runs.get("a").progress) == (RunStatus.RUNNING, 0.5)
    assert runs.cancel("a").status is RunStatus.CANCELLED
    runs.succeed("a", replay(rules, make_order(), UTC_ZONE))
    runs.tell("a", 0.9)
    assert runs.cancel("a").status is RunStatus.CANCELLED
    assert (runs.get("a").progress, runs.get("a").result) == (0.5, None)
    runs.add("b", make_order())
    runs.succeed("b", replay(rules, make_order(), UTC_ZONE))
    with pytest.raises(WrongState):
        runs.cancel("b")
    assert runs.get("b").result is not None
    assert runs.newest()[0].result is None


async def ended(runs: ThreadRuns, run_id: str) -> WhatIfRun:
    for _ in range(400):
        run = await runs.get(run_id)
        if run.status.ended:
            return run
        await asyncio.sleep(0.02)
    pytest.fail("it did not end")


async def test_a_run_in_a_thread(rules: RuleBook, make_order: MakeOrder) -> None:
    runs, order = ThreadRuns(), make_order({"crews.plumbing.technicians": 3})
    assert (await runs.start("a", rules, order, "UTC")).status is RunStatus.QUEUED
    done = await ended(runs, "a")
    assert (done.status, done.progress) == (RunStatus.SUCCEEDED, 1.0)
    assert done.result == replay(rules, order, UTC_ZONE)
    await runs.start("b", rules, make_order(requests=()), "UTC")
    failed = await ended(runs, "b")
    assert failed.status is RunStatus.FAILED
    assert "nothing to replay" in (failed.error or "")


async def test_a_run_is_cancelled_while_it_runs_and_while_it_waits(rules: RuleBook, make_order: MakeOrder) -> None:
    runs = ThreadRuns()
    for run_id in ("a", "b"):
        await runs.start(run_id, rules, make_order(replications=1000), "UTC")
    for run_id in ("b", "a"):
        assert (await runs.cancel(run_id)).status is RunStatus.CANCELLED
    await runs.start("c", rules, make_order(), "UTC")
    assert (await ended(runs, "c")).status is RunStatus.SUCCEEDED
    assert (await runs.get("a")).result is None


async def test_a_run_ends_at_its_deadline_with_what_it_has_made(rules: RuleBook, make_order: MakeOrder) -> None:
    runs = ThreadRuns(deadline_s=0.0)
    await runs.start("a", rules, make_order(), "UTC")
    async with asyncio.timeout(60):
        while not (run := await runs.get("a")).status.ended:
            await asyncio.sleep(0.01)
    assert run.status is RunStatus.FAILED  # One replication is nothing to compare.
    assert run.result is None


def test_memory_beyond_the_limit_is_refused_and_the_limit_is_lifted_afterwards() -> None:
    script = """
from deployments.decision_simulation.handles import memory_limit
try:
    with memory_limit(64 * 2**20):
        bytearray(256 * 2**20)
except MemoryError:
    bytearray(256 * 2**20)
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_figures_of_a_vendor_and_a_crew_are_bounded(rules: RuleBook) -> None:
    for path, value in (
        ("crews.plumbing.technicians", 1001),
        ("crews.plumbing.technicians", 10**9),
    ):
        with pytest.raises(Invalid):
            apply(rules, Scenario(figures={path: value}))
    fields: dict[str, object] = {
        "vendor_id": "v",
        "name": "V",
        "teams": 1,
        "shift_start_hour": 8,
        "shift_end_hour": 17,
        "weekdays_only": True,
        "on_call_outside_shift": False,
        "travel_hours": {"low": 0, "mode": 0, "high": 0},
        "jobs_per_week": {"Low": 2000.0},
        "job_hours": {"low": 0, "mode": 0, "high": 0},
        "call_out_usd": 0,
    }
    assert Vendor.model_validate(fields).teams == 1
    for wrong in ({"teams": 1001}, {"jobs_per_week": {"Low": 2001.0}}, {"jobs_per_week": {"Low": -1.0}}):
        with pytest.raises(ValidationError):
            Vendor.model_validate(fields | wrong)
