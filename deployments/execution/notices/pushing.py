"""Does what is due: hands messages to channels, tells the next person of an alert, and sends digests.

Each channel has lanes of its own, one for danger, so that a slow one holds up no other. A message is handed over at
least once: where the process dies between the channel's answer and the record, it is handed over again under the same
id.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from core import tracing
from core.errors import ActionRejected, AppError, NotFound, Rejected, SystemBusy, Unavailable
from core.metrics import NOTICES
from core.notices import NotificationPreferences
from core.ports.execution import Envelope
from deployments.execution.notices.agenda import Entry
from deployments.execution.notices.attempts import TRY_S, begun, changed, failed, uncounted
from deployments.execution.notices.digest_items import DIGEST
from deployments.execution.notices.digests import compose_digests, settle_members
from deployments.execution.notices.notifier import LADDER, Notices, lane_of
from deployments.execution.notices.planning import (
    NO_ADDRESS,
    OPTED_OUT,
    address_of,
    next_channel,
    reachable,
    replacement,
    zone_of,
)
from deployments.execution.notices.record import Notice, Push
from deployments.execution.notices.silence import after_quiet
from deployments.execution.notices.wording import words_of_event

log = logging.getLogger(__name__)

TRIES = 10
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 86_400.0
LONGEST_URGENT_PAUSE_S = 30.0
URGENT_FOR = timedelta(days=1)
"""So long danger is tried by a channel that fails, however often that is."""
DELIVERY_LIMIT_S = 45.0
"""For one call of a channel; well within a try's time."""
LONGEST_REASON = 300

PushOutcome = Literal["sent", "suppressed", "failed"]


def pause_s(attempt: int, draw: float, *, is_urgent: bool = False) -> float:
    """The pause after try `attempt` (from 1): three times the one before, and `draw` (0..1) takes off up to a half."""
    longest = LONGEST_URGENT_PAUSE_S if is_urgent else LONGEST_PAUSE_S
    # A higher power than the twentieth would be cut all the same, and in the end no number any more.
    return min(FIRST_PAUSE_S * 3.0 ** min(attempt - 1, 20), longest) * (1.0 - draw / 2.0)


