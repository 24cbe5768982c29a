"""What the cluster says of the deployments."""

from collections.abc import Mapping
from typing import Protocol

from core.service_status import DeploymentState, ServiceName


class ClusterState(Protocol):
    """Where the services run."""

    async def deployments(self) -> Mapping[ServiceName, DeploymentState]:
        """The deployments that there are. Raises `Unavailable` where the cluster does not say in time."""
        ...
