"""All pages, whoever looks: nothing inline, nothing kept by browsers, and nothing changed by looking."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bench.one_process import assembled
from core.labels import Role
from core.settings import Settings
from deployments.ai_processing.deployment import AIProcessing
from deployments.decision_simulation.deployment import DecisionSimulation
from deployments.request_management.access_rules import RULES
from deployments.request_management.api.application import PREFIX, build_api
from deployments.request_management.api.inner_calls import InnerCalls
from deployments.request_management.service import RequestManagementService
from tests.oidc_issuer import OidcIssuer
from tests.web.conftest import Person
from web.application import build_pages
from web.pages.sign_in import LOCAL_SESSION
from web.rendering import ROOT, STATIC, asset
from web.sessions import Sessions, cookie_name

PEOPLE: tuple[tuple[Role | None, str], ...] = (
    (None, ""),
    (Role.RESIDENT, "RES_A_101"),
    (Role.STAFF, "sam"),
    (Role.MANAGER, "mia"),
    (Role.SERVICE, "robot"),
)
SIDE_EFFECTS_ON_THE_WAY_IN = frozenset({"/sign-in/start"})
"""A GET that writes: what the issuer's answer has to fit to. It is nobody's data, and gone after ten minutes."""


@dataclass
class Page:
    """What came of a GET."""

    address: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_html(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/html")


class Recorder:
    """The interface, and what pages ask of it."""

    def __init__(self, api: ASGIApp) -> None:
        self.api = api
        self.calls: list[tuple[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append((scope["method"], scope["path"]))
        await self.api(scope, receive, send)


async def fetch(application: ASGIApp, address: str, headers: dict[str, str]) -> Page:
    """A GET as a server makes it; of a stream that does not end, what comes first."""
    page, begun = Page(address), asyncio.Event()
    path, _, query = address.partition("?")

    async def receive() -> Message:
        if not begun.is_set():
            begun.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            page.status = message["status"]
            page.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            page.body += message.get("body", b"")

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in ({"host": "testserver"} | headers).items()],
    }
    call = asyncio.ensure_future(application(scope, receive, send))
    for _ in range(1000):
        if call.done() or "event-stream" in page.headers.get("content-type", ""):
            break
        await asyncio.sleep(0.02)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    return page


def page_paths(pages: FastAPI) -> list[str]:
    """The templates of all addresses that answer a GET."""
    found: list[str] = []
    for context in iter_route_contexts(pages.routes):
        path, methods = getattr(context, "path", None), getattr(context, "methods", None) or ()
        if path and "GET" in methods:
            found.append(path)
    return sorted(set(found))


@pytest.fixture
def recorder(application: FastAPI) -> Recorder:
    return Recorder(InnerCalls(application))


@pytest.fixture
def pages(service: RequestManagementService, recorder: Recorder) -> FastAPI:
    made = build_pages(lambda: service, recorder)
    assert isinstance(made, FastAPI)
    return made


@pytest.fixture
async def addresses(pages: FastAPI, resident: Person) -> list[str]:
    """Every page's address: of a request that there is, and of things that there are not."""
    message = "The kitchen tap drips <script>alert(1)</script> and the sink is full"
    answer = await resident.post(
        "/api/v1/requests",
        json={"message_text": message},
        headers={"Authorization": f"Bearer {resident.token}", "Prefer": "wait=20"},
    )
    assert answer.status_code in (201, 202), answer.text
    request_id = answer.json()["request_id"]
    found: list[str] = []
    for path in page_paths(pages):
        for values in ({"request_id": request_id}, {}):
            names = compile_path(path)[2]
            address = path
            for name in names:
                value = values.get(name, "unknown" if "int" not in type(names[name]).__name__.lower() else "1")
                address = re.sub(rf"\{{{name}(:[a-z]+)?\}}", value, address)
            found.append(address)
    return sorted(set(found))


