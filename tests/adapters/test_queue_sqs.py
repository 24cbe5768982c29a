"""What is particular to the queue in SQS: its limits, partial failures, outages, polls, malformed texts, cancelling."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import NoCredentialsError

from adapters import queue_sqs, queue_sqs_walk
from adapters.queue_events import encode
from adapters.queue_sqs import LARGEST, SqsQueue
from adapters.queue_sqs_batches import BYTES, in_batches
from adapters.queue_sqs_connection import Raw
from adapters.queue_sqs_marks import attributes
from adapters.queue_sqs_setup import RECEIPTS, RETENTION_S, create_queues
from core.envelopes import unwrap_command
from core.errors import Invalid, QueueUnavailable, TooLarge
from core.ports.queue import MALFORMED, Delivery, QueueMessage
from tests.builders import build_message
from tests.sqs_server import connect, open_sqs_queue

THROTTLED = {"__type": "com.amazonaws.sqs#RequestThrottled", "message": "slow down"}


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[SqsQueue]:
    opened = open_sqs_queue(tmp_path, "executions", attempts=2)
    yield opened
    await opened.close()


class Wire:
    """What goes to SQS: it may be answered in SQS's place, or watched."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.sent: list[tuple[str, dict[str, Any]]] = []
        client.meta.events.register("before-send.sqs", self._before_send)
        self._answers: dict[str, list[tuple[int, Callable[[dict[str, Any]], dict[str, Any]]]]] = {}

    def answer(self, operation: str, status: int, body: Callable[[dict[str, Any]], dict[str, Any]], *, times: int):
        self._answers[operation] = [(status, body)] * times

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [params for name, params in self.sent if name == operation]

    def _before_send(self, request: Any, **_: Any) -> AWSResponse | None:
        name = request.headers["X-Amz-Target"].decode().partition(".")[2]
        asked = json.loads(request.body)
        self.sent.append((name, asked))
        if not self._answers.get(name):
            return None
        status, body = self._answers[name].pop()
        content = json.dumps(body(asked)).encode()
        answer = AWSResponse(request.url, status, {"content-type": "application/x-amz-json-1.0"}, None)
        answer._content = content
        return answer


def failing(*ids: str, sender_fault: bool = False, code: str = "InternalError") -> Callable[..., dict[str, Any]]:
    """An answer to a batch in which these entries failed and the others are only said to have succeeded."""

    def body(asked: dict[str, Any]) -> dict[str, Any]:
        entries = [entry["Id"] for entry in asked["Entries"]]
        return {
            "Successful": [{"Id": key} for key in entries if key not in ids],
            "Failed": [{"Id": key, "SenderFault": sender_fault, "Code": code} for key in ids],
        }

    return body


async def take(queue: SqsQueue, *, count: int = 10, wait_s: float = 0) -> tuple[Delivery, ...]:
    return await queue.receive(max_messages=count, wait_s=wait_s, visibility_s=30)


async def begin_to_poll(queue: SqsQueue) -> "asyncio.Task[tuple[Delivery, ...]]":
    polling = asyncio.create_task(take(queue, wait_s=20))
    async with asyncio.timeout(10):
        while not queue._sqs._waiting:
            await asyncio.sleep(0.01)
    # Until the call has reached the server.
    await asyncio.sleep(0.3)
    return polling


def send_raw(queue: SqsQueue, body: str) -> None:
    url = queue._sqs.client.get_queue_url(QueueName=queue._name)["QueueUrl"]
    queue._sqs.client.send_message(QueueUrl=url, MessageBody=body)


