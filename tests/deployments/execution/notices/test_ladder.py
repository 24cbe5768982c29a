"""One person after the other is told of an alert until somebody takes it, and nobody twice in one step."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from adapters.metrics_memory import MemoryMeter
from core.errors import ActionRejected, SystemUnavailable, VersionConflict
from core.metrics import ALERT_TURNS
from core.ports.documents import Document
from core.ports.execution import DeliveredNotification
from deployments.execution.notices.ladder import WITHOUT_ANYBODY
from deployments.execution.notices.record import LONGEST_LADDER
from tests.deployments.execution.notices.conftest import NOON, House, alert

FIVE_MINUTES = 300.0


@pytest.fixture
async def house(house: House) -> House:
    for number, person in enumerate(("ann", "bob", "cyd")):
        await house.choose(person, phone=f"+1212555010{number}")
    return house


async def begin(house: House, **fields: Any) -> str:
    return await house.notices.send(alert(**fields), idempotency_key="k", now=house.clock())


async def shown(house: House, notice_id: str) -> DeliveredNotification:
    found = await house.notices.find_sent(notice_id)
    assert found is not None
    return found


async def told(house: House, notice_id: str) -> list[str]:
    return [step.person for step in (await shown(house, notice_id)).ladder]


async def inbox(house: House, person: str) -> list[str]:
    page = await house.notices.sent(recipient=person, limit=50, cursor=None)
    return [each.notification_id for each in page.items]


async def test_the_third_person_is_told_when_two_do_not_answer(house: House) -> None:
    notice_id = await begin(house)
    await house.settle()
    assert await told(house, notice_id) == ["ann"]
    await house.advance(FIVE_MINUTES - 1)
    assert await told(house, notice_id) == ["ann"]
    await house.advance(1)
    assert await told(house, notice_id) == ["ann", "bob"]
    assert await inbox(house, "cyd") == []
    await house.advance(FIVE_MINUTES)
    found = await shown(house, notice_id)
    assert [(step.who, step.person, step.at) for step in found.ladder] == [
        ("concierge", "ann", NOON),
        ("supervisor", "bob", NOON + timedelta(minutes=5)),
        ("manager", "cyd", NOON + timedelta(minutes=10)),
    ]
    assert [each.address for each in house.sms.taken] == ["+12125550100", "+12125550101", "+12125550102"]
    assert [each.address for each in house.chat.taken] == ["ann", "bob", "cyd"]
    for place in ("ann", "bob", "cyd", "BLD_A"):
        assert await inbox(house, place) == [notice_id]
    taken = await house.notices.acknowledge(notice_id, by="cyd", now=house.clock())
    assert (taken.acknowledged_by, taken.ladder) == ("cyd", found.ladder)
    for _ in range(5):
        await house.advance(FIVE_MINUTES)
    assert len(house.sms.taken) == 3
    assert (await shown(house, notice_id)).acknowledged_by == "cyd"


async def test_turns_are_counted(house: House) -> None:
    meter = house.notices.meter = MemoryMeter()
    notice_id = await begin(house)
    await house.settle()
    assert meter.figures[ALERT_TURNS] == {("first",): 1}
    for _ in range(4):
        await house.advance(FIVE_MINUTES)
    assert meter.figures[ALERT_TURNS] == {("first",): 1, ("next",): 2, ("again",): 2}
    await house.notices.acknowledge(notice_id, by="cyd", now=house.clock())
    await house.advance(FIVE_MINUTES)
    assert meter.figures[ALERT_TURNS][("again",)] == 2


async def test_after_the_last_one_the_first_is_told_again_and_the_record_stays_small(house: House) -> None:
    notice_id = await begin(house)
    await house.settle()
    for _ in range(53):
        await house.advance(FIVE_MINUTES)
    people = await told(house, notice_id)
    assert len(people) == LONGEST_LADDER
    assert [each.address[-1] for each in house.sms.taken] == [str(number % 3) for number in range(54)]
    assert len({each.message_id for each in house.sms.taken}) == 54
    assert len((await shown(house, notice_id)).deliveries) <= 2 * (LONGEST_LADDER + 1)
    assert await inbox(house, "ann") == [notice_id]


async def test_danger_at_night_and_switched_off_kinds_are_told_all_the_same(house: House) -> None:
    quiet = {"start": "00:00:00", "end": "23:59:00"}
    await house.choose("ann", email="ann@example.com", quiet_hours=quiet, opted_out=["work", "request"], version=1)
    notice_id = await begin(house, kind="request", urgency="High")
    await house.settle()
    assert await house.statuses(notice_id) == {"email": "sent", "chat": "sent"}


async def test_everybody_is_told_in_their_own_language(house: House) -> None:
    await house.choose("bob", phone="+12125550101", language="es", version=1)
    fields = {"building_id": "BLD_A", "unit": "1", "category": "Security", "reason": "r", "text": "humo"}
    notice_id = await begin(house, event="emergency", fields=fields)
    await house.settle()
    await house.advance(FIVE_MINUTES)
    assert [each.subject.split()[0] for each in house.sms.taken] == ["EMERGENCY", "EMERGENCIA"]
    assert (await shown(house, notice_id)).notification.subject == "EMERGENCY Security in BLD_A 1"


async def test_an_acknowledgement_stops_pushes_that_wait(house: House) -> None:
    house.sms.always = SystemUnavailable("down")
    notice_id = await begin(house)
    await house.settle()
    await house.notices.acknowledge(notice_id, by="ann", now=house.clock())
    assert await house.statuses(notice_id) == {"sms": "suppressed", "chat": "sent"}
    await house.advance(100_000)
    assert house.sms.calls == 1


async def test_who_can_not_be_reached_is_in_the_record_and_the_next_one_is_told(house: House) -> None:
    house.sms.always = house.chat.always = ActionRejected("no")
    notice_id = await begin(house)
    await house.settle()
    assert await house.statuses(notice_id) == {"sms": "failed", "chat": "failed"}
    await house.advance(FIVE_MINUTES)
    assert await told(house, notice_id) == ["ann", "bob"]


async def test_where_nobody_is_on_call_the_role_is_told_and_it_is_looked_again(house: House) -> None:
    posts = house.on_call[:]
    house.on_call.clear()
    notice_id = await begin(house)
    await house.settle()
    assert [each.address for each in house.chat.taken] == ["staff"]
    assert await told(house, notice_id) == []
    house.on_call.extend(posts)
    await house.advance(WITHOUT_ANYBODY.total_seconds())
    assert await told(house, notice_id) == ["ann"]


async def test_rules_that_can_not_be_read_keep_no_alert_out_of_the_inbox(house: House) -> None:
    broken, _ = house.replica()
    broken._on_call = lambda _, __: [][1]  # pyright: ignore[reportPrivateUsage]
    notice_id = await broken.send(alert(), idempotency_key="k", now=NOON)
    assert await inbox(house, "BLD_A") == [notice_id]
    await house.advance(WITHOUT_ANYBODY.total_seconds())
    assert await told(house, notice_id) == ["ann"]


@pytest.mark.parametrize("seed", range(8))
async def test_no_two_steps_at_once_and_none_after_somebody_has_taken_it(house: House, seed: int) -> None:
    """Replicas whose clocks differ, all at work at once, while somebody takes the alert at some moment."""
    draw = random.Random(seed)
    replicas = [house.replica() for _ in range(4)]
    notice_id = await begin(house)
    taken_after = draw.uniform(0, 1500)
    taken_at = None
    while house.clock() < NOON + timedelta(seconds=2000):
        house.clock.advance(draw.choice([0.4, 7.0, 61.0, 299.0]))
        turns = [each.take_step(notice_id, house.clock()) for each, _ in replicas]
        turns += [sweeper.sweep() for _, sweeper in replicas]
        if taken_at is None and house.clock() > NOON + timedelta(seconds=taken_after):
            taken_at = house.clock()
            turns.insert(draw.randrange(len(turns)), replicas[0][0].acknowledge(notice_id, by="dee", now=taken_at))
        await asyncio.gather(*turns)
    found = await shown(house, notice_id)
    assert taken_at is not None
    assert (found.acknowledged_by, found.acknowledged_at) == ("dee", taken_at)
    times = [step.at for step in found.ladder]
    assert all(later - earlier >= timedelta(minutes=5) for earlier, later in pairwise(times))
    assert all(at <= taken_at for at in times)
    assert [step.person for step in found.ladder] == [("ann", "bob", "cyd")[n % 3] for n in range(len(times))]
    assert set(Counter(each.message_id for each in house.sms.taken).values()) <= {1}


class Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("survived", range(10))
async def test_a_kill_at_any_write_of_a_step_repeats_at_most_a_push(house: House, survived: int) -> None:
    notice_id = await begin(house)
    await house.settle()
    house.clock.advance(FIVE_MINUTES)
    left, put = survived, house.documents.put

    async def mortal(document: Document) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        await put(document)

    house.documents.put = mortal  # type: ignore[method-assign]
    dying, sweeper = house.replica()
    await asyncio.gather(sweeper.sweep(), return_exceptions=True)
    await asyncio.gather(sweeper.sweep(), return_exceptions=True)
    house.documents.put = put  # type: ignore[method-assign]
    assert dying is not house.notices
    for _ in range(3):
        await house.advance(70)
    assert (await told(house, notice_id))[:2] == ["ann", "bob"]
    to_bob = [each.message_id for each in house.sms.taken if each.address.endswith("1")]
    assert len(set(to_bob)) == 1
    assert len(to_bob) <= 2
    await house.advance(FIVE_MINUTES)
    assert await told(house, notice_id) == ["ann", "bob", "cyd"]
    assert sum(each.address.endswith("2") for each in house.sms.taken) == 1


async def test_a_step_that_lost_against_an_acknowledgement_pushes_nothing(house: House) -> None:
    notice_id = await begin(house)
    await house.settle()
    house.clock.advance(FIVE_MINUTES)
    put, lost = house.documents.put, 0

    async def overtaken(document: Document) -> None:
        nonlocal lost
        if document.kind == "notice" and not lost:
            lost += 1
            await house.replica()[0].acknowledge(notice_id, by="eve", now=house.clock())
            with pytest.raises(VersionConflict):
                await put(document)
            raise VersionConflict("overtaken")
        await put(document)

    house.documents.put = overtaken  # type: ignore[method-assign]
    await house.settle()
    for _ in range(4):
        await house.advance(70)
    assert lost == 1
    assert await told(house, notice_id) == ["ann"]
    assert len(house.sms.taken) == 1
