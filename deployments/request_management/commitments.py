"""Whose agreement the money needs that a request may spend in all."""

from datetime import datetime
from zoneinfo import ZoneInfo

from core.labels import ApprovalTier, Urgency
from core.ports.store import RequestStore
from core.request import Request
from deployments.request_management.circumstances import spent_this_month
from deployments.request_management.peers import DecisionSimulation


class CommitmentsMoved(Exception):
    """What may be spent on the request is no longer what the question was judged by."""


class Commitments:
    """Asks policy about a request's whole cost, with what its building has spent this month."""

    def __init__(self, store: RequestStore, decision: DecisionSimulation, zone: ZoneInfo) -> None:
        """`zone` is the buildings', in which a month's budget begins."""
        self._store = store
        self._decision = decision
        self._zone = zone

    async def required_tier(self, request: Request, urgency: Urgency, cost_usd: float, now: datetime) -> ApprovalTier:
        """Whose agreement this cost in US dollars needs."""
        building, labels = request.building_id, request.classification
        spent = await spent_this_month(self._store, building, self._zone, now)
        category = labels.category if labels else None
        return await self._decision.required_tier(urgency, cost_usd, building, category, spent)
