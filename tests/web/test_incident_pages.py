"""The pages of incidents, over requests that the system itself takes for one fault."""

import asyncio
import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from core.errors import StoreUnavailable
from core.labels import Role
from deployments.request_management.incidents import Incidents
from tests.web.conftest import Person
from tests.web.refused_forms import check_keys
from web import undecided_incidents
from web.language import words_in

BAR = 'id="incident-bar"'
SignIn = Callable[..., Any]
MARKUP = "<script>alert(1)</script>"
NO_HEATING = "The heating in the whole building is off since this morning, all radiators are cold."


async def report(person: Person, text: str) -> str:
    headers = {"Authorization": f"Bearer {person.token}", "Prefer": "wait=20"}
    answer = await person.post("/api/v1/requests", json={"message_text": text}, headers=headers)
    assert answer.status_code in (201, 202), answer.text
    return answer.json()["request_id"]


async def proposed(staff: Person, building: str = "A") -> dict[str, Any]:
    """The incident of the building that the system proposes."""
    headers = {"Authorization": f"Bearer {staff.token}"}
    async with asyncio.timeout(20):
        while True:
            answer = await staff.get("/api/v1/incidents", params={"building_id": building}, headers=headers)
            if items := answer.json()["items"]:
                return items[0]
            await asyncio.sleep(0.1)


async def two_reports(sign_in: SignIn, building: str = "A") -> tuple[str, str]:
    first = await report(await sign_in(Role.RESIDENT, f"RES_{building}_101"), f"{NO_HEATING} {MARKUP}")
    second = await report(await sign_in(Role.RESIDENT, f"RES_{building}_102"), NO_HEATING)
    return first, second


def leaders(page: str) -> dict[str, bool]:
    """Who may be chosen to lead, and whether it is."""
    found = re.findall(r'name="leader" value="([^"]+)" required( checked)?', page)
    return {request_id: bool(checked) for request_id, checked in found}


async def test_an_incident_is_read_and_accepted(sign_in: SignIn, staff: Person, manager: Person) -> None:
    requests = await two_reports(sign_in)
    one = await proposed(staff)
    here = f"/staff/incidents/{one['incident_id']}"
    assert here in await staff.page("/staff/incidents?building=A")
    assert here in await staff.page("/staff/incidents")
    assert here not in await staff.page("/staff/incidents?building=A&status=Dismissed")
    page, late, later = await staff.page(here), await manager.page(here), await staff.page(here)
    for request_id in requests:
        assert f'href="/staff/requests/{request_id}"' in page
    assert MARKUP not in page
    assert html.escape(MARKUP) in page
    assert f"{one['likeness'][requests[1]]:.0%} likely" in page
    assert "Nothing yet." in page
    assert 'value="Heating: reported from several homes of building A"' in page
    assert leaders(page) == {requests[0]: True, requests[1]: False}
    untitled = await staff.submit(page, f"{here}/accept", {"title": "  ", "leader": requests[1]})
    assert untitled.status_code == 422
    assert "Write a title for it" in untitled.text
    assert leaders(untitled.text) == {requests[0]: False, requests[1]: True}
    fields = {"title": f"No heating {MARKUP}", "leader": requests[1]}
    accepted = await staff.submit(untitled.text, f"{here}/accept", fields)
    assert accepted.status_code == 200
    assert (await proposed(staff))["lead"] == requests[1]
    assert accepted.text.count("Leads: the work is done on it") == 1
    assert leaders(accepted.text) == {}
    assert "Accepted: its requests" in accepted.text
    assert html.escape(f"No heating {MARKUP}") in accepted.text
    assert MARKUP not in accepted.text
    # What residents were told comes when Execution has sent it.
    async with asyncio.timeout(10):
        while "RES_A_102" not in (told := (await staff.page(here)).split('id="told"')[1]):
            await asyncio.sleep(0.1)
    assert "To 2 residents:" in told
    # A colleague who still sees the proposal dismisses it: the requests part again, and a second word comes too late.
    dismissed = await manager.submit(late, f"{here}/dismiss")
    assert "Dismissed: each request" in dismissed.text
    conflict = await staff.submit(later, f"{here}/accept", {"title": "Still typed"})
    assert conflict.status_code == 409
    assert "somebody has decided otherwise" in conflict.text
    assert "Dismissed" in conflict.text


