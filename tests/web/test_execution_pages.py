"""The page of what was given up: a booking of a place that is taken, which the desk refuses for good."""

import asyncio
import html
import re
from collections.abc import Callable
from typing import Any

import pytest

from core.labels import Role
from tests.web.conftest import Person
from tests.web.refused_forms import check_keys

SignIn = Callable[..., Any]
MARKUP = "<script>alert(1)</script>"


async def give_up(person: Person, resident: Person) -> tuple[str, str]:
    """An execution that was given up, and its request."""
    headers = {"Authorization": f"Bearer {resident.token}", "Prefer": "wait=20"}
    said = {"message_text": "May I have the party room?"}
    request = (await resident.post("/api/v1/requests", json=said, headers=headers)).json()
    staff = {"Authorization": f"Bearer {person.token}"}
    place = {"amenity": f"Party room {MARKUP}", "starts_at": "2027-01-05T15:00:00Z", "ends_at": "2027-01-05T17:00:00Z"}
    order = {"request_id": request["request_id"], "action": "book_amenity", "parameters": place}
    for _ in range(2):
        answer = await person.post("/api/v1/execute", json=order, headers=staff)
        assert answer.status_code == 202, answer.text
    async with asyncio.timeout(20):
        while not (items := (await person.get("/api/v1/executions", headers=staff)).json()["items"]):
            await asyncio.sleep(0.1)
    return items[0]["execution_id"], request["request_id"]


async def test_what_was_given_up_is_tried_again(sign_in: SignIn, staff: Person, resident: Person) -> None:
    execution, request = await give_up(staff, resident)
    page = await staff.page("/staff/executions")
    assert execution in page
    assert f'href="/staff/requests/{request}"' in page
    assert "Booking of a shared place" in page
    assert "operations_desk" in page.split('id="systems"')[1]
    assert MARKUP not in page
    where = f"/staff/executions/{execution}/retry"
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
    other = await bea.page("/staff/executions")
    assert execution not in other
    await resident.page("/staff/executions", status=403)
    hidden = re.search(r'name="csrf_token" value="([^"]*)"', other)
    assert hidden
    assert (await bea.post(where, data={"csrf_token": hidden[1]})).status_code == 404
    # Sent twice, it is tried once: the second answer is the first one's.
    for _ in range(2):
        again = await staff.submit(page, where)
        assert again.status_code == 200
        assert "It is tried again." in again.text
    events = f"/api/v1/requests/{request}/events"
    told = (await staff.get(events, headers={"Authorization": f"Bearer {staff.token}"})).json()["items"]
    assert [each["kind"] for each in told].count("execution_retried") == 1


async def test_a_retry_that_is_not_possible_is_told(staff: Person, resident: Person) -> None:
    execution, request = await give_up(staff, resident)
    page = await staff.page("/staff/executions")
    headers = {"Authorization": f"Bearer {staff.token}"}
    done = {"resolution_notes": "Another room was found."}
    resolved = await staff.post(f"/api/v1/requests/{request}/resolve", json=done, headers=headers)
    assert resolved.status_code == 200, resolved.text
    refused = await staff.submit(page, f"/staff/executions/{execution}/retry")
    assert refused.status_code == 409
    assert "It was not tried again." in refused.text
    assert "The request is Resolved" in html.unescape(refused.text)
    assert execution in refused.text
    missing = await staff.submit(refused.text.replace(execution, "EXE_none"), "/staff/executions/EXE_none/retry")
    assert missing.status_code == 404


async def test_a_retry_that_may_have_begun_keeps_its_key(
    staff: Person, resident: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution, _ = await give_up(staff, resident)
    page = await staff.page("/staff/executions")
    await check_keys(staff, page, f"/staff/executions/{execution}/retry", {}, monkeypatch)
