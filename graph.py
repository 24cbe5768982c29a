"""The deployment graph: the only place where the four services meet."""

# Ray's decorators and handles are typed in part only.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application, Deployment

from core.models_config import ModelsConfig
from core.settings import load_settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.execution.deployment import Execution
from deployments.request_management.deployment import Ingress


class BuildArguments(BaseModel):
    """What `serve run graph:build name=value` and `args:` in a configuration file may give."""

    model_config = ConfigDict(extra="forbid")

    state_dir: Path | None = None
    """Databases, keys and logs; `var` beside this file by default."""
    artefacts_dir: Path | None = None
    """What `python -m aam build` made; `var/artefacts` beside this file by default."""


def build(args: BuildArguments) -> Application:
    """The application: a request enters at RequestManagement and crosses to the others, always forward."""
    settings = load_settings(state_dir=args.state_dir, artefacts_dir=args.artefacts_dir)
    return _deployment(Ingress, "RequestManagement").bind(
        settings,
        # Its models come with its user_config, which may change while it runs.
        _deployment(AIProcessing, "AIProcessing", ModelsConfig()).bind(settings, None),
        _deployment(DecisionSimulation, "DecisionSimulation").bind(settings),
        _deployment(Execution, "Execution").bind(settings),
    )


# A developer's machine: one replica each, at fractions of a CPU that fit on two cores with room for Ray itself.
# serve_config.yaml gives production's bounds, sizes and autoscaling in their place.
_DEVELOPMENT: dict[str, dict[str, Any]] = {
    "RequestManagement": {"num_cpus": 0.4, "max_ongoing_requests": 640, "max_queued_requests": 1024},
    # Four batches of 32 may be on their way, each from one call.
    "AIProcessing": {"num_cpus": 0.5, "max_ongoing_requests": 16, "max_queued_requests": 256},
    "DecisionSimulation": {"num_cpus": 0.5, "max_ongoing_requests": 16, "max_queued_requests": 256},
    "Execution": {"num_cpus": 0.2, "max_ongoing_requests": 64, "max_queued_requests": 256},
}
_OVERLOADED = {"status_code": 429, "retry_after_s": 1}


def _deployment(replica: type[Any], name: str, user_config: ModelsConfig | None = None) -> Deployment:
    size = _DEVELOPMENT[name]
    return serve.deployment(
        name=name,
        num_replicas=1,
        ray_actor_options={"num_cpus": size["num_cpus"]},
        max_ongoing_requests=size["max_ongoing_requests"],
        max_queued_requests=size["max_queued_requests"],
        backpressure_config=_OVERLOADED,
        health_check_period_s=5,
        health_check_timeout_s=20,
        graceful_shutdown_timeout_s=25,
        max_surge_percent=100,
        user_config=user_config.model_dump() if user_config else None,
    )(replica)
