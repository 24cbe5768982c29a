"""Many requests changed at once: what came of each, also where somebody else was faster."""

import asyncio
import re
from collections.abc import Callable

import httpx
import pytest

from core.labels import Role, Status, Urgency
from deployments.request_management.service import RequestManagementService
from tests.web.conftest import Person
from tests.web.refused_forms import check_keys
from tests.web.seeded import seed


def marks(html: str) -> dict[str, str]:
    """The checkboxes' values, by request."""
    values = re.findall(r'name="request"[^>]*value="([^"]*)"', html)
    return {value.partition("|")[0]: value for value in values}


async def change(
    person: Person, html: str, ids: list[str], fields: dict[str, object], *, follow: bool = True
) -> httpx.Response:
    chosen = {"request": [marks(html)[request_id] for request_id in ids]}
    person.follow_redirects = follow
    return await person.submit(html, "/staff/bulk", chosen | fields)


async def status_of(service: RequestManagementService, request_id: str) -> Status:
    record = await service._store.get(request_id)  # type: ignore[arg-type]
    assert record is not None
    return record.request.status


async def test_all_changed_leads_back_to_the_same_filters(staff: Person, service: RequestManagementService) -> None:
    ids = [await seed(service, message_text=f"Number {number}") for number in range(3)]
    html = await staff.page("/staff?status=Escalated&view=all")
    answer = await change(
        staff, html, ids[:2], {"status": "InProgress", "comment": "We come <b>today</b>"}, follow=False
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/staff?view=all&status=Escalated&done=changed&count=2"
    assert "2 requests were changed." in await staff.page(answer.headers["location"])
    assert [await status_of(service, one) for one in ids] == [Status.IN_PROGRESS, Status.IN_PROGRESS, Status.ESCALATED]


async def test_sent_twice_it_acts_once(staff: Person, service: RequestManagementService) -> None:
    request_id = await seed(service)
    html = await staff.page("/staff")
    first = await change(staff, html, [request_id], {"comment": "Noted"}, follow=False)
    again = await change(staff, html, [request_id], {"comment": "Noted"}, follow=False)
    assert first.headers["location"] == again.headers["location"]
    record = await service._store.get(request_id)  # type: ignore[arg-type]
    assert record is not None
    assert record.request.version == 2


async def test_what_was_refused_is_said_of_each(staff: Person, service: RequestManagementService) -> None:
    fine = await seed(service, message_text="Fine one")
    ended = await seed(service, message_text="Ended one", status=Status.CANCELLED)
    html = await staff.page("/staff")
    answer = await change(staff, html, [fine, ended], {"status": "Resolved", "comment": "Done"})
    assert answer.status_code == 200
    assert "1 of 2 requests were changed." in answer.text
    assert "It is “Cancelled”, and nothing follows that." in answer.text
    assert "Change them all the same?" not in answer.text
    assert await status_of(service, fine) is Status.RESOLVED
    reused = await change(staff, html, [ended], {"status": "Resolved"})
    assert reused.status_code == 422
    refused = await change(staff, reused.text, [ended], {"status": "Resolved"})
    assert refused.status_code == 409


async def test_the_second_of_two_people_is_told_what_changed_and_may_go_on(
    staff: Person, manager: Person, service: RequestManagementService
) -> None:
    both, untouched = await seed(service, message_text="Both want it"), await seed(service, message_text="Nobody's")
    seen_by_sam, seen_by_mia = await staff.page("/staff"), await manager.page("/staff")
    await change(staff, seen_by_sam, [both], {"status": "InProgress", "comment": "Sam <i>does</i> it"})
    answer = await change(manager, seen_by_mia, [both, untouched], {"urgency": "Low"})
    assert answer.status_code == 200
    assert "Somebody else has changed it since you chose it." in answer.text
    assert "Sam &lt;i&gt;does&lt;/i&gt; it" in answer.text
    assert "by sam" in answer.text
    assert "In progress" in answer.text
    assert "Event 1" not in answer.text
    record = await service._store.get(both)  # type: ignore[arg-type]
    assert record is not None
    assert record.request.classification is not None
    assert record.request.classification.urgency is Urgency.HIGH

    # Having seen it, she goes on: the result's own form names the version that she was shown.
    again = await manager.submit(answer.text, "/staff/bulk", {})
    assert "1 request was changed." in again.text
    record = await service._store.get(both)  # type: ignore[arg-type]
    assert record is not None
    assert record.request.classification is not None
    assert record.request.classification.urgency is Urgency.LOW


async def test_of_two_at_the_same_moment_one_is_told(
    staff: Person, manager: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service)
    pages = await asyncio.gather(staff.page("/staff"), manager.page("/staff"))
    answers = await asyncio.gather(
        change(staff, pages[0], [request_id], {"urgency": "Low"}, follow=False),
        change(manager, pages[1], [request_id], {"urgency": "Emergency"}, follow=False),
    )
    assert sorted(answer.status_code for answer in answers) == [303, 409]


async def test_nothing_chosen_or_nothing_to_do_keeps_what_was_typed(
    staff: Person, service: RequestManagementService
) -> None:
    request_id = await seed(service)
    html = await staff.page("/staff")
    none = await change(staff, html, [], {"status": "InProgress", "comment": 'My "words"'})
    assert none.status_code == 422
    assert "Choose at least one request." in none.text
    assert 'value="My &#34;words&#34;"' in none.text
    assert '<option value="InProgress" selected>' in none.text
    nothing = await change(staff, html, [request_id], {})
    assert nothing.status_code == 422
    assert "Choose what to change" in nothing.text
    assert re.search(rf'value="{request_id}[^"]*" checked', nothing.text)
    invalid = await change(staff, html, [request_id], {"status": "Nonsense", "comment": "kept"})
    assert invalid.status_code == 422
    assert "That was not done." in invalid.text
    assert 'value="kept"' in invalid.text


async def test_made_up_checkboxes_reach_nothing_of_another_building(
    sign_in: Callable[..., object], service: RequestManagementService
) -> None:
    elsewhere = await seed(service, message_text="Words of building A")
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])  # type: ignore[misc]
    html = await bea.page("/staff")
    for mark in (elsewhere, f"{elsewhere}|1|2026-01-01T00:00:00Z", f"{elsewhere}|x|y", "<script>", "|", "../x"):
        answer = await bea.submit(html, "/staff/bulk", {"request": mark, "status": "InProgress", "idempotency_key": ""})
        assert answer.status_code in (409, 422), mark
        assert "Words of building A" not in answer.text
        assert "<script>" not in answer.text
    assert await status_of(service, elsewhere) is Status.ESCALATED


async def test_a_form_from_elsewhere_changes_nothing(staff: Person, service: RequestManagementService) -> None:
    request_id = await seed(service)
    answer = await staff.post("/staff/bulk", data={"request": request_id, "status": "InProgress"})
    assert answer.status_code == 403
    assert await status_of(service, request_id) is Status.ESCALATED
    assert (await staff.get("/staff/bulk")).url.path == "/staff"


async def test_one_that_may_have_been_done_keeps_its_key(
    staff: Person, service: RequestManagementService, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: dict[str, object] = {"request": f"{await seed(service)} 1", "comment": "We look at it"}
    await check_keys(staff, await staff.page("/staff"), "/staff/bulk", fields, monkeypatch)
