"""Who may do what: roles, ownership and building scope, in one place."""

from core.errors import Forbidden, NotFound
from core.identity import Principal
from core.labels import ApprovalTier, Role
from core.request import Request

STAFF = frozenset({Role.STAFF, Role.MANAGER})
ANALYSTS = frozenset({Role.STAFF, Role.MANAGER, Role.SERVICE})
RESIDENTS = frozenset({Role.RESIDENT})
SUBMITTERS = RESIDENTS | STAFF


def require_role(principal: Principal, allowed: frozenset[Role]) -> None:
    """Pass for these roles; else raise `Forbidden`."""
    if principal.role not in allowed:
        raise Forbidden(f"A {principal.role} may not do this.")


def require_visible(principal: Principal, request: Request | None) -> Request:
    """The request, for its owner and for staff of its building.

    To anybody else it does not exist: `NotFound`, so that ids can't be guessed by trying.
    """
    hidden = NotFound("There is no such request.")
    if request is None:
        raise hidden
    if principal.is_resident:
        if request.resident_id != principal.sub:
            raise hidden
    elif principal.role not in STAFF:
        raise Forbidden(f"A {principal.role} may not read requests.")
    elif not principal.covers(request.building_id):
        raise hidden
    return request


def require_staff_of(principal: Principal, request: Request | None) -> Request:
    """The request, for staff of its building; `Forbidden` for its owner, `NotFound` for others."""
    found = require_visible(principal, request)
    require_role(principal, STAFF)
    return found


def require_owner(principal: Principal, request: Request | None) -> Request:
    """The request, for its owner alone."""
    found = require_visible(principal, request)
    require_role(principal, RESIDENTS)
    return found


def authority(principal: Principal, of_role: ApprovalTier) -> ApprovalTier:
    """The highest tier that this person may stand for: their token's, or else their role's."""
    return principal.approval_tier if principal.approval_tier is not None else of_role
