"""How the four services are, put together from what each says of itself; what does not answer leaves a gap."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeVar

from core.identity import Principal
from core.ports.cluster import ClusterState
from core.service_status import (
    DeploymentState,
    GivenUp,
    ServiceName,
    ServicesReport,
    ServiceStatus,
    WaitingCommands,
)
from deployments.request_management import access
from deployments.request_management.due_work import Sweeper
from deployments.request_management.peers import AIProcessing, DecisionSimulation, ExecutionDesk
from deployments.request_management.schemas import Health

log = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE_S = 3.0
COUNTED = 100
"""Dead letters that are counted at most."""
SERVICES: tuple[ServiceName, ...] = ("request_management", "ai_processing", "decision_simulation", "execution")


class ServicesStatus:
    """Asks all services at once. Nothing that does not answer keeps the rest from being told."""

    def __init__(
        self,
        health: Callable[[], Awaitable[Health]],
        ai: AIProcessing,
        decision: DecisionSimulation,
        execution: ExecutionDesk,
        sweeper: Sweeper,
        clock: Callable[[], datetime],
    ) -> None:
        self._health = health
        self._ai, self._decision, self._execution = ai, decision, execution
        self._sweeper = sweeper
        self._clock = clock
        self.cluster: ClusterState | None = None
        """Where the services run; None where not on Ray."""

    async def report(self, principal: Principal) -> ServicesReport:
        """How everything is now, after at most `PATIENCE_S` seconds."""
        access.require_role(principal, access.ANALYSTS)
        health, deployments, versions, (load, given_up, lag_s) = await asyncio.gather(
            self._health(), _told("the cluster", self._deployments), self._versions(), self._waiting()
        )
        found = deployments or {}
        is_failing = any(each.failing for each in found.values())
        return ServicesReport(
            as_of=self._clock(),
            status="degraded" if health.status == "healthy" and is_failing else health.status,
            on_ray=self.cluster is not None,
            services={
                name: ServiceStatus(
                    health=health.services[name],
                    deployment=found.get(name),
                    versions=versions.get(name, {}),
                )
                for name in SERVICES
            },
            waiting_commands=load,
            given_up=given_up,
            due_work_lag_s=lag_s,
        )

    async def _deployments(self) -> Mapping[ServiceName, DeploymentState]:
        return await self.cluster.deployments() if self.cluster is not None else {}

    async def _versions(self) -> dict[ServiceName, dict[str, str] | None]:
        models, knowledge = await asyncio.gather(
            _told("AIProcessing", self._ai.versions), _told("DecisionSimulation", self._decision.versions)
        )
        return {"ai_processing": models, "decision_simulation": knowledge}

    async def _waiting(self) -> tuple[WaitingCommands | None, GivenUp | None, float | None]:
        return await asyncio.gather(
            _told("Execution's queue", self._commands),
            _told("the execution log", self._given_up),
            _told("due work", self._sweeper.lag_s),
        )

    async def _commands(self) -> WaitingCommands:
        load = await self._execution.load()
        return WaitingCommands(depth=round(load["queue_depth"]), oldest_age_s=load["oldest_age_s"])

    async def _given_up(self) -> GivenUp:
        page = await self._execution.dead_lettered(limit=COUNTED, cursor=None)
        return GivenUp(count=len(page.items), is_more=page.next_cursor is not None)


async def _told(what: str, ask: Callable[[], Awaitable[T]]) -> T | None:
    try:
        return await asyncio.wait_for(ask(), PATIENCE_S)
    except Exception as error:
        log.warning("the status page has no word of %s: %r", what, error)
        return None