class TestBatches:
    async def test_300_messages_go_in_tens_and_are_deleted_in_tens(self, queue: SqsQueue) -> None:
        wire = Wire(queue._sqs.client)
        await queue.send([build_message(f"M{number}") for number in range(30)])
        assert [len(params["Entries"]) for params in wire.of("SendMessageBatch")] == [10, 10, 10]
        deliveries = await take(queue, count=30)
        assert len(deliveries) == 30
        await asyncio.gather(*map(queue.delete, deliveries))
        assert sum(len(params["Entries"]) for params in wire.of("DeleteMessageBatch")) == 30
        assert len(wire.of("DeleteMessageBatch")) <= 6

    def test_no_batch_is_larger_than_sqs_takes(self) -> None:
        batches = list(in_batches(["x" * 100_000] * 5 + ["y"] * 25))
        assert [len(batch) for batch in batches] == [2, 2, 10, 10, 6]
        assert all(sum(map(len, batch)) <= BYTES for batch in batches)

    async def test_large_messages_are_received_as_sent(self, queue: SqsQueue) -> None:
        messages = [build_message(f"M{n}", data={"text": "x" * 200_000}) for n in range(3)]
        await queue.send(messages)
        assert sorted(each.message.message_id for each in await take(queue)) == ["M0", "M1", "M2"]

    async def test_a_message_that_is_too_large_is_refused_and_nothing_sent(self, queue: SqsQueue) -> None:
        with pytest.raises(TooLarge, match="258,048"):
            await queue.send([build_message("M"), build_message("L", data={"text": "x" * LARGEST})])
        assert (await queue.depth(now=datetime.now(UTC))).visible == 0

    async def test_what_failed_of_a_batch_is_sent_again_alone(self, queue: SqsQueue) -> None:
        wire = Wire(queue._sqs.client)
        wire.answer("SendMessageBatch", 200, failing("1", "3"), times=1)
        await queue.send([build_message(f"M{number}") for number in range(5)])
        first, second = wire.of("SendMessageBatch")
        assert [entry["Id"] for entry in first["Entries"]] == ["0", "1", "2", "3", "4"]
        assert [entry["Id"] for entry in second["Entries"]] == ["1", "3"]
        assert sorted(each.message.message_id for each in await take(queue)) == ["M1", "M3"]

    async def test_what_keeps_failing_is_unavailable(self, queue: SqsQueue) -> None:
        wire = Wire(queue._sqs.client)
        wire.answer("SendMessageBatch", 200, failing("1"), times=99)
        with pytest.raises(QueueUnavailable):
            await queue.send([build_message("M0"), build_message("M1")])
        assert len(wire.of("SendMessageBatch")) == 4

    async def test_one_delete_that_fails_leaves_the_others_confirmed(self, queue: SqsQueue) -> None:
        await queue.send([build_message(f"M{number}") for number in range(3)])
        deliveries = await take(queue)
        wire = Wire(queue._sqs.client)
        wire.answer("DeleteMessageBatch", 200, failing("0"), times=4)
        results = await asyncio.gather(*map(queue.delete, deliveries), return_exceptions=True)
        assert [type(result) for result in results] == [QueueUnavailable, type(None), type(None)]

    async def test_a_refused_receipt_disturbs_nobody(self, queue: SqsQueue) -> None:
        await queue.send([build_message("M")])
        (delivery,) = await take(queue)
        wire = Wire(queue._sqs.client)
        gone = failing("0", sender_fault=True, code="ReceiptHandleIsInvalid")
        wire.answer("ChangeMessageVisibilityBatch", 200, gone, times=1)
        await queue.extend(delivery, visibility_s=10)
        await queue.extend(delivery, visibility_s=10)
        assert len(wire.of("ChangeMessageVisibilityBatch")) == 1, "it is not in hand any more"

    async def test_a_cancelled_delete_still_happens(self, queue: SqsQueue) -> None:
        await queue.send([build_message("M")])
        (delivery,) = await take(queue)
        task = asyncio.create_task(queue.delete(delivery))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        async with asyncio.timeout(10):
            while (await queue.depth(now=datetime.now(UTC))).in_flight:
                await asyncio.sleep(0.02)


