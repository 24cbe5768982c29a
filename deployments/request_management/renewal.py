"""After an upgrade: has policy asked again about open requests that an earlier version stored without terms.

Without terms a request's targets stand still: nothing warns of them, and nothing notes that they were missed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.labels import Status
from core.ports.store import RequestFilter, RequestStore
from core.record import NextAction, RequestRecord
from core.request import RequestId
from core.status import ENDED, UNJUDGED
from deployments.request_management.change import SYSTEM, Change, Draft
from deployments.request_management.dispatch import change_record

PAGE = 200
OPEN = tuple(status for status in Status if status not in ENDED | UNJUDGED)


@dataclass(frozen=True)
class Renewal:
    """What became of one look at all open requests."""

    looked_at: int
    scheduled: int
    last_due_at: datetime | None
    """When the last of the scheduled ones is due; None where none is."""


def lacks_terms(record: RequestRecord) -> bool:
    """Whether its targets stand still, and nobody has policy asked about it yet."""
    request = record.request
    is_open = request.status not in ENDED | UNJUDGED
    return is_open and request.sla is not None and record.terms is None and NextAction.REVISE not in record.pending


def schedule_revision(record: RequestRecord, at: datetime, now: datetime) -> Change | None:
    """Have policy asked again at `at`; None where that is not wanted, or not any more."""
    if not lacks_terms(record):
        return None
    draft = Draft(record, now, SYSTEM)
    draft.schedule(NextAction.REVISE, at)
    draft.tell("revision_scheduled", "Stored by an earlier version; policy is asked for its targets.", internal=True)
    return draft.done()


async def schedule_revisions(store: RequestStore, clock: Callable[[], datetime], per_minute: int) -> Renewal:
    """Schedule a revision of every open request that lacks terms, `per_minute` of them a minute from now on.

    It may be repeated, and be cut off: what is scheduled already is left alone. A request that changes its status
    while this looks may be missed; the next look finds it. Raises what the store raises.
    """
    began = clock()
    looked_at = scheduled = 0
    last: datetime | None = None
    for status in OPEN:
        cursor: str | None = None
        while True:
            page = await store.list_requests(RequestFilter(status=status), limit=PAGE, cursor=cursor)
            looked_at += len(page.items)
            for request in page.items:
                due = began + timedelta(minutes=scheduled / per_minute)
                if request.sla is not None and await _schedule(store, request.request_id, due, clock()):
                    scheduled, last = scheduled + 1, due
            cursor = page.next_cursor
            if cursor is None:
                break
    return Renewal(looked_at, scheduled, last)


async def _schedule(store: RequestStore, request_id: RequestId, due: datetime, now: datetime) -> bool:
    wanted = False

    def step(record: RequestRecord) -> Change | None:
        nonlocal wanted
        changed = schedule_revision(record, max(due, now), now)
        wanted = changed is not None
        return changed

    await change_record(store, request_id, step)
    return wanted
