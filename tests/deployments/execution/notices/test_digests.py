"""What is gathered goes out in one message a day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import ActionRejected
from core.execution_labels import NoticeKind
from tests.deployments.execution.notices.conftest import NOON, House

MORNING = datetime(2026, 3, 4, 13, tzinfo=UTC)
WISHES: dict[str, Any] = {"email": "ada@example.com", "phone": "+12125550100", "digest": ["request", "comment"]}


async def morning(house: House) -> None:
    house.clock.now = MORNING
    await house.settle()


async def test_one_message_holds_all_that_was_gathered(house: House) -> None:
    await house.choose("RES_1", **WISHES)
    first = await house.send("1", subject="The tap", body="It drips.")
    second = await house.send("2", subject="The lift", body="x" * 5000, kind=NoticeKind.COMMENT)
    at_once = await house.send("3", kind=NoticeKind.VISIT)
    danger = await house.send("4", urgency="Emergency")
    await house.advance(3600)
    assert await house.statuses(at_once) == {"email": "sent"}
    assert await house.statuses(danger) == {"email": "sent", "sms": "sent"}
    assert len(house.mail.taken) == 2
    house.clock.now = MORNING - timedelta(seconds=1)
    await house.settle()
    assert await house.statuses(first) == {"email": "waiting"}
    await morning(house)
    assert len(house.mail.taken) == 3
    digest = house.mail.taken[-1]
    assert digest.subject == "2 messages for you"
    assert "* The tap\nIt drips." in digest.body
    assert "* The lift\nxxx" in digest.body
    assert len(digest.body) < 1500
    for each in (first, second):
        found = await house.notices.find_sent(each)
        assert found is not None
        (record,) = found.deliveries
        assert (record.status, record.external_id, record.due_at) == ("sent", "email-3", MORNING)
    for _ in range(3):
        await house.advance(86_400)
    assert len(house.mail.taken) == 3
    page = await house.notices.sent(recipient="RES_1", limit=9, cursor=None)
    assert len(page.items) == 4, "the inbox shows what a digest gathers, not the digest"


async def test_a_digest_waits_for_the_end_of_quiet_hours(house: House) -> None:
    await house.choose("RES_1", **WISHES, digest_at="07:00:00", quiet_hours={"start": "21:00:00", "end": "09:00:00"})
    await house.send()
    house.clock.now = MORNING
    await house.settle()
    assert house.mail.taken == []
    await house.advance(3600)
    assert len(house.mail.taken) == 1


async def test_everybody_has_a_digest_of_their_own(house: House) -> None:
    for person in ("RES_1", "RES_2"):
        await house.choose(person, **(WISHES | {"email": f"{person}@example.com"}))
        await house.send(f"{person} a", recipient=person, subject=f"for {person}")
    await morning(house)
    assert {each.address: each.body.count("for RES") for each in house.mail.taken} == {
        "RES_1@example.com": 1, "RES_2@example.com": 1,
    }  # fmt: skip


async def test_a_kind_that_was_switched_off_meanwhile_is_left_out(house: House) -> None:
    await house.choose("RES_1", **WISHES)
    off, on = await house.send("1", subject="off"), await house.send("2", subject="on", kind=NoticeKind.COMMENT)
    await house.choose("RES_1", **WISHES, opted_out=["request"], version=1)
    await morning(house)
    assert await house.statuses(off) == {"email": "suppressed"}
    assert await house.statuses(on) == {"email": "sent"}
    assert house.mail.taken[0].subject == "One message for you"
    assert "off" not in house.mail.taken[0].body


async def test_a_refused_digest_goes_by_the_next_channel_and_its_messages_say_so(house: House) -> None:
    await house.choose("RES_1", **WISHES)
    ids = [await house.send(str(number)) for number in range(3)]
    house.mail.always = ActionRejected("no")
    await morning(house)
    assert [await house.statuses(each) for each in ids] == [{"sms": "sent"}] * 3
    house.sms.always = ActionRejected("no")
    last = await house.send("last")
    await house.advance(86_400)
    assert await house.statuses(last) == {"sms": "failed"}


async def test_more_than_one_digest_holds_goes_out_in_the_next(house: House) -> None:
    await house.choose("RES_1", **WISHES)
    for number in range(120):
        await house.send(str(number), subject=f"subject-{number}.")
    await morning(house)
    for _ in range(3):
        await house.advance(3)
    told = "".join(each.body for each in house.mail.taken)
    assert all(told.count(f"subject-{number}.") == 1 for number in range(120))
    assert len(house.mail.taken) == 3


class Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("survived", range(14))
async def test_a_kill_at_any_write_tells_everything_once(house: House, survived: int) -> None:
    await house.choose("RES_1", **WISHES)
    ids = [await house.send(str(number), subject=f"subject-{number}.") for number in range(3)]
    left, put = survived, house.documents.put

    async def mortal(document: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        await put(document)

    house.documents.put = mortal  # type: ignore[method-assign]
    house.clock.now = MORNING
    _, sweeper = house.replica()
    for _ in range(2):
        try:
            await sweeper.sweep()
        except Killed:
            break
    house.documents.put = put  # type: ignore[method-assign]
    for _ in range(6):
        await house.advance(70)
    assert [await house.statuses(each) for each in ids] == [{"email": "sent"}] * 3
    assert len({each.message_id for each in house.mail.taken}) == 1
    assert len(house.mail.taken) <= 2
    assert all(house.mail.taken[0].body.count(f"subject-{number}.") == 1 for number in range(3))


async def test_what_is_sent_after_the_digest_waits_for_the_next(house: House) -> None:
    await house.choose("RES_1", **WISHES)
    await house.send("1")
    await morning(house)
    later = await house.send("2")
    found = await house.notices.find_sent(later)
    assert found is not None
    assert found.deliveries[0].due_at == MORNING + timedelta(days=1)
    assert NOON < MORNING