class TestOutages:
    async def test_throttling_is_waited_out(self, queue: SqsQueue) -> None:
        wire = Wire(queue._sqs.client)
        wire.answer("SendMessageBatch", 400, lambda _: THROTTLED, times=1)
        await queue.send([build_message("M")])
        assert len(wire.of("SendMessageBatch")) == 2
        assert len(await take(queue)) == 1

    @pytest.mark.parametrize(("status", "body"), [(400, THROTTLED), (503, {"__type": "ServiceUnavailable"})])
    async def test_after_that_it_is_unavailable(self, queue: SqsQueue, status: int, body: dict[str, Any]) -> None:
        await queue.depth(now=datetime.now(UTC))
        wire, polls = Wire(queue._sqs.client), Wire(queue._sqs._poller)
        wire.answer("SendMessageBatch", status, lambda _: body, times=99)
        polls.answer("ReceiveMessage", status, lambda _: body, times=99)
        with pytest.raises(QueueUnavailable):
            await queue.send([build_message("M")])
        with pytest.raises(QueueUnavailable):
            await take(queue)
        assert len(wire.of("SendMessageBatch")) == len(polls.of("ReceiveMessage")) == 2

    async def test_a_server_that_is_not_there_is_unavailable(self) -> None:
        queue = SqsQueue(connect(attempts=1, endpoint_url="http://127.0.0.1:9", timeout_s=0.5), "none")
        for call in (queue.send([build_message("M")]), take(queue), queue.depth(now=datetime.now(UTC))):
            with pytest.raises(QueueUnavailable):
                await call
        await queue.close()

    async def test_a_missing_queue_says_what_to_do(self, caplog: pytest.LogCaptureFixture) -> None:
        queue = SqsQueue(connect(attempts=1), "no-such-queue")
        with pytest.raises(QueueUnavailable):
            await queue.send([build_message("M")])
        (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert "no-such-queue" in record.getMessage()
        assert "aam queue create" in record.getMessage()
        await queue.close()

    async def test_a_denied_call_says_what_to_do(self, queue: SqsQueue, caplog: pytest.LogCaptureFixture) -> None:
        wire = Wire(queue._sqs.client)
        denied = {"__type": "AccessDeniedException", "message": "not for you"}
        wire.answer("SendMessageBatch", 403, lambda _: denied, times=1)
        with pytest.raises(QueueUnavailable):
            await queue.send([build_message("M")])
        assert "role" in next(each.getMessage() for each in caplog.records if each.levelno == logging.ERROR)

    async def test_missing_credentials_say_what_to_do(
        self, queue: SqsQueue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(**_: Any) -> None:
            raise NoCredentialsError

        monkeypatch.setattr(queue._sqs.client, "get_queue_url", fail)
        with pytest.raises(QueueUnavailable):
            await queue.depth(now=datetime.now(UTC))
        assert "credentials" in caplog.text

    async def test_what_was_received_is_given_out_though_the_rest_fails(self, queue: SqsQueue) -> None:
        await queue.send([build_message(f"M{number}") for number in range(15)])
        wire = Wire(queue._sqs._poller)
        poll = queue._sqs.poll

        async def failing_later(*arguments: Any, **options: Any) -> list[Raw]:
            found = await poll(*arguments, **options)
            wire.answer("ReceiveMessage", 503, lambda _: {"__type": "ServiceUnavailable"}, times=9)
            return found

        queue._sqs.poll = failing_later  # pyright: ignore[reportAttributeAccessIssue]
        assert len(await take(queue, count=15)) == 10


class TestPolls:
    async def test_polls_hold_up_no_other_call(self, queue: SqsQueue) -> None:
        await queue.depth(now=datetime.now(UTC))
        polls = [asyncio.create_task(take(queue, wait_s=20)) for _ in range(12)]
        await asyncio.sleep(0.3)
        began = time.monotonic()
        found = await asyncio.gather(*(queue.depth(now=datetime.now(UTC)) for _ in range(5)))
        assert time.monotonic() - began < 5
        assert len(found) == 5
        assert not any(poll.done() for poll in polls)
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)

    async def test_closing_ends_a_poll_at_once(self, tmp_path: Path) -> None:
        queue = open_sqs_queue(tmp_path, "executions")
        polling = await begin_to_poll(queue)
        began = time.monotonic()
        await queue.close()
        assert await polling == ()
        assert time.monotonic() - began < 3
        with pytest.raises(QueueUnavailable):
            await take(queue)

    async def test_what_comes_after_cancelling_is_handed_back(self, tmp_path: Path, queue: SqsQueue) -> None:
        polling = await begin_to_poll(queue)
        began = time.monotonic()
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        assert time.monotonic() - began < 1, "cancelling does not wait for the poll"
        other = open_sqs_queue(tmp_path, "executions")
        await other.send([build_message("M")])
        # The abandoned poll may get it first, and would hide it for 30 s.
        async with asyncio.timeout(15):
            while not (found := await take(other, wait_s=1)):
                pass
        assert found[0].message.message_id == "M"
        await other.close()

    async def test_a_poll_survives_the_end_of_its_event_loop(self, tmp_path: Path) -> None:
        def once() -> None:
            async def start() -> None:
                queue = open_sqs_queue(tmp_path, "executions")
                polling = asyncio.create_task(take(queue, wait_s=2))
                await asyncio.sleep(0.2)
                polling.cancel()

            asyncio.run(start())

        with ThreadPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, once)
        queue = open_sqs_queue(tmp_path, "executions")
        await queue.send([build_message("M")])
        async with asyncio.timeout(15):
            while not await take(queue, wait_s=1):
                pass
        await queue.close()


