"""The contract of `Notifier`, on every implementation, and of its acknowledgements where it keeps an inbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.desk_database import open_desk_database
from adapters.notify_inbox import InboxNotifier
from core.errors import InvalidCursor, NotFound, SystemUnavailable
from core.labels import Role, Urgency
from core.messages import Notification
from core.request import RequestId
from deployments.execution.operations import Inbox

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Open = Callable[[], Inbox]


def message(recipient: str = "RES_1", body: str = "hello") -> Notification:
    return Notification(recipient_kind="resident", recipient=recipient, subject="Word", body=body)


ALERT = Notification(
    recipient_kind="on_call",
    recipient="BLD_A",
    role=Role.STAFF,
    subject="Gas",
    body="Smell of gas in 101",
    urgency=Urgency.EMERGENCY,
    request_id=RequestId("REQ_1"),
)


@pytest.fixture(params=["inbox"])
async def open_notifier(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same notifier again, as another process would."""
    opened: list[Inbox] = []

    def open_again() -> Inbox:
        makers: dict[str, Open] = {"inbox": lambda: InboxNotifier(open_desk_database(tmp_path / "desk.sqlite3"))}
        opened.append(makers[request.param]())
        return opened[-1]

    yield open_again
    for notifier in opened:
        await notifier.close()


@pytest.fixture
def notifier(open_notifier: Open) -> Inbox:
    return open_notifier()


async def test_what_was_sent_can_be_read_as_it_was(notifier: Inbox) -> None:
    sent_id = await notifier.send(ALERT, idempotency_key="EXE_1:0", now=NOW)
    (delivered,) = (await notifier.sent(recipient=None, limit=10, cursor=None)).items
    assert delivered.notification == ALERT
    assert (delivered.notification_id, delivered.at, delivered.channel) == (sent_id, NOW, "inbox")
    assert delivered.acknowledged_by is None


async def test_another_channel_is_not_claimed_to_have_been_used(notifier: Inbox) -> None:
    wished = message().model_copy(update={"channel": "sms"})
    await notifier.send(wished, idempotency_key="k", now=NOW)
    (delivered,) = (await notifier.sent(recipient="RES_1", limit=10, cursor=None)).items
    assert delivered.channel == "inbox"


async def test_the_same_key_is_one_message(open_notifier: Open) -> None:
    notifiers = [open_notifier(), open_notifier()]
    ids = await asyncio.gather(*(each.send(message(), idempotency_key="k", now=NOW) for each in notifiers * 10))
    assert len(set(ids)) == 1
    assert len((await notifiers[0].sent(recipient=None, limit=50, cursor=None)).items) == 1
    assert await notifiers[0].send(message(), idempotency_key="other", now=NOW) != ids[0]


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_pages_hold_each_message_once_newest_first(notifier: Inbox, limit: int) -> None:
    ids = [await notifier.send(message(f"RES_{n % 2}"), idempotency_key=f"k{n}", now=NOW) for n in range(7)]

    async def walk(recipient: str | None) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = await notifier.sent(recipient=recipient, limit=limit, cursor=cursor)
            assert len(page.items) <= limit
            found += [delivered.notification_id for delivered in page.items]
            if page.next_cursor is None:
                return found
            cursor = page.next_cursor

    assert await walk(None) == ids[::-1]
    assert await walk("RES_1") == [ids[5], ids[3], ids[1]]
    assert await walk("RES_9") == []


async def test_a_cursor_that_this_list_did_not_give_is_refused(notifier: Inbox) -> None:
    for n in range(3):
        await notifier.send(message(), idempotency_key=f"k{n}", now=NOW)
    page = await notifier.sent(recipient=None, limit=1, cursor=None)
    for recipient, cursor in ((None, "garbage"), (None, ""), ("RES_1", page.next_cursor)):
        with pytest.raises(InvalidCursor):
            await notifier.sent(recipient=recipient, limit=1, cursor=cursor)


async def test_the_first_acknowledgement_stays(open_notifier: Open) -> None:
    notifier = open_notifier()
    sent_id = await notifier.send(ALERT, idempotency_key="k", now=NOW)
    first = await notifier.acknowledge(sent_id, by="ann", now=NOW + timedelta(minutes=2))
    assert (first.acknowledged_by, first.acknowledged_at) == ("ann", NOW + timedelta(minutes=2))
    assert await open_notifier().acknowledge(sent_id, by="bob", now=NOW + timedelta(minutes=3)) == first
    assert (await notifier.sent(recipient="BLD_A", limit=1, cursor=None)).items == (first,)


@pytest.mark.parametrize("wrong", ["", "NTF-", "NTF-0", "NTF-2", "1", "NTF-x", "WO-1"])
async def test_an_unknown_message_can_not_be_acknowledged(notifier: Inbox, wrong: str) -> None:
    await notifier.send(ALERT, idempotency_key="k", now=NOW)
    with pytest.raises(NotFound):
        await notifier.acknowledge(wrong, by="ann", now=NOW)


async def test_a_closed_notifier_is_unavailable(notifier: Inbox) -> None:
    await notifier.close()
    with pytest.raises(SystemUnavailable):
        await notifier.send(ALERT, idempotency_key="k", now=NOW)
