"""Signing in at an issuer that speaks the real protocol over HTTP, and every way in which that can go wrong."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.tokens import OidcTokens
from core.labels import Role
from tests.oidc_issuer import CONFIGURATION, OidcIssuer
from tests.web.small_pages import BASE, SmallPages, make_pages
from web import session_renewal, sign_in_oidc
from web.login_states import KIND as LOGINS
from web.login_states import LASTS
from web.sessions import LONGEST_RENEWED, Session

CLIENT = "aam-pages"


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    made = OidcIssuer(CLIENT, BASE + "/sign-in/callback")
    yield made
    made.stop()


Make = Callable[..., SmallPages]


@pytest.fixture
async def make(issuer: OidcIssuer, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[SmallPages] = []

    def build(**changes: Any) -> SmallPages:
        settings: dict[str, Any] = {
            "auth_mode": "oidc",
            "oidc_issuer": issuer.url,
            "oidc_audience": "aam",
            "oidc_client_id": CLIENT,
            "public_url": BASE,
            **changes,
        }
        pages = make_pages(tmp_path, OidcTokens(issuer.url, "aam"), **settings)
        made.append(pages)
        return pages

    yield build
    for pages in made:
        await pages.backstage.documents.close()


@pytest.fixture
def pages(make: Make) -> SmallPages:
    return make()


async def to_issuer(browser: httpx.AsyncClient, back: str = "/messages") -> str:
    """Begin, and let the issuer answer; the address that it sends the browser back to."""
    begun = await browser.get("/sign-in/start", params={"next": back})
    assert begun.status_code == 303, begun.text
    async with httpx.AsyncClient() as outside:
        answer = await outside.get(begun.headers["location"])
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def sign_in(browser: httpx.AsyncClient, back: str = "/messages") -> httpx.Response:
    return await browser.get(await to_issuer(browser, back))


async def session_of(pages: SmallPages, browser: httpx.AsyncClient) -> Session | None:
    return await pages.backstage.sessions.find(browser.cookies.get("aam_session"))


async def test_people_sign_in_as_who_the_issuer_says_they_are(pages: SmallPages, issuer: OidcIssuer) -> None:
    for account in ({"sub": "RES_A_101", "role": "resident"}, {"sub": "mia", "role": "manager", "buildings": ["B"]}):
        issuer.account = account
        async with pages.browser() as browser:
            answer = await sign_in(browser)
            assert (answer.status_code, answer.headers["location"]) == (303, "/messages")
            session = await session_of(pages, browser)
            assert session is not None
            assert (session.sub, session.role) == (account["sub"], Role(account["role"]))
            assert session.stored.buildings == (tuple(account["buildings"]) if "buildings" in account else None)
            ends = jwt.decode(session.token, options={"verify_signature": False})["exp"]
            assert session.stored.expires_at.timestamp() == ends


async def test_the_sign_in_asks_for_a_code_with_a_challenge_state_and_nonce(pages: SmallPages) -> None:
    async with pages.browser() as browser:
        places = [(await browser.get("/sign-in/start")).headers["location"] for _ in range(2)]
    asked = [{name: values[0] for name, values in parse_qs(urlsplit(place).query).items()} for place in places]
    assert asked[0]["response_type"] == "code"
    assert asked[0]["code_challenge_method"] == "S256"
    assert asked[0]["redirect_uri"] == BASE + "/sign-in/callback"
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name]) >= 20


async def test_a_client_with_a_secret_sends_it(issuer: OidcIssuer, make: Make) -> None:
    issuer.secret = "s3cret"
    async with make(oidc_client_secret="s3cret").browser() as browser:
        assert (await sign_in(browser)).headers["location"] == "/messages"
    async with make(oidc_client_secret="wrong").browser() as browser:
        assert (await sign_in(browser)).status_code == 400


async def test_the_id_token_serves_where_the_access_token_is_opaque(make: Make, issuer: OidcIssuer) -> None:
    issuer.is_opaque = True
    issuer.id_claims = {"aud": [CLIENT, "aam"], "azp": CLIENT}
    pages = make()
    async with pages.browser() as browser:
        assert (await sign_in(browser)).status_code == 303
        assert (await session_of(pages, browser)) is not None


def refused(answer: httpx.Response, status: int, says: str) -> None:
    assert answer.status_code == status
    assert says in answer.text
    assert "script>alert" not in answer.text
    assert "/sign-in/start?next=" in answer.text
    assert not [each for each in answer.headers.get_list("set-cookie") if each.startswith("aam_session=")]


OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("behaviour", "status", "says"),
    [
        ({"account": {"sub": "eve"}}, 403, "no role here"),
        ({"account": {"sub": "eve", "role": "landlord"}}, 403, "no role here"),
        ({"audience": "another"}, 403, "no role here"),
        ({"access_claims": {"iss": "https://evil.example"}}, 403, "no role here"),
        ({"id_claims": {"nonce": "another"}}, 400, "could not be finished"),
        ({"id_claims": {"nonce": None}}, 400, "could not be finished"),
        ({"id_claims": {"aud": "another-client"}}, 400, "could not be finished"),
        ({"id_claims": {"aud": "another-client", "azp": CLIENT}}, 400, "could not be finished"),
        ({"id_claims": {"aud": None}}, 400, "could not be finished"),
        ({"id_claims": {"iss": "https://evil.example"}}, 400, "could not be finished"),
        ({"id_claims": {"exp": 1_000_000}}, 400, "could not be finished"),
        ({"id_key": OTHER_KEY}, 400, "could not be finished"),
        ({"lifetime": timedelta(seconds=-300)}, 400, "could not be finished"),
        ({"refuses_with": "access_denied"}, 403, "cancelled"),
        ({"refuses_with": "server_error"}, 503, "does not answer"),
        ({"refuses_with": "<b>x"}, 400, "could not be finished"),
    ],
    ids=lambda value: "another key" if isinstance(value, dict) and "id_key" in value else str(value),
)
async def test_who_is_refused_reads_why_and_has_no_session(
    pages: SmallPages, issuer: OidcIssuer, behaviour: dict[str, Any], status: int, says: str
) -> None:
    for name, value in behaviour.items():
        setattr(issuer, name, value)
    async with pages.browser() as browser:
        refused(await sign_in(browser), status, says)
        assert browser.cookies.get("aam_session") is None


async def test_an_answer_with_another_state_is_refused_and_the_right_one_still_taken(pages: SmallPages) -> None:
    async with pages.browser() as browser:
        right = await to_issuer(browser)
        code = parse_qs(urlsplit(right).query)["code"][0]
        for state in ("", "another", "ü", "x" * 5000):
            wrong = await browser.get("/sign-in/callback", params={"code": code, "state": state})
            refused(wrong, 400, "does not belong")
        refused(await browser.get(right + "&iss=https://evil.example"), 400, "does not belong")
        assert (await browser.get(right)).status_code == 303


async def test_another_browsers_answer_is_refused(pages: SmallPages) -> None:
    """Who is led to somebody else's answer is not signed in as them."""
    async with pages.browser() as attacker, pages.browser() as victim:
        address = await to_issuer(attacker)
        refused(await victim.get(address), 400, "took too long")
        await victim.get("/sign-in/start")
        refused(await victim.get(address), 400, "does not belong")


