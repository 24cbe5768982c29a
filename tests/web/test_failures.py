"""What a page says where something went wrong: the right status, plain words, and nothing from within."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from markupsafe import escape

from core.errors import AppError, Invalid, NotFound, StaleVersion, StoreUnavailable
from core.labels import Role
from tests.web.small_pages import SmallPages, make_pages
from web.csrf import make_token
from web.failure_reasons import REASONS
from web.viewer import Anybody, Manager


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[SmallPages]:
    made = make_pages(tmp_path)
    assert isinstance(made.application, FastAPI)

    @made.application.get("/asks")
    async def ask(viewer: Anybody) -> None:
        await viewer.api.get("/requests")

    @made.application.get("/manages")
    async def manage(viewer: Manager) -> None:
        await viewer.api.get("/audit")

    @made.application.get("/breaks/{number}")
    async def fail(viewer: Anybody, number: int) -> None:
        raise ERRORS[number]

    yield made
    await made.backstage.documents.close()


ERRORS: tuple[Exception, ...] = (
    NotFound("There is no such <b>request</b>."),
    StaleVersion("It has changed."),
    Invalid("Not a number."),
    StoreUnavailable("the file /secret/path is locked"),
    AppError("a secret of ours"),
    RuntimeError("a secret of ours"),
    ZeroDivisionError("a secret of ours"),
)


@pytest.fixture
async def browser(pages: SmallPages) -> AsyncIterator[httpx.AsyncClient]:
    async with pages.browser(await pages.backstage.open("RES_A_101")) as made:
        yield made


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 413, 422, 429, 500, 503])
async def test_what_the_interface_refuses_is_a_page_of_that_status(
    pages: SmallPages, browser: httpx.AsyncClient, status: int
) -> None:
    pages.api.status = status
    answer = await browser.get("/asks")
    assert answer.status_code == status
    assert escape(REASONS[status][0]) in answer.text
    assert ("Refused." in answer.text) is (status < 500)
    assert ("Try again</a>" in answer.text) is (status in (429, 500, 503))


@pytest.mark.parametrize("number", range(len(ERRORS)))
async def test_errors_tell_nothing_from_within(browser: httpx.AsyncClient, number: int) -> None:
    error = ERRORS[number]
    answer = await browser.get(f"/breaks/{number}")
    assert answer.status_code == (error.status if isinstance(error, AppError) else 500)
    for word in ("secret", "Traceback", "Error", "<b>request"):
        assert word not in answer.text
    assert "content-security-policy" in answer.headers


async def test_addresses_that_mean_nothing_are_pages_too(browser: httpx.AsyncClient) -> None:
    for address in ("/no-such-page", "/breaks/no-number", "/static/no-such-file.css", "/%00", "/a%0d%0ab"):
        answer = await browser.get(address)
        assert answer.status_code == 404, address
    assert (await browser.get("/sign-out")).status_code == 405


async def test_pages_for_others_are_refused_and_those_for_people_ask_who_one_is(
    pages: SmallPages, browser: httpx.AsyncClient
) -> None:
    assert (await browser.get("/manages")).status_code == 403
    async with pages.browser() as stranger:
        answer = await stranger.get("/manages?tab=1&b=//evil.example")
        assert answer.headers["location"] == "/sign-in?next=%2Fmanages%3Ftab%3D1%26b%3D%2F%2Fevil.example"
        script = await stranger.get("/manages", headers={"accept": "application/json"})
        assert script.status_code == 401
    assert pages.api.calls == []


async def test_words_are_in_the_readers_language(pages: SmallPages) -> None:
    async with pages.browser(await pages.backstage.open("sam", Role.STAFF)) as browser:
        answer = await browser.get("/no-such-page", headers={"accept-language": "es"})
    assert '<html lang="es">' in answer.text


WORDS = {"comment": "It drips & <b>nobody</b> comes.", "seen": "7", "idempotency_key": "key-1"}


@pytest.fixture
def writing(pages: SmallPages) -> None:
    """Pages that take a form, and fail."""
    assert isinstance(pages.application, FastAPI)

    @pages.application.post("/writing")
    async def write(viewer: Anybody) -> None:
        await viewer.api.post("/requests", {})

    @pages.application.post("/writing/{number}")
    async def fail(viewer: Anybody, number: int) -> None:
        raise ERRORS[number]


async def token_of(pages: SmallPages, browser: httpx.AsyncClient) -> str:
    session = await pages.backstage.sessions.find(browser.cookies["aam_session"])
    assert session is not None
    return make_token(session.stored.csrf_secret)


def shown(answer: httpx.Response) -> bool:
    """Whether the page gives back what was written, as text, and nothing but that."""
    assert "<b>nobody" not in answer.text
    assert "key-1" not in answer.text
    found = str(escape(WORDS["comment"])) in answer.text
    assert ("What you wrote" in answer.text) is found
    assert not found or answer.headers["cache-control"] == "no-store"
    return found


@pytest.mark.usefixtures("writing")
@pytest.mark.parametrize("status", [403, 404, 409, 422, 429, 500, 503])
async def test_what_the_interface_refuses_gives_back_what_was_written(
    pages: SmallPages, browser: httpx.AsyncClient, status: int
) -> None:
    token = await token_of(pages, browser)
    pages.api.status = status
    answer = await browser.post("/writing", data=WORDS | {"csrf_token": token})
    assert answer.status_code == status
    assert shown(answer)
    assert token not in answer.text


@pytest.mark.usefixtures("writing")
@pytest.mark.parametrize("number", range(len(ERRORS)))
async def test_errors_give_back_what_was_written(pages: SmallPages, browser: httpx.AsyncClient, number: int) -> None:
    answer = await browser.post(f"/writing/{number}", data=WORDS | {"csrf_token": await token_of(pages, browser)})
    assert answer.status_code >= 400
    assert shown(answer)


@pytest.mark.usefixtures("writing")
async def test_who_signed_in_anew_meanwhile_gets_back_what_they_wrote(
    pages: SmallPages, browser: httpx.AsyncClient
) -> None:
    before = await token_of(pages, browser)
    await browser.post("/sign-out", data={"csrf_token": before})
    async with pages.browser(await pages.backstage.open("RES_A_101")) as again:
        answer = await again.post("/writing", data=WORDS | {"csrf_token": before})
        assert answer.status_code == 403
        assert shown(answer)
        assert pages.api.calls == []


@pytest.mark.usefixtures("writing")
async def test_the_words_of_another_site_are_not_shown(pages: SmallPages, browser: httpx.AsyncClient) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        answer = await browser.post("/writing", data=WORDS, headers=headers)
        assert answer.status_code == 403
        assert not shown(answer)


@pytest.mark.usefixtures("writing")
async def test_they_are_given_back_while_nobody_can_tell_who_asks(
    pages: SmallPages, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_of(pages, browser)

    async def fail(*_: object) -> None:
        raise StoreUnavailable("locked")

    monkeypatch.setattr(pages.backstage.documents, "get", fail)
    answer = await browser.post("/writing", data=WORDS | {"csrf_token": token})
    assert answer.status_code == 503
    assert shown(answer)


@pytest.mark.usefixtures("writing")
async def test_a_form_without_words_and_one_that_can_not_be_read_are_failures_as_ever(
    pages: SmallPages, browser: httpx.AsyncClient
) -> None:
    token = await token_of(pages, browser)
    pages.api.status = 503
    assert not shown(await browser.post("/writing", data={"csrf_token": token, "seen": "7", "comment": " "}))
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert (await browser.post("/writing", content=b"--x\r\nno", headers=broken)).status_code in (400, 403)