async def test_of_members_that_are_not_shown_the_interface_chooses_the_leader(
    sign_in: SignIn, staff: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.incidents.SHOWN", 1)
    first, second = await two_reports(sign_in)
    here = f"/staff/incidents/{(await proposed(staff))['incident_id']}"
    page = await staff.page(here)
    assert leaders(page) == {first: False}
    assert '<input type="radio" name="leader" value="" required checked>' in page
    complete = await staff.page(f"{here}?all=1")
    assert leaders(complete) == {first: True, second: False}
    assert 'name="leader" value=""' not in complete
    accepted = await staff.submit(page, f"{here}/accept", {"title": "No heating", "leader": ""})
    assert "Accepted" in accepted.text
    assert (await proposed(staff))["lead"] == first


async def test_requests_are_put_in_and_taken_out(sign_in: SignIn, staff: Person) -> None:
    lead, other = await two_reports(sign_in)
    one = await proposed(staff)
    here = f"/staff/incidents/{one['incident_id']}"
    third = await report(
        await sign_in(Role.RESIDENT, "RES_A_103"), "The dishwasher in my kitchen leaks water on the floor."
    )
    page = await staff.page(here)
    assert f'name="remove" value="{lead}"' not in page
    nothing = await staff.submit(page, f"{here}/members")
    assert nothing.status_code == 422
    assert "Choose a request" in nothing.text
    unknown = await staff.submit(nothing.text, f"{here}/members", {"add": "REQ_none", "remove": other})
    assert unknown.status_code == 422
    assert 'value="REQ_none"' in unknown.text
    assert f'value="{other}" checked' in unknown.text
    wrong = await staff.submit(unknown.text, f"{here}/members", {"add": MARKUP})
    assert wrong.status_code == 422
    assert MARKUP not in wrong.text
    changed = await staff.submit(wrong.text, f"{here}/members", {"add": third, "remove": other})
    assert "are changed" in changed.text, changed.text
    taken_out = changed.text.split('id="left"')[1]
    assert other in taken_out
    assert third in changed.text.split('id="members"')[1].split('id="left"')[0]


async def test_staff_of_another_building_see_no_incident(sign_in: SignIn, staff: Person, resident: Person) -> None:
    await two_reports(sign_in)
    one = await proposed(staff)
    here = f"/staff/incidents/{one['incident_id']}"
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
    assert one["incident_id"] not in await bea.page("/staff/incidents")
    await bea.page("/staff/incidents?building=A", status=404)
    await bea.page(here, status=404)
    await resident.page(here, status=403)
    hidden = {"csrf_token": (await bea.page("/staff/incidents")).split('name="csrf_token" value="')[1].split('"')[0]}
    for step in ("accept", "dismiss", "members"):
        assert (await bea.post(f"{here}/{step}", data=hidden | {"add": "REQ_1"})).status_code == 404
    assert (await proposed(staff))["status"] == "Proposed"


async def test_a_decision_that_may_have_been_taken_keeps_its_key(
    sign_in: SignIn, staff: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, _ = await two_reports(sign_in)
    here = f"/staff/incidents/{(await proposed(staff))['incident_id']}"
    page = await staff.page(here)
    forms: dict[str, dict[str, object]] = {
        "accept": {"title": "No heating", "leader": lead},
        "dismiss": {},
        "members": {"add": "REQ_1"},
    }
    for step, fields in forms.items():
        await check_keys(staff, page, f"{here}/{step}", fields, monkeypatch)


async def test_what_waits_for_a_decision_is_counted_above_the_queue(
    sign_in: SignIn, staff: Person, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
    ann: Person = await sign_in(Role.STAFF, "ann", buildings=["A"])
    # Counts are kept for a moment; here each page counts anew.
    monkeypatch.setattr(undecided_incidents, "KEPT", timedelta(0))
    assert BAR not in await ann.page("/staff")
    await two_reports(sign_in)
    one = await proposed(staff)
    page = await ann.page("/staff")
    assert BAR in page
    assert 'href="/staff/incidents?status=Proposed">1 incident waits for you to decide on it<' in page
    assert BAR in await manager.page("/staff")
    assert BAR not in await bea.page("/staff")
    here = f"/staff/incidents/{one['incident_id']}"
    await ann.submit(await ann.page(here), f"{here}/dismiss")
    assert BAR not in await ann.page("/staff")


async def test_the_queue_stands_where_incidents_can_not_be_counted(
    staff: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object, **__: object) -> None:
        raise StoreUnavailable("The power went.")

    monkeypatch.setattr(Incidents, "list_incidents", down)
    assert BAR not in await staff.page("/staff?building_id=A")


async def test_times_are_those_of_the_building(sign_in: SignIn, staff: Person) -> None:
    await two_reports(sign_in, "C")
    one = await proposed(staff, "C")
    page = await staff.page(f"/staff/incidents/{one['incident_id']}")
    eastern = words_in("en", "America/New_York")
    assert f'title="{eastern.when(one["created_at"])}"' in page
    for listed in (await staff.page("/staff/incidents?building=C"), await staff.page("/staff/incidents")):
        assert f'title="{eastern.when(one["updated_at"])}"' in listed


async def test_a_follower_reads_that_it_is_handled_together_and_has_nothing_to_choose(
    sign_in: SignIn, staff: Person
) -> None:
    lead, other = await two_reports(sign_in)
    incident = (await proposed(staff))["incident_id"]
    here = f"/staff/incidents/{incident}"
    first, second = await sign_in(Role.RESIDENT, "RES_A_101"), await sign_in(Role.RESIDENT, "RES_A_102")
    page = await second.page(f"/requests/{other}")
    assert f'action="/requests/{other}/choose"' in page
    fields = {"title": "No heating <b>", "leader": lead}
    await staff.submit(await staff.page(here), f"{here}/accept", fields)
    together = await second.page(f"/requests/{other}")
    assert "Handled together with others" in together
    assert "No heating &lt;b&gt;" in together
    assert f'action="/requests/{other}/choose"' not in together
    assert lead not in together
    own = await first.page(f"/requests/{lead}")
    assert "Handled together with others" not in own
    assert f'action="/requests/{lead}/choose"' in own
    assert "Choose an option for the resident" in await staff.page(f"/staff/requests/{lead}")
    followed = await staff.page(f"/staff/requests/{other}")
    assert "Another request of it carries the work" in followed
    assert "Choose an option for the resident" not in followed
    option = re.search(r'name="option_id" value="([^"]+)"', page)
    assert option
    late = await second.submit(page, f"/requests/{other}/choose", {"option_id": option[1]})
    assert late.status_code in (409, 412)
    assert "Handled together with others" in late.text
    await staff.submit(await staff.page(here), f"{here}/dismiss")
    assert f'action="/requests/{other}/choose"' in await second.page(f"/requests/{other}")
