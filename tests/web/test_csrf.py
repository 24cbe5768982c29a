"""Forms from elsewhere are refused, whatever they look like; our own are taken."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.labels import Role
from tests.web.small_pages import BASE, SmallPages, make_pages
from web.csrf import HEADER, is_valid, make_token
from web.sessions import Session

SECRET, OTHER = "a" * 64, "b" * 64


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[SmallPages]:
    made = make_pages(tmp_path)
    yield made
    await made.backstage.documents.close()


@pytest.fixture
async def session(pages: SmallPages) -> Session:
    return await pages.backstage.open("RES_A_101")


@pytest.fixture
async def browser(pages: SmallPages, session: Session) -> AsyncIterator[httpx.AsyncClient]:
    async with pages.browser(session) as made:
        yield made


async def is_signed_in(pages: SmallPages, session: Session) -> bool:
    return await pages.backstage.sessions.find(session.session_id) is not None


async def test_a_form_without_a_good_token_changes_nothing(
    pages: SmallPages, session: Session, browser: httpx.AsyncClient
) -> None:
    others = await pages.backstage.open("mia", Role.MANAGER)
    good = make_token(session.stored.csrf_secret)
    nonce, _, mac = good.partition(".")
    forged = [
        None,
        "",
        ".",
        "x",
        nonce,
        f"{nonce}.",
        f".{mac}",
        f"{nonce}x.{mac}",
        f"{nonce}.{mac[:-1]}0{mac[-1]}",
        good + "x",
        "ü.ü",
        "x" * 100_000,
        make_token(others.stored.csrf_secret),
    ]
    for token in forged:
        data = {} if token is None else {"csrf_token": token}
        answer = await browser.post("/sign-out", data=data)
        assert answer.status_code == 403, token
        assert await is_signed_in(pages, session)
    # A token in the address is in logs and histories, and counts for nothing.
    assert (await browser.post("/sign-out", params={"csrf_token": good})).status_code == 403
    assert (await browser.post("/sign-out", data={"csrf_token": good})).status_code == 303
    assert not await is_signed_in(pages, session)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": BASE},
        {"origin": "https://evil.example"},
        {"origin": "http://aam.test.evil.example"},
        {"origin": "http://aam.test:8443"},
        {"origin": "null"},
        {"origin": ""},
    ],
    ids=str,
)
async def test_what_another_site_sends_is_refused_though_its_token_is_good(
    pages: SmallPages, session: Session, browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    data = {"csrf_token": make_token(session.stored.csrf_secret)}
    for address, form in (("/sign-out", data), ("/sign-in", {"sub": "mia"}), ("/language", {"language": "es"})):
        answer = await browser.post(address, data=form, headers=headers)
        assert answer.status_code == 403, address
        assert "set-cookie" not in answer.headers
    assert await is_signed_in(pages, session)


@pytest.mark.parametrize(
    "headers", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": BASE}], ids=str
)
async def test_our_own_forms_are_taken(session: Session, browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    data = {"csrf_token": make_token(session.stored.csrf_secret)}
    assert (await browser.post("/sign-out", data=data, headers=headers)).status_code == 303


async def test_a_script_sends_the_token_in_a_header(
    pages: SmallPages, session: Session, browser: httpx.AsyncClient
) -> None:
    wrong = await browser.post("/sign-out", json={}, headers={HEADER: make_token(OTHER)})
    assert wrong.status_code == 403
    assert await is_signed_in(pages, session)
    # JSON with the token in its body is no form, and what a simple cross-site call can send.
    inside = {"csrf_token": make_token(session.stored.csrf_secret)}
    assert (await browser.post("/sign-out", json=inside)).status_code == 403
    right = await browser.post("/sign-out", json={}, headers={HEADER: inside["csrf_token"]})
    assert right.status_code == 303


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_other_methods_need_it_as_well(browser: httpx.AsyncClient, method: str) -> None:
    assert (await browser.request(method, "/sign-out")).status_code in (403, 405)


async def test_a_form_of_a_session_before_by_the_same_person_stays_good(pages: SmallPages) -> None:
    """They have signed in again in another tab, and send what they were writing in the first."""
    async with pages.browser() as browser:
        await browser.post("/sign-in", data={"sub": "RES_A_101"})
        first = await pages.backstage.sessions.find(browser.cookies["aam_session"])
        assert first is not None
        await browser.post("/sign-in", data={"sub": "RES_A_101"})
        token = make_token(first.stored.csrf_secret)
        assert (await browser.post("/kept-form/forget", data={"csrf_token": token})).status_code == 303
        await browser.post("/sign-in", data={"sub": "RES_A_102"})
        assert (await browser.post("/kept-form/forget", data={"csrf_token": token})).status_code == 403


@given(st.text(max_size=200))
def test_no_text_passes_for_a_token(text: str) -> None:
    assert not is_valid(SECRET, text)


def test_each_token_is_another_text_and_good_for_its_secret_alone() -> None:
    one, two = make_token(SECRET), make_token(SECRET)
    assert one != two
    assert is_valid(SECRET, one)
    assert is_valid(SECRET, two)
    assert not is_valid(OTHER, one)
