"""What a first visit costs, and that nothing comes from elsewhere."""

from playwright.sync_api import Page, Response

from bench.website import Site
from tests.browser.conftest import Visit, serious_violations

MOST_BYTES = 150_000


def test_the_first_page_is_light_and_of_this_host_alone(visit: Visit, site: Site) -> None:
    page: Page = visit()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto("/")
    page.wait_for_load_state("networkidle")
    assert all(answer.url.startswith(site.url) for answer in answers)
    sizes = [answer.request.sizes() for answer in answers]
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) < MOST_BYTES
    assert not site.console


def test_signing_in_by_keyboard_alone(visit: Visit, site: Site) -> None:
    page = visit()
    page.goto("/sign-in")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.value") == "sam":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/staff")
    assert not site.console


def test_the_sign_in_page_is_accessible(visit: Visit) -> None:
    page = visit(phone=True)
    page.goto("/sign-in")
    assert serious_violations(page) == []
