"""Who may call which route: one table, without whose line a route is not served.

**Adding a route.** Add one line to `RULES`, in the same change: the key is the method and the path below `/api/v1`
exactly as the route states it (`("POST", "/requests/{request_id}/comments")`), the value says which roles may call it
(the sets of `access`), and whose things its path names:

- `Reach.REQUEST`: the path has `{request_id}`. The owner and staff of the building reach it; to others it does not
  exist (404). The service function must call `access.require_visible`, `require_staff_of` or `require_owner` on the
  stored request before anything else.
- `Reach.RESIDENT`: the path has `{resident_id}`. That resident and staff of their building; 404 for others.
- `Reach.OWN`: it names another thing (`{incident_id}`, `{execution_id}`) that belongs to a building or a person. The
  service function answers 404 to whom it is none of their business (`Principal.covers`).
- `Reach.LIST`: an answer of several things, of which everybody gets those that they may see.
- `Reach.ALL`: nothing that belongs to a building or a person.

`changes=False` on a POST that changes nothing; `bulk=True` on a GET that hands out many people's data (exports):
it is written to the audit log before it is done, as every change by staff, managers and services is.
Roles, audit and rate limits are enforced from this table by `api.guard`, before the route's function runs; the
function checks ownership on what it has read. The matrix test (`test_access_matrix.py`) calls every route as everybody
and fails for a route without a line; the application refuses to be built with one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.labels import Role
from deployments.request_management import access

MANAGERS = frozenset({Role.MANAGER})
EVERYBODY = frozenset(Role)


class Reach(StrEnum):
    """Whose things a route's path names."""

    ALL = "all"
    LIST = "list"
    REQUEST = "request"
    RESIDENT = "resident"
    OWN = "own"


@dataclass(frozen=True)
class Rule:
    """Who may call a route."""

    roles: frozenset[Role] | None
    """None: anybody, without a token."""
    reach: Reach = Reach.ALL
    changes: bool | None = None
    """Whether a call changes something; None for what the method says."""
    bulk: bool = False
    """Whether an answer holds many people's data."""

    def is_change(self, method: str) -> bool:
        """Whether a call by this method changes something."""
        return method not in ("GET", "HEAD", "OPTIONS") if self.changes is None else self.changes


PUBLIC = Rule(None)
Key = tuple[str, str]

