"""The pages in a real Chromium, on the real four services in one process."""

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.website import Site, website
from core.settings import Settings
from tests.chromium import find_chromium

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def site(built_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The application over HTTP, with what staff of a house would find there."""
    folder = tmp_path_factory.mktemp("site") / "state"
    with website(built_settings.model_copy(update={"state_dir": folder})) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # For a module alone: while Playwright is open, an event loop runs in this thread, and no other test can start one.
    path = find_chromium()
    if path is None:
        pytest.skip("There is no Chromium; `python -m tests.chromium` fetches one.")
    with sync_playwright() as playwright:
        # No sandbox within containers, where the kernel grants none.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """`visit("RES_A_101", phone=True)`: a page of a browser of its own, signed in as this sample person."""
    contexts: list[BrowserContext] = []

    def open_page(
        sub: str | None = None, *, phone: bool = False, dark: bool = False, language: str = "en-US", script: bool = True
    ) -> Page:
        context = browser.new_context(
            base_url=site.url,
            viewport=PHONE if phone else DESKTOP,
            color_scheme="dark" if dark else "light",
            locale=language,
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: site.console.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: site.console.append(str(error)))
        if sub is not None:
            site.sign_in(context, sub)
        return page

    site.console.clear()
    yield open_page
    for context in contexts:
        context.close()


def serious_violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the page, in words."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']} ({node['html'][:200]})"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
