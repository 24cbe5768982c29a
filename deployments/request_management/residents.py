"""Whose buildings a resident belongs to: as their id says, or else as their newest request does."""

from core.identity import Principal
from core.ports.store import RequestStore
from core.request import ResidentId
from deployments.request_management.intake import named_home


async def covers_resident(store: RequestStore, principal: Principal, resident_id: str) -> bool:
    """Whether the caller's buildings are the resident's."""
    if principal.buildings is None:
        return True
    home = named_home(resident_id)
    if home is not None:
        return principal.covers(home[0])
    newest = await store.list_by_resident(ResidentId(resident_id), limit=1, cursor=None)
    return any(principal.covers(request.building_id) for request in newest.items)
