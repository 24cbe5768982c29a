"""A form that was sent after its session had ended: the same person gets it back, and nobody else does."""

import html
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.types import Message, Receive, Scope, Send

from core.errors import Unavailable
from core.ports.documents import Document
from tests.web.small_pages import BASE, SmallPages, make_pages
from web.csrf import make_token
from web.forms import Form, read_form
from web.kept_forms import KEPT, KIND, LONGEST_BYTES, MOST
from web.sessions import KEPT_AFTER_END, Session
from web.viewer import Resident

TEXT = "The tap drips & <b>nobody</b>\ncomes.\n  “Since Monday.”"
FIELDS = {"message": TEXT, "idempotency_key": "key-1", "version": "7"}


class Desk:
    """A page of ours that takes a form, and what it was given."""

    def __init__(self, pages: FastAPI) -> None:
        self.taken: list[tuple[str, Form]] = []
        self.is_down = False

        @pages.post("/writing")
        async def write(request: Request, viewer: Resident) -> Response:
            if self.is_down:
                raise Unavailable("down")
            self.taken.append((viewer.sub, await read_form(request)))
            await viewer.api.post("/requests", {}, key=self.taken[-1][1].key)
            return RedirectResponse("/home", 303)


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[SmallPages]:
    made = make_pages(tmp_path)
    yield made
    await made.backstage.documents.close()


@pytest.fixture
def desk(pages: SmallPages) -> Desk:
    assert isinstance(pages.application, FastAPI)
    return Desk(pages.application)


@pytest.fixture
async def browser(pages: SmallPages) -> AsyncIterator[httpx.AsyncClient]:
    """One in which a resident was signed in, whose session has ended."""
    session = await pages.backstage.open("RES_A_101")
    pages.backstage.ahead = timedelta(hours=2)
    async with pages.browser(session) as made:
        yield made


async def session_in(pages: SmallPages, browser: httpx.AsyncClient) -> Session:
    found = await pages.backstage.sessions.find(browser.cookies["aam_session"])
    assert found is not None
    return found


async def write(
    pages: SmallPages, browser: httpx.AsyncClient, fields: dict[str, str] | None = None, **more: object
) -> httpx.Response:
    """Send the form as the page would that was shown before."""
    token = make_token((await session_in(pages, browser)).stored.csrf_secret)
    return await browser.post("/writing?from=page", data=(fields or FIELDS) | {"csrf_token": token}, **more)


async def stored(pages: SmallPages) -> tuple[Document, ...]:
    return (await pages.backstage.documents.list(KIND, "all", limit=50)).items


def form_in(page: str, action: str, number: int = 0) -> dict[str, list[str]]:
    """The hidden fields of a form of the page, as a browser would send them."""
    form = re.findall(rf'<form method="post" action="{re.escape(action)}"[^>]*>(.*?)</form>', page, re.DOTALL)[number]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form, re.DOTALL):
        found.setdefault(html.unescape(name), []).append(html.unescape(value))
    return found


