"""How the four services are: health, replicas, what waits, what they serve by; and the systems outside."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from web.api_client import Problem
from web.rendering import render
from web.viewer import Analyst, Viewer
from web.wording import N_

router = APIRouter()

NAMES: Mapping[str, str] = {
    "request_management": "RequestManagement",
    "ai_processing": "AIProcessing",
    "decision_simulation": "DecisionSimulation",
    "execution": "Execution",
}
"""The services' own names, which are the same in every language."""
TASKS: Mapping[str, str] = {
    "request_management": N_("Accepts messages and carries them through"),
    "ai_processing": N_("Reads messages: category, urgency, intent and risk"),
    "decision_simulation": N_("Works out the options, simulates them and chooses"),
    "execution": N_("Carries out what was chosen"),
}
VERSIONS: Mapping[str, str] = {
    "text": N_("Text model"),
    "risk": N_("Risk model"),
    "knowledge_base": N_("Knowledge base"),
    "policy": N_("Policy"),
    "embedder": N_("Embedder"),
    "waiting_times": N_("Waiting times"),
}
SYSTEM_STATES: Mapping[str, tuple[str, str]] = {
    "ok": (N_("Answers"), "healthy"),
    "failing": (N_("Its newest call failed"), "degraded"),
    "left_alone": (N_("Left alone for a while"), "unhealthy"),
}
"""What the state of an outside system is called, and the colour that it has."""


@router.get("/operations")
async def show_operations(viewer: Analyst) -> Response:
    """The whole page."""
    return render(viewer, "operations/status.html", **await _context(viewer))


@router.get("/operations/services")
async def show_services(viewer: Analyst) -> Response:
    """The part of the page that changes, for its script."""
    return render(viewer, "operations/services.html", **await _context(viewer))


async def _context(viewer: Viewer) -> dict[str, Any]:
    words = viewer.words
    report: Mapping[str, Any] = (await viewer.api.get("/operations/services")).body
    return {
        "report": report,
        "systems": await _systems(viewer),
        "names": NAMES,
        "tasks": {name: words.gettext(text) for name, text in TASKS.items()},
        "version_names": {name: words.gettext(text) for name, text in VERSIONS.items()},
        "system_states": {name: (words.gettext(text), colour) for name, (text, colour) in SYSTEM_STATES.items()},
        "troubled": [NAMES[name] for name, each in report["services"].items() if _is_troubled(each)],
        "dashboard": viewer.visitor.settings.dashboard_url,
    }


def _is_troubled(service: Mapping[str, Any]) -> bool:
    deployment = service["deployment"]
    return service["health"]["status"] != "healthy" or (deployment is not None and deployment["failing"])


async def _systems(viewer: Viewer) -> list[Mapping[str, Any]] | None:
    """The outside systems; None where Execution, which knows them, does not answer."""
    try:
        return (await viewer.api.get("/operations/systems")).body["items"]
    except Problem as problem:
        if problem.status < 500:
            raise
        return None
