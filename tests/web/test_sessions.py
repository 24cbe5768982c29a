"""Sessions: whose they are, when they end, and what the store tells who reads it."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import StoreUnavailable
from core.labels import Role
from core.settings import Settings
from tests.web.small_pages import BASE, SmallPages, make_pages
from web.csrf import make_token
from web.sessions import KEPT_AFTER_END, KIND, Session, cookie_name

SECURE = {"public_url": "https://aam.test"}


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[SmallPages]:
    made = make_pages(tmp_path)
    yield made
    await made.backstage.documents.close()


def form(session: Session, **fields: str) -> dict[str, str]:
    return {"csrf_token": make_token(session.stored.csrf_secret), **fields}


async def test_the_store_holds_neither_an_id_nor_a_token(pages: SmallPages, tmp_path: Path) -> None:
    session = await pages.backstage.open("RES_A_101", refresh_token="refresh-secret", sign_out_hint="hint-secret")
    stored = (await pages.backstage.documents.list(KIND, "all", limit=5)).items
    assert len(stored) == 1
    text = json.dumps([stored[0].key, stored[0].partition, stored[0].order, dict(stored[0].body)])
    await pages.backstage.documents.compact()
    on_disk = b"".join(file.read_bytes() for file in tmp_path.glob("documents.sqlite3*"))
    for secret in (session.session_id, session.token, session.token.split(".")[2], "refresh-secret", "hint-secret"):
        assert secret not in text
        assert secret.encode() not in on_disk
    found = await pages.backstage.sessions.find(session.session_id)
    assert found is not None
    assert (found.token, found.refresh_token, found.sign_out_hint) == (session.token, "refresh-secret", "hint-secret")


async def test_a_document_under_another_id_does_not_open(pages: SmallPages) -> None:
    mine, others = await pages.backstage.open("RES_A_101"), await pages.backstage.open("mia", Role.MANAGER)
    documents = {each.key: each for each in (await pages.backstage.documents.list(KIND, "all", limit=5)).items}
    from web.sealing import key_of

    swapped = documents[key_of(others.session_id)]
    await pages.backstage.documents.delete(KIND, key_of(mine.session_id))
    await pages.backstage.documents.put(
        type(swapped)(KIND, key_of(mine.session_id), "all", swapped.order, 1, swapped.body)
    )
    assert await pages.backstage.sessions.find(mine.session_id) is None


async def test_signing_in_gives_a_new_id_and_ends_the_old_one(pages: SmallPages) -> None:
    before = await pages.backstage.open("RES_A_101")
    async with pages.browser(before) as browser:
        answer = await browser.post("/sign-in", data={"sub": "mia"})
        assert answer.status_code == 303
        assert browser.cookies["aam_session"] != before.session_id
        assert await pages.backstage.sessions.find(before.session_id) is None
        after = await pages.backstage.sessions.find(browser.cookies["aam_session"])
    assert after is not None
    assert (after.sub, after.role) == ("mia", Role.MANAGER)
    assert after.stored.csrf_secret != before.stored.csrf_secret


async def test_an_id_that_somebody_else_has_chosen_is_never_taken(pages: SmallPages) -> None:
    chosen = "A" * 43
    async with pages.browser() as browser:
        browser.cookies.set("aam_session", chosen, domain="aam.test")
        await browser.post("/sign-in", data={"sub": "RES_A_101"})
        ids = [cookie.value for cookie in browser.cookies.jar if cookie.name == "aam_session"]
    assert chosen not in ids
    assert await pages.backstage.sessions.find(chosen) is None


async def test_a_copied_cookie_is_nobody_after_signing_out(pages: SmallPages) -> None:
    session = await pages.backstage.open("RES_A_101")
    async with pages.browser(session) as browser, pages.browser(session) as copied:
        assert (await copied.get("/sign-in")).status_code == 303
        answer = await browser.post("/sign-out", data=form(session))
        assert answer.headers["location"] == "/sign-in"
        # What waits in the browser's storage is asked about, and removed, by script; others' messages wait there, too.
        assert answer.headers["clear-site-data"] == '"cache"'
        assert 'aam_session=""; ' in answer.headers["set-cookie"]
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert (await copied.get("/sign-in")).status_code == 200
        assert (await copied.get("/kept-form")).headers["location"].startswith("/sign-in?next=")


async def test_a_session_ends_with_its_time_and_is_forgotten_a_day_later(pages: SmallPages) -> None:
    session = await pages.backstage.open("RES_A_101")
    sessions = pages.backstage.sessions
    async with pages.browser(session) as browser:
        pages.backstage.ahead = timedelta(minutes=59)
        assert (await browser.get("/sign-in")).status_code == 303
        pages.backstage.ahead = timedelta(minutes=61)
        assert (await browser.get("/sign-in")).status_code == 200
        found = await sessions.find(session.session_id)
        assert found is not None
        assert found.is_over(pages.backstage.clock())
    pages.backstage.ahead = timedelta(minutes=61) + KEPT_AFTER_END
    assert await sessions.find(session.session_id) is None
    await pages.backstage.open("mia", Role.MANAGER)
    assert len((await pages.backstage.documents.list(KIND, "all", limit=9)).items) == 1


@pytest.mark.parametrize(
    ("settings", "is_secure"), [({}, False), (SECURE, True), ({"environment": "production"}, True)]
)
async def test_over_tls_the_cookie_is_for_this_host_alone(
    tmp_path: Path, settings: dict[str, Any], is_secure: bool
) -> None:
    pages = make_pages(tmp_path, **settings)
    assert cookie_name(pages.backstage.settings) == ("__Host-aam_session" if is_secure else "aam_session")
    if settings.get("environment") != "production":
        async with pages.browser(base=SECURE["public_url"] if is_secure else BASE) as browser:
            answer = await browser.post("/sign-in", data={"sub": "RES_A_101"})
        given = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= given
        assert ("secure" in given) is is_secure
        assert not [part for part in given if part.startswith(("domain", "max-age", "expires"))]
    await pages.backstage.documents.close()


async def test_production_offers_no_sample_people_whatever_the_mode_says(tmp_path: Path) -> None:
    pages = make_pages(tmp_path, environment="production")
    async with pages.browser(base="https://aam.test") as browser:
        assert "RES_A_101" not in (await browser.get("/sign-in")).text
        answer = await browser.post("/sign-in", data={"sub": "mia"})
    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers
    await pages.backstage.documents.close()


ODD = (
    "A" * 10_000,
    "a\0b",
    "../../etc/passwd",
    "%00%0d%0a",
    '"quoted\\054\\000"',
    "ü".encode().decode("latin-1"),
    "a b",
    "' OR 1=1 --",
    "",
)


@pytest.mark.parametrize("value", ODD, ids=lambda value: ascii(value[:12]))
async def test_a_cookie_may_hold_anything(pages: SmallPages, value: str) -> None:
    for name in ("aam_session", "aam_login", "aam_kept", "aam_language"):
        cookie = f"{name}={value}".encode("latin-1")
        async with pages.browser() as browser:
            for address in ("/sign-in", "/kept-form", "/no-such-page"):
                answer = await browser.get(address, headers=[(b"cookie", cookie)])
                assert answer.status_code in (200, 303, 404), answer.text
            answer = await browser.post("/sign-in", data={"sub": "sam"}, headers=[(b"cookie", cookie)])
            assert answer.status_code == 303
            assert answer.cookies["aam_session"]


async def test_of_two_cookies_none_gives_more_than_its_own_session(pages: SmallPages) -> None:
    mine = await pages.backstage.open("RES_A_101")
    async with pages.browser() as browser:
        for pair in (("x" * 43, mine.session_id), (mine.session_id, "x" * 43)):
            cookie = "; ".join(f"aam_session={each}" for each in pair)
            answer = await browser.get("/", headers={"cookie": cookie})
            assert answer.headers["location"] in ("/home", "/sign-in")
        answers = await browser.get("/", headers=[("cookie", f"aam_session={mine.session_id}"), ("cookie", "a=b")])
        assert answers.status_code == 303


async def test_the_token_of_the_session_is_what_the_interface_gets(pages: SmallPages) -> None:
    session = await pages.backstage.open("RES_A_101")
    async with pages.browser(session) as browser:
        await browser.get("/home")
    assert set(pages.api.tokens) <= {session.token}


class Down:
    """A store that does not answer."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> None:
            raise StoreUnavailable("the disk at /secret/path is gone")

        return fail


@pytest.mark.parametrize("address", ["/", "/sign-in", "/home", "/kept-form"])
async def test_a_store_that_is_down_is_a_page_in_plain_words(pages: SmallPages, address: str) -> None:
    session = await pages.backstage.open("RES_A_101")
    pages.backstage.documents, kept = Down(), pages.backstage.documents  # type: ignore[assignment]
    async with pages.browser(session) as browser:
        answer = await browser.get(address, headers={"accept-language": "en"})
        posted = await browser.post("/sign-out", data=form(session))
        in_after = await browser.post("/sign-in", data={"sub": "sam"})
    for each in (answer, posted, in_after):
        assert each.status_code == 503
        assert each.headers["content-type"].startswith("text/html")
        assert each.headers["retry-after"] == "5"
        assert "does not answer" in each.text
        assert "Traceback" not in each.text
        assert "secret/path" not in each.text
    assert f'href="{address}">Try again' in answer.text
    pages.backstage.documents = kept


def test_settings_say_whether_people_come_over_tls() -> None:
    assert cookie_name(Settings(public_url="http://aam.test")) == "aam_session"
