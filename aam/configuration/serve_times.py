"""Checks the times of a Serve configuration: that nothing is cut off that is still allowed to run."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from aam.configuration.environment import settings_or_defaults
from aam.configuration.findings import within
from aam.configuration.schema_walk import Complaint
from deployments.request_management.handles import ERASURE_TIMEOUT_S, LOOKUP_TIMEOUT_S

DEFAULT_GRACE_S, DEFAULT_PERIOD_S, DEFAULT_HEALTH_TIMEOUT_S = 20.0, 10.0, 30.0
"""Ray's own, where the file says nothing."""


def check_http(document: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    """The ingress' own limit."""
    limit_s, here = _request_timeout_s(document), within(within(place, "http_options"), "request_timeout_s")
    if limit_s is None:
        yield Complaint(here, "is missing; without it a call may take for ever")
    elif limit_s <= ERASURE_TIMEOUT_S:
        yield Complaint(here, f"{limit_s:g} s cuts off an erasure, which may take {ERASURE_TIMEOUT_S:g} s; give more")


def check_times(deployment: Mapping[str, Any], document: Mapping[str, Any], place: str) -> Iterator[Complaint]:
    """Graceful shutdown and health checks of one deployment."""
    grace_s, longest_s = (
        _seconds(deployment, "graceful_shutdown_timeout_s", DEFAULT_GRACE_S),
        _longest_s(deployment, document),
    )
    if grace_s <= longest_s:
        message = f"{grace_s:g} s is not above the longest request ({longest_s:g} s), which an update would break off"
        yield Complaint(within(place, "graceful_shutdown_timeout_s"), message)
    period_s = _seconds(deployment, "health_check_period_s", DEFAULT_PERIOD_S)
    timeout_s = _seconds(deployment, "health_check_timeout_s", DEFAULT_HEALTH_TIMEOUT_S)
    if timeout_s <= period_s:
        message = f"{timeout_s:g} s is not above health_check_period_s ({period_s:g} s): a busy replica would be killed"
        yield Complaint(within(place, "health_check_timeout_s"), message)


def _longest_s(deployment: Mapping[str, Any], document: Mapping[str, Any]) -> float:
    """The longest that a call of this deployment may take; a command's horizon is no call, since the queue has it."""
    settings = settings_or_defaults()
    match deployment.get("name"):
        case "RequestManagement":
            # Timelines and `Prefer: wait` end with the proxy's limit, too.
            return _request_timeout_s(document) or ERASURE_TIMEOUT_S
        case "AIProcessing":
            return max(settings.assess_timeout_s, LOOKUP_TIMEOUT_S)
        case "DecisionSimulation":
            return max(settings.resolve_timeout_s, LOOKUP_TIMEOUT_S)
        case "Execution":
            return ERASURE_TIMEOUT_S
        case _:
            return 0.0


def _request_timeout_s(document: Mapping[str, Any]) -> float | None:
    options = document.get("http_options")
    if not isinstance(options, Mapping):
        return None
    found = cast(Mapping[str, Any], options).get("request_timeout_s")
    return float(found) if isinstance(found, int | float) else None


def _seconds(deployment: Mapping[str, Any], name: str, default: float) -> float:
    found = deployment.get(name)
    return float(found) if isinstance(found, int | float) else default
