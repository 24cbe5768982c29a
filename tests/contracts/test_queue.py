"""What every `Queue` does."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from core.ports.queue import Delivery, Queue, QueueDepth, QueueMessage

MakeMessage = Callable[..., QueueMessage]
OpenQueue = Callable[..., Queue]


class Traits(Protocol):
    """What one kind of queue promises beyond the port; see `conftest.QueueTraits`."""

    keeps_order: bool
    knows_ids: bool
    shortest_s: float


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
    assert (delivery.message, delivery.attempts, delivery.redriven_at) == (message, 1, None)


async def test_an_empty_queue_gives_nothing(queue: Queue) -> None:
    assert await take(queue) == ()
    await queue.send([])
    assert await depth(queue) == QueueDepth(visible=0, in_flight=0, dead=0, oldest_age_s=0.0)


async def test_nothing_is_taken_once_it_is_told_to_stop(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    stop = asyncio.Event()
    stop.set()
    assert await queue.receive(max_messages=1, wait_s=30, visibility_s=30, stop=stop) == ()
    assert ids(await take(queue)) == ["M"]


async def test_a_waiting_that_is_under_way_ends_soon_after_it_is_told_to_stop(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQS's long polls, of up to 20 s, are waited for; shorter ones save the test's time.
    monkeypatch.setattr("adapters.queue_sqs.LONGEST_POLL_S", 1)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, stop.set)
    begun = time.monotonic()
    assert await queue.receive(max_messages=1, wait_s=30, visibility_s=30, stop=stop) == ()
    assert time.monotonic() - begun < 10


async def test_the_oldest_come_first(queue: Queue, make_message: MakeMessage, traits: Traits) -> None:
    await queue.send([make_message(f"M{number}") for number in range(3)])
    await queue.send([make_message("A")])
    await queue.send([make_message("M3")])
    first, rest = ids(await take(queue, count=2)), ids(await take(queue, count=10))
    assert (len(first), sorted(first + rest)) == (2, ["A", "M0", "M1", "M2", "M3"])
    if traits.keeps_order:
        assert first + rest == ["M0", "M1", "M2", "A", "M3"]


async def test_a_received_message_is_hidden_until_its_visibility_ends(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (first,) = await take(queue, visibility_s=0.5)
    assert await take(queue) == ()
    (second,) = await take(queue, wait_s=5, visibility_s=30)
    assert (second.message, second.attempts) == (first.message, 2)
    assert second.receipt != first.receipt
    assert await take(queue) == ()


async def test_a_deleted_message_does_not_come_back(queue: Queue, make_message: MakeMessage, traits: Traits) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue, visibility_s=traits.shortest_s)
    await queue.delete(delivery)
    await queue.delete(delivery)
    await asyncio.sleep(traits.shortest_s + 0.01)
    assert await take(queue) == ()
    assert await depth(queue) == QueueDepth(visible=0, in_flight=0, dead=0, oldest_age_s=0.0)


async def test_extending_keeps_it_hidden(queue: Queue, make_message: MakeMessage, traits: Traits) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue, visibility_s=2 * traits.shortest_s)
    await queue.extend(delivery, visibility_s=30)
    await asyncio.sleep(2 * traits.shortest_s + 0.02)
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


async def test_an_overtaken_delivery_disturbs_nobody(queue: Queue, make_message: MakeMessage, traits: Traits) -> None:
    await queue.send([make_message("M")])
    (overtaken,) = await take(queue, visibility_s=traits.shortest_s)
    (holder,) = await take(queue, wait_s=5)
    await queue.retry_later(overtaken, delay_s=0)
    await queue.extend(overtaken, visibility_s=0)
    await queue.dead_letter(overtaken, reason="too slow")
    assert await take(queue) == ()
    assert (await depth(queue)).in_flight == 1
    await queue.delete(holder)
    assert (await depth(queue)).in_flight == 0


async def test_a_dead_letter_is_set_aside(queue: Queue, make_message: MakeMessage, traits: Traits) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue, visibility_s=traits.shortest_s)
    await queue.dead_letter(delivery, reason="the desk refused it")
    await asyncio.sleep(traits.shortest_s + 0.01)
    assert await take(queue) == ()
    found = await depth(queue)
    assert (found.visible, found.in_flight, found.dead) == (0, 0, 1)


async def bury(queue: Queue, *messages: QueueMessage) -> None:
    await queue.send(messages)
    for delivery in await take(queue, count=len(messages)):
        await queue.dead_letter(delivery, reason=f"{delivery.message.message_id} was refused\n\x00\ufffe")


async def test_dead_letters_tell_what_and_why(queue: Queue, make_message: MakeMessage) -> None:
    first, second = make_message("M1", data={"text": "çay 🫖"}), make_message("M2", type="aam.execution.v9")
    began = datetime.now(UTC) - timedelta(seconds=1)
    await queue.send([first])
    (delivery,) = await take(queue)
    await queue.retry_later(delivery, delay_s=0)
    (again,) = await take(queue, wait_s=5)
    await queue.dead_letter(again, reason="the desk refused it")
    await asyncio.sleep(0.01)
    await bury(queue, second)
    latest, earlier = await queue.dead_letters(10)
    assert (latest.message, latest.attempts) == (second, 1)
    assert latest.reason.startswith("M2 was refused")
    assert (earlier.message, earlier.reason, earlier.attempts) == (first, "the desk refused it", 2)
    assert began < earlier.at <= latest.at <= datetime.now(UTC)
    assert [letter.message for letter in await queue.dead_letters(1)] == [second]
    assert (await depth(queue)).dead == 2, "looking changes nothing"


async def test_a_long_reason_is_no_obstacle(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    (delivery,) = await take(queue)
    await queue.dead_letter(delivery, reason="é" * 100_000)
    (letter,) = await queue.dead_letters(10)
    assert letter.reason.startswith("é" * 500)


async def test_a_redriven_message_is_as_new(queue: Queue, make_message: MakeMessage) -> None:
    message = make_message("M1")
    await bury(queue, message, make_message("M2"))
    assert await queue.redrive("M1")
    assert not await queue.redrive("M1")
    assert not await queue.redrive("unknown")
    assert [letter.message.message_id for letter in await queue.dead_letters(10)] == ["M2"]
    (delivery,) = await take(queue, wait_s=5)
    assert (delivery.message, delivery.attempts) == (message, 1)
    assert delivery.redriven_at is not None
    assert abs(datetime.now(UTC) - delivery.redriven_at) < timedelta(seconds=20)
    await queue.retry_later(delivery, delay_s=0)
    (again,) = await take(queue, wait_s=5)
    assert (again.redriven_at, again.attempts) == (delivery.redriven_at, 2), "every delivery tells of it"
    await queue.dead_letter(again, reason="again")
    assert {letter.message.message_id: letter.reason for letter in await queue.dead_letters(10)}["M1"] == "again"


async def test_all_are_redriven(queue: Queue, make_message: MakeMessage) -> None:
    names = [f"M{number}" for number in range(13)]
    await bury(queue, *map(make_message, names))
    assert await queue.redrive_all() == 13
    assert await queue.redrive_all() == 0
    assert sorted(ids(await take(queue, count=20, wait_s=5))) == sorted(names)
    assert (await depth(queue)).dead == 0


@pytest.mark.parametrize("state", ["waiting", "in flight", "deleted", "dead"])
async def test_a_known_id_is_dropped_or_comes_again_under_the_same_id(
    queue: Queue, make_message: MakeMessage, traits: Traits, state: str
) -> None:
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
    received = [each.message for each in await take(queue)]
    assert after.dead == before.dead
    if traits.knows_ids:
        assert (after.visible, after.in_flight) == (before.visible, before.in_flight)
        assert received == ([first] if state == "waiting" else [])
    else:
        # Who receives it claims its steps by this id, so that the second one does nothing.
        assert {message.message_id for message in received} == {"M"}
        assert after.visible == before.visible + 1


async def test_one_send_with_the_same_id_twice_is_one_message(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M"), make_message("M"), make_message("N")])
    assert sorted(ids(await take(queue))) == ["M", "N"]


async def test_300_messages_sent_twice_are_done_once(queue: Queue, make_message: MakeMessage) -> None:
    """As every consumer does: what an id asks for is claimed before it is done."""
    messages = [make_message(f"M{number:03}") for number in range(300)]
    done: list[str] = []
    handled = 0
    all_sent = asyncio.Event()

    async def send() -> None:
        for start in range(0, 300, 50):
            await queue.send(messages[start : start + 50])
            await queue.send(messages[start : start + 50 : 10])
        all_sent.set()

    async def work() -> None:
        nonlocal handled
        while (deliveries := await take(queue, count=20, wait_s=1, visibility_s=60)) or not all_sent.is_set():
            for delivery in deliveries:
                if delivery.message.message_id not in done:
                    done.append(delivery.message.message_id)
            await asyncio.gather(*map(queue.delete, deliveries))
            handled += len(deliveries)

    async with asyncio.timeout(50):
        await asyncio.gather(send(), *(work() for _ in range(4)))
    assert sorted(done) == [message.message_id for message in messages]
    assert handled in (300, 330)
    assert await depth(queue) == QueueDepth(visible=0, in_flight=0, dead=0, oldest_age_s=0.0)


async def test_depth(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message(f"M{number}") for number in range(5)])
    waiting, buried, done = await take(queue, count=3)
    await queue.dead_letter(buried, reason="refused")
    await queue.delete(done)
    assert len({each.message.message_id for each in (waiting, buried, done)}) == 3
    later = datetime.now(UTC) + timedelta(seconds=20)
    found = await queue.depth(now=later)
    assert (found.visible, found.in_flight, found.dead) == (2, 1, 1)
    assert 20 <= found.oldest_age_s < 25
    await queue.delete(waiting)
    assert (await depth(queue)).in_flight == 0


async def test_what_is_put_off_has_no_age_until_it_is_due(queue: Queue, make_message: MakeMessage) -> None:
    await queue.send([make_message("M")])
    assert 39 < (await queue.depth(now=datetime.now(UTC) + timedelta(seconds=40))).oldest_age_s < 45
    (delivery,) = await take(queue)
    await queue.retry_later(delivery, delay_s=600)
    found = await queue.depth(now=datetime.now(UTC) + timedelta(seconds=40))
    assert (found.in_flight, found.oldest_age_s) == (1, 0.0)


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
    assert set(handled) == {f"{letter}{number}" for letter in "MN" for number in range(30)}


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
    assert [*{"M0", "M1", "M2"} - {held.message.message_id, buried.message.message_id}] == ids(await take(second))
    assert [letter.reason for letter in await second.dead_letters(5)] == ["refused"]
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
