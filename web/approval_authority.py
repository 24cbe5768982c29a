"""Up to which tier somebody may agree to a cost, as their token and the building's rules say.

Only to be shown: whether a cost is agreed to the interface decides, which also counts what was ordered beside it.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, cast

from core.labels import ApprovalTier, Role
from web.api_client import ApiClient, Problem, path
from web.viewer import Viewer

DECIDES = "approvals"
PAGE = 100
MOST_PAGES = 3


async def tier_of(viewer: Viewer, building_id: str) -> ApprovalTier | None:
    """The highest tier that the person may stand for in this building; None where it can't be told now."""
    own = claimed_tier(viewer.session.token)
    if own is not None:
        return own
    try:
        return await _tier_of_role(viewer.api, viewer.role, building_id)
    except Problem:
        return None


def claimed_tier(token: str) -> ApprovalTier | None:
    """What the token itself says; None where it says nothing, or is no token that can be read."""
    claims = token.split(".")[1:2]
    try:
        body = json.loads(base64.urlsafe_b64decode(claims[0] + "=" * (-len(claims[0]) % 4)))
        return ApprovalTier(cast(Mapping[str, Any], body)["approval_tier"])
    except (IndexError, binascii.Error, ValueError, KeyError, TypeError):
        return None


async def _tier_of_role(api: ApiClient, role: Role, building_id: str) -> ApprovalTier | None:
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = (await api.get("/knowledge", building_id=building_id, limit=PAGE, cursor=cursor)).body
        for entry in page["items"]:
            if DECIDES in entry["decides"]:
                document = (await api.get(path("knowledge", entry["doc_id"]))).body
                return ApprovalTier(document["rules"][DECIDES]["authority"].get(role, ApprovalTier.NONE))
        cursor = page["next_cursor"]
        if cursor is None:
            break
    return None
