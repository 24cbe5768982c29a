"""Gathers what waits for a person's digest into one message, and tells each gathered message how that went."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.execution import Notification
from core.execution_labels import ChannelName
from core.labels import Urgency
from core.notices import EVENTS
from deployments.execution.notices.agenda import ORPHAN_AFTER, Entry, time_order
from deployments.execution.notices.digest_items import DigestItem
from deployments.execution.notices.notifier import Notices
from deployments.execution.notices.planning import OPTED_OUT, replacement, zone_of
from deployments.execution.notices.record import Notice, Push, notice_id_of
from deployments.execution.notices.records import digests_of
from deployments.execution.notices.wording import words_of_event

EVENT = "digest"
MOST_AT_ONCE = 50
LONGEST_BODY = 600
SOON = timedelta(seconds=2)


@dataclass(frozen=True)
class Gathered:
    """One message that waits, with the push that is gathered."""

    item: DigestItem
    notice: Notice
    push: Push

    @property
    def name(self) -> str:
        """As the digest lists it."""
        return f"{self.notice.notice_id}/{self.push.push_id}"


async def compose_digests(notices: Notices, entry: Entry, now: datetime) -> datetime | None:
    """Make what is due for one person into messages, one for each channel; when to look again for what is left.

    Repeated after a kill it makes the same ones.
    """
    items = await notices.digest_items.due(entry.what, now)
    by_channel: defaultdict[ChannelName, list[Gathered]] = defaultdict(list)
    for item in items:
        gathered = await _gathered(notices, item, now)
        if gathered is not None:
            by_channel[gathered.push.channel].append(gathered)
    for channel, waiting in by_channel.items():
        await _compose(notices, entry, channel, waiting[:MOST_AT_ONCE], now)
        await asyncio.gather(*(notices.digest_items.remove(each.item) for each in waiting[:MOST_AT_ONCE]))
    left = await notices.digest_items.due(entry.what, now)
    if not left:
        return None
    # What is left has no message yet, and perhaps never will.
    return now + (SOON if by_channel else max(SOON, min(now - item.created_at for item in left) / 2))


async def settle_members(notices: Notices, digest: Notice) -> None:
    """Say of every gathered message how its digest went, once that has ended."""
    if any(push.status == "waiting" for push in digest.pushes) or not digest.pushes:
        return
    last = next((push for push in digest.pushes if push.status == "sent"), digest.pushes[-1])
    outcome = {
        "status": last.status,
        "channel": last.channel,
        "external_id": last.external_id,
        "attempts": last.attempts,
        "reason": last.reason or f"It went out in the digest {digest.notice_id}.",
        "at": last.at,
    }

    async def settle(member: str) -> None:
        notice_id, push_id = member.split("/")
        await notices.records.change(notice_id, lambda found: _settled(found, push_id, outcome))

    await asyncio.gather(*map(settle, digest.members))


def _settled(notice: Notice, push_id: str, outcome: Mapping[str, object]) -> Notice | None:
    push = notice.push(push_id)
    return notice.with_push(push_id, **outcome) if push is not None and push.status == "waiting" else None


async def _gathered(notices: Notices, item: DigestItem, now: datetime) -> Gathered | None:
    """The message of an item that still waits; items that go out no more are removed."""
    notice = await notices.records.find(item.notice_id)
    if notice is None and now - item.created_at < ORPHAN_AFTER:
        return None
    push = notice.push(item.push_id) if notice else None
    if notice is None or push is None or push.status != "waiting":
        await notices.digest_items.remove(item)
        return None
    wishes = await notices.wishes_of(item.subject)
    if notice.notification.kind in wishes.opted_out:
        silenced = {"status": "suppressed", "reason": OPTED_OUT, "at": now}
        await notices.records.change(item.notice_id, lambda found: _settled(found, item.push_id, silenced))
        await notices.digest_items.remove(item)
        return None
    return Gathered(item, notice, push)


async def _compose(
    notices: Notices, entry: Entry, channel: ChannelName, waiting: Sequence[Gathered], now: datetime
) -> None:
    left = list(waiting)
    number = 0
    while left:
        digest_id = notice_id_of(f"digest:{entry.what}:{time_order(entry.due)}:{channel}:{number}")
        made = await notices.records.find(digest_id)
        if made is None:
            digest = await _digest(notices, digest_id, channel, left, now)
            await notices.post(digest, [digests_of(left[0].item.subject)], now)
            # Where another replica was faster, its members are left out in the next round.
            made = await notices.records.find(digest_id) or digest
        left = [each for each in left if each.name not in made.members]
        number += 1


async def _digest(
    notices: Notices, digest_id: str, channel: ChannelName, waiting: Sequence[Gathered], now: datetime
) -> Notice:
    sent, push = waiting[0].notice.notification, waiting[0].push
    wishes = await notices.wishes_of(waiting[0].item.subject)
    fields = {"count": str(len(waiting)), "messages": _listed(waiting)}
    words = words_of_event(notices.templates, EVENT, fields, wishes.language, zone_of(wishes, notices.zone))
    kinds = {each.notice.notification.kind for each in waiting}
    notification = Notification(
        recipient_kind=sent.recipient_kind,
        recipient=push.recipient,
        subject=words[0],
        body=words[1],
        kind=EVENTS[EVENT].kind,
        urgency=Urgency.LOW,
    )
    return Notice(
        notice_id=digest_id,
        notification=notification,
        at=now,
        pushes=(replacement(push, channel, now),),
        members=tuple(each.name for each in waiting),
        unsubscribes=kinds.pop() if len(kinds) == 1 and sent.recipient_kind == "resident" else None,
    )


def _listed(waiting: Sequence[Gathered]) -> str:
    return "\n\n".join(f"* {each.notice.notification.subject}\n{_shortened(each.notice)}" for each in waiting)


def _shortened(notice: Notice) -> str:
    body = notice.notification.body.strip()
    return body if len(body) <= LONGEST_BODY else f"{body[:LONGEST_BODY].rstrip()}…"
