"""The staff's messages: an alert is taken once, and whoever comes second is told by whom."""

import asyncio
import html
import re
from collections.abc import Callable, Set
from typing import Any

import pytest

from core.labels import Role
from tests.web.conftest import Person
from tests.web.refused_forms import check_keys
from web import untaken_alerts
from web.api_client import Problem

SignIn = Callable[..., Any]
MARKUP = "<script>alert(1)</script>"


async def raise_alarm(resident: Person, staff: Person, besides: Set[str] = frozenset()) -> str:
    """An emergency of building A, and the id of its alert, which is none of `besides`."""
    headers = {"Authorization": f"Bearer {resident.token}", "Prefer": "wait=20"}
    said = {"message_text": f"I smell gas in my kitchen, please help! {MARKUP}"}
    assert (await resident.post("/api/v1/requests", json=said, headers=headers)).status_code in (201, 202)
    async with asyncio.timeout(20):
        while not (
            found := set(re.findall(r'data-id="([^"]+)"', await staff.page("/staff/messages/alerts"))) - besides
        ):
            await asyncio.sleep(0.1)
    return found.pop()


async def test_an_alert_is_taken_once(sign_in: SignIn, staff: Person, manager: Person, resident: Person) -> None:
    assert "Every alert has been taken." in await staff.page("/staff/messages")
    alert = await raise_alarm(resident, staff)
    where = f"/staff/messages/{alert}/take"
    page, late = await staff.page("/staff/messages"), await manager.page("/staff/messages")
    assert "Nobody has taken it" in page
    assert MARKUP not in page
    assert html.escape(MARKUP) in page
    assert f'data-ids="{alert} "' in page
    for _ in range(2):
        taken = await staff.submit(page, where)
        assert taken.status_code == 200
        assert "You took the alert" in taken.text
        assert "Every alert has been taken." in taken.text
    second = await manager.submit(late, where)
    assert second.status_code == 409
    assert "sam had taken this alert already" in second.text
    assert "sam took it" in await manager.page("/staff/messages?to=A")
    assert "You took it" in await staff.page("/staff/messages?to=A")


async def tell_the_team(staff: Person, count: int) -> None:
    headers = {"Authorization": f"Bearer {staff.token}"}
    for number in range(count):
        order = {"staff_role": "staff", "message": f"Message no. {number}."}
        assert (await staff.post("/api/v1/notify", json=order, headers=headers)).status_code == 202
    async with asyncio.timeout(20):
        while (await staff.page("/staff/messages")).count("Message no.") < count:
            await asyncio.sleep(0.1)


