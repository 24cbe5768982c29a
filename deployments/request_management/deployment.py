"""RequestManagement on Ray Serve: the ingress."""

# Ray's decorators and handles are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Any, cast

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from adapters import build
from core.correlation import configure_logging
from core.settings import Settings
from deployments.request_management.api.application import build_api
from deployments.request_management.handles import AIProcessingHandle, DecisionSimulationHandle, ExecutionHandle
from deployments.request_management.service import RequestManagementService


def _api() -> FastAPI:
    def service() -> RequestManagementService:
        replica = cast(RequestManagement, serve.get_replica_context().servable_object)
        return replica.service

    return build_api(service, Settings())


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
        self._adapters = (build.request_store(settings), build.execution_queue(settings), build.outcome_queue(settings))
        store, executions, outcomes = self._adapters
        self.service = RequestManagementService(
            settings,
            store,
            executions,
            outcomes,
            build.token_verifier(settings),
            AIProcessingHandle(ai, settings),
            DecisionSimulationHandle(decision, settings),
            ExecutionHandle(execution),
            version=build.version(),
        )
        self.service.start()

    def check_health(self) -> None:
        """The process answers; what it depends on has health checks of its own."""

    async def __del__(self) -> None:
        """Stop the loops first, then give back the store."""
        await self.service.stop()
        for adapter in self._adapters:
            await adapter.close()


Ingress = serve.ingress(_api)(RequestManagement)
