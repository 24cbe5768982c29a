"""The weeks after the load: the sweeper with its clock moved ahead, in a process that is killed at moments by chance.

`python -m bench.soak.later` is that process. Its clock begins at the last change in the store, and jumps to the next
due time as soon as nothing is left to do.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters import build
from adapters.sqlite import from_millis
from bench.handles import LocalHandle
from bench.soak.world import query, queue_depths
from core.errors import ServiceUnavailable
from core.settings import Settings, load_settings
from deployments.execution.deployment import open_service
from deployments.request_management.handles import AIProcessingHandle, DecisionSimulationHandle, ExecutionHandle
from deployments.request_management.service import RequestManagementService

WINDOW = timedelta(minutes=2)
"""What is due within so much of the next due time is done in one go."""
STOP_AFTER_S = 900.0
READY = "ready"


class MovedClock:
    """Runs as the wall's, from wherever it was put; it never goes back."""

    def __init__(self) -> None:
        self._base, self._since = datetime.now(UTC), time.monotonic()

    def __call__(self) -> datetime:
        return self._base + timedelta(seconds=time.monotonic() - self._since)

    def move_to(self, moment: datetime) -> None:
        """Go on from this moment, if it lies ahead."""
        if moment > self():
            self._base, self._since = moment, time.monotonic()


class Absent:
    """A service that does not answer: what happens later by itself needs none."""

    def __getattr__(self, name: str) -> Any:
        async def refuse(*_: Any, **__: Any) -> Any:
            raise ServiceUnavailable("It is not here.")

        return refuse


async def live_on(settings: Settings) -> None:
    """Do everything that is due, moving the clock ahead from one due time to the next, until nothing is."""
    clock, ports = MovedClock(), build.record_keeping(settings)
    execution = open_service(settings, clock)
    absent: Any = LocalHandle(Absent())
    present: Any = LocalHandle(execution)
    service = RequestManagementService(
        settings,
        ports,
        AIProcessingHandle(absent, settings),
        DecisionSimulationHandle(absent, settings),
        ExecutionHandle(present),
        clock,
    )
    if (last := last_change(settings)) is not None:
        # Where one before this was killed: what that left in its queues is not to be days old at once.
        clock.move_to(last)
    execution.start()
    service.start()
    print(READY, flush=True)
    while True:
        await service.sweeper.settle()
        if not await _is_busy(settings, clock):
            moment = next_due(settings)
            if moment is None:
                break
            clock.move_to(moment + WINDOW)
        await asyncio.sleep(0.05)
    await service.stop()
    await execution.stop()
    await execution.close()
    await ports.close()


def next_due(settings: Settings) -> datetime | None:
    """When the next thing is due by itself; None for never."""
    found = query(settings.database, "SELECT min(next_action_at) FROM requests")[0][0]
    return None if found is None else from_millis(found)


def last_change(settings: Settings) -> datetime | None:
    """When the newest event of a request was written; None where there is none."""
    found = query(settings.database, "SELECT max(json_extract(event, '$.at')) FROM events")[0][0]
    return None if found is None else datetime.fromisoformat(found)


async def _is_busy(settings: Settings, clock: MovedClock) -> bool:
    moment = next_due(settings)
    if moment is not None and moment <= clock():
        return True
    return any(depth.visible + depth.in_flight for depth in (await queue_depths(settings)).values())


def run_killed(settings: Settings, kills: int, rng: random.Random) -> list[float]:
    """Run the process to its end, killing it so many times on the way; after how many seconds of work each time.

    Fewer where it was done before. Raises `RuntimeError` where it fails by itself.
    """
    environment = {
        **os.environ,
        "AAM_STATE_DIR": str(settings.state_dir),
        "AAM_ARTEFACTS_DIR": str(settings.artefacts_dir),
        "AAM_SWEEP_INTERVAL_S": "0.05",
        "AAM_QUEUE_VISIBILITY_S": "3",
    }
    killed: list[float] = []
    while True:
        within_s = rng.uniform(0.05, 2.0) if len(killed) < kills else STOP_AFTER_S
        status = _run_for(within_s, environment)
        if status == 0:
            return killed
        if status != -signal.SIGKILL or len(killed) >= kills:
            raise RuntimeError(f"the process for later ended with {status}")
        killed.append(within_s)


def _run_for(seconds: float, environment: dict[str, str]) -> int:
    """The process's exit status, after it was killed where it took longer once it was ready."""
    command = [sys.executable, "-m", "bench.soak.later"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is not None and process.stdout.readline().strip() == READY:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(seconds)
            process.kill()
        return process.wait()


if __name__ == "__main__":
    asyncio.run(live_on(load_settings()))
