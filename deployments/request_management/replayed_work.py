"""Gathers what a what-if run replays: the open requests, or a past period's with those just before and after it.

Work of buildings that were not asked about, and of the days around a period, lends its load and is not counted.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from core.errors import Invalid
from core.labels import Intent, Status
from core.messages import ResolveItem
from core.ports.store import RequestFilter, RequestStore
from core.request import Request
from core.what_if import MOST_JOBS, ReplayedRequest, Work

PAGE = 200
MOST_READ = 50_000
AROUND_DAYS = 7
"""Requests up to so long before and after a period lend their load."""
BACKLOG_DAYS = 14
"""So long further jobs come in while a backlog is worked off."""
MOST_DAYS = 92
OPEN = (
    Status.AWAITING_SELECTION,
    Status.AWAITING_APPROVAL,
    Status.APPROVED,
    Status.IN_PROGRESS,
    Status.REOPENED,
    Status.ESCALATED,
    Status.NEEDS_REVIEW,
)
NO_WORK = frozenset({Status.CANCELLED, Status.ANSWERED, Status.SUBMITTED, Status.PROCESSING})
EMPTY_HINT = "; a synthetic replay (synthetic_days) draws requests from the crews' usual arrivals"

Counts = Callable[[str], bool]
"""Whether requests of a building are counted."""


async def backlog(store: RequestStore, now: datetime, counts: Counts) -> Work:
    """What is open now. Raises `Invalid` where nothing is, or where it is too much for one run."""
    found: list[ReplayedRequest] = []
    for status in OPEN:
        async for request in _listed(store, RequestFilter(status=status)):
            _keep(found, replayed(request, counts(request.building_id)))
    return _work("backlog", now, now + timedelta(days=BACKLOG_DAYS), found, "The store holds no open request to replay")


async def past_period(store: RequestStore, begin: datetime, end: datetime, counts: Counts) -> Work:
    """What was reported from `begin` until `end`. Raises `Invalid` for a period that is empty, too long or too full."""
    require_period(begin, end)
    around = timedelta(days=AROUND_DAYS)
    found: list[ReplayedRequest] = []
    async for request in _listed(store, RequestFilter()):
        if request.created_at < begin - around:
            break
        if request.created_at < end + around:
            inside = begin <= request.created_at < end
            _keep(found, replayed(request, inside and counts(request.building_id)))
    return _work("period", begin, end, found, "The store holds no request of this period to replay")


def synthetic(now: datetime, days: int) -> Work:
    """Days of usual arrivals, from now on."""
    return Work(source="synthetic", begin=now, end=now + timedelta(days=days))


def require_period(begin: datetime, end: datetime) -> None:
    """Pass for a period that one run may replay; else raise `Invalid`."""
    if not timedelta(0) < end - begin <= timedelta(days=MOST_DAYS):
        raise Invalid(f"The period must end after it begins, and at most {MOST_DAYS} days later.")


def replayed(request: Request, counted: bool) -> ReplayedRequest | None:
    """The request as it is replayed; None where there was nothing to be carried out."""
    labels, risk, consent = request.classification, request.risk, request.preferences
    if labels is None or risk is None or request.status in NO_WORK or request.duplicate_of is not None:
        return None
    if labels.intent is Intent.ANSWER_QUESTION:
        return None
    recommended = request.decision.recommended_option_id if request.decision else None
    item = ResolveItem(
        request_id=request.request_id,
        message_text=request.message_text,
        at=request.created_at,
        building_id=request.building_id,
        classification=labels,
        risk=risk,
        entry_consent=consent.allow_entry_when_absent if consent else None,
    )
    agreed = request.approval is not None and request.approval.granted_by is not None
    return ReplayedRequest(
        item=item, option_id=request.selected_option_id or recommended, agreed=agreed, counted=counted
    )


def work_of(requests: list[Request], begin: datetime | None, end: datetime | None, now: datetime) -> Work:
    """Given requests in place of a store's: those of the period where there is one, else the open ones."""
    if begin is not None and end is not None:
        require_period(begin, end)
        rows = [replayed(request, begin <= request.created_at < end) for request in requests]
        found = [row for row in rows if row is not None]
        return _work("period", begin, end, found, "The file holds no request of this period to replay")
    found = [row for each in requests if each.status in OPEN and (row := replayed(each, counted=True)) is not None]
    return _work("backlog", now, now + timedelta(days=BACKLOG_DAYS), found, "The file holds no open request to replay")


async def _listed(store: RequestStore, where: RequestFilter) -> AsyncIterator[Request]:
    """Newest first. Raises `Invalid` after so many that one call must not read more."""
    cursor: str | None = None
    read = 0
    while True:
        page = await store.list_requests(where, limit=PAGE, cursor=cursor)
        for request in page.items:
            yield request
        read += len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return
        if read >= MOST_READ:
            raise Invalid(f"More than {MOST_READ:,} requests would have to be read; choose a more recent period.")


def _keep(found: list[ReplayedRequest], row: ReplayedRequest | None) -> None:
    if row is not None:
        found.append(row)
    if len(found) > MOST_JOBS:
        raise Invalid(f"One run replays at most {MOST_JOBS:,} requests; choose a shorter period.")


def _work(source: str, begin: datetime, end: datetime, found: list[ReplayedRequest], empty: str) -> Work:
    if not any(row.counted for row in found):
        raise Invalid(f"{empty}{EMPTY_HINT}.")
    return Work.model_validate({"source": source, "begin": begin, "end": end, "requests": tuple(found)})
