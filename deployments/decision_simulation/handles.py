"""What-if runs on Ray: each a task of low priority, all known to one named actor that every replica asks."""

# Ray's decorators and handles are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUntypedFunctionDecorator=false

import asyncio
import logging
import os
import resource
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError, TaskCancelledError

from core.errors import AppError, Invalid, ServiceUnavailable
from core.rules import RuleBook
from core.what_if import Comparison, WhatIfOrder, WhatIfRun
from deployments.decision_simulation.what_if.registry import RunRegistry
from deployments.decision_simulation.what_if.replay import replay
from deployments.decision_simulation.what_if.runs import BROKE_OFF, DEADLINE_S, Runs, ThreadRuns, expiry, utc_now

LOG = logging.getLogger(__name__)
NAMESPACE = "aam"
TASK_CPUS = 0.25
NICENESS = 10
TASK_BYTES = 2 * 2**30
"""So much memory a run's process may take beyond what it has when the run begins."""
END_GRACE_S = 120.0
"""A run that has not ended so long after its deadline, in the middle of one replication, is ended by force."""
TELL_EVERY_S = 0.5
TOO_LONG = "The run took too long; ask for fewer replications, a shorter time or less work."
TOO_LARGE = "The run needs more memory than a run may take; ask for a shorter time or less work."
TIMEOUT_S = 10.0


class RunsActor:
    """The registry of all runs, and the owner of their tasks: a replica that goes away takes no run with it."""

    def __init__(self) -> None:
        self._registry = RunRegistry(utc_now)
        self._tasks: dict[str, Any] = {}
        self._watches: set[asyncio.Task[None]] = set()

    async def start(self, run_id: str, rules: RuleBook, order: WhatIfOrder, zone: str) -> WhatIfRun:
        """See `Runs`."""
        run, new = self._registry.add(run_id, order)
        if new:
            me = ray.get_runtime_context().current_actor
            self._tasks[run_id] = _task.options(name=f"what-if {run_id}").remote(me, run_id, rules, order, zone)
            watch = asyncio.get_running_loop().create_task(self._watch(run_id, self._tasks[run_id]))
            self._watches.add(watch)
            watch.add_done_callback(self._watches.discard)
        return run

    async def get(self, run_id: str) -> WhatIfRun:
        """See `Runs`."""
        return self._registry.get(run_id)

    async def newest(self) -> tuple[WhatIfRun, ...]:
        """See `Runs`."""
        return self._registry.newest()

    async def cancel(self, run_id: str) -> WhatIfRun:
        """See `Runs`."""
        run = self._registry.cancel(run_id)
        if (task := self._tasks.get(run_id)) is not None:
            ray.cancel(task)
        return run

    async def tell(self, run_id: str, share: float) -> None:
        """News from a run's task."""
        self._registry.tell(run_id, share)

    async def _watch(self, run_id: str, task: Any) -> None:
        try:
            self._registry.succeed(run_id, cast(Comparison, await asyncio.wait_for(task, DEADLINE_S + END_GRACE_S)))
        except TimeoutError:
            ray.cancel(task, force=True)
            self._registry.fail(run_id, TOO_LONG)
        except TaskCancelledError:
            # Whoever cancelled it has noted that; a task that Ray ended by itself has failed.
            self._registry.fail(run_id, BROKE_OFF)
        except RayTaskError as error:
            cause = cast(BaseException | None, error.cause)
            if not isinstance(cause, AppError | KeyboardInterrupt):
                LOG.exception("A what-if run broke off", extra={"run": run_id})
            self._registry.fail(run_id, cause.detail if isinstance(cause, AppError) else BROKE_OFF)
        except Exception:
            LOG.exception("A what-if run broke off", extra={"run": run_id})
            self._registry.fail(run_id, BROKE_OFF)
        finally:
            self._tasks.pop(run_id, None)


# One task for each process: its niceness can't be taken back, and Ray would give the process to something else.
@ray.remote(num_cpus=TASK_CPUS, max_retries=0, max_calls=1)
def _task(runs: Any, run_id: str, rules: RuleBook, order: WhatIfOrder, zone: str) -> Comparison:
    with suppress(OSError):
        os.nice(NICENESS)
    runs.tell.remote(run_id, 0.0)
    tell = _seldom(lambda share: runs.tell.remote(run_id, share))
    try:
        with memory_limit(TASK_BYTES):
            return replay(rules, order, ZoneInfo(zone), tell, expiry())
    except MemoryError:
        raise Invalid(TOO_LARGE) from None


@contextmanager
def memory_limit(more_bytes: int) -> Generator[None]:
    """Within it, this process may take so much more memory than it has; an allocation beyond raises `MemoryError`.

    The limit is on address space, of which a process reserves more than it uses. It holds on Linux alone.
    """
    told = Path("/proc/self/statm")
    if not told.is_file():  # A system that does not tell how much a process has.
        yield
        return
    present, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(told.read_text().split()[0])
    wanted = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    try:
        yield
    finally:
        # What Ray does with the result afterwards is no part of the run.
        resource.setrlimit(resource.RLIMIT_AS, (present, hard))


def _seldom(tell: Callable[[float], object]) -> Callable[[float], None]:
    """Tells at most twice in a second."""
    last = 0.0

    def told(share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_EVERY_S:
            last = time.monotonic()
            tell(share)

    return told


class RayRuns:
    """`Runs` over the actor, which is made by whoever asks first. A release has an actor of its own."""

    def __init__(self, version: str) -> None:
        self._name = f"what-if-{version}"
        self._actor: Any = None

    async def start(self, run_id: str, rules: RuleBook, order: WhatIfOrder, zone: str) -> WhatIfRun:
        """See `Runs`."""
        return await self._ask("start", run_id, rules, order, zone)

    async def get(self, run_id: str) -> WhatIfRun:
        """See `Runs`."""
        return await self._ask("get", run_id)

    async def newest(self) -> tuple[WhatIfRun, ...]:
        """See `Runs`."""
        return await self._ask("newest")

    async def cancel(self, run_id: str) -> WhatIfRun:
        """See `Runs`."""
        return await self._ask("cancel", run_id)

    async def _ask(self, method: str, *arguments: object) -> Any:
        try:
            actor = await self._found()
            return await asyncio.wait_for(getattr(actor, method).remote(*arguments), TIMEOUT_S)
        except RayTaskError as error:
            cause = cast(BaseException | None, error.cause)
            if isinstance(cause, AppError):
                raise cause from None
            raise
        except RayActorError:
            # Its runs are lost with it; the next call makes a new one.
            self._actor = None
            raise ServiceUnavailable("The register of runs was lost; start the run again.") from None
        except (RayError, TimeoutError) as error:
            raise ServiceUnavailable(f"The register of runs does not answer ({type(error).__name__}).") from None

    async def _found(self) -> Any:
        if self._actor is None:
            # Finding or making it asks the cluster, which must not hold up this replica's loop.
            self._actor = await asyncio.to_thread(self._find_or_make)
        return self._actor

    def _find_or_make(self) -> Any:
        return (
            ray.remote(RunsActor)
            .options(
                name=self._name,
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=0,
                max_restarts=0,
            )
            .remote()
        )


def what_if_runs(version: str) -> Runs:
    """On Ray where this process is part of a cluster, else in threads."""
    return RayRuns(version) if ray.is_initialized() else ThreadRuns()
