"""RequestManagement on Ray Serve: the ingress."""

# Ray's decorators and handles are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Any, cast

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.metrics import Counter, Gauge

from adapters import build
from core.correlation import configure_logging
from core.record import NextAction
from core.settings import Settings
from deployments.request_management.api.application import build_api
from deployments.request_management.handles import AIProcessingHandle, DecisionSimulationHandle, ExecutionHandle
from deployments.request_management.service import RequestManagementService


def _api() -> FastAPI:
    def service() -> RequestManagementService:
        replica = cast(RequestManagement, serve.get_replica_context().servable_object)
        return replica.service

    return build_api(service, Settings())


class RayDueWorkMetrics:
    """Shows due work among Ray's metrics."""

    def __init__(self) -> None:
        self._lag = Gauge("aam_due_work_lag_seconds", description="How long the oldest due item has waited, unclaimed.")
        self._begun = Counter("aam_due_work_total", description="Due actions that were begun.", tag_keys=("action",))

    def lag(self, seconds: float) -> None:
        """For how long the oldest due item has waited."""
        self._lag.set(seconds)

    def began(self, action: NextAction) -> None:
        """A due action was begun."""
        self._begun.inc(tags={"action": str(action)})


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
        self._ports = build.record_keeping(settings)
        self.service = RequestManagementService(
            settings,
            self._ports,
            AIProcessingHandle(ai, settings),
            DecisionSimulationHandle(decision, settings),
            ExecutionHandle(execution),
            version=build.version(),
        )
        self.service.sweeper.metrics = RayDueWorkMetrics()
        self.service.start()

    def check_health(self) -> None:
        """The process answers; what it depends on has health checks of its own."""

    async def __del__(self) -> None:
        """Stop the loops first, then give back the store."""
        await self.service.stop()
        await self._ports.close()


Ingress = serve.ingress(_api)(RequestManagement)