async def test_an_answer_is_good_for_once(pages: SmallPages, issuer: OidcIssuer) -> None:
    async with pages.browser() as browser:
        address = await to_issuer(browser)
        cookie = browser.cookies["aam_login"]
        first = await browser.get(address)
        assert first.status_code == 303
        assert "aam_login" not in browser.cookies
        browser.cookies.set("aam_login", cookie)
        refused(await browser.get(address), 400, "took too long")
        assert issuer.calls["/token"] == 1


async def test_of_two_answers_at_once_one_is_taken(pages: SmallPages, issuer: OidcIssuer) -> None:
    async with pages.browser() as browser:
        address = await to_issuer(browser)
        login = {"cookie": f"aam_login={browser.cookies['aam_login']}"}
        both = await asyncio.gather(*(pages.browser(**login).get(address) for _ in range(2)))
    assert sorted(answer.status_code for answer in both) == [303, 400]
    assert issuer.calls["/token"] == 1


async def test_a_code_that_was_used_elsewhere_is_refused(pages: SmallPages, issuer: OidcIssuer) -> None:
    async with pages.browser() as browser:
        address = await to_issuer(browser)
        issuer._codes.clear()
        refused(await browser.get(address), 400, "could not be finished")


async def test_without_the_verifier_the_code_is_worth_nothing(pages: SmallPages, issuer: OidcIssuer) -> None:
    async with pages.browser() as browser, httpx.AsyncClient() as thief:
        code = parse_qs(urlsplit(await to_issuer(browser)).query)["code"][0]
        stolen = {"grant_type": "authorization_code", "code": code, "client_id": CLIENT}
        answer = await thief.post(issuer.url + "/token", data=stolen | {"redirect_uri": BASE + "/sign-in/callback"})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_a_sign_in_ends_after_ten_minutes(pages: SmallPages) -> None:
    async with pages.browser() as browser:
        address = await to_issuer(browser)
        pages.backstage.ahead = LASTS + timedelta(seconds=1)
        refused(await browser.get(address), 400, "took too long")