RULES: Mapping[Key, Rule] = {
    ("GET", "/health"): PUBLIC,
    ("POST", "/requests"): Rule(access.SUBMITTERS, Reach.LIST),
    ("GET", "/requests"): Rule(access.STAFF, Reach.LIST),
    ("GET", "/residents/{resident_id}/requests"): Rule(access.SUBMITTERS, Reach.RESIDENT),
    ("GET", "/requests/{request_id}"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("PUT", "/requests/{request_id}"): Rule(access.STAFF, Reach.REQUEST),
    ("POST", "/requests/{request_id}/select-option"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("POST", "/requests/{request_id}/approve"): Rule(access.STAFF, Reach.REQUEST),
    ("POST", "/requests/{request_id}/reject"): Rule(access.STAFF, Reach.REQUEST),
    ("POST", "/requests/{request_id}/resolve"): Rule(access.STAFF, Reach.REQUEST),
    ("POST", "/requests/{request_id}/confirm"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("POST", "/requests/{request_id}/reopen"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("POST", "/requests/{request_id}/cancel"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("POST", "/requests/{request_id}/escalate"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("POST", "/requests/{request_id}/feedback"): Rule(access.RESIDENTS, Reach.REQUEST),
    ("POST", "/requests/{request_id}/objection"): Rule(access.RESIDENTS, Reach.REQUEST),
    ("GET", "/requests/{request_id}/events"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("GET", "/requests/{request_id}/decision"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("GET", "/requests/{request_id}/similar"): Rule(access.STAFF, Reach.REQUEST),
    ("POST", "/requests/similar"): Rule(access.SUBMITTERS, Reach.LIST, changes=False),
    ("POST", "/requests/{request_id}/attach"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("GET", "/incidents"): Rule(access.SUBMITTERS, Reach.LIST),
    ("GET", "/incidents/{incident_id}"): Rule(access.SUBMITTERS, Reach.OWN),
    ("POST", "/incidents/{incident_id}/accept"): Rule(access.STAFF, Reach.OWN),
    ("POST", "/incidents/{incident_id}/dismiss"): Rule(access.STAFF, Reach.OWN),
    ("POST", "/incidents/{incident_id}/members"): Rule(access.STAFF, Reach.OWN),
    ("POST", "/incidents/{incident_id}/subscribe"): Rule(access.RESIDENTS, Reach.OWN),
    ("POST", "/incidents/{incident_id}/unsubscribe"): Rule(access.RESIDENTS, Reach.OWN),
    ("POST", "/classify"): Rule(access.ANALYSTS, changes=False),
    ("POST", "/explain"): Rule(access.ANALYSTS, changes=False),
    ("POST", "/safety-check"): Rule(access.SUBMITTERS, Reach.LIST, changes=False),
    ("POST", "/predict-risk"): Rule(access.ANALYSTS, changes=False),
    ("POST", "/simulate"): Rule(access.ANALYSTS, changes=False),
    ("POST", "/decide"): Rule(access.ANALYSTS, changes=False),
    ("POST", "/rag/retrieve"): Rule(access.ANALYSTS, changes=False),
    ("GET", "/rag/config"): Rule(access.ANALYSTS),
    ("GET", "/knowledge"): Rule(access.ANALYSTS),
    ("GET", "/knowledge/{doc_id}"): Rule(access.ANALYSTS),
    ("POST", "/what-if"): Rule(access.ANALYSTS, Reach.LIST),
    ("GET", "/what-if"): Rule(access.ANALYSTS, Reach.LIST),
    ("GET", "/what-if/figures"): Rule(access.ANALYSTS),
    ("GET", "/what-if/{run_id}"): Rule(access.ANALYSTS, Reach.OWN),
    ("POST", "/what-if/{run_id}/cancel"): Rule(access.ANALYSTS, Reach.OWN),
    ("POST", "/execute"): Rule(access.ANALYSTS, Reach.LIST),
    ("POST", "/notify"): Rule(access.ANALYSTS, Reach.LIST),
    ("GET", "/executions/{execution_id}"): Rule(access.ANALYSTS, Reach.OWN),
    ("GET", "/executions"): Rule(access.STAFF, Reach.LIST),
    ("POST", "/executions/{execution_id}/retry"): Rule(access.STAFF, Reach.OWN),
    ("GET", "/operations/systems"): Rule(access.ANALYSTS),
    ("GET", "/operations/services"): Rule(access.ANALYSTS),
    ("POST", "/callbacks/{system}"): PUBLIC,
    ("GET", "/operations/work-orders"): Rule(access.STAFF, Reach.LIST),
    ("GET", "/operations/calendar"): Rule(access.STAFF, Reach.LIST),
    ("GET", "/operations/work-orders/{work_order_id}"): Rule(access.STAFF, Reach.OWN),
    ("PUT", "/operations/work-orders/{work_order_id}"): Rule(access.STAFF, Reach.OWN),
    ("POST", "/operations/work-orders/{work_order_id}/complete"): Rule(access.STAFF, Reach.OWN),
    ("GET", "/notifications"): Rule(access.SUBMITTERS, Reach.LIST),
    ("POST", "/notifications/{notification_id}/acknowledge"): Rule(access.STAFF, Reach.OWN),
    ("GET", "/residents/{resident_id}/notification-preferences"): Rule(access.SUBMITTERS, Reach.RESIDENT),
    ("PUT", "/residents/{resident_id}/notification-preferences"): Rule(access.SUBMITTERS, Reach.RESIDENT),
    ("GET", "/me/notification-preferences"): Rule(access.SUBMITTERS, Reach.LIST),
    ("PUT", "/me/notification-preferences"): Rule(access.SUBMITTERS, Reach.LIST),
    ("GET", "/unsubscribe"): PUBLIC,
    ("POST", "/unsubscribe"): PUBLIC,
    ("GET", "/audit"): Rule(MANAGERS, Reach.LIST),
    ("POST", "/attachments"): Rule(access.SUBMITTERS, Reach.LIST),
    ("GET", "/attachments/{attachment_id}"): Rule(access.SUBMITTERS, Reach.OWN),
    ("GET", "/attachments/{attachment_id}/content"): PUBLIC,
    ("DELETE", "/attachments/{attachment_id}"): Rule(access.SUBMITTERS, Reach.OWN),
    ("GET", "/residents/{resident_id}/export"): Rule(access.RESIDENTS | MANAGERS, Reach.RESIDENT, bulk=True),
    ("DELETE", "/residents/{resident_id}"): Rule(MANAGERS, Reach.RESIDENT),
    ("POST", "/requests/bulk"): Rule(access.STAFF, Reach.LIST),
    ("GET", "/requests/export"): Rule(access.STAFF, Reach.LIST, bulk=True),
    ("GET", "/statistics"): Rule(access.STAFF, Reach.LIST),
    ("GET", "/statistics/trend"): Rule(access.STAFF, Reach.LIST),
    ("GET", "/statistics/predictions"): Rule(access.STAFF, Reach.LIST),
    ("POST", "/requests/{request_id}/comments"): Rule(access.SUBMITTERS, Reach.REQUEST),
    ("POST", "/templates"): Rule(MANAGERS, Reach.LIST),
    ("GET", "/templates"): Rule(access.STAFF, Reach.LIST),
    ("GET", "/templates/{template_id}"): Rule(access.STAFF, Reach.OWN),
    ("PUT", "/templates/{template_id}"): Rule(MANAGERS, Reach.OWN),
    ("DELETE", "/templates/{template_id}"): Rule(MANAGERS, Reach.OWN),
    ("POST", "/webhooks"): Rule(MANAGERS, Reach.LIST),
    ("GET", "/webhooks"): Rule(MANAGERS, Reach.LIST),
    ("GET", "/webhooks/{endpoint_id}"): Rule(MANAGERS, Reach.OWN),
    ("DELETE", "/webhooks/{endpoint_id}"): Rule(MANAGERS, Reach.OWN),
    ("POST", "/webhooks/{endpoint_id}/rotate-secret"): Rule(MANAGERS, Reach.OWN),
    ("POST", "/webhooks/{endpoint_id}/pause"): Rule(MANAGERS, Reach.OWN),
    ("POST", "/webhooks/{endpoint_id}/resume"): Rule(MANAGERS, Reach.OWN),
    ("GET", "/webhooks/{endpoint_id}/deliveries"): Rule(MANAGERS, Reach.OWN),
    ("POST", "/webhooks/{endpoint_id}/deliveries/{delivery_id}/redeliver"): Rule(MANAGERS, Reach.OWN),
}

PUBLIC_PATHS = frozenset(path for (_, path), rule in RULES.items() if rule.roles is None)
