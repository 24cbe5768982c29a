"""What is pushed to whom by what, when, how often, and what happens where it fails."""

import asyncio
import contextlib
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import ActionRejected, Invalid, SystemBusy, SystemUnavailable
from core.execution_labels import ChannelName, NoticeKind
from core.labels import Urgency
from deployments.execution.notices.agenda import Agenda
from deployments.execution.notices.planning import NO_ADDRESS, OPTED_OUT
from deployments.execution.notices.pushing import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LONGEST_URGENT_PAUSE_S,
    TRIES,
    URGENT_FOR,
    NoticeSweeper,
    pause_s,
)
from tests.deployments.execution.notices.conftest import NOON, House, message

MAIL = "ada@example.com"
PHONE = "+12125550100"
REACHED = {"email": MAIL, "phone": PHONE}
EVENING = datetime(2026, 3, 4, 3, tzinfo=UTC)
"""Ten at night in New York."""


async def deliveries(house: House, notice_id: str) -> Any:
    found = await house.notices.find_sent(notice_id)
    assert found is not None
    return found.deliveries


async def test_a_mail_goes_out_once_with_its_words(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    notice_id = await house.send(request_id="REQ_1")
    await house.settle()
    await house.advance(100_000)
    (envelope,) = house.mail.taken
    assert (envelope.address, envelope.subject, envelope.body) == (MAIL, "Word", "hello")
    assert (envelope.language, envelope.request_id) == ("en", "REQ_1")
    assert envelope.message_id.startswith(notice_id)
    (record,) = await deliveries(house, notice_id)
    assert (record.status, record.external_id, record.attempts, record.at) == ("sent", "email-1", 1, NOON)
    assert record.recipient == "RES_1", "the log holds no address"
    assert house.sms.taken == house.chat.taken == []


async def test_who_gave_no_address_is_told_in_the_inbox_alone(house: House) -> None:
    notice_id = await house.send()
    await house.settle()
    assert await house.statuses(notice_id) == {}
    assert (await house.notices.sent(recipient="RES_1", limit=5, cursor=None)).items[0].notification_id == notice_id


async def test_a_resident_with_quiet_hours_gets_a_routine_notice_in_the_morning_and_danger_at_once(
    house: House,
) -> None:
    await house.choose("RES_1", **REACHED, quiet_hours={"start": "21:00:00", "end": "08:00:00"})
    house.clock.now = EVENING
    routine = await house.send("routine")
    danger = await house.send("danger", kind=NoticeKind.EMERGENCY)
    urgent = await house.send("urgent", urgency=Urgency.EMERGENCY)
    await house.settle()
    assert await house.statuses(danger) == await house.statuses(urgent) == {"email": "sent", "sms": "sent"}
    assert await house.statuses(routine) == {"email": "waiting"}
    assert (await deliveries(house, routine))[0].due_at == datetime(2026, 3, 4, 13, tzinfo=UTC)
    await house.advance(10 * 3600 - 1)
    assert await house.statuses(routine) == {"email": "waiting"}
    await house.advance(1)
    assert await house.statuses(routine) == {"email": "sent"}


async def test_what_was_held_up_into_the_night_waits_for_the_morning(house: House) -> None:
    await house.choose("RES_1", **REACHED, quiet_hours={"start": "21:00:00", "end": "08:00:00"})
    notice_id = await house.send()
    house.clock.now = EVENING
    await house.settle()
    assert house.mail.calls == 0
    house.clock.now = datetime(2026, 3, 4, 13, tzinfo=UTC)
    await house.settle()
    assert await house.statuses(notice_id) == {"email": "sent"}


async def test_channels_by_kind_and_the_channel_of_one_message(house: House) -> None:
    await house.choose("RES_1", **REACHED, channels={"visit": ["sms", "email"], "comment": []})
    visit = await house.send("1", kind=NoticeKind.VISIT)
    request = await house.send("2")
    comment = await house.send("3", kind=NoticeKind.COMMENT)
    by_sms = await house.send("4", channel="sms")
    inbox = await house.send("5", channel="inbox")
    await house.settle()
    found = [await house.statuses(each) for each in (visit, request, comment, by_sms, inbox)]
    assert found == [{"sms": "sent", "email": "sent"}, {"email": "sent"}, {}, {"sms": "sent"}, {}]


async def test_a_channel_that_the_person_lacks_is_named_and_another_takes_its_place(house: House) -> None:
    await house.choose("RES_1", email=MAIL)
    notice_id = await house.send(channel="sms")
    await house.settle()
    assert await house.statuses(notice_id) == {"sms": "failed", "email": "sent"}
    assert (await deliveries(house, notice_id))[0].reason == NO_ADDRESS


async def test_who_switched_a_kind_off_is_not_told_but_of_danger(house: House) -> None:
    await house.choose("RES_1", **REACHED, opted_out=["request", "announcement"])
    routine = await house.send("1")
    danger = await house.send("2", urgency=Urgency.EMERGENCY)
    await house.settle()
    assert await house.statuses(routine) == {"email": "suppressed"}
    assert (await deliveries(house, routine))[0].reason == OPTED_OUT
    assert await house.statuses(danger) == {"email": "sent", "sms": "sent"}


async def test_wishes_that_changed_meanwhile_hold(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    off, moved = await house.send("1"), await house.send("2", kind=NoticeKind.VISIT)
    await house.choose("RES_1", email="new@example.com", opted_out=["request"], version=1)
    await house.settle()
    assert await house.statuses(off) == {"email": "suppressed"}
    assert await house.statuses(moved) == {"email": "sent"}
    assert [each.address for each in house.mail.taken] == ["new@example.com"]


async def test_a_refused_message_goes_by_the_next_channel(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    house.mail.coming = [ActionRejected("550 no such mailbox")]
    notice_id = await house.send()
    await house.settle()
    assert await house.statuses(notice_id) == {"email": "failed", "sms": "sent"}
    assert (await deliveries(house, notice_id))[0].reason == "550 no such mailbox"


async def test_where_no_channel_is_left_the_record_says_so(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    house.mail.always = house.sms.always = ActionRejected("no")
    notice_id = await house.send()
    await house.settle()
    await house.advance(100_000)
    assert await house.statuses(notice_id) == {"email": "failed", "sms": "failed"}
    assert (house.mail.calls, house.sms.calls) == (1, 1)


async def test_a_channel_that_is_down_is_tried_again_with_growing_pauses(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    house.mail.coming = [SystemUnavailable("down"), RuntimeError("unforeseen"), SystemUnavailable("down")]
    notice_id = await house.send()
    await house.settle()
    for calls, pause in ((1, 5), (2, 15), (3, 45)):
        assert house.mail.calls == calls
        await house.advance(pause - 1)
        assert house.mail.calls == calls
        await house.advance(1)
    (record,) = await deliveries(house, notice_id)
    assert (record.status, record.attempts) == ("sent", 4)
    assert len({each.message_id for each in house.mail.taken}) == 1


async def test_when_all_tries_are_used_up_the_next_channel_is_taken(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    house.mail.always = SystemUnavailable("down")
    notice_id = await house.send()
    await house.settle()
    for _ in range(TRIES):
        await house.advance(LONGEST_PAUSE_S)
    assert house.mail.calls == TRIES
    assert await house.statuses(notice_id) == {"email": "failed", "sms": "sent"}


def test_pauses_grow_up_to_a_day_and_are_spread() -> None:
    pauses = [pause_s(attempt, 0.0) for attempt in range(1, 20)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE_S, LONGEST_PAUSE_S)
    assert pause_s(3, 1.0) == pauses[2] / 2
    assert pause_s(100_000, 0.0) == LONGEST_PAUSE_S
    assert [pause_s(attempt, 0.0, is_urgent=True) for attempt in (1, 2, 3, 3000)] == [5, 15, 30, 30]


async def test_danger_is_tried_every_half_minute_for_a_day(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    house.mail.always = SystemUnavailable("down")
    notice_id = await house.send(kind=NoticeKind.EMERGENCY)
    await house.settle()
    for number in range(3 * TRIES):
        assert house.mail.calls == number + 1
        await house.advance(LONGEST_URGENT_PAUSE_S)
    assert await house.statuses(notice_id) == {"email": "waiting", "sms": "sent"}
    await house.advance(URGENT_FOR.total_seconds())
    assert await house.statuses(notice_id) == {"email": "failed", "sms": "sent"}


async def test_danger_waits_no_longer_than_half_a_minute_for_a_busy_channel(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    house.mail.coming = [SystemBusy("come back in an hour", 3600.0)]
    notice_id = await house.send(kind=NoticeKind.EMERGENCY)
    await house.settle()
    await house.advance(LONGEST_URGENT_PAUSE_S)
    assert await house.statuses(notice_id) == {"email": "sent", "sms": "sent"}


@pytest.mark.parametrize("kind", [NoticeKind.REQUEST, NoticeKind.EMERGENCY])
async def test_what_waits_for_a_channel_that_was_removed_goes_by_the_next(house: House, kind: NoticeKind) -> None:
    await house.choose("RES_1", **REACHED)
    house.mail.always = SystemUnavailable("down")
    notice_id = await house.send(kind=kind)
    await house.settle()
    _, sweeper = house.replica(channels={house.sms.name: house.sms})
    house.clock.advance(60)
    while await sweeper.sweep():
        pass
    assert await house.statuses(notice_id) == {"email": "failed", "sms": "sent"}


async def test_without_any_channel_left_the_inbox_has_it_and_nothing_waits(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    notice_id = await house.send()
    _, sweeper = house.replica(channels={})
    while await sweeper.sweep():
        pass
    assert await house.statuses(notice_id) == {"email": "failed"}


async def test_a_busy_channel_costs_no_try_and_is_left_alone_meanwhile(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    house.mail.always = SystemBusy("its circuit is open", 30.0)
    ids = [await house.send(str(number)) for number in range(20)]
    await house.settle()
    begun_together = house.mail.calls
    assert begun_together <= 8, "no more than were in hand at once"
    await house.advance(29)
    assert house.mail.calls == begun_together
    house.mail.always = None
    await house.advance(1)
    await house.advance(30)
    assert [await house.statuses(each) for each in ids] == [{"email": "sent"}] * 20
    assert {(await deliveries(house, each))[0].attempts for each in ids} == {1}


async def test_words_that_stay_in_the_night_do_not_repeat_in_it(house: House) -> None:
    await house.choose("RES_1", **REACHED, quiet_hours={"start": "12:00:00", "end": "13:00:00"})
    house.clock.now = NOON - timedelta(seconds=3)
    house.mail.coming = [SystemUnavailable("down")]
    notice_id = await house.send()
    await house.settle()
    await house.advance(60)
    assert house.mail.calls == 1
    await house.advance(3600)
    assert await house.statuses(notice_id) == {"email": "sent"}


async def test_a_slow_channel_holds_up_no_other_and_a_backlog_no_danger(house: House) -> None:
    await house.choose("RES_1", **REACHED, channels={"request": ["email"], "visit": ["sms"]})
    stuck = asyncio.Event()
    house.mail.before = stuck.wait
    for number in range(30):
        await house.send(f"slow {number}")
    running = asyncio.create_task(house.sweeper.run())
    try:
        await until(lambda: house.mail.calls == 8)
        await house.send("visit", kind=NoticeKind.VISIT)
        await until(lambda: len(house.sms.taken) == 1)
        await house.send("danger", kind=NoticeKind.EMERGENCY)
        await until(lambda: len(house.sms.taken) == 2 and house.mail.calls == 9)
        stuck.set()
        await until(lambda: len(house.mail.taken) == 31)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert set(Counter(each.message_id for each in house.mail.taken).values()) == {1}


async def test_send_wakes_the_sweeper_of_the_same_process(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    patient = NoticeSweeper(house.notices, poll_s=30.0)
    running = asyncio.create_task(patient.run())
    await asyncio.sleep(0.2)
    await house.send()
    await until(lambda: len(house.mail.taken) == 1, limit_s=2.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_many_replicas_push_each_message_once(house: House) -> None:
    await house.choose("RES_1", **REACHED, channels={"request": ["email", "sms"]})
    replicas = [house.replica()[1] for _ in range(4)]
    house.mail.before = house.sms.before = lambda: asyncio.sleep(0.002)
    for number in range(25):
        await house.send(str(number))
    for _ in range(8):
        await asyncio.gather(*(each.sweep() for each in replicas))
    for box in (house.mail, house.sms):
        assert len(box.taken) == 25
        assert len({each.message_id for each in box.taken}) == 25


async def test_a_kill_while_a_message_is_handed_over_repeats_it_under_the_same_id(house: House) -> None:
    await house.choose("RES_1", **REACHED)
    never = asyncio.Event()
    notice_id = await house.send()
    house.mail.before = never.wait
    _, killed = house.replica()
    running = asyncio.create_task(killed.run())
    await until(lambda: house.mail.calls == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    house.mail.before = None
    await house.settle()
    assert house.mail.taken == [], "its lease runs"
    await house.advance(61)
    assert [each.message_id for each in house.mail.taken] == [f"{notice_id}-0-email"]
    assert (await deliveries(house, notice_id))[0].attempts == 2


class Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("survived", range(7))
async def test_a_kill_at_any_write_of_send_loses_nothing(house: House, survived: int) -> None:
    await house.choose("RES_1", **REACHED, channels={"request": ["email", "sms"]})
    left = survived
    put = house.documents.put

    async def mortal(document: Any) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        await put(document)

    house.documents.put = mortal  # type: ignore[method-assign]
    with contextlib.suppress(Killed):
        await house.send(request_id="REQ_1")
    house.documents.put = put  # type: ignore[method-assign]
    await house.advance(1)
    house.clock.advance(1)
    notice_id = await house.send(request_id="REQ_1")
    for _ in range(5):
        await house.advance(70)
    assert [each.message_id for each in house.mail.taken] == [f"{notice_id}-0-email"]
    assert len(house.sms.taken) == 1
    for recipient in (None, "RES_1"):
        page = await house.notices.sent(recipient=recipient, limit=9, cursor=None)
        assert [each.notification_id for each in page.items] == [notice_id]
    await house.advance(100)
    for lane in house.notices.bells:
        assert await Agenda(house.documents).due(lane, house.clock() + timedelta(days=9), 9) == ()


async def test_a_template_is_told_in_the_recipients_language_and_time(house: House) -> None:
    await house.choose("RES_1", **REACHED, language="es", time_zone="America/Los_Angeles")
    fields = {"title": "Fix", "starts": "2026-03-05T17:00:00Z", "ends": "tarde"}
    notice_id = await house.send(subject="", body="", event="visit_scheduled", fields=fields)
    await house.settle()
    found = await house.notices.find_sent(notice_id)
    assert found is not None
    assert found.notification.subject == "Una visita a su hogar: jueves 5 de marzo, 9:00"
    assert found.notification.kind is NoticeKind.VISIT
    assert found.notification.fields == fields
    assert (house.mail.taken[0].subject, house.mail.taken[0].language) == (found.notification.subject, "es")
    english = await house.notices.send(
        message(recipient="RES_2", event="visit_scheduled", fields=fields), idempotency_key="en", now=NOON
    )
    told = await house.notices.find_sent(english)
    assert told is not None
    assert told.notification.subject == "A visit to your home: Thursday, March 5, 12:00 PM"


async def test_an_event_without_words_is_refused_and_leaves_nothing(house: House) -> None:
    for event, fields in (("unheard_of", {}), ("work_started", {"titel": "x"})):
        with pytest.raises(Invalid):
            await house.send(event=event, fields=fields)
    assert (await house.notices.sent(recipient=None, limit=5, cursor=None)).items == ()


async def test_a_role_is_told_in_its_inbox_and_by_chat(house: House) -> None:
    house.clock.now = EVENING
    notice_id = await house.send(recipient_kind="staff_role", recipient="staff", kind=NoticeKind.WORK)
    await house.settle()
    assert await house.statuses(notice_id) == {"chat": "sent"}
    assert house.chat.taken[0].address == "staff"
    assert house.chat.taken[0].unsubscribe_url is None
    silent, sweeper = house.replica(channels={ChannelName.EMAIL: house.mail})
    other = await silent.send(
        message(recipient_kind="staff_role", recipient="staff"), idempotency_key="x", now=house.clock()
    )
    await sweeper.sweep()
    assert await house.statuses(other) == {}


async def test_logs_hold_neither_words_nor_addresses(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await house.choose("RES_1", **REACHED)
    house.mail.coming = [SystemUnavailable(f"no answer for {MAIL}")]
    house.sms.always = ActionRejected(f"{PHONE} is unknown")
    await house.send(channel="email", subject="zebrafinch", body="zebrafinch")
    await house.send("2", channel="sms", subject="zebrafinch", body="zebrafinch")
    await house.settle()
    assert "NTF-" in caplog.text
    assert not any(word in caplog.text for word in ("zebrafinch", MAIL, PHONE))


async def until(condition: Any, limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)
