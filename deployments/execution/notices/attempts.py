"""What a try makes of a push: pure changes of a message, None where there is nothing to change."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from deployments.execution.notices.record import Notice, Push

TRY_S = 60.0
"""After so long a try that nobody has told the end of is made again."""


def begun(notice: Notice, push_id: str, now: datetime) -> Notice | None:
    """The message with one more try begun; None where it is settled or another makes one."""
    push = notice.push(push_id)
    if push is None or push.status != "waiting" or (push.tried_until is not None and push.tried_until > now):
        return None
    return notice.with_push(push_id, attempts=push.attempts + 1, tried_until=now + timedelta(seconds=TRY_S))


def uncounted(notice: Notice, push_id: str) -> Notice | None:
    """The message without the try that was begun, since nothing was sent."""
    push = notice.push(push_id)
    if push is None or push.status != "waiting":
        return None
    return notice.with_push(push_id, attempts=max(0, push.attempts - 1), tried_until=None)


def changed(notice: Notice, push_id: str, changes: Mapping[str, object]) -> Notice | None:
    """The message with this come of the push; what was settled stays.

    A push that an acknowledgement stopped while it was under way may have gone out all the same: the record says so.
    """
    push = notice.push(push_id)
    if push is None or push.status in ("sent", "failed"):
        return None
    if push.status == "suppressed" and changes.get("status") != "sent":
        return None
    return notice.with_push(push_id, **changes)


def failed(notice: Notice, push_id: str, outcome: Mapping[str, object], other: Push | None) -> Notice | None:
    """The message with the push failed, and the one that takes its place."""
    after = changed(notice, push_id, outcome)
    if after is None or other is None or after.push(other.push_id) is not None:
        return after
    return after.model_copy(update={"pushes": (*after.pushes, other)})
