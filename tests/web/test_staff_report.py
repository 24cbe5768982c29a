"""A request that staff write down for a resident."""

import re
from collections.abc import Callable

import httpx
import pytest

from core.labels import Role, Status
from deployments.request_management.service import RequestManagementService
from tests.web.conftest import Person
from tests.web.refused_forms import check_keys
from tests.web.seeded import seed

MESSAGE = "The kitchen tap drips since yesterday"


async def send(person: Person, html: str, **fields: object) -> httpx.Response:
    person.follow_redirects = False
    answer = await person.submit(html, "/staff/new", fields)
    person.follow_redirects = True
    return answer


async def requests_of(person: Person, resident_id: str) -> list[dict[str, object]]:
    answer = await person.get(
        f"/api/v1/residents/{resident_id}/requests", headers={"Authorization": f"Bearer {person.token}"}
    )
    return answer.json()["items"]


async def test_a_request_is_sent_once_and_shown(staff: Person) -> None:
    html = await staff.page("/staff/new?resident_id=RES_A_105")
    assert 'value="RES_A_105"' in html
    fields = {"resident_id": "RES_A_105", "message_text": MESSAGE, "urgency": "Low", "entry": "yes"}
    answer = await send(staff, html, **fields)
    assert answer.status_code == 303, answer.text
    again = await send(staff, html, **fields, confirmed="yes")
    assert again.headers["location"] == answer.headers["location"]
    (made,) = await requests_of(staff, "RES_A_105")
    assert answer.headers["location"] == f"/staff/requests/{made['request_id']}"
    assert made["preferences"]["allow_entry_when_absent"] is True  # type: ignore[index]
    assert made["classification"]["urgency"] == "Low"  # type: ignore[index]


async def test_what_is_open_already_is_offered_first(staff: Person, service: RequestManagementService) -> None:
    own = await seed(service, message_text="My <i>door</i> squeaks", resident_id="RES_A_101", unit="101")
    ended = await seed(service, status=Status.CLOSED, needs_attention=False, message_text="Long done")
    html = await staff.page("/staff/new")
    shown = await send(staff, html, resident_id="RES_A_101", message_text=MESSAGE)
    assert shown.status_code == 200
    assert "There is something open already" in shown.text
    assert f"/staff/requests/{own}" in shown.text
    assert "My &lt;i&gt;door&lt;/i&gt; squeaks" in shown.text
    assert ended not in shown.text
    assert MESSAGE in shown.text
    assert len(await requests_of(staff, "RES_A_101")) == 2
    sent = await send(staff, shown.text, resident_id="RES_A_101", message_text=MESSAGE, confirmed="yes")
    assert sent.status_code == 303
    assert len(await requests_of(staff, "RES_A_101")) == 3


async def test_a_similar_one_of_a_neighbour_is_offered(staff: Person) -> None:
    words = "There is no hot water in the whole building since this morning"
    html = await staff.page("/staff/new")
    assert (await send(staff, html, resident_id="RES_A_102", message_text=words)).status_code == 303
    shown = await send(staff, await staff.page("/staff/new"), resident_id="RES_A_103", message_text=words)
    assert shown.status_code == 200
    assert "In the same building, and alike" in shown.text


async def test_life_at_risk_waits_for_no_second_look(staff: Person, service: RequestManagementService) -> None:
    await seed(service)
    html = await staff.page("/staff/new")
    answer = await send(staff, html, resident_id="RES_A_101", message_text="Smoke in the hall", urgency="Emergency")
    assert answer.status_code == 303


async def test_a_refusal_keeps_everything_that_was_typed(
    sign_in: Callable[..., object], service: RequestManagementService
) -> None:
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])  # type: ignore[misc]
    html = await bea.page("/staff/new")
    fields = {
        "resident_id": "RES_A_101",
        "message_text": '</textarea><script>alert("x")</script>',
        "unit": '"><b>',
        "category": "Billing",
        "entry": "no",
        "special_instructions": "Mind the dog",
    }
    answer = await send(bea, html, **fields)
    assert answer.status_code == 403
    assert "This building is not among yours." in answer.text
    assert "<script>alert" not in answer.text
    assert 'value="&#34;&gt;&lt;b&gt;"' in answer.text
    for kept in (
        "&lt;/textarea&gt;&lt;script&gt;",
        "Mind the dog",
        '<option value="Billing" selected>',
        'value="RES_A_101"',
    ):
        assert kept in answer.text, kept
    assert re.search(r'<option value="no" selected>', answer.text)
    # What is mended is sent under a key of its own.
    mended = fields | {"resident_id": "RES_B_201", "unit": "201"}
    assert (await send(bea, answer.text, **mended)).status_code == 303


async def test_what_is_wrong_is_said_beside_its_field(staff: Person) -> None:
    html = await staff.page("/staff/new")
    answer = await send(staff, html, resident_id="no such id!", message_text="", category="Nonsense")
    assert answer.status_code == 422
    for name in ("resident_id", "message_text", "category"):
        assert f'id="{name}-wrong"' in answer.text
        assert f"{name}-wrong" in re.findall(rf'id="{name}"[^>]*aria-describedby="([^"]*)"', answer.text)[0]


async def test_residents_have_a_page_of_their_own_for_that(resident: Person) -> None:
    await resident.page("/staff/new", status=403)


async def test_one_that_may_have_been_sent_keeps_its_key_and_its_words(
    staff: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    html = await staff.page("/staff/new?resident_id=RES_A_101")
    fields: dict[str, object] = {"resident_id": "RES_A_101", "message_text": "The tap drips", "confirmed": "yes"}
    await check_keys(staff, html, "/staff/new", fields, monkeypatch)