async def test_what_is_stored_of_a_sign_in_opens_with_the_cookie_alone(pages: SmallPages) -> None:
    async with pages.browser() as browser:
        begun = await browser.get("/sign-in/start", params={"next": "/secret-page"})
        stored = (await pages.backstage.documents.list(LOGINS, "all", limit=5)).items
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    text = json.dumps([stored[0].key, stored[0].order, dict(stored[0].body)])
    for secret in (asked["state"][0], asked["nonce"][0], "secret-page", browser.cookies["aam_login"]):
        assert secret not in text
    cookie = begun.headers["set-cookie"]
    assert re.search(r"(?i)httponly", cookie)
    assert re.search(r"(?i)samesite=lax", cookie)
    assert "Max-Age=600" in cookie


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/", "/\\evil.example"])
async def test_the_way_back_stays_on_this_host(pages: SmallPages, back: str) -> None:
    async with pages.browser() as browser:
        assert (await sign_in(browser, back)).headers["location"] == "/"


async def test_an_issuer_that_is_down_gives_a_page_with_a_retry(pages: SmallPages, issuer: OidcIssuer) -> None:
    issuer.status = 500
    async with pages.browser() as browser:
        answer = await browser.get("/sign-in/start", params={"next": "/messages"})
        refused(answer, 503, "does not answer")
        assert "next=/messages" in answer.text
        assert answer.headers["retry-after"] == "5"
        issuer.status = 200
        address = await to_issuer(browser)
        issuer.status = 502
        refused(await browser.get(address), 503, "does not answer")


async def test_a_slow_issuer_is_not_waited_for(
    pages: SmallPages, issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_oidc, "TIMEOUT_S", 0.1)
    issuer.delay_s = 0.6
    async with pages.browser() as browser:
        refused(await browser.get("/sign-in/start"), 503, "does not answer")


