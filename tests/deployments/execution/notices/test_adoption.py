"""Messages of an earlier release's inbox stay where people look for them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from adapters.desk_database import open_desk_database
from adapters.notify_inbox import InboxNotifier
from core.erasure import ERASED, ErasureScope
from core.ports.execution import DeliveredNotification
from core.ports.page import Page
from core.request import ResidentId
from deployments.execution.notices.adoption import InboxAdoption, adopt_inbox
from tests.deployments.execution.notices.conftest import NOON, House, alert, message

SCOPE = ErasureScope("RES_1", ResidentId("RES_ERASED_0123456789abcdef"), frozenset())


async def test_an_old_inbox_is_taken_over_once(house: House, tmp_path: Path) -> None:
    old = InboxNotifier(open_desk_database(tmp_path / "desk.sqlite3"))
    await house.choose("RES_1", email="ada@example.com")
    for number in range(230):
        await old.send(message(body=f"{number}"), idempotency_key=f"{number}", now=NOON + timedelta(seconds=number))
    alert_id = await old.send(alert(), idempotency_key="alert", now=NOON)
    await old.acknowledge(alert_id, by="ann", now=NOON)
    assert await adopt_inbox(old, house.documents) == 231
    assert await adopt_inbox(old, house.documents) == 0
    assert (await old.sent(recipient=None, limit=5, cursor=None)).items == ()
    await old.close()
    found = await house.notices.find_sent(alert_id)
    assert found is not None
    assert (found.acknowledged_by, found.notification) == ("ann", alert())
    page = await house.notices.sent(recipient="RES_1", limit=2, cursor=None)
    assert [each.notification.body for each in page.items] == ["229", "228"]
    await house.settle()
    assert house.mail.taken == []
    assert (await house.notices.acknowledge(alert_id, by="bob", now=NOON)).acknowledged_by == "ann"


async def test_nothing_of_the_old_inbox_is_left_on_the_disk(house: House, tmp_path: Path) -> None:
    database = open_desk_database(tmp_path / "desk.sqlite3")
    old = InboxNotifier(database)
    for number in range(30):
        await old.send(message(body=f"zebrafinch {number}"), idempotency_key=f"RES_1:{number}", now=NOON)
    await adopt_inbox(old, house.documents)
    await old.close()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("desk*"))
    assert b"zebrafinch" not in content
    assert b"RES_1" not in content


async def test_a_kill_between_emptying_and_overwriting_is_made_good(house: House, tmp_path: Path) -> None:
    database = open_desk_database(tmp_path / "desk.sqlite3")
    old = InboxNotifier(database)
    await old.send(message(body="zebrafinch"), idempotency_key="k", now=NOON)
    await old.take_out(["NTF-1"])
    assert (await old.sent(recipient=None, limit=5, cursor=None)).items == ()
    assert await old.find_sent("NTF-1") is None
    await adopt_inbox(old, house.documents)
    count = database.read(lambda connection: connection.execute("SELECT count(*) FROM notifications").fetchone()[0])
    await old.close()
    assert count == 0
    assert b"zebrafinch" not in b"".join(path.read_bytes() for path in tmp_path.glob("desk*"))


async def test_what_was_not_adopted_yet_is_erased_too(house: House, tmp_path: Path) -> None:
    old = InboxNotifier(open_desk_database(tmp_path / "desk.sqlite3"))
    sent_id = await old.send(message(body="zebrafinch"), idempotency_key="k", now=NOON)
    adoption = InboxAdoption(old, house.documents)
    notices, _ = house.replica(adoption=adoption)
    assert await notices.erase(SCOPE) == (sent_id,)
    await adoption.run()
    await old.close()
    assert (await notices.sent(recipient="RES_1", limit=5, cursor=None)).items == ()
    found = await notices.find_sent(sent_id)
    assert found is not None
    assert (found.notification.recipient, found.notification.body) == (SCOPE.pseudonym, ERASED)
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"zebrafinch" not in content


async def test_what_another_replica_adopts_late_does_not_bring_back_what_was_erased(
    house: House, tmp_path: Path
) -> None:
    old = InboxNotifier(open_desk_database(tmp_path / "desk.sqlite3"))
    await old.send(message(body="zebrafinch"), idempotency_key="k", now=NOON)
    stale = await old.sent(recipient=None, limit=5, cursor=None)
    notices, _ = house.replica(adoption=InboxAdoption(old, house.documents))
    await notices.erase(SCOPE)
    pages = iter([stale])

    class Late(InboxNotifier):
        async def sent(self, **_: Any) -> Page[DeliveredNotification]:
            return next(pages, Page((), None))

    await adopt_inbox(Late(open_desk_database(tmp_path / "desk.sqlite3")), house.documents)
    await old.close()
    assert (await notices.sent(recipient="RES_1", limit=5, cursor=None)).items == ()
