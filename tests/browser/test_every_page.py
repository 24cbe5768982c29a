"""Every page: nothing serious for axe-core, nothing wider than a phone, nothing that the browser complains of."""

import pytest
from playwright.sync_api import Page

from bench.sample_house import House, furnish
from bench.screenshots import pages_of
from bench.website import Site
from tests.browser.conftest import Visit, serious_violations

NARROWEST = 320


@pytest.fixture(scope="module")
def house(site: Site) -> House:
    return furnish(site)


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["desktop-light", "phone-dark"])
def test_no_page_has_a_serious_violation(visit: Visit, site: Site, house: House, phone: bool, dark: bool) -> None:
    open_pages: dict[str | None, Page] = {}
    found: list[str] = []
    for name, sub, address in pages_of(house):
        if sub not in open_pages:
            open_pages[sub] = visit(sub, phone=phone, dark=dark)
        page = open_pages[sub]
        answer = page.goto(address)
        if answer is None or answer.status != (404 if name == "not-found" else 200):
            found.append(f"{name}: {answer and answer.status}")
        found += [f"{name}: {violation}" for violation in serious_violations(page)]
        if page.locator("h1").count() != 1:
            found.append(f"{name}: {page.locator('h1').count()} first headings")
    assert found == []


def test_every_page_fits_the_narrowest_phone(visit: Visit, house: House) -> None:
    open_pages: dict[str | None, Page] = {}
    too_wide: list[str] = []
    for name, sub, address in pages_of(house):
        if sub not in open_pages:
            open_pages[sub] = visit(sub, phone=True)
            open_pages[sub].set_viewport_size({"width": NARROWEST, "height": 700})
        page = open_pages[sub]
        page.goto(address)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > NARROWEST:
            too_wide.append(f"{name}: {width}")
    assert too_wide == []


def test_no_page_makes_the_browser_complain(visit: Visit, site: Site, house: House) -> None:
    open_pages: dict[str | None, Page] = {}
    for name, sub, address in pages_of(house):
        if name == "not-found":
            continue
        if sub not in open_pages:
            open_pages[sub] = visit(sub)
        open_pages[sub].goto(address)
        open_pages[sub].wait_for_timeout(100)
        assert not site.console, f"{name}: {site.console}"


def test_what_somebody_wrote_is_shown_and_never_run(visit: Visit, house: House) -> None:
    for sub, address in (
        ("mia", f"/staff/requests/{house.requests['odd']}"),
        ("RES_B_203", f"/requests/{house.requests['odd']}"),
        ("mia", "/staff?view=all"),
    ):
        page = visit(sub)
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        page.goto(address)
        assert "<script>alert('hello')</script>" in page.locator("main").inner_text()
