"""What every `Queue` does."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.ports.queue import Delivery, Queue, QueueDepth, QueueMessage

MakeMessage = Callable[..., QueueMessage]
OpenQueue = Callable[..., Queue]


async def take(queue: Queue, *, count: int = 10, wait_s: float = 0, visibility_s: float = 30) -> tuple[Delivery, ...]:
    return await queue.receive(max_messages=count, wait_s=wait_s, visibility_s=visibility_s)


async def depth(queue: Queue) -> QueueDepth:
    return await queue.depth(now=datetime.now(UTC))


def ids(deliveries: tuple[Delivery, ...]) -> list[str]:
    return [delivery.message.message_id for delivery in deliveries]


async def test_what_was_sent_is_received(queue: Queue, make_message: MakeMessage) -> None:
    message = make_message(
        data={"text": "çay 🫖 \u202e ' \" \\ \n", "deep": {"list": [1, 2.5, None, True]}, "big": 2**60}
    )
    await queue.send([message])
    (delivery,) = await take(queue)
    assert (delivery.message, delivery.attempts) == (message, 1)


async def test_an_empty_queue_gives_nothing(queue: Queue) -> None:
    assert await take(queue) == ()
    await queue.send([])
    assert await depth(queue) == QueueDepth(visible=0, in_flight=0, dead=0, oldest_age_s=0.0)


async def test_the_oldest_come_first(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message(f"M{number}") for number in range(3)])
    await queue.send([make_message("A")])
    await queue.send([make_message("M3")])
    assert ids(await take(queue, count=2)) == ["M0", "M1"]
    assert ids(await take(queue, count=10)) == ["M2", "A", "M3"]


async def test_a_received_message_is_hidden_until_its_visibility_ends(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (first,) = await take(queue, visibility_s=0.5)
    assert await take(queue) == ()
    (second,) = await take(queue, wait_s=5, visibility_s=30)
    assert (second.message, second.attempts) == (first.message, 2)
    assert second.receipt != first.receipt
    assert await take(queue) == ()


async def test_a_deleted_message_does_not_come_back(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue, visibility_s=0.05)
    await queue.delete(delivery)
    await queue.delete(delivery)
    await asyncio.sleep(0.06)
    assert await take(queue) == ()
    assert await depth(queue) == QueueDepth(visible=0, in_flight=0, dead=0, oldest_age_s=0.0)


async def test_extending_keeps_it_hidden(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue, visibility_s=0.1)
    await queue.extend(delivery, visibility_s=30)
    await asyncio.sleep(0.12)
    assert await take(queue) == ()


async def test_retry_later_shows_it_after_the_delay(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue)
    began = time.monotonic()
    await queue.retry_later(delivery, delay_s=0.4)
    assert await take(queue) == ()
    (again,) = await take(queue, wait_s=5)
    assert time.monotonic() - began >= 0.395
    assert (again.message, again.attempts) == (delivery.message, 2)


async def test_retry_at_once(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue)
    await queue.retry_later(delivery, delay_s=0)
    assert [each.attempts for each in await take(queue)] == [2]


async def test_an_overtaken_delivery_disturbs_nobody(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (overtaken,) = await take(queue, visibility_s=0.05)
    (holder,) = await take(queue, wait_s=5)
    await queue.retry_later(overtaken, delay_s=0)
    await queue.extend(overtaken, visibility_s=0)
    await queue.dead_letter(overtaken, reason="too slow")
    assert await take(queue) == ()
    assert (await depth(queue)).in_flight == 1
    await queue.delete(holder)
    assert (await depth(queue)).in_flight == 0


async def test_a_dead_letter_is_set_aside(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue, visibility_s=0.05)
    await queue.dead_letter(delivery, reason="the desk refused it")
    await asyncio.sleep(0.06)
    assert await take(queue) == ()
    found = await depth(queue)
    assert (found.visible, found.in_flight, found.dead) == (0, 0, 1)


@pytest.mark.parametrize("state", ["waiting", "in flight", "deleted", "dead"])
async def test_sending_a_known_id_again_does_nothing(queue: Queue, make_message: MakeMessage, state: str) -> None:
    first = make_message("M", data={"n": 1})
    await queue.send([first])
    if state != "waiting":
        (delivery,) = await take(queue)
        if state == "deleted":
            await queue.delete(delivery)
        if state == "dead":
            await queue.dead_letter(delivery, reason="refused")
    before = await depth(queue)
    await queue.send([make_message("M", data={"n": 2}), make_message("M", data={"n": 3})])
    after = await depth(queue)
    assert (after.visible, after.in_flight, after.dead) == (before.visible, before.in_flight, before.dead)
    assert [each.message for each in await take(queue)] == ([first] if state == "waiting" else [])


async def test_one_send_with_the_same_id_twice_is_one_message(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M"), make_message("M"), make_message("N")])
    assert ids(await take(queue)) == ["M", "N"]


async def test_depth(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message(f"M{number}") for number in range(5)])
    waiting, buried, done = await take(queue, count=3)
    await queue.dead_letter(buried, reason="refused")
    await queue.delete(done)
    later = datetime.now(UTC) + timedelta(seconds=20)
    found = await queue.depth(now=later)
    assert (found.visible, found.in_flight, found.dead) == (2, 1, 1)
    assert 20 <= found.oldest_age_s < 25
    await queue.delete(waiting)
    assert (await depth(queue)).in_flight == 0


async def test_a_waiting_receiver_gets_what_is_sent(queue: Queue, make_message: MakeMessage) -> None:
    waiting = asyncio.ensure_future(take(queue, wait_s=30))
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await queue.send([make_message("M")])
    assert ids(await waiting) == ["M"]
    assert time.monotonic() - began < 5


async def test_a_receiver_sees_what_another_adapter_sends(open_queue: OpenQueue, make_message: MakeMessage) -> None:
    one, other = open_queue(), open_queue()
    waiting = asyncio.ensure_future(take(one, wait_s=10))
    await asyncio.sleep(0.1)
    await other.send([make_message("M")])
    assert ids(await waiting) == ["M"]


async def test_waiting_ends_after_its_time(queue: Queue) -> None:
    began = time.monotonic()
    assert await take(queue, wait_s=0.2) == ()
    assert 0.19 <= time.monotonic() - began < 1


async def test_no_two_receivers_get_the_same(open_queue: OpenQueue, make_message: MakeMessage) -> None:
    one, other = open_queue(), open_queue()
    await one.send([make_message(f"M{number:03}") for number in range(100)])
    taken = await asyncio.gather(*(take(queue, count=7) for queue in [one, other] * 15))
    received = [message_id for deliveries in taken for message_id in ids(deliveries)]
    assert sorted(received) == [f"M{number:03}" for number in range(100)]


async def test_every_message_of_many_senders_is_handled(open_queue: OpenQueue, make_message: MakeMessage) -> None:
    queue = open_queue()
    handled: list[str] = []

    async def work() -> None:
        while len(set(handled)) < 60:
            for delivery in await take(queue, count=4, wait_s=0.1, visibility_s=5):
                handled.append(delivery.message.message_id)
                await queue.delete(delivery)

    senders = (queue.send([make_message(f"M{number}"), make_message(f"N{number}")]) for number in range(30))
    async with asyncio.timeout(20):
        await asyncio.gather(*senders, work(), work(), work())
    assert sorted(handled) == sorted(f"{letter}{number}" for letter in "MN" for number in range(30))


async def test_queues_are_apart(open_queue: OpenQueue, make_message: MakeMessage) -> None:
    one, other = open_queue("one"), open_queue("other")
    await one.send([make_message("M", data={"to": "one"})])
    await other.send([make_message("M", data={"to": "other"})])
    (delivery,) = await take(one)
    assert delivery.message.data == {"to": "one"}
    await one.dead_letter(delivery, reason="refused")
    assert ((await depth(one)).dead, (await depth(other)).dead) == (1, 0)
    assert [each.message.data for each in await take(other)] == [{"to": "other"}]


async def test_messages_survive_a_restart(open_queue: OpenQueue, make_message: MakeMessage) -> None:
    first = open_queue()
    await first.send([make_message(f"M{number}") for number in range(3)])
    held, buried = await take(first, count=2)
    await first.dead_letter(buried, reason="refused")
    await first.close()
    second = open_queue()
    found = await depth(second)
    assert (found.visible, found.in_flight, found.dead) == (1, 1, 1)
    assert ids(await take(second)) == ["M2"]
    await second.delete(held)
    assert (await depth(second)).in_flight == 1


async def test_closing_twice_does_no_harm(queue: Queue) -> None:
    await queue.close()
    await queue.close()


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": object()}])
async def test_data_without_a_json_form_is_refused(queue: Queue, make_message: MakeMessage, data: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        await queue.send([make_message(data=data)])
    assert (await depth(queue)).visible == 0
