"""Who may order work and agree to costs: by the rules and the budget of the request's own building."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.execution_labels import ActionKind
from core.identity import Principal
from core.labels import ApprovalTier, Category, Role, Status, Urgency
from core.record import RequestRecord
from core.request import Approval
from deployments.request_management.lifecycle import ApprovalLimitExceeded
from deployments.request_management.operations import Operations
from deployments.request_management.requests import Requests
from deployments.request_management.schemas import ExecutionOrder
from tests.builders import build_full_record, build_option

NOW = datetime(2026, 5, 4, 2, tzinfo=UTC)
STAFF = Principal(sub="sam", role=Role.STAFF)


class Decision:
    """Asks the manager once $1,000 are spent; staff of building A may agree to nothing."""

    async def authority(self, role: Role, building_id: str | None = None) -> ApprovalTier:
        return ApprovalTier.NONE if building_id == "A" else ApprovalTier.SUPERVISOR

    async def required_tier(
        self,
        urgency: Urgency,
        cost_usd: float,
        building_id: str | None = None,
        category: Category | None = None,
        spent_usd: dict[Category, float] | None = None,
    ) -> ApprovalTier:
        spent = (spent_usd or {}).get(category, 0.0) if category else 0.0
        return ApprovalTier.MANAGER if spent + cost_usd > 1000 else ApprovalTier.SUPERVISOR


class Store:
    """Holds one request, of whose building `spent` is known."""

    def __init__(self, record: RequestRecord, spent: float) -> None:
        self.record, self.spent_usd = record, spent
        self.since: list[datetime] = []

    async def get(self, request_id: str) -> RequestRecord:
        return self.record

    async def spent(self, building_id: str, *, since: datetime, before: datetime) -> dict[Category, float]:
        self.since.append(since)
        return {Category.MAINTENANCE: self.spent_usd} if building_id == self.record.request.building_id else {}

    async def save(self, record: RequestRecord, *, expected_version: int, events: object) -> None:
        raise Reached


class Reached(Exception):
    """The order was allowed."""


async def order(building: str, spent: float) -> Store:
    record = build_full_record(building_id=building, status=Status.IN_PROGRESS)
    record = record.model_copy(update={"trace": None})
    store: Any = Store(record, spent)
    nobody: Any = None
    decision: Any = Decision()
    operations = Operations(store, decision, nobody, nobody, lambda: NOW, ZoneInfo("America/New_York"))
    wanted = ExecutionOrder(
        request_id=str(record.request.request_id),
        action=ActionKind.DISPATCH_WORK_ORDER,
        parameters={"title": "Tap", "crew": "plumbing", "cost_limit_usd": 100.0},
    )
    with pytest.raises(Reached):
        await operations.execute(STAFF, wanted, "EXE_1", "c")
    return store


async def test_work_is_ordered_within_the_budget_of_the_month_in_the_building_s_time() -> None:
    store = await order("B", 0.0)
    assert store.since == [datetime(2026, 5, 1, 4, tzinfo=UTC)]


async def test_a_budget_that_is_used_up_and_a_building_s_own_authority_forbid_it() -> None:
    for building, spent in (("B", 950.0), ("A", 0.0)):
        with pytest.raises(ApprovalLimitExceeded):
            await order(building, spent)


async def test_a_cost_is_agreed_to_by_the_authority_of_its_building() -> None:
    option = build_option("dear").model_copy(update={"approval": ApprovalTier.SUPERVISOR})
    record = build_full_record(
        building_id="A",
        status=Status.AWAITING_APPROVAL,
        options=(option,),
        selected_option_id="dear",
        approval=Approval(required=ApprovalTier.SUPERVISOR),
    )
    store: Any = Store(record, 0.0)
    decision: Any = Decision()
    nobody: Any = None
    requests = Requests(store, decision, nobody, nobody, lambda: NOW, ZoneInfo("America/New_York"))
    with pytest.raises(ApprovalLimitExceeded):
        await requests.approve(STAFF, str(record.request.request_id), None)