async def test_who_may_not_know_all_buildings_is_not_told_that_all_are_taken(
    sign_in: SignIn, staff: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell_the_team(staff, 3)
    assert "Every alert has been taken." in await staff.page("/staff/messages/alerts")
    monkeypatch.setattr(untaken_alerts, "LOOKED_THROUGH", 2)
    # There are older messages than were looked through, perhaps of a building without a request of late.
    page = await staff.page("/staff/messages/alerts")
    assert "None among the newest messages." in page
    assert "Every alert has been taken." not in page
    # Of the only building of this person all messages were looked through.
    abe: Person = await sign_in(Role.STAFF, "abe", buildings=["A"])
    assert "Every alert has been taken." in await abe.page("/staff/messages/alerts")
    # Of these two only one was.
    monkeypatch.setattr(untaken_alerts, "MOST_BUILDINGS", 1)
    ada: Person = await sign_in(Role.STAFF, "ada", buildings=["A", "B"])
    assert "None among the newest messages." in await ada.page("/staff/messages/alerts")


async def test_a_building_with_older_alerts_is_not_said_to_have_none(
    sign_in: SignIn, staff: Person, resident: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await raise_alarm(resident, staff)
    await raise_alarm(resident, staff, besides={first})
    abe: Person = await sign_in(Role.STAFF, "abe", buildings=["A"])
    monkeypatch.setattr(untaken_alerts, "LOOKED_THROUGH", 1)
    (newest,) = re.findall(r'data-id="([^"]+)"', await abe.page("/staff/messages/alerts"))
    assert newest != first
    taken = await abe.submit(await abe.page("/staff/messages"), f"/staff/messages/{newest}/take")
    assert taken.status_code == 200
    assert "None among the newest messages." in taken.text
    assert "Every alert has been taken." not in taken.text
    monkeypatch.undo()
    assert first in await abe.page("/staff/messages/alerts")


async def test_staff_of_another_building_see_no_alert(sign_in: SignIn, staff: Person, resident: Person) -> None:
    alert = await raise_alarm(resident, staff)
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
    for address in ("/staff/messages", "/staff/messages?to=A", "/staff/messages/alerts"):
        page = await bea.page(address)
        assert alert not in page
        assert "smell gas" not in page
    hidden = re.search(r'name="csrf_token" value="([^"]*)"', await bea.page("/staff/messages"))
    assert hidden
    stolen = await bea.post(f"/staff/messages/{alert}/take", data={"csrf_token": hidden[1]})
    assert stolen.status_code == 404
    assert alert in await staff.page("/staff/messages/alerts")
    await resident.page("/staff/messages", status=403)


async def test_messages_to_the_team_are_paged_newest_first(staff: Person) -> None:
    headers = {"Authorization": f"Bearer {staff.token}"}
    for number in range(31):
        order = {"staff_role": "staff", "message": f"Message no. {number}. {MARKUP}"}
        assert (await staff.post("/api/v1/notify", json=order, headers=headers)).status_code == 202
    async with asyncio.timeout(20):
        while (page := await staff.page("/staff/messages")).count("Message no.") < 30 or "cursor=" not in page:
            await asyncio.sleep(0.1)
    assert MARKUP not in page
    more = re.search(r'href="(\?[^"]*cursor=[^"]*)"', page)
    assert more
    rest = await staff.page("/staff/messages" + html.unescape(more[1]))
    assert rest.count("Message no.") == 1
    numbers = {int(one) for one in re.findall(r"Message no\. (\d+)\.", page + rest)}
    assert numbers == set(range(31))
    times = re.findall(r'<time datetime="([^"]+)"', page.split('id="list-heading"')[1])
    assert times == sorted(times, reverse=True)


async def test_staff_say_how_they_are_told_in_the_form_that_all_have(staff: Person) -> None:
    assert 'href="/staff/preferences"' in await staff.page("/staff/messages")
    page = await staff.page("/staff/preferences")
    assert 'action="/preferences"' in page
    assert 'name="email"' in page


async def test_a_scripts_call_without_a_session_is_told_so(sign_in: SignIn) -> None:
    visitor: Person = await sign_in()
    answer = await visitor.get("/staff/messages/alerts", headers={"Accept": "application/json"})
    assert answer.status_code == 401


async def test_an_alert_that_may_have_been_taken_keeps_its_key(
    staff: Person, resident: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = await raise_alarm(resident, staff)
    page = await staff.page("/staff/messages")
    await check_keys(staff, page, f"/staff/messages/{alert}/take", {}, monkeypatch)


async def test_an_alert_that_nobody_has_taken_is_counted_on_every_page_of_the_staff(
    sign_in: SignIn, staff: Person, resident: Person
) -> None:
    alert = await raise_alarm(resident, staff)
    for address in ("/staff", "/staff/desk", "/operations"):
        page = await staff.page(address)
        assert re.search(r'href="/staff/messages">Messages <span class="badge" data-untaken>1<', page), address
    for address in ("/staff", "/staff/rows"):
        bar = (await staff.page(address)).partition('id="queue-alerts"')[2].partition("</div>")[0]
        assert "1 urgent alert that nobody has taken." in bar
        assert 'href="/staff/messages"' in bar
    bea: Person = await sign_in(Role.STAFF, "bea", buildings=["B"])
    assert "data-untaken" not in await bea.page("/staff")
    assert "data-untaken" not in await resident.page("/home")
    await staff.submit(await staff.page("/staff/messages"), f"/staff/messages/{alert}/take")
    page = await staff.page("/staff")
    assert "data-untaken" not in page
    assert "nobody has taken" not in page.partition('id="queue-alerts"')[2].partition("</div>")[0]


async def test_the_queue_says_where_alerts_can_not_be_looked_for(
    staff: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(_: object) -> None:
        raise Problem(503, {"code": "unavailable"})

    monkeypatch.setattr(untaken_alerts, "read_untaken", down)
    page = await staff.page("/staff")
    assert "Whether an alert waits can&#39;t be told just now." in page
    assert "data-untaken" not in page


async def test_times_of_an_alert_are_those_of_its_building(staff: Person, resident: Person) -> None:
    await raise_alarm(resident, staff)
    page = await staff.page("/staff/messages")
    alert = page.partition('class="card alert"')[2].partition("</li>")[0]
    # Building A is in Los Angeles; the pages' own zone is New York's.
    assert re.search(r"<time [^>]*>[^<]* P[SD]T</time>", alert)
    assert "Times are in the zone America/New_York where no other is named." in page
