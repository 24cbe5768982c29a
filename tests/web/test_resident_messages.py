"""The inbox: what was sent to the resident, newest first, with the request that it is about."""

import html as html_module
from typing import Any

import pytest

from core.execution import Notification
from core.execution_labels import NoticeKind
from core.ports.execution import DeliveredNotification
from core.ports.page import Page
from core.request import RequestId
from deployments.request_management.service import RequestManagementService
from tests.web.conftest import Person
from web.pages.resident_messages import PAGE, request_of

SCRIPT = "<script>alert('1')</script>"


def test_a_message_names_its_request_itself_or_in_its_fields() -> None:
    assert request_of({"request_id": "REQ_1", "fields": {}}) == "REQ_1"
    assert request_of({"request_id": None, "fields": {"request_id": "REQ_2"}}) == "REQ_2"
    assert request_of({"request_id": None, "fields": {}}) is None


@pytest.fixture
def inbox(service: RequestManagementService, monkeypatch: pytest.MonkeyPatch) -> list[Notification]:
    """What was sent to anybody, newest first, as Execution would tell of it."""
    held: list[Notification] = []

    async def notifications(*, recipient: str | None, limit: int, cursor: str | None) -> Page[DeliveredNotification]:
        mine = [each for each in held if each.recipient == recipient]
        start = int(cursor or 0)
        shown = mine[start : start + limit]
        items = tuple(
            DeliveredNotification(f"NOT_{place}", "inbox", each, service.clock()) for place, each in enumerate(shown)
        )
        return Page(items, str(start + limit) if start + limit < len(mine) else None)

    monkeypatch.setattr(service.operations._execution, "notifications", notifications)  # pyright: ignore[reportPrivateUsage]
    return held


def message(number: int, **fields: Any) -> Notification:
    known = {"recipient_kind": "resident", "recipient": "RES_A_101", "subject": f"No. {number}.", "body": SCRIPT}
    return Notification.model_validate(known | fields)


async def test_messages_are_shown_with_their_request(resident: Person, inbox: list[Notification]) -> None:
    inbox += [
        message(1, request_id=RequestId("REQ_1"), kind=NoticeKind.VISIT),
        message(2, kind=NoticeKind.EMERGENCY),
        message(3, recipient="RES_A_102", body="zebrafinch"),
    ]
    page = await resident.page("/messages")
    assert page.index("No. 1.") < page.index("No. 2.")
    assert page.count('href="/requests/REQ_1"') == 1
    assert "Visits to your home" in page
    assert "Danger" in page
    assert SCRIPT not in page
    assert SCRIPT in html_module.unescape(page)
    assert "zebrafinch" not in page


async def test_an_empty_inbox_says_so(resident: Person, inbox: list[Notification]) -> None:
    assert "There are no messages yet." in await resident.page("/messages")


async def test_older_messages_are_on_further_pages(resident: Person, inbox: list[Notification]) -> None:
    inbox += [message(number) for number in range(PAGE + 5)]
    page = await resident.page("/messages")
    assert (page.count('class="card inbox-message"'), f"cursor={PAGE}" in page) == (PAGE, True)
    rest = await resident.page(f"/messages?cursor={PAGE}")
    assert (rest.count('class="card inbox-message"'), 'href="?cursor=' in rest) == (5, False)


async def test_it_is_the_residents_alone(staff: Person) -> None:
    await staff.page("/messages", status=403)
