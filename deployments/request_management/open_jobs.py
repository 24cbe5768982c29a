"""The jobs that were opened for a request, and which its end makes needless."""

from typing import Protocol

from core.labels import Status
from core.record import RequestRecord
from core.request import RequestId


class Jobs(Protocol):
    """The jobs that were opened for requests."""

    async def cancel_work_orders(self, request_id: RequestId, *, by: str, reason: str) -> tuple[str, ...]:
        """Cancel those of a request that are open. Raises `ServiceUnavailable`."""
        ...


async def cancel_open_jobs(jobs: Jobs | None, record: RequestRecord | None, by: str) -> None:
    """Cancel the open jobs of a request that was just resolved; of any other, nothing. May be repeated.

    To be called after the change, so that no job is cancelled of a request that goes on. Raises `ServiceUnavailable`
    where Execution does not answer; whoever called does the same again.
    """
    if jobs is None or record is None or not _has_work(record):
        return
    request = record.request
    if request.status is not Status.RESOLVED or request.resolution is None:
        return
    reason = f"Cancelled, as its request was resolved: {request.resolution.resolution_notes}"
    await jobs.cancel_work_orders(request.request_id, by=by, reason=reason)


def _has_work(record: RequestRecord) -> bool:
    return record.request.execution is not None or bool(record.orders) or record.ordered_usd > 0