class TestMalformed:
    @pytest.mark.parametrize("body", ["this is no event", json.dumps({"specversion": "9", "id": "EXE_9", "data": {}})])
    async def test_it_is_delivered_set_aside_and_put_back_as_it_came(self, queue: SqsQueue, body: str) -> None:
        send_raw(queue, body)
        (delivery,) = await take(queue)
        message = delivery.message
        assert (message.type, message.data["text"]) == (MALFORMED, body)
        with pytest.raises(Invalid) as refused:
            unwrap_command(message)
        await queue.dead_letter(delivery, reason=refused.value.detail)
        (letter,) = await queue.dead_letters(10)
        assert (letter.message.message_id, letter.message.data) == (message.message_id, message.data)
        assert letter.reason == refused.value.detail
        assert await queue.redrive(message.message_id)
        (again,) = await take(queue, wait_s=5)
        assert again.message.data["text"] == body

    async def test_a_person_can_erase_it(self, queue: SqsQueue) -> None:
        send_raw(queue, 'cut off {"resident": "RES_A_101"')
        (delivery,) = await take(queue)
        assert await queue.erase(['"RES_A_101"']) == 1
        await queue.dead_letter(delivery, reason="?")
        assert await queue.erase(['"RES_A_101"']) == 0
        assert await queue.dead_letters(10) == ()


class TestErasing:
    async def test_what_is_looked_at_is_shown_again_before_the_next_page(self, queue: SqsQueue) -> None:
        await queue.send([build_message(f"M-{number}", data={"resident": "RES_A_101"}) for number in range(15)])
        read = queue_sqs_walk.glance(queue._sqs, await queue._url())
        assert (await anext(read))["Body"]
        found = [*await take(queue), *await take(queue)]
        assert len(found) == 15, "nobody waits for what is looked at"
        await read.aclose()

    async def test_it_ends_under_traffic(self, queue: SqsQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        pages = 0

        async def always_new(*_: Any) -> list[Raw]:
            nonlocal pages
            pages += 1
            body = encode(build_message(f"M-{pages}", data={"resident": "RES_A_101"}))
            sent = {"SentTimestamp": "1772452800000"}
            return [{"MessageId": f"{pages}", "ReceiptHandle": f"{pages}", "Body": body, "Attributes": sent}]

        async def shown(*_: Any) -> None:
            return None

        monkeypatch.setattr(queue_sqs_walk, "_next", always_new)
        monkeypatch.setattr(queue_sqs_walk, "_show", shown)
        assert await queue._visible_with(['"RES_A_101"']) == {f"{number + 1}" for number in range(20)}


class TestDeadLetters:
    async def test_a_kill_between_sending_and_deleting_loses_nothing(self, queue: SqsQueue) -> None:
        await queue.send([build_message("M")])
        (delivery,) = await take(queue)
        wire = Wire(queue._sqs.client)
        wire.answer("DeleteMessageBatch", 503, lambda _: {"__type": "ServiceUnavailable"}, times=99)
        with pytest.raises(QueueUnavailable):
            await queue.dead_letter(delivery, reason="refused")
        found = await queue.depth(now=datetime.now(UTC))
        assert (found.in_flight, found.dead) == (1, 1)

    async def test_a_letter_that_is_there_twice_is_one(self, queue: SqsQueue) -> None:
        await queue.send([build_message("M")])
        await queue.send([build_message("M")])
        for number, delivery in enumerate(await take(queue)):
            await queue.dead_letter(delivery, reason=f"refused {number}")
            await asyncio.sleep(0.01)
        assert [letter.reason for letter in await queue.dead_letters(10)] == ["refused 1"]
        assert await queue.redrive("M")
        assert len(await take(queue)) == 1
        assert await queue.dead_letters(10) == ()

    async def test_what_sqs_moved_itself_is_told_of(self, queue: SqsQueue) -> None:
        await queue.send([build_message("M")])
        url = await queue._url()
        policy = json.loads(
            queue._sqs.client.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"][
                "RedrivePolicy"
            ]
        )
        assert policy["maxReceiveCount"] == RECEIPTS
        queue._sqs.client.set_queue_attributes(
            QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy | {"maxReceiveCount": 2})}
        )
        for _ in range(2):
            (delivery,) = await take(queue)
            await queue.retry_later(delivery, delay_s=0)
            await asyncio.sleep(0.01)
        assert await take(queue) == ()
        (letter,) = await queue.dead_letters(10)
        assert letter.message == build_message("M")
        assert "SQS moved it" in letter.reason
        assert await queue.redrive("M")


