"""RequestManagement on Ray Serve: the ingress."""

# Ray's decorators and handles are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import DeploymentStatusOverview, ServeStatus

from adapters import build
from core import tracing
from core.correlation import configure_logging
from core.errors import Unavailable
from core.service_status import DeploymentState, ServiceName
from core.settings import Settings
from deployments.request_management.api.application import build_api
from deployments.request_management.handles import AIProcessingHandle, DecisionSimulationHandle, ExecutionHandle
from deployments.request_management.service import RequestManagementService


def _api() -> FastAPI:
    def service() -> RequestManagementService:
        replica = cast(RequestManagement, serve.get_replica_context().servable_object)
        return replica.service

    return build_api(service, Settings())


STATUS_TIMEOUT_S = 2.0
STATUS_FRESH_S = 2.0
DEPLOYMENTS: Mapping[str, ServiceName] = {
    "RequestManagement": "request_management",
    "AIProcessing": "ai_processing",
    "DecisionSimulation": "decision_simulation",
    "Execution": "execution",
}
"""Each deployment's name in the graph, and the service's."""
_FAILING = ("UNHEALTHY", "DEPLOY_FAILED")
_STARTING = ("STARTING", "UPDATING", "RECOVERING")


def state_of(found: DeploymentStatusOverview) -> DeploymentState:
    """A deployment as Serve tells of it."""
    # Typed as an enumeration, and given as plain words.
    replicas = {str(getattr(state, "value", state)): count for state, count in found.replica_states.items() if count}
    running, starting = replicas.get("RUNNING", 0), sum(replicas.get(state, 0) for state in _STARTING)
    return DeploymentState(
        status=found.status.value,
        failing=found.status.value in _FAILING,
        message=found.message,
        running=running,
        starting=starting,
        stopping=replicas.get("STOPPING", 0),
        wanted=running + starting,
        replicas=replicas,
    )


def states_of(status: ServeStatus) -> dict[ServiceName, DeploymentState]:
    """The four deployments, of whatever application they are part."""
    return {
        DEPLOYMENTS[name]: state_of(found)
        for application in status.applications.values()
        for name, found in application.deployments.items()
        if name in DEPLOYMENTS
    }


class RayClusterState:
    """Serve's own word, asked for at most every `STATUS_FRESH_S` seconds, and by one thread at a time."""

    def __init__(self) -> None:
        # Serve's call blocks: on the event loop it would hold up every request, and may hang with the controller.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="serve-status")
        self._asked: asyncio.Future[ServeStatus] | None = None
        self._asked_at = 0.0

    async def deployments(self) -> Mapping[ServiceName, DeploymentState]:
        """See `ClusterState`."""
        try:
            return states_of(await asyncio.wait_for(asyncio.shield(self._status()), STATUS_TIMEOUT_S))
        except (RayError, RayServeException, TimeoutError) as error:
            raise Unavailable(f"Ray Serve does not say how its deployments are ({type(error).__name__}).") from None

    def _status(self) -> "asyncio.Future[ServeStatus]":
        asked = self._asked
        is_old = time.monotonic() - self._asked_at >= STATUS_FRESH_S
        if asked is None or (asked.done() and is_old):
            self._asked_at = time.monotonic()
            asked = self._asked = asyncio.get_running_loop().run_in_executor(self._thread, serve.status)
        return asked


class RequestManagement:
    """One replica: the service, its store and its loops."""

    def __init__(
        self,
        settings: Settings,
        ai: DeploymentHandle[Any],
        decision: DeploymentHandle[Any],
        execution: DeploymentHandle[Any],
    ) -> None:
        configure_logging()
        build.start_tracing(settings, "RequestManagement")
        self._ports = build.record_keeping(settings)
        self.service = RequestManagementService(
            settings,
            self._ports,
            AIProcessingHandle(ai, settings),
            DecisionSimulationHandle(decision, settings),
            ExecutionHandle(execution),
            version=build.version(),
            meter=build.meter(),
        )
        self.service.services.cluster = RayClusterState()
        self.service.start()

    def check_health(self) -> None:
        """The process answers; what it depends on has health checks of its own."""

    async def __del__(self) -> None:
        """Stop the loops first, then give back the store."""
        await self.service.stop()
        await self._ports.close()
        await asyncio.to_thread(tracing.flush)


Ingress = serve.ingress(_api)(RequestManagement)