class NoticeSweeper:
    """Any number of processes may run one. `run` goes on until it is cancelled; `sweep` makes one turn."""

    def __init__(
        self,
        notices: Notices,
        *,
        poll_s: float = 1.0,
        concurrency: int = 8,
        tries: int = TRIES,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`concurrency` bounds what is in hand in each lane; `tries` what a channel is tried before the next one.

        Danger is tried for `URGENT_FOR` instead.
        """
        self._notices = notices
        self._poll_s = poll_s
        self._concurrency = concurrency
        self._tries = tries
        self._draw = draw
        self._in_hand: dict[str, dict[str, asyncio.Task[None]]] = {lane: {} for lane in notices.bells}
        self._rests_until: dict[str, datetime] = {}

    async def run(self) -> None:
        """Until cancelled; what is in hand then is taken up by another, or later, when its lease has run out."""
        try:
            async with asyncio.TaskGroup() as group:
                for lane in self._notices.bells:
                    group.create_task(self._watch(lane))
        finally:
            in_hand = [task for tasks in self._in_hand.values() for task in tasks.values()]
            for task in in_hand:
                task.cancel()
            await asyncio.gather(*in_hand, return_exceptions=True)

    async def sweep(self) -> int:
        """Do what is due now, one lane after the other, and wait until it is done; how much that was."""
        count = 0
        for lane, in_hand in self._in_hand.items():
            count += len(await self._take(lane))
            await asyncio.gather(*in_hand.values())
        return count

    async def _watch(self, lane: str) -> None:
        while True:
            # Cleared before it is looked, so that what is sent meanwhile is seen in the next turn.
            self._notices.bells[lane].clear()
            taken: Sequence[Entry] = ()
            try:
                taken = await self._take(lane)
            except Unavailable as error:
                log.warning("what is due in %s can't be read: %s", lane, error.detail)
            except Exception:
                log.exception("looking for what is due in %s failed", lane)
            if not taken:
                await self._wait(lane)

    async def _wait(self, lane: str) -> None:
        """Until something new is due, a hand is free, or it is time to look again."""
        in_hand = list(self._in_hand[lane].values())
        if len(in_hand) >= self._concurrency:
            await asyncio.wait(in_hand, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._notices.bells[lane].wait(), self._poll_s)

    async def _take(self, lane: str) -> Sequence[Entry]:
        """Claim what is due and begin with it, as much as there are hands for."""
        now, in_hand = self._notices.clock(), self._in_hand[lane]
        free = self._concurrency - len(in_hand)
        if free <= 0 or self._rests_until.get(lane, now) > now:
            return ()
        taken: list[Entry] = []
        for entry in await self._notices.agenda.due(lane, now, free):
            if entry.what in in_hand:
                continue
            claimed = await self._notices.agenda.claim(entry, now, TRY_S)
            if claimed is not None:
                taken.append(claimed)
                in_hand[entry.what] = asyncio.create_task(self._do(claimed))
        return taken

    async def _do(self, entry: Entry) -> None:
        try:
            if entry.lane == LADDER:
                await self._climb(entry)
            elif entry.lane == DIGEST:
                await self._gather(entry)
            else:
                await self._push(entry)
        except Unavailable as error:
            log.warning("%s in %s comes again: %s", entry.what, entry.lane, error.code)
        except Exception:
            log.exception("%s in %s failed and comes again", entry.what, entry.lane)
        finally:
            self._in_hand[entry.lane].pop(entry.what, None)

    async def _climb(self, entry: Entry) -> None:
        now = self._notices.clock()
        try:
            again_at = await self._notices.take_step(entry.what, now)
        except NotFound:
            await self._notices.agenda.leave(entry, self._notices.clock())
            return
        if again_at is None:
            await self._notices.agenda.done(entry)
        else:
            await self._notices.agenda.postpone(entry, again_at, now)

    async def _gather(self, entry: Entry) -> None:
        now = self._notices.clock()
        again_at = await compose_digests(self._notices, entry, now)
        if again_at is None:
            await self._notices.agenda.done(entry)
        else:
            await self._notices.agenda.postpone(entry, again_at, now)

    async def _push(self, entry: Entry) -> None:
        notice_id, push_id = entry.what.split("/")
        notice = await self._notices.records.find(notice_id)
        push = notice.push(push_id) if notice else None
        if notice is None or push is None:
            await self._notices.agenda.leave(entry, self._notices.clock())
        elif push.status != "waiting":
            await self._end(entry, notice)
        else:
            await self._push_now(entry, notice, push)

    async def _push_now(self, entry: Entry, notice: Notice, push: Push) -> None:
        """What was decided when it was sent is looked at again: it may be later, and wishes may have changed."""
        now = self._notices.clock()
        wishes = await self._notices.wishes_of(notice.subject_of(push))
        if push.due_at > now:
            await self._notices.agenda.postpone(entry, push.due_at, now)
            return
        if _is_silenced(notice, wishes):
            await self._settle(entry, notice, push, status="suppressed", reason=OPTED_OUT)
            return
        allowed = self._allowed_at(notice, wishes, now)
        if allowed > now:
            await self._notices.agenda.postpone(entry, allowed, now)
            return
        if await self._notices.records.change(notice.notice_id, lambda found: begun(found, push.push_id, now)) is None:
            return
        await self._hand_over(entry, notice, push, wishes)

    async def _hand_over(self, entry: Entry, notice: Notice, push: Push, wishes: NotificationPreferences) -> None:
        try:
            envelope = self._envelope(notice, push, wishes)
            with tracing.span("push notice", attributes={"aam.channel": push.channel}):
                async with asyncio.timeout(DELIVERY_LIMIT_S):
                    external_id = await self._notices.channels[push.channel].deliver(envelope)
        except SystemBusy as error:
            await self._rest(entry, notice, push, error.wait_s)
        except (ActionRejected, Rejected) as error:
            await self._fail(entry, notice, push, wishes, error.detail)
        except Exception as error:
            await self._try_later(entry, notice, push, wishes, error)
        else:
            await self._settle(entry, notice, push, status="sent", external_id=external_id, reason=None)

    def _envelope(self, notice: Notice, push: Push, wishes: NotificationPreferences) -> Envelope:
        address = address_of(push.channel, push.recipient, wishes)
        if address is None or push.channel not in self._notices.channels:
            raise ActionRejected(NO_ADDRESS)
        subject, body = self._words(notice, push, wishes)
        return Envelope(
            address=address,
            subject=subject,
            body=body,
            language=wishes.language,
            message_id=f"{notice.notice_id}-{push.push_id}",
            unsubscribe_url=self._notices.unsubscribe_url(notice),
            request_id=notice.notification.request_id,
        )

    def _words(self, notice: Notice, push: Push, wishes: NotificationPreferences) -> tuple[str, str]:
        """As they stand in the inbox; of an alert, in the language of each person who is told."""
        sent = notice.notification
        if sent.event is None or push.recipient == sent.recipient:
            return sent.subject, sent.body
        zone = zone_of(wishes, self._notices.zone)
        return words_of_event(self._notices.templates, sent.event, sent.fields, wishes.language, zone)

    def _allowed_at(self, notice: Notice, wishes: NotificationPreferences, moment: datetime) -> datetime:
        """The moment, or the end of the quiet hours that it falls into."""
        if notice.is_urgent:
            return moment
        return after_quiet(moment, wishes.quiet_hours, zone_of(wishes, self._notices.zone))

    async def _rest(self, entry: Entry, notice: Notice, push: Push, wait_s: float) -> None:
        """Nothing was sent: the try does not count, and the lane waits until it may be worth while."""
        now = self._notices.clock()
        longest_s = LONGEST_URGENT_PAUSE_S if notice.is_urgent else wait_s
        again_at = now + timedelta(seconds=max(0.1, min(wait_s, longest_s)))
        self._rests_until[entry.lane] = again_at
        await self._notices.records.change(notice.notice_id, lambda found: uncounted(found, push.push_id))
        await self._notices.agenda.postpone(entry, again_at, now)

    async def _try_later(
        self, entry: Entry, notice: Notice, push: Push, wishes: NotificationPreferences, error: Exception
    ) -> None:
        detail = error.detail if isinstance(error, AppError) else type(error).__name__
        log.warning("%s was not delivered: %s", entry.what, type(error).__name__)
        log.debug("%s was not delivered: %s", entry.what, detail)
        attempt, now = push.attempts + 1, self._notices.clock()
        since = push.tried_since or now
        if now - since >= URGENT_FOR if notice.is_urgent else attempt >= self._tries:
            await self._fail(entry, notice, push, wishes, f"Given up after {attempt} tries: {detail}")
            return
        rest_s = pause_s(attempt, self._draw(), is_urgent=notice.is_urgent)
        due = self._allowed_at(notice, wishes, now + timedelta(seconds=rest_s))
        changes = {"due_at": due, "reason": detail[:LONGEST_REASON], "tried_since": since, "tried_until": None}
        await self._notices.agenda.schedule(entry.lane, due, entry.what, now)
        await self._notices.records.change(notice.notice_id, lambda found: changed(found, push.push_id, changes))
        await self._notices.agenda.done(entry)

    async def _fail(
        self, entry: Entry, notice: Notice, push: Push, wishes: NotificationPreferences, reason: str
    ) -> None:
        """Settle it as failed; the same message goes by the next channel that the person has."""
        now = self._notices.clock()
        is_staff = notice.is_alert or _is_to_role(notice)
        has = reachable(wishes, self._notices.channels.keys(), is_staff=is_staff)
        current = await self._notices.records.find(notice.notice_id) or notice
        channel = next_channel(current.pushes, push, has)
        other = replacement(push, channel, now) if channel else None
        if other is not None:
            lane = lane_of(other.channel, is_urgent=notice.is_urgent)
            await self._notices.agenda.schedule(lane, now, f"{notice.notice_id}/{other.push_id}", now)
        outcome = {"status": "failed", "reason": reason[:LONGEST_REASON], "at": now, "tried_until": None}
        log.warning("%s failed%s", entry.what, f" and goes by {channel}" if channel else " for good")
        after = await self._notices.records.change(
            notice.notice_id, lambda found: failed(found, push.push_id, outcome, other)
        )
        self._count(push, "failed", after)
        self._notices.ring()
        await self._end(entry, after or notice)

    def _count(self, push: Push, outcome: PushOutcome, after: Notice | None) -> None:
        """Once for each push: where nothing was changed, its end is another's."""
        if after is not None:
            self._notices.meter.add(NOTICES, channel=push.channel, outcome=outcome)

    async def _settle(
        self, entry: Entry, notice: Notice, push: Push, *, status: PushOutcome, **changes: object
    ) -> None:
        settled = {"at": self._notices.clock(), "tried_until": None, "status": status, **changes}
        after = await self._notices.records.change(
            notice.notice_id, lambda found: changed(found, push.push_id, settled)
        )
        self._count(push, status, after)
        await self._end(entry, after or notice)

    async def _end(self, entry: Entry, notice: Notice) -> None:
        if notice.members:
            await settle_members(self._notices, notice)
        await self._notices.agenda.done(entry)


def _is_to_role(notice: Notice) -> bool:
    return notice.notification.recipient_kind == "staff_role"


def _is_silenced(notice: Notice, wishes: NotificationPreferences) -> bool:
    """Whether the person has switched its kind off since it was sent; a digest was sifted when it was made."""
    return not notice.is_urgent and not notice.members and notice.notification.kind in wishes.opted_out
