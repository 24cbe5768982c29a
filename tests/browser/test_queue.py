"""The staff's queue with its script: the keyboard, and lines that stay true while the page is open."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Page, expect

from bench.website import Site
from core.labels import Urgency
from tests.browser.conftest import Visit, serious_violations
from tests.builders import build_classification
from tests.web.seeded import seed

T = TypeVar("T")


def within(site: Site, work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, site.loop).result(30)


@pytest.fixture
def ids(site: Site) -> Iterator[list[str]]:
    """Three requests in a building of their own, the most urgent first; they are looked at with a filter."""
    levels = (Urgency.EMERGENCY, Urgency.HIGH, Urgency.LOW)
    yield [
        within(site, seed(site.service, building_id="Q", unit="1", classification=build_classification(urgency=level)))
        for level in levels
    ]
    with site.api("sam") as api:
        items = api.get("/requests", params={"building_id": "Q", "needs_attention": "true"}).json()["items"]
        ended = {"request_ids": [one["request_id"] for one in items], "status": "Resolved"}
        assert api.post("/requests/bulk", json=ended).status_code == 200


def line(page: Page, request_id: str) -> Any:
    return page.locator(f"tr[data-request='{request_id}']")


def test_the_keyboard_alone_chooses_and_opens(visit: Visit, ids: list[str]) -> None:
    page = visit("sam")
    page.goto("/staff?building_id=Q")
    for key in ("j", "j", "x"):
        page.keyboard.press(key)
    expect(line(page, ids[1]).locator("input")).to_be_checked()
    expect(page.locator("#bulk-count")).to_have_text("1 chosen")
    page.keyboard.press("ArrowUp")
    expect(line(page, ids[0]).locator(".queue-link")).to_be_focused()
    page.keyboard.press("a")
    expect(page.locator("#bulk-count")).to_have_text("3 chosen")
    page.keyboard.press("/")
    page.keyboard.press("x")
    expect(page.locator("#bulk-count")).to_have_text("3 chosen")
    line(page, ids[2]).locator(".queue-link").focus()
    page.keyboard.press("o")
    page.wait_for_url(f"**/staff/requests/{ids[2]}")


def test_single_keys_can_be_switched_off_for_good(visit: Visit, ids: list[str]) -> None:
    page = visit("sam")
    page.goto("/staff?building_id=Q")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()
    assert not serious_violations(page)
    page.uncheck("#shortcuts-on")
    page.keyboard.press("Escape")
    page.reload()
    for key in ("?", "j", "a"):
        page.keyboard.press(key)
    expect(page.locator("#shortcuts")).to_be_hidden()
    expect(page.locator("#bulk-count")).to_have_text("")


def test_it_stays_true_and_keeps_what_was_chosen_and_where_one_was(visit: Visit, site: Site, ids: list[str]) -> None:
    page = visit("sam")
    page.clock.install()
    page.goto("/staff?building_id=Q")
    line(page, ids[1]).locator(".queue-link").focus()
    page.keyboard.press("x")
    new = within(site, seed(site.service, building_id="Q", classification=build_classification(urgency=Urgency.HIGH)))
    with site.api("mia") as api:
        api.put(f"/requests/{ids[1]}", json={"comment": "On it"}).raise_for_status()
    page.clock.fast_forward(16_000)
    expect(line(page, new)).to_be_visible()
    expect(page.locator("#queue-news")).to_have_text("1 new · 1 changed")
    expect(line(page, ids[1]).locator("input")).to_be_checked()
    expect(line(page, ids[1]).locator(".queue-link")).to_be_focused()

    page.route("**/staff/rows*", lambda route: route.abort())
    page.clock.fast_forward(16_000)
    expect(page.locator("#queue-stale")).to_contain_text("Not up to date since")
    page.unroute("**/staff/rows*")
    page.clock.fast_forward(16_000)
    expect(page.locator("#queue-stale")).to_be_hidden()


def test_two_people_choose_the_same_and_the_second_is_told(visit: Visit, ids: list[str]) -> None:
    sam, mia = visit("sam"), visit("mia", phone=True)
    for page in (sam, mia):
        page.goto("/staff?building_id=Q")
        line(page, ids[0]).locator("input").check()
    sam.select_option("#bulk-status", "InProgress")
    sam.click("#bulk button")
    expect(sam.locator("[role=status].notice-good")).to_contain_text("1 request was changed.")
    mia.select_option("#bulk-urgency", "Low")
    mia.click("#bulk button")
    expect(mia.get_by_role("alert")).to_contain_text("0 of 1 requests were changed.")
    expect(mia.locator("main")).to_contain_text("by sam")
    assert not serious_violations(mia)


def test_a_chosen_line_that_goes_on_by_itself_stands_for_what_was_seen(
    visit: Visit, site: Site, ids: list[str]
) -> None:
    page = visit("sam")
    page.clock.install()
    page.goto("/staff?building_id=Q")
    box = line(page, ids[0]).locator("input")
    box.check()
    seen = box.input_value()
    for said in ("I go there now", "I am there"):
        with site.api("mia") as api:
            api.put(f"/requests/{ids[0]}", json={"comment": said}).raise_for_status()
        before = line(page, ids[0]).get_attribute("data-version")
        page.clock.fast_forward(16_000)
        expect(line(page, ids[0])).not_to_have_attribute("data-version", str(before))
        expect(box).to_be_checked()
        expect(box).to_have_value(seen)
    page.select_option("#bulk-status", "InProgress")
    page.click("#bulk button")
    expect(page.get_by_role("alert")).to_contain_text("0 of 1 requests were changed.")
    expect(page.locator("main")).to_contain_text("I am there")

    # Chosen anew, it stands for what is there to be seen.
    page.goto("/staff?building_id=Q")
    box.check()
    with site.api("mia") as api:
        api.put(f"/requests/{ids[0]}", json={"comment": "Once more"}).raise_for_status()
    old = box.input_value()
    before = line(page, ids[0]).get_attribute("data-version")
    page.clock.fast_forward(16_000)
    expect(line(page, ids[0])).not_to_have_attribute("data-version", str(before))
    box.uncheck()
    expect(box).not_to_have_value(old)
    box.check()
    page.select_option("#bulk-status", "InProgress")
    page.click("#bulk button")
    expect(page.locator("[role=status].notice-good")).to_contain_text("1 request was changed.")


@pytest.mark.parametrize("phone", [True, False])
@pytest.mark.parametrize("dark", [True, False])
def test_nobody_is_shut_out(visit: Visit, site: Site, ids: list[str], phone: bool, dark: bool) -> None:
    page = visit("mia", phone=phone, dark=dark)
    for address in ("/staff?building_id=Q", "/staff/new", "/staff/residents/RES_A_101", "/staff/templates"):
        page.goto(address)
        assert not serious_violations(page), address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    assert not site.console
