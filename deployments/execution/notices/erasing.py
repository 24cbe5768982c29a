"""The law's erasure of one resident's messages: every step may be repeated, so a kill in between loses nothing."""

from datetime import datetime

from core.erasure import ERASED, ErasureScope
from core.notices import of_resident
from deployments.execution.notices.digest_items import DigestItems
from deployments.execution.notices.ladder import stop_pushes
from deployments.execution.notices.preferences import PreferenceBook
from deployments.execution.notices.record import Notice
from deployments.execution.notices.records import NoticeRecords, about, digests_of, inbox_of


async def erase(
    records: NoticeRecords, people: PreferenceBook, items: DigestItems, scope: ErasureScope, now: datetime
) -> tuple[str, ...]:
    """Take the words out of what was sent to the resident or about the requests; the ids of all that.

    Nothing of it is pushed any more, and what the resident chose is forgotten.
    """
    resident, pseudonym = of_resident(scope.resident_id), of_resident(scope.pseudonym)
    await people.forget(resident)
    await items.forget(resident)
    own = await records.ids(inbox_of(scope.resident_id))
    erased_before = await records.ids(inbox_of(scope.pseudonym))
    of_requests = [found for name in sorted(scope.request_ids) for found in await records.ids(about(name))]
    for notice_id in dict.fromkeys((*own, *erased_before, *of_requests)):
        await _erase_one(records, notice_id, scope, now)
    for digest_id in await records.ids(digests_of(resident)):
        await _move(records, digest_id, digests_of(resident), digests_of(pseudonym), scope, now)
    # Once more: until its message was erased, a link could still store something.
    await people.forget(resident)
    return tuple(dict.fromkeys((*own, *erased_before, *of_requests)))


async def _erase_one(records: NoticeRecords, notice_id: str, scope: ErasureScope, now: datetime) -> None:
    await _move(records, notice_id, inbox_of(scope.resident_id), inbox_of(scope.pseudonym), scope, now)


async def _move(
    records: NoticeRecords, notice_id: str, before: str, after: str, scope: ErasureScope, now: datetime
) -> None:
    """Rewrite one message; into the pseudonym's list where it stood in the resident's."""
    notice = await records.find(notice_id)
    if notice is not None:
        if notice.notification.recipient == scope.resident_id:
            await records.enlist(after, notice)
        await records.change(notice_id, lambda found: _without_words(found, scope, now))
    await records.strike(before, notice_id)


def _without_words(notice: Notice, scope: ErasureScope, now: datetime) -> Notice:
    stopped = stop_pushes(notice, ERASED, now)
    pushes = tuple(
        push.model_copy(
            update={
                "recipient": scope.renamed(push.recipient),
                "reason": ERASED if push.reason else None,
            }
        )
        for push in stopped.pushes
    )
    emptied = scope.notification(notice.notification).model_copy(update={"fields": {}})
    return stopped.model_copy(update={"notification": emptied, "pushes": pushes, "next_step_at": None})