async def test_it_comes_back_to_the_same_person_and_is_sent_once(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    answer = await write(pages, browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F")
    assert desk.taken == []
    assert "is kept" in (await browser.get("/sign-in")).text
    answer = await browser.post("/sign-in", data={"sub": "RES_A_101", "next": "/messages"})
    assert answer.headers["location"] == "/kept-form"
    page = (await browser.get("/kept-form")).text
    assert html.escape("<b>nobody</b>") in page
    assert "<b>nobody" not in page
    fields = form_in(page, "/writing?from=page")
    assert await stored(pages)
    sent = await browser.post("/writing?from=page", data=fields)
    assert sent.headers["location"] == "/home"
    who, form = desk.taken[0]
    assert who == "RES_A_101"
    assert form.fields["message"] == TEXT
    # The key is the one of the form that was first sent: had it been done, it is not done again.
    assert (form.key, form.fields["version"]) == ("key-1", "7")
    assert pages.api.calls == [("POST", "/api/v1/requests")]
    assert await stored(pages) == ()
    async with pages.browser() as signed_out:
        cookie = f"aam_kept={browser.cookies['aam_kept']}"
        assert "is kept" not in (await signed_out.get("/sign-in", headers={"cookie": cookie})).text
    assert (await browser.get("/kept-form")).headers["location"] == "/"


async def test_it_is_forgotten_before_the_answer_is_sent(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    await write(pages, browser)
    await browser.post("/sign-in", data={"sub": "RES_A_101"})
    fields = form_in((await browser.get("/kept-form")).text, "/writing?from=page")
    left: list[int] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                left.append(len(await stored(pages)))
            await send(message)

        await pages.application(scope, receive, watch)

    transport = httpx.ASGITransport(watched)
    async with httpx.AsyncClient(transport=transport, base_url=BASE, cookies=browser.cookies) as other:
        assert (await other.post("/writing?from=page", data=fields)).status_code == 303
    assert left == [0]


async def test_somebody_else_gets_nothing_and_it_is_deleted(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    await write(pages, browser)
    assert len(await stored(pages)) == 1
    answer = await browser.post("/sign-in", data={"sub": "RES_A_102", "next": "/messages"})
    assert answer.headers["location"] == "/messages"
    assert await stored(pages) == ()
    assert "aam_kept" not in browser.cookies
    assert (await browser.get("/kept-form")).headers["location"] == "/"
    await browser.post("/sign-in", data={"sub": "RES_A_101"})
    assert (await browser.get("/kept-form")).headers["location"] == "/"


async def test_the_same_person_in_another_browser_gets_nothing(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    await write(pages, browser)
    async with pages.browser() as other:
        assert (await other.post("/sign-in", data={"sub": "RES_A_101"})).headers["location"] == "/"
        owner = browser.cookies["aam_kept"].partition(".")[2]
        for made_up in (f"{'x' * 43}.{owner}", f".{owner}", owner, f"{'x' * 43}.{'0' * 64}"):
            answer = await other.get("/kept-form", headers={"cookie": _with(other, made_up)})
            assert answer.headers["location"] == "/"
            await other.post("/sign-in", data={"sub": "RES_A_102"}, headers={"cookie": f"aam_kept={made_up}"})
    assert len(await stored(pages)) == 1


def _with(browser: httpx.AsyncClient, kept: str) -> str:
    return f"aam_session={browser.cookies['aam_session']}; aam_kept={kept}"


async def test_the_store_does_not_tell_what_was_written_nor_by_whom(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    answer = await write(pages, browser)
    documents = await stored(pages)
    text = json.dumps([(each.key, each.partition, dict(each.body)) for each in documents])
    cookie = browser.cookies["aam_kept"]
    for secret in ("nobody", "drips", "RES_A_101", "/writing", "key-1", cookie, cookie.partition(".")[0]):
        assert secret not in text
    given = [each for each in answer.headers.get_list("set-cookie") if each.startswith("aam_kept=")]
    assert "httponly" in given[0].lower()
    assert "max-age=86400" in given[0].lower()


async def test_after_a_day_it_is_gone(pages: SmallPages, desk: Desk, browser: httpx.AsyncClient) -> None:
    await write(pages, browser)
    pages.backstage.ahead += KEPT
    answer = await browser.post("/sign-in", data={"sub": "RES_A_101"})
    assert answer.headers["location"] == "/"
    assert await stored(pages) == ()


async def test_it_is_swept_by_the_next_form_that_is_kept(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    await write(pages, browser)
    pages.backstage.ahead += KEPT + timedelta(seconds=1)
    session = await pages.backstage.open("RES_B_201")
    pages.backstage.ahead += timedelta(hours=2)
    async with pages.browser(session) as other:
        await write(pages, other)
    assert len(await stored(pages)) == 1


async def test_three_are_kept_and_the_oldest_makes_room(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    for number in range(MOST + 2):
        pages.backstage.ahead += timedelta(seconds=1)
        await write(pages, browser, FIELDS | {"message": f"message-{number}"})
        assert len(await stored(pages)) == min(number + 1, MOST)
    await browser.post("/sign-in", data={"sub": "RES_A_101"})
    page = (await browser.get("/kept-form")).text
    assert {number for number in range(9) if f"message-{number}" in page} == {2, 3, 4}
    # One is sent, one thrown away, one stays.
    place = form_in(page, "/kept-form/forget")
    await browser.post("/kept-form/forget", data=place)
    await browser.post("/writing?from=page", data=form_in(page, "/writing?from=page", 1))
    assert len(await stored(pages)) == 1
    assert len(desk.taken) == 1


async def test_nobody_throws_away_what_is_anothers(pages: SmallPages, desk: Desk, browser: httpx.AsyncClient) -> None:
    await write(pages, browser)
    session = await pages.backstage.open("RES_A_102")
    token = make_token(session.stored.csrf_secret)
    async with pages.browser(session) as other:
        for place in [document.key for document in await stored(pages)]:
            await other.post("/kept-form/forget", data={"csrf_token": token, "place": place})
            await other.post("/writing", data={"csrf_token": token, "kept_form": place, "message": "x"})
    assert len(await stored(pages)) == 1


async def test_it_stays_while_something_does_not_answer(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    await write(pages, browser)
    await browser.post("/sign-in", data={"sub": "RES_A_101"})
    fields = form_in((await browser.get("/kept-form")).text, "/writing?from=page")
    desk.is_down = True
    assert (await browser.post("/writing?from=page", data=fields)).status_code == 503
    assert len(await stored(pages)) == 1


async def test_files_are_named_and_all_values_of_a_field_kept(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    session = await session_in(pages, browser)
    data = {"slot": ["mon", "tue"], "message": TEXT, "csrf_token": make_token(session.stored.csrf_secret)}
    files = [("photo", ("sink <1>.jpg", b"\xff\xd8secret", "image/jpeg"))]
    await browser.post("/writing", data=data, files=files)
    await browser.post("/sign-in", data={"sub": "RES_A_101"})
    page = (await browser.get("/kept-form")).text
    assert "sink &lt;1&gt;.jpg" in page
    assert 'enctype="multipart/form-data"' in page
    assert 'type="file"' in page
    assert form_in(page, "/writing")["slot"] == ["mon", "tue"]


async def test_what_is_too_long_is_shown_to_who_sent_it_and_not_kept(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    answer = await write(pages, browser, FIELDS | {"message": "<i>" + "x" * LONGEST_BYTES})
    assert answer.status_code == 401
    assert "&lt;i&gt;xxx" in answer.text
    assert "Copy what you still need" in answer.text
    assert "key-1" not in answer.text
    assert await stored(pages) == ()


async def test_of_a_session_that_nobody_remembers_it_is_shown_to_who_sent_it(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    session = await session_in(pages, browser)
    pages.backstage.ahead += KEPT_AFTER_END
    data = FIELDS | {"csrf_token": make_token(session.stored.csrf_secret)}
    answer = await browser.post("/writing", data=data)
    assert answer.status_code == 401
    assert html.escape("<b>nobody</b>") in answer.text
    assert data["csrf_token"] not in answer.text
    assert await stored(pages) == ()
    elsewhere = await browser.post("/writing", data=data, headers={"sec-fetch-site": "cross-site"})
    assert elsewhere.status_code == 403
    assert "nobody" not in elsewhere.text


async def test_a_form_that_is_not_ours_is_not_kept(pages: SmallPages, desk: Desk, browser: httpx.AsyncClient) -> None:
    for token in ("", "x.y", make_token("a" * 64)):
        answer = await browser.post("/writing", data=FIELDS | {"csrf_token": token})
        assert answer.status_code == 403
    assert await stored(pages) == ()
    assert "aam_kept" not in browser.cookies


@pytest.mark.parametrize("address", ["/sign-out", "/kept-form/forget"])
async def test_forms_without_anything_written_are_not_kept(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient, address: str
) -> None:
    token = make_token((await session_in(pages, browser)).stored.csrf_secret)
    answer = await browser.post(address, data={"csrf_token": token, "version": "7"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F")
    assert await stored(pages) == ()


async def test_a_script_is_told_so_and_keeps_it_itself(
    pages: SmallPages, desk: Desk, browser: httpx.AsyncClient
) -> None:
    answer = await write(pages, browser, headers={"accept": "application/json"})
    assert (answer.status_code, answer.content) == (401, b"")
    assert await stored(pages) == ()


async def test_a_token_that_the_interface_refuses_ends_the_session_and_keeps_the_form(
    pages: SmallPages, desk: Desk
) -> None:
    session = await pages.backstage.open("RES_A_101")
    pages.api.status = 401
    async with pages.browser(session) as browser:
        answer = await write(pages, browser)
        assert answer.headers["location"] == "/sign-in?next=%2F"
        assert await pages.backstage.sessions.find(session.session_id) is None
        # No circle: the sign-in asks, though the browser came with a cookie.
        assert (await browser.get("/sign-in")).status_code == 200
        assert len(await stored(pages)) == 1