async def cookies_of(service: RequestManagementService, settings: Settings, tokens: Any) -> list[dict[str, str]]:
    sessions, made = Sessions(service.documents, service.clock), list[dict[str, str]]()
    for role, sub in PEOPLE:
        if role is None:
            made.append({})
            continue
        until = service.clock() + LOCAL_SESSION
        session = await sessions.open(sub, role, None, tokens.issue(role, sub), until)
        made.append({"cookie": f"{cookie_name(settings)}={session.session_id}"})
    return made


async def test_every_page_is_served_safely(
    application: FastAPI, service: RequestManagementService, settings: Settings, addresses: list[str]
) -> None:
    shown = 0
    for headers in await cookies_of(service, settings, service.tokens):
        for address in addresses:
            page = await fetch(application, address, headers)
            where = f"{address} {page.status}"
            assert 200 <= page.status < 500, where
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy, where
            assert "unsafe" not in policy, where
            assert "frame-ancestors 'none'" in policy, where
            assert page.headers["x-frame-options"] == "DENY", where
            assert page.headers["x-content-type-options"] == "nosniff", where
            assert page.headers["referrer-policy"] == "no-referrer", where
            assert re.search(r"\bno-store\b", page.headers["cache-control"]), where
            if page.is_html:
                assert not faults(page.body.decode()), where
                assert b"<script>alert(1)" not in page.body, where
                shown += page.status == 200
    assert shown > 10


async def test_looking_changes_nothing(
    pages: FastAPI,
    service: RequestManagementService,
    settings: Settings,
    addresses: list[str],
    recorder: Recorder,
) -> None:
    for headers in await cookies_of(service, settings, service.tokens):
        for address in addresses:
            if address not in SIDE_EFFECTS_ON_THE_WAY_IN:
                await fetch(pages, address, headers)
    assert len(recorder.calls) > 20
    assert not [call for call in recorder.calls if changes_something(*call)]


def changes_something(method: str, path: str) -> bool:
    """As the interface's own table of access rules says of a call; True for what is not in it."""
    rules = [
        rule.is_change(verb)
        for (verb, template), rule in RULES.items()
        if verb == method and compile_path(PREFIX + template)[0].fullmatch(path)
    ]
    return not rules or rules[0]


def test_the_table_tells_what_changes_something() -> None:
    assert changes_something("POST", PREFIX + "/requests")
    assert changes_something("POST", PREFIX + "/nowhere")
    assert not changes_something("GET", PREFIX + "/requests")
    assert not changes_something("POST", PREFIX + "/explain")


async def test_every_form_of_a_page_that_acts_has_a_token(
    application: FastAPI, service: RequestManagementService, settings: Settings, addresses: list[str]
) -> None:
    for headers in (await cookies_of(service, settings, service.tokens))[1:]:
        for address in addresses:
            page = await fetch(application, address, headers)
            for tag, form in re.findall(r"(<form\b[^>]*>)(.*?)</form>", page.body.decode("utf-8", "replace"), re.S):
                if 'method="post"' in tag:
                    assert 'name="csrf_token" value="' in form, (address, tag)
                    assert 'name="csrf_token" value=""' not in form, (address, tag)
                else:
                    # What a GET form sends ends up in addresses, logs and histories.
                    assert "csrf_token" not in form, (address, tag)