@pytest.mark.parametrize(
    "change", [{"issuer": "https://evil.example"}, {"token_endpoint": "ftp://x"}, {"jwks_uri": None}], ids=str
)
async def test_a_configuration_that_is_not_the_issuers_is_not_believed(
    pages: SmallPages, issuer: OidcIssuer, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = issuer._configuration()
    monkeypatch.setattr(issuer, "_configuration", lambda: right | change)
    async with pages.browser() as browser:
        refused(await browser.get("/sign-in/start"), 503, "does not answer")
        monkeypatch.undo()
        assert (await sign_in(browser)).status_code == 303


async def test_the_configuration_is_asked_for_once(pages: SmallPages, issuer: OidcIssuer) -> None:
    for _ in range(3):
        async with pages.browser() as browser:
            await sign_in(browser)
    assert issuer.calls[CONFIGURATION] <= 2  # Once here, once for the keys that verify access tokens.


@pytest.mark.parametrize(
    "changes",
    [{"oidc_client_id": None}, {"public_url": None}, {"environment": "production"}],
    ids=["no-client", "no-address", "no-tls-in-production"],
)
async def test_a_missing_setting_is_a_page_that_says_so(
    make: Make, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with make(**changes).browser() as browser:
        answer = await browser.get("/sign-in/start")
    refused(answer, 503, "not set up")
    assert "AAM_OIDC_CLIENT_ID" in caplog.text
    assert "AAM_PUBLIC_URL" in caplog.text


async def test_nobody_signs_in_as_a_sample_person_here(pages: SmallPages) -> None:
    async with pages.browser() as browser:
        html = (await browser.get("/sign-in")).text
        assert "/sign-in/start" in html
        assert "RES_A_101" not in html
        for _ in range(2):
            answer = await browser.post("/sign-in", data={"sub": "mia"})
            assert answer.status_code == 404
            assert "aam_session" not in answer.headers.get("set-cookie", "")


async def test_signing_out_ends_both_sessions(pages: SmallPages, issuer: OidcIssuer) -> None:
    async with pages.browser() as browser:
        await sign_in(browser)
        session = await session_of(pages, browser)
        assert session is not None
        token = _csrf(session)
        answer = await browser.post("/sign-out", data={"csrf_token": token})
        # No redirect: `form-action 'self'` would stop one to the issuer.
        assert answer.status_code == 200
        assert await pages.backstage.sessions.find(session.session_id) is None
        found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.text)
        assert found
        async with httpx.AsyncClient() as outside:
            last = await outside.get(found.group(1).replace("&amp;", "&"))
        assert last.headers["location"] == BASE + "/sign-in"
        assert issuer.ended[0]["client_id"] == CLIENT
        hint = jwt.decode(issuer.ended[0]["id_token_hint"], options={"verify_signature": False})
        assert hint["sub"] == "mia"


@pytest.mark.parametrize("change", [{"has_end_session": False}, {"status": 500}], ids=str)
async def test_signing_out_here_does_not_need_the_issuer(
    make: Make, issuer: OidcIssuer, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = make()
    async with pages.browser() as browser:
        await sign_in(browser)
        session = await session_of(pages, browser)
        assert session is not None
        monkeypatch.setattr(sign_in_oidc, "FRESH_S", -1.0)
        for name, value in change.items():
            setattr(issuer, name, value)
        answer = await browser.post("/sign-out", data={"csrf_token": _csrf(session)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert await pages.backstage.sessions.find(session.session_id) is None


def _csrf(session: Session) -> str:
    from web.csrf import make_token

    return make_token(session.stored.csrf_secret)


@pytest.fixture
async def renewable(pages: SmallPages, issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    """A browser whose session can be renewed and is due in a second."""
    issuer.gives_refresh_tokens = True
    issuer.lifetime = timedelta(seconds=61)
    async with pages.browser() as browser:
        assert (await sign_in(browser)).status_code == 303
        issuer.lifetime = timedelta(hours=1)
        pages.backstage.ahead = timedelta(seconds=2)
        yield browser


async def test_a_session_is_renewed_before_its_end(pages: SmallPages, renewable: httpx.AsyncClient) -> None:
    before = await session_of(pages, renewable)
    assert before is not None
    assert (await renewable.get("/sign-in")).headers["location"] == "/"
    after = await session_of(pages, renewable)
    assert after is not None
    assert after.token != before.token
    assert after.refresh_token != before.refresh_token
    assert after.stored.csrf_secret == before.stored.csrf_secret
    assert after.stored.expires_at - before.stored.expires_at > timedelta(minutes=50)


async def test_many_calls_at_once_renew_it_once(
    pages: SmallPages, issuer: OidcIssuer, renewable: httpx.AsyncClient
) -> None:
    used = issuer.calls["/token"]
    issuer.delay_s = 0.05
    answers = await asyncio.gather(*(renewable.get("/sign-in") for _ in range(12)))
    assert {answer.headers.get("location") for answer in answers} == {"/"}
    assert issuer.calls["/token"] == used + 1


async def test_a_session_whose_token_has_ended_goes_on_by_one_renewal(
    pages: SmallPages, issuer: OidcIssuer, renewable: httpx.AsyncClient
) -> None:
    used = issuer.calls["/token"]
    pages.backstage.ahead = timedelta(minutes=20)
    issuer.delay_s = 0.05
    answers = await asyncio.gather(*(renewable.get("/sign-in") for _ in range(8)))
    assert {answer.headers.get("location") for answer in answers} == {"/"}
    assert issuer.calls["/token"] == used + 1


async def test_a_session_without_renewal_ends_with_its_token(pages: SmallPages, issuer: OidcIssuer) -> None:
    issuer.lifetime = timedelta(minutes=5)
    async with pages.browser() as browser:
        await sign_in(browser)
        assert (await browser.get("/sign-in")).status_code == 303
        pages.backstage.ahead = timedelta(minutes=5)
        assert (await browser.get("/sign-in")).status_code == 200
        assert (await browser.get("/kept-form")).headers["location"].startswith("/sign-in?next=")


async def test_a_refused_renewal_is_not_tried_again(
    pages: SmallPages, issuer: OidcIssuer, renewable: httpx.AsyncClient
) -> None:
    issuer._refresh.clear()
    used = issuer.calls["/token"]
    for _ in range(3):
        assert (await renewable.get("/sign-in")).status_code == 303
    assert issuer.calls["/token"] == used + 1
    pages.backstage.ahead = timedelta(minutes=2)
    assert (await renewable.get("/sign-in")).status_code == 200


async def test_an_issuer_that_is_down_is_asked_again_in_a_while(
    pages: SmallPages, issuer: OidcIssuer, renewable: httpx.AsyncClient
) -> None:
    used, issuer.status = issuer.calls["/token"], 503
    for _ in range(3):
        assert (await renewable.get("/sign-in")).status_code == 303
    assert issuer.calls["/token"] == used + 1
    issuer.status = 200
    pages.backstage.ahead += session_renewal.CLAIMED_FOR
    assert (await renewable.get("/sign-in")).status_code == 303
    session = await session_of(pages, renewable)
    assert session is not None
    assert session.stored.expires_at > pages.backstage.clock() + timedelta(minutes=50)


async def test_another_persons_token_renews_nothing(
    pages: SmallPages, issuer: OidcIssuer, renewable: httpx.AsyncClient
) -> None:
    for granted in issuer._refresh.values():
        granted["account"] = {"sub": "eve", "role": "manager"}
    await renewable.get("/sign-in")
    session = await session_of(pages, renewable)
    assert session is not None
    assert (session.sub, session.refresh_token) == ("mia", None)


async def test_a_role_that_was_taken_away_is_gone_with_the_renewal(
    pages: SmallPages, issuer: OidcIssuer, renewable: httpx.AsyncClient
) -> None:
    for granted in issuer._refresh.values():
        granted["account"] = {"sub": "mia", "role": "staff", "buildings": ["A"]}
    await renewable.get("/sign-in")
    session = await session_of(pages, renewable)
    assert session is not None
    assert (session.role, session.stored.buildings) == (Role.STAFF, ("A",))


async def test_after_half_a_day_one_signs_in_anew(
    pages: SmallPages, issuer: OidcIssuer, renewable: httpx.AsyncClient
) -> None:
    pages.backstage.ahead = LONGEST_RENEWED + timedelta(seconds=1)
    used = issuer.calls["/token"]
    assert (await renewable.get("/sign-in")).status_code == 200
    assert issuer.calls["/token"] == used


async def test_signing_out_during_a_renewal_holds(
    pages: SmallPages, issuer: OidcIssuer, renewable: httpx.AsyncClient
) -> None:
    issuer.delay_s = 0.3
    renewing = asyncio.ensure_future(renewable.get("/sign-in"))
    while issuer.calls["/token"] < 2:
        await asyncio.sleep(0.01)
    session = await session_of(pages, renewable)
    assert session is not None
    await pages.backstage.sessions.end(session.session_id)
    await renewing
    assert await session_of(pages, renewable) is None


async def test_signing_in_again_ends_the_session_before(pages: SmallPages) -> None:
    async with pages.browser() as browser:
        await sign_in(browser)
        first = browser.cookies["aam_session"]
        await sign_in(browser)
        assert browser.cookies["aam_session"] != first
    assert await pages.backstage.sessions.find(first) is None
