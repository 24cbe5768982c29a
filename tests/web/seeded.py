"""Requests that are there already, without waiting for the services to think about each."""

from datetime import timedelta
from typing import Any

from core.labels import Status
from core.request import Sla
from deployments.request_management.service import RequestManagementService
from tests.builders import build_event, build_full_record


async def seed(service: RequestManagementService, **fields: Any) -> str:
    """Store a request of RES_A_101 that needs attention, unless the fields say otherwise; its id."""
    now = service.clock().replace(microsecond=0)
    fields = {
        "status": Status.ESCALATED,
        "needs_attention": True,
        "created_at": now - timedelta(hours=1),
        "updated_at": now - timedelta(hours=1),
        "sla": Sla(
            response_due_at=now + timedelta(hours=2),
            resolution_due_at=now + timedelta(hours=20),
            basis="sla#response_targets",
        ),
    } | fields
    record = build_full_record(**fields).model_copy(update={"last_event": 1, "outbox": ()})
    assert await service._store.create(record, [build_event(1, at=fields["created_at"])])
    return record.request.request_id