class Faults(HTMLParser):
    """What a strict policy would stop, or what would leave this host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "style", "iframe", "object", "embed", "base") and not (tag == "script" and "src" in given):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            link = (value or "").strip().lower()
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.found.append(f"{tag} {name}")
            if name in ("src", "href", "action", "formaction", "xlink:href") and link.startswith(
                ("javascript:", "data:", "vbscript:")
            ):
                self.found.append(f"{tag} {name}={link[:20]}")
        own = given.get("src") if tag in ("script", "img") else given.get("href") if tag == "link" else None
        if own and re.match(r"(?:[a-z]+:)?//", own):
            self.found.append(f"{tag} from {own}")


def faults(html: str) -> list[str]:
    parser = Faults()
    parser.feed(html)
    return parser.found


def test_the_check_finds_what_it_should() -> None:
    wrong = (
        "<script>1</script>",
        "<style>a{}</style>",
        "<p style='a'>",
        "<p onclick=x>",
        "<a href=' JavaScript:x'>",
        "<img src='//evil.example/x'>",
        "<link rel=stylesheet href='https://evil.example/x'>",
        "<base href='/x'>",
    )
    assert all(faults(each) for each in wrong)
    assert not faults("<script src='/static/x.js' defer></script><a href='https://issuer.example/end'>x</a>")


TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_has_nothing_inline(template: Path) -> None:
    source = re.sub(r"\{#.*?#\}", "", template.read_text("utf-8"), flags=re.DOTALL)
    # A tag of the template's language may stand within an element's own.
    assert not faults(re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " x ", source, flags=re.DOTALL))
    assert "|safe" not in source.replace(" ", "")
    assert "autoescape" not in source


@pytest.mark.parametrize("script", sorted((STATIC / "js").glob("*.js")), ids=lambda path: path.name)
def test_a_script_writes_no_markup_from_texts(script: Path) -> None:
    source = script.read_text("utf-8")
    assert '"use strict";' in source
    assert not re.search(r"\beval\(|new Function|document\.write|\.outerHTML\s*=|insertAdjacentHTML", source)


async def test_static_files_are_kept_for_ever_and_change_their_address(application: FastAPI) -> None:
    transport = httpx.ASGITransport(application)
    files = [str(file.relative_to(STATIC)) for file in STATIC.rglob("*") if file.is_file()]
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for name in files:
            assert re.search(r"\?v=[0-9a-f]{12}$", asset(name))
            hashed, plain = await client.get(asset(name)), await client.get(f"/static/{name}")
            assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert plain.headers["cache-control"] == "no-cache"
            assert hashed.headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in hashed.headers
        for address in ("/static/../sessions.py", "/static/%2e%2e/sessions.py", "/static/..%2fsessions.py"):
            assert (await client.get(address)).status_code == 404


@pytest.fixture
def issuer() -> Iterator[OidcIssuer]:
    made = OidcIssuer("aam-pages", "http://testserver/sign-in/callback")
    yield made
    made.stop()


@pytest.fixture
async def oidc_application(
    settings: Settings, issuer: OidcIssuer, ai: AIProcessing, decision: DecisionSimulation
) -> AsyncIterator[FastAPI]:
    chosen = settings.model_copy(
        update={
            "auth_mode": "oidc",
            "oidc_issuer": issuer.url,
            "oidc_audience": "aam",
            "oidc_client_id": "aam-pages",
            "public_url": "http://testserver",
        }
    )
    async with assembled(chosen, ai, decision) as service:
        yield build_api(lambda: service, chosen)


@pytest.mark.parametrize(
    ("account", "first"),
    [({"sub": "RES_A_101", "role": "resident"}, "/home"), ({"sub": "mia", "role": "manager"}, "/staff")],
    ids=["resident", "manager"],
)
async def test_who_signs_in_at_the_issuer_is_known_to_the_interface(
    oidc_application: FastAPI, issuer: OidcIssuer, account: dict[str, str], first: str
) -> None:
    issuer.account = account
    transport = httpx.ASGITransport(oidc_application)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as browser,
        httpx.AsyncClient() as outside,
    ):
        begun = await browser.get("/sign-in/start")
        back = await outside.get(begun.headers["location"])
        assert (await browser.get(back.headers["location"])).headers["location"] == "/"
        assert (await browser.get("/")).headers["location"] == first
        page = await browser.get(first)
        assert page.status_code == 200
        assert f'data-person="{account["sub"]}"' in page.text


async def test_the_interface_takes_no_cookie(application: FastAPI, resident: Person) -> None:
    assert (await resident.get("/api/v1/requests")).status_code == 401
    posted = await resident.post("/api/v1/requests", json={"message_text": "The tap drips"})
    assert posted.status_code == 401
