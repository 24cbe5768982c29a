"""The time zone of a resident's building, as their latest request tells it."""

from typing import Any

from web.api_client import Problem, path
from web.viewer import Viewer


async def home_zone(viewer: Viewer) -> str | None:
    """An IANA name; None for who has no request yet, and where it can't be known just now."""
    try:
        found = await viewer.api.get(path("residents", viewer.sub, "requests"), limit=5)
    except Problem:
        return None
    slas: list[dict[str, Any]] = [one["sla"] for one in found.body["items"] if one["sla"]]
    return next((sla["time_zone"] for sla in slas if sla.get("time_zone")), None)
