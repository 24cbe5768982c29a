"""Tells people: `core.ports.execution.Notifier` over the document store, for any number of replicas.

`send` makes a message durable and says what is due when; `pushing.NoticeSweeper` does what is due. Pointers are written
before what they point to, so a kill at any point loses nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from core.erasure import ErasureScope
from core.errors import NotFound, VersionConflict
from core.execution import Notification
from core.execution_labels import ChannelName, NoticeKind
from core.metrics import ALERT_TURNS, NOTICES, UNMETERED, Meter
from core.notices import ALWAYS, EVENTS, NotificationPreferences, is_role, of_person, of_resident, resident_of
from core.ports.documents import DocumentStore
from core.ports.execution import Channel, DeliveredNotification, MessageTemplates
from core.ports.page import Page
from deployments.execution.notices.adoption import InboxAdoption
from deployments.execution.notices.agenda import Agenda
from deployments.execution.notices.digest_items import DIGEST, DigestItems
from deployments.execution.notices.erasing import erase
from deployments.execution.notices.ladder import WITHOUT_ANYBODY, OnCall, Turn, climb, take, turn_of, whose_turn
from deployments.execution.notices.planning import (
    PUSHED,
    ROLE_PREFERENCES,
    plan_at_once,
    plan_pushes,
    reachable,
    zone_of,
)
from deployments.execution.notices.preferences import PreferenceBook, make_token, read_token
from deployments.execution.notices.record import Notice, is_danger, notice_id_of, subject_of
from deployments.execution.notices.records import ALL, NoticeRecords, about, inbox_of
from deployments.execution.notices.wording import words_of_event

log = logging.getLogger(__name__)

LADDER = "ladder"
"""The lane of the agenda for the next steps of alerts."""
UNSUBSCRIBE_PATH = "/api/v1/unsubscribe"


def lane_of(channel: ChannelName, *, is_urgent: bool) -> str:
    """The lane of a push: a slow channel holds up no other, and what waits for one holds up no danger."""
    return f"{'urgent' if is_urgent else 'routine'}-{channel}"


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


class Notices:
    """The inbox of everybody, and what is pushed to whom. Methods may raise `StoreUnavailable`."""

    def __init__(
        self,
        documents: DocumentStore,
        channels: Mapping[ChannelName, Channel],
        templates: MessageTemplates,
        on_call: OnCall,
        *,
        zone: str,
        public_url: str | None,
        key: bytes,
        clock: Callable[[], datetime] = utc_now,
        adoption: InboxAdoption | None = None,
        home_zone: Callable[[str], str | None] = lambda _: None,
        meter: Meter = UNMETERED,
    ) -> None:
        """`key` signs the links by which people switch a kind of message off; `public_url` is what they begin with.

        `home_zone` tells the time zone (IANA) of a resident's building, in which those are told times who named none;
        `zone` is that of everybody else. `adoption` is ended before anything is erased.
        """
        self._home_zone = home_zone
        self.meter = meter
        self.records = NoticeRecords(documents)
        self.agenda = Agenda(documents)
        self.people = PreferenceBook(documents)
        self.digest_items = DigestItems(documents)
        self.channels = channels
        self.templates = templates
        self.zone = ZoneInfo(zone)
        self.clock = clock
        # Of every channel: what waits for one that is configured no more has to go by another.
        pushes = [lane_of(channel, is_urgent=urgent) for channel in PUSHED for urgent in (True, False)]
        self.bells = {lane: asyncio.Event() for lane in (LADDER, DIGEST, *pushes)}
        """One for each lane of the agenda, rung where something new is due: a sweeper of this process looks at once."""
        self._documents = documents
        self._on_call = on_call
        self._public_url = public_url
        self._key = key
        self._adoption = adoption

    async def send(self, notification: Notification, *, idempotency_key: str, now: datetime) -> str:
        """Take the message, once for each key, and return its id. Raises `Invalid` for an event that has no words."""
        notice_id = notice_id_of(idempotency_key)
        if await self.records.find(notice_id) is None:
            notice = await self._composed(notice_id, notification, now)
            await self.post(notice, [ALL, *_lists_of(notice)], now)
            self.meter.add(NOTICES, channel=ChannelName.INBOX, outcome="sent")
            self._count_turn(notice, 0)
        return notice_id

    async def sent(self, *, recipient: str | None, limit: int, cursor: str | None) -> Page[DeliveredNotification]:
        """What was sent, newest first. Raises `InvalidCursor`."""
        page = await self.records.page(ALL if recipient is None else inbox_of(recipient), limit, cursor)
        return Page(tuple(notice.shown() for notice in page.items), page.next_cursor)

    async def find_sent(self, notification_id: str) -> DeliveredNotification | None:
        """One message, or None."""
        found = await self.records.find(notification_id) if notification_id else None
        return found.shown() if found else None

    async def acknowledge(self, notification_id: str, *, by: str, now: datetime) -> DeliveredNotification:
        """Somebody has taken an alert; the first one stays, and nobody else is told. Raises `NotFound`."""
        if notification_id:
            await self.records.change(
                notification_id, lambda notice: take(notice, by, now) if notice.acknowledged_by is None else None
            )
        found = await self.find_sent(notification_id)
        if found is None:
            raise NotFound("There is no such notification.")
        return found

    async def preferences(self, subject: str) -> NotificationPreferences:
        """How somebody (`core.notices.of_resident` …) wishes to be told; the defaults, at version 0, without a choice.

        Raises `Invalid` for a subject of no such form.
        """
        return await self.people.of(subject)

    async def choose_preferences(self, subject: str, preferences: NotificationPreferences) -> NotificationPreferences:
        """Store what somebody chose; `version` is the one that they read. Raises `StaleVersion`, `Invalid`."""
        return await self.people.choose(subject, preferences)

    def unsubscribe_url(self, notice: Notice) -> str | None:
        """The link; None where the kind can't be switched off, or nobody said where this service is reached."""
        kind = notice.unsubscribes
        if kind is None or kind in ALWAYS or self._public_url is None:
            return None
        token = make_token(self._key, of_resident(notice.notification.recipient), kind, notice.notice_id)
        return f"{self._public_url.rstrip('/')}{UNSUBSCRIBE_PATH}?token={token}"

    async def unsubscribe(self, token: str) -> NoticeKind:
        """Switch off the kind that the link named; again changes nothing.

        Raises `NotFound` for no valid token, and for one of a message that is not this person's any more: after an
        erasure, a link in an old mail stores nothing about them again.
        """
        subject, kind, notice_id = read_token(self._key, token)
        found = await self.records.find(notice_id)
        if found is None or subject_of(found.notification, found.notification.recipient) != subject:
            raise NotFound("This link is not valid any more.")
        await self.people.opt_out(subject, kind)
        return kind

    async def erase(self, scope: ErasureScope) -> tuple[str, ...]:
        """Take out words and wishes of the resident, for good; the ids of all that was sent to or about them.

        What an earlier release's inbox holds is taken over first: it has to be erased, too.
        """
        if self._adoption is not None:
            await self._adoption.finish()
        erased = await erase(self.records, self.people, self.digest_items, scope, self.clock())
        await self._documents.compact()
        return erased

    async def close(self) -> None:
        """Give back connections and threads."""
        for channel in self.channels.values():
            await channel.close()
        await self._documents.close()

    async def wishes_of(self, subject: str) -> NotificationPreferences:
        """What holds for a resident, a person or a role."""
        chosen = await self.people.of(subject)
        if is_role(subject) and chosen.version == 0:
            return ROLE_PREFERENCES
        resident_id = resident_of(subject)
        if resident_id is None or chosen.time_zone is not None:
            return chosen
        return chosen.model_copy(update={"time_zone": self._home_zone(resident_id)})

    async def post(self, notice: Notice, lists: Sequence[str], now: datetime) -> None:
        """Store a new message, after the pointers to what is due of it."""
        await self.schedule(notice, now)
        await self.records.create(notice, lists)
        self.ring()

    async def schedule(self, notice: Notice, now: datetime) -> None:
        """Have everything looked at that is due of the message, when it is; what is planned already stays."""
        for push in notice.pushes:
            if push.status != "waiting":
                continue
            what = f"{notice.notice_id}/{push.push_id}"
            if push.gathered:
                subject = notice.subject_of(push)
                await self.agenda.schedule(DIGEST, push.due_at, self.digest_items.name_of(subject), now)
                await self.digest_items.add(notice.notice_id, push, subject, now)
            else:
                await self.agenda.schedule(lane_of(push.channel, is_urgent=notice.is_urgent), push.due_at, what, now)
        if notice.next_step_at is not None:
            await self.agenda.schedule(LADDER, notice.next_step_at, notice.notice_id, now)

    def ring(self) -> None:
        """Have a sweeper of this process look at once what is due."""
        for bell in self.bells.values():
            bell.set()

    async def take_step(self, notice_id: str, now: datetime) -> datetime | None:
        """Tell the next person of an alert where that is due; when to look again, or None where nobody is told.

        The conditional write decides between this, other replicas and an acknowledgement. Raises `NotFound` where the
        message is not stored.
        """
        while True:
            found = await self.records.read(notice_id)
            if found is None:
                raise NotFound("There is no such notification.")
            notice, version = found
            if notice.next_step_at is None or notice.next_step_at > now:
                return notice.next_step_at
            stepped = await self._with_next_step(notice, notice.next_step_at, now)
            await self.schedule(stepped, now)
            await self._enlist_told(stepped)
            try:
                await self.records.replace(stepped, version)
            except VersionConflict:
                continue
            self._count_turn(stepped, notice.steps_taken)
            self.ring()
            return stepped.next_step_at

    def _count_turn(self, notice: Notice, steps_before: int) -> None:
        if notice.steps_taken > steps_before:
            self.meter.add(ALERT_TURNS, turn=turn_of(notice))

    async def _composed(self, notice_id: str, notification: Notification, now: datetime) -> Notice:
        wishes = await self.wishes_of(subject_of(notification, notification.recipient))
        worded = self._worded(notification, wishes)
        notice = Notice(
            notice_id=notice_id,
            notification=worded,
            at=now,
            unsubscribes=worded.kind if worded.recipient_kind == "resident" and not is_danger(worded) else None,
        )
        if notice.is_alert:
            return await self._with_next_step(notice, now, now)
        pushes = plan_pushes(worded, wishes, self.channels.keys(), now, self.zone)
        return notice.model_copy(update={"pushes": pushes})

    def _worded(self, notification: Notification, wishes: NotificationPreferences) -> Notification:
        """The message in the recipient's language, where its words are a template's."""
        if notification.event is None:
            return notification
        zone = zone_of(wishes, self.zone)
        subject, body = words_of_event(self.templates, notification.event, notification.fields, wishes.language, zone)
        return notification.model_copy(
            update={"subject": subject, "body": body, "kind": EVENTS[notification.event].kind}
        )

    async def _with_next_step(self, notice: Notice, planned: datetime, now: datetime) -> Notice:
        """The alert with one more person told.

        Their pushes are due at the planned time, so that two replicas that take the same step point to the same ones.
        """
        rung = self._whose_turn(notice, now)
        if rung is None:
            pushes = notice.pushes
            if not pushes and notice.notification.role is not None and ChannelName.CHAT in self.channels:
                pushes = plan_at_once(notice.notification.role, (ChannelName.CHAT,), planned)
            return notice.model_copy(update={"next_step_at": now + WITHOUT_ANYBODY, "pushes": pushes})
        wishes = await self.people.of(of_person(rung.person))
        channels = reachable(wishes, self.channels.keys(), is_staff=True)
        return climb(notice, rung, plan_at_once(rung.person, channels, planned, notice.steps_taken + 1), now)

    def _whose_turn(self, notice: Notice, now: datetime) -> Turn | None:
        """Rules that can't be read must not keep an alert out of the inbox."""
        try:
            rung = whose_turn(self._on_call(notice.notification, now), notice.steps_taken)
        except Exception:
            log.exception("it can't be told who is on call for %s", notice.notice_id)
            return None
        if rung is None:
            log.error("nobody is on call for %s", notice.notice_id)
        return rung

    async def _enlist_told(self, notice: Notice) -> None:
        await self.records.enlist(inbox_of(notice.told[-1].person), notice) if notice.told else None


def _lists_of(notice: Notice) -> list[str]:
    """The inboxes that show it, and its request's list."""
    people = [notice.notification.recipient, *(step.person for step in notice.told)]
    request_id = notice.notification.request_id
    return [*map(inbox_of, people), *([about(request_id)] if request_id else [])]
