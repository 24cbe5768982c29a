"""A resident as staff see them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from core.labels import Role, Status
from deployments.request_management.service import RequestManagementService
from tests.web.conftest import Person
from tests.web.seeded import seed


async def test_their_requests_and_how_they_wish_to_be_told(staff: Person, service: RequestManagementService) -> None:
    shown = await seed(service, message_text="<u>Own</u> words", status=Status.CLOSED, needs_attention=False)
    await seed(service, resident_id="RES_A_102", message_text="A neighbour's")
    html = await staff.page("/staff/residents/RES_A_101")
    assert f"/staff/requests/{shown}" in html
    assert "&lt;u&gt;Own&lt;/u&gt; words" in html
    assert "A neighbour" not in html
    assert "They have not chosen anything yet." in html
    assert "9:00\u202fPM to 8:00\u202fAM" in html
    assert "/staff/new?resident_id=RES_A_101&amp;building_id=A" in html


async def test_staff_of_another_building_learn_nothing(
    sign_in: Callable[..., Any], service: RequestManagementService
) -> None:
    await seed(service, message_text="Words of building A")
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
    html = await bea.page("/staff/residents/RES_A_101")
    assert "There is no request of theirs in your buildings." in html
    assert "How they wish to be told" not in html
    assert "Words of building A" not in html


async def test_made_up_addresses_are_pages_too(staff: Person) -> None:
    assert "There is no request of theirs" in await staff.page("/staff/residents/nobody?cursor=abc")
    html = await staff.page("/staff/residents/%3Cscript%3E")
    assert "<script>" not in html.split("</head>")[1]


async def test_times_are_those_of_the_building(staff: Person, service: RequestManagementService) -> None:
    await seed(
        service, created_at=datetime(2026, 1, 5, 18, tzinfo=UTC), updated_at=datetime(2026, 1, 5, 18, tzinfo=UTC)
    )
    # Building A is in Los Angeles; the pages' own zone is New York's.
    assert "Mon, Jan 5, 10:00\u202fAM PST</time>" in await staff.page("/staff/residents/RES_A_101")