class TestRenewal:
    async def test_what_is_put_off_very_often_is_sent_anew_before_sqs_sets_it_aside(
        self, queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queue_sqs, "RENEWED_AFTER", 3)
        await queue.send([build_message("M")])
        (first,) = await take(queue)
        await queue.dead_letter(first, reason="refused")
        await queue.redrive("M")
        began = datetime.now(UTC)
        seen: list[Delivery] = []
        for _ in range(8):
            (delivery,) = await take(queue, wait_s=3)
            seen.append(delivery)
            await queue.retry_later(delivery, delay_s=0)
        assert [delivery.attempts for delivery in seen] == [1, 2, 3, 4, 5, 6, 7, 8]
        assert len({delivery.receipt.split()[0] for delivery in seen}) == 3, "three copies, one after another"
        assert all(delivery.message == first.message for delivery in seen)
        assert len({delivery.redriven_at for delivery in seen}) == 1
        assert seen[-1].redriven_at is not None
        found = await queue.depth(now=began + timedelta(seconds=100))
        assert (found.visible, found.in_flight, found.dead) == (1, 0, 0)
        assert found.oldest_age_s > 60, "due since it was put off for no time at all"

    async def test_a_delay_is_kept_when_it_is_sent_anew(self, queue: SqsQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queue_sqs, "RENEWED_AFTER", 1)
        await queue.send([build_message("M")])
        (delivery,) = await take(queue)
        wire = Wire(queue._sqs.client)
        await queue.retry_later(delivery, delay_s=36_000)
        assert wire.of("SendMessage")[0]["DelaySeconds"] == 900
        assert await take(queue) == ()

    async def test_marks_of_others_are_read_with_care(self, queue: SqsQueue) -> None:
        url = await queue._url()
        marks = {"attempts_before": "-7", "first_sent_at": "long ago", "redriven_at": "2026-03-01T12:00:00"}
        queue._sqs.client.send_message(QueueUrl=url, MessageBody="?", MessageAttributes=attributes(marks))
        (delivery,) = await take(queue)
        assert (delivery.attempts, delivery.redriven_at) == (1, None)


class TestKnowledge:
    async def test_what_is_in_hand_or_was_put_off_has_no_age_until_it_is_due(self, queue: SqsQueue) -> None:
        await queue.send([build_message("M")])
        later = datetime.now(UTC) + timedelta(seconds=100)
        assert 99 < (await queue.depth(now=later)).oldest_age_s < 105
        (delivery,) = await take(queue)
        assert (await queue.depth(now=later)).oldest_age_s == 0
        await queue.retry_later(delivery, delay_s=600)
        assert (await queue.depth(now=later)).oldest_age_s == 0, "while it rests, too"
        await queue.send([build_message("N")])
        (other,) = await take(queue)
        await queue.retry_later(other, delay_s=0)
        assert 90 < (await queue.depth(now=later)).oldest_age_s <= 100
        await queue.delete(other)
        await queue.delete(delivery)
        assert (await queue.depth(now=later)).oldest_age_s == 0

    async def test_the_age_of_what_others_sent_counts_from_when_it_was_known(
        self, tmp_path: Path, queue: SqsQueue
    ) -> None:
        await queue.send([build_message("M")])
        other = open_sqs_queue(tmp_path, "executions")
        began = datetime.now(UTC)
        await other.depth(now=began)
        found = await other.depth(now=began + timedelta(seconds=50))
        assert 45 < found.oldest_age_s <= 50
        await other.close()

    async def test_sqs_hides_for_twelve_hours_at_most(self, queue: SqsQueue) -> None:
        await queue.send([build_message("M")])
        (delivery,) = await take(queue)
        wire = Wire(queue._sqs.client)
        await queue.retry_later(delivery, delay_s=10**6)
        (asked,) = wire.of("ChangeMessageVisibilityBatch")
        assert 43_100 < asked["Entries"][0]["VisibilityTimeout"] < 43_200

    async def test_other_events_than_ours_are_delivered(self, queue: SqsQueue) -> None:
        await queue.send([QueueMessage("M", "com.example.v1", {}, datetime.now(UTC), "c")])
        assert [each.message.type for each in await take(queue)] == ["com.example.v1"]


async def test_the_queues_are_made_once_and_kept_as_they_are() -> None:
    sqs = connect()
    assert create_queues(sqs.client, "made-once", ["executions", "webhooks"]) == [
        "made-once-executions-dead",
        "made-once-executions",
        "made-once-webhooks-dead",
        "made-once-webhooks",
    ]
    url = sqs.client.get_queue_url(QueueName="made-once-executions")["QueueUrl"]
    sqs.client.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77"})
    assert create_queues(sqs.client, "made-once", ["executions", "webhooks"]) == []
    found = sqs.client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (found["VisibilityTimeout"], found["MessageRetentionPeriod"]) == ("77", str(RETENTION_S))
    assert found["SqsManagedSseEnabled"] == "true"
    policy = json.loads(found["RedrivePolicy"])
    assert (policy["maxReceiveCount"], policy["deadLetterTargetArn"][-4:]) == (1000, "dead")
    await sqs.close()
