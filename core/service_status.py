"""How the four services are at one moment: health, replicas, what waits, and what they serve by."""

from typing import Literal

from pydantic import Field

from core.contract import Contract, UtcTime
from core.messages import ServiceHealth

ServiceName = Literal["request_management", "ai_processing", "decision_simulation", "execution"]


class DeploymentState(Contract):
    """A deployment as Ray Serve sees it."""

    status: str
    """Serve's own word, such as `HEALTHY` or `UPSCALING`."""
    failing: bool
    """Whether Serve can't bring about what is wanted."""
    message: str
    """What Serve says of it; empty where all is well."""
    running: int = Field(ge=0)
    starting: int = Field(ge=0)
    stopping: int = Field(ge=0)
    wanted: int = Field(ge=0)
    """Replicas that Serve runs or is starting: it begins those that it wants at once, and takes others away."""
    replicas: dict[str, int]
    """How many replicas are in each of Serve's states."""


class ServiceStatus(Contract):
    """One of the four services."""

    health: ServiceHealth
    deployment: DeploymentState | None
    """None where it does not run on Ray, or Ray does not say."""
    versions: dict[str, str] | None
    """What it serves by, such as models and the knowledge base; None where it does not answer, {} for nothing."""


class WaitingCommands(Contract):
    """The queue of commands to Execution."""

    depth: int = Field(ge=0)
    """Commands that wait or are in hand."""
    oldest_age_s: float = Field(ge=0.0)


class GivenUp(Contract):
    """Executions that wait for a person."""

    count: int = Field(ge=0)
    is_more: bool
    """Whether there are more than were counted."""


class ServicesReport(Contract):
    """`GET /operations/services`. What did not answer is None."""

    as_of: UtcTime
    status: Literal["healthy", "degraded", "unhealthy"]
    """The worst of the services; degraded where they answer and a deployment is failing."""
    on_ray: bool
    """Whether the services run on Ray at all; False in one process."""
    services: dict[ServiceName, ServiceStatus]
    waiting_commands: WaitingCommands | None
    given_up: GivenUp | None
    due_work_lag_s: float | None
    """For how long the oldest work that is due waits, unclaimed; 0 where none does."""
