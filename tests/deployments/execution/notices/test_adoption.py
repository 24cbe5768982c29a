"""Messages of an earlier release's inbox stay where people look for them."""

from datetime import timedelta
from pathlib import Path

from adapters.desk_database import open_desk_database
from adapters.notify_inbox import InboxNotifier
from deployments.execution.notices.adoption import adopt_inbox
from tests.deployments.execution.notices.conftest import NOON, House, alert, message


async def test_an_old_inbox_is_taken_over_once(house: House, tmp_path: Path) -> None:
    old = InboxNotifier(open_desk_database(tmp_path / "desk.sqlite3"))
    await house.choose("RES_1", email="ada@example.com")
    for number in range(230):
        await old.send(message(body=f"{number}"), idempotency_key=f"{number}", now=NOON + timedelta(seconds=number))
    alert_id = await old.send(alert(), idempotency_key="alert", now=NOON)
    await old.acknowledge(alert_id, by="ann", now=NOON)
    assert await adopt_inbox(old, house.documents) == 231
    assert await adopt_inbox(old, house.documents) == 0
    await old.close()
    found = await house.notices.find_sent(alert_id)
    assert found is not None
    assert (found.acknowledged_by, found.notification) == ("ann", alert())
    page = await house.notices.sent(recipient="RES_1", limit=2, cursor=None)
    assert [each.notification.body for each in page.items] == ["229", "228"]
    await house.settle()
    assert house.mail.taken == []
    assert (await house.notices.acknowledge(alert_id, by="bob", now=NOON)).acknowledged_by == "ann"
