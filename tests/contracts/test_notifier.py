"""The contract of `Notifier` over every document store: the inbox, what is due, alerts and erasure."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.message_templates import JinjaTemplates
from core.erasure import ERASED, ErasureScope
from core.errors import Invalid, InvalidCursor, NotFound, StoreUnavailable
from core.execution import Notification
from core.execution_labels import ChannelName, NoticeKind
from core.labels import Role, Urgency
from core.notices import NotificationPreferences, of_person, of_resident
from core.ports.documents import DocumentStore
from core.ports.execution import Notifier
from core.request import RequestId, ResidentId
from deployments.execution.notices.notifier import Notices
from deployments.execution.notices.pushing import NoticeSweeper
from tests.clock import ManualClock
from tests.deployments.execution.notices.conftest import KEY, Post, Postbox

NOW = datetime(2026, 3, 1, 17, tzinfo=UTC)
RESIDENT = "RES_A_101"
SCOPE = ErasureScope(RESIDENT, ResidentId("RES_ERASED_0123456789abcdef"), frozenset({"REQ_1"}))
Open = Callable[[], Notices]


def message(recipient: str = "RES_1", body: str = "hello", request_id: str | None = None) -> Notification:
    about = None if request_id is None else RequestId(request_id)
    return Notification(recipient_kind="resident", recipient=recipient, subject="Word", body=body, request_id=about)


ALERT = Notification(
    recipient_kind="on_call",
    recipient="BLD_A",
    role=Role.STAFF,
    subject="Gas",
    body="Smell of gas in 101",
    urgency=Urgency.EMERGENCY,
    request_id=RequestId("REQ_1"),
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def sms() -> Postbox:
    return Postbox(ChannelName.SMS)


@pytest.fixture
def open_notifier(open_documents: Callable[[], DocumentStore], clock: ManualClock, sms: Postbox) -> Open:
    """Opens the same notifier again, as another process would."""
    posts = [Post("concierge", "ann"), Post("supervisor", "bob"), Post("manager", "cyd")]

    def open_again() -> Notices:
        return Notices(
            open_documents(), {sms.name: sms}, JinjaTemplates(), lambda _, __: posts,
            zone="America/New_York", public_url=None, key=KEY, clock=clock,
        )  # fmt: skip

    return open_again


@pytest.fixture
def notifier(open_notifier: Open) -> Notices:
    return open_notifier()


async def settle(notifier: Notices) -> None:
    sweeper = NoticeSweeper(notifier)
    while await sweeper.sweep():
        pass


async def test_what_was_sent_can_be_read_as_it_was(notifier: Notices) -> None:
    port: Notifier = notifier
    sent_id = await port.send(ALERT, idempotency_key="EXE_1:0", now=NOW)
    (delivered,) = (await port.sent(recipient=None, limit=10, cursor=None)).items
    assert delivered.notification == ALERT
    assert (delivered.notification_id, delivered.at, delivered.channel) == (sent_id, NOW, "inbox")
    assert delivered.acknowledged_by is None
    assert await port.find_sent(sent_id) == delivered


async def test_the_same_key_is_one_message(open_notifier: Open) -> None:
    notifiers = [open_notifier(), open_notifier()]
    ids = await asyncio.gather(*(each.send(message(), idempotency_key="k", now=NOW) for each in notifiers * 10))
    assert len(set(ids)) == 1
    assert len((await notifiers[0].sent(recipient=None, limit=50, cursor=None)).items) == 1
    assert await notifiers[0].send(message(), idempotency_key="other", now=NOW) != ids[0]


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_pages_hold_each_message_once_newest_first(notifier: Notices, limit: int) -> None:
    moments = [NOW + timedelta(microseconds=n) for n in range(7)]
    ids = [await notifier.send(message(f"RES_{n % 2}"), idempotency_key=f"k{n}", now=moments[n]) for n in range(7)]

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


async def test_a_cursor_that_this_list_did_not_give_is_refused(notifier: Notices) -> None:
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


async def test_of_many_acknowledgements_at_once_one_stays(open_notifier: Open) -> None:
    notifiers = [open_notifier() for _ in range(3)]
    sent_id = await notifiers[0].send(ALERT, idempotency_key="k", now=NOW)
    taken = await asyncio.gather(
        *(each.acknowledge(sent_id, by=f"p{n}", now=NOW) for n, each in enumerate(notifiers * 3))
    )
    assert len({each.acknowledged_by for each in taken}) == 1


@pytest.mark.parametrize("wrong", ["", "NTF-", "NTF-0", "1", "NTF-x", "WO-1", "NTF-" + "0" * 20])
async def test_an_unknown_message_can_not_be_acknowledged(notifier: Notices, wrong: str) -> None:
    await notifier.send(ALERT, idempotency_key="k", now=NOW)
    assert await notifier.find_sent(wrong) is None
    with pytest.raises(NotFound):
        await notifier.acknowledge(wrong, by="ann", now=NOW)


async def test_a_closed_notifier_is_unavailable(notifier: Notices) -> None:
    await notifier.close()
    with pytest.raises(StoreUnavailable):
        await notifier.send(ALERT, idempotency_key="k", now=NOW)


async def test_an_unknown_event_is_refused(notifier: Notices) -> None:
    with pytest.raises(Invalid):
        await notifier.send(message().model_copy(update={"event": "x"}), idempotency_key="k", now=NOW)


async def test_the_third_person_is_told_when_two_do_not_answer(
    open_notifier: Open, clock: ManualClock, sms: Postbox
) -> None:
    notifier = open_notifier()
    for number, person in enumerate(("ann", "bob", "cyd")):
        await notifier.choose_preferences(of_person(person), NotificationPreferences(phone=f"+1212555010{number}"))
    sent_id = await notifier.send(ALERT, idempotency_key="k", now=clock())
    for _ in range(3):
        await settle(open_notifier())
        clock.advance(300)
    await notifier.acknowledge(sent_id, by="cyd", now=clock())
    await settle(open_notifier())
    found = await notifier.find_sent(sent_id)
    assert found is not None
    assert [step.person for step in found.ladder] == ["ann", "bob", "cyd"]
    assert [each.address[-1] for each in sms.taken] == ["0", "1", "2"]
    assert {each.status for each in found.deliveries} == {"sent"}


async def test_what_is_due_is_done_by_one_of_many(open_notifier: Open, sms: Postbox) -> None:
    notifier = open_notifier()
    chosen = NotificationPreferences(phone="+12125550100", channels={NoticeKind.REQUEST: (ChannelName.SMS,)})
    await notifier.choose_preferences(of_resident("RES_1"), chosen)
    for number in range(10):
        await notifier.send(message(), idempotency_key=str(number), now=NOW)
    sweepers = [NoticeSweeper(open_notifier()) for _ in range(3)]
    for _ in range(4):
        await asyncio.gather(*(each.sweep() for each in sweepers))
    assert len(sms.taken) == len({each.message_id for each in sms.taken}) == 10


async def test_erased_messages_lose_words_wishes_and_what_waits(
    notifier: Notices, clock: ManualClock, sms: Postbox, tmp_path: Path
) -> None:
    wishes = NotificationPreferences(
        phone="+12125550100",
        channels={NoticeKind.REQUEST: (ChannelName.SMS,)},
        digest=frozenset({NoticeKind.REQUEST}),
    )
    await notifier.choose_preferences(of_resident(RESIDENT), wishes)
    title = {"title": "zebrafinch"}
    worded = message(RESIDENT).model_copy(update={"event": "work_started", "fields": title})
    sent = [
        message(RESIDENT, "zebrafinch"), ALERT.model_copy(update={"body": "zebrafinch"}), worded,
        Notification(recipient_kind="staff_role", recipient="staff", subject="zebrafinch", body="x",
                     request_id=RequestId("REQ_1")),
    ]  # fmt: skip
    own = [await notifier.send(each, idempotency_key=str(n), now=NOW) for n, each in enumerate(sent)]
    other = await notifier.send(message("RES_A_1010", "zebrafinch", "REQ_11"), idempotency_key="kept", now=NOW)
    for _ in range(2):
        assert set(await notifier.erase(SCOPE)) == set(own)
    page = await notifier.sent(recipient=SCOPE.pseudonym, limit=10, cursor=None)
    assert {(one.notification_id, one.notification.body) for one in page.items} == {
        (own[0], ERASED), (own[2], ERASED),
    }  # fmt: skip
    assert (await notifier.sent(recipient=RESIDENT, limit=10, cursor=None)).items == ()
    assert (await notifier.preferences(of_resident(RESIDENT))).version == 0
    told = len(sms.taken)
    for _ in range(3):
        clock.advance(86_400)
        await settle(notifier)
    assert len(sms.taken) == told == 0
    kept = await notifier.find_sent(other)
    assert kept is not None
    assert kept.notification.body == "zebrafinch"
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert content.count(b"zebrafinch") <= 1
    assert f'"{RESIDENT}"'.encode() not in content
    assert b"+12125550100" not in content


async def test_a_digest_that_was_sent_loses_its_words_too(
    notifier: Notices, clock: ManualClock, sms: Postbox, tmp_path: Path
) -> None:
    wishes = {"phone": "+12125550100", "channels": {"request": ["sms"]}, "digest": ["request"]}
    await notifier.choose_preferences(of_resident(RESIDENT), NotificationPreferences.model_validate(wishes))
    sent_id = await notifier.send(message(RESIDENT, "zebrafinch"), idempotency_key="k", now=NOW)
    clock.advance(86_400)
    await settle(notifier)
    assert "zebrafinch" in sms.taken[0].body
    assert await notifier.erase(SCOPE) == (sent_id,)
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"zebrafinch" not in content
    assert RESIDENT.encode() not in content
