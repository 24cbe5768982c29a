"""The public interface, called within the process as the signed-in person.

Pages read and change nothing by any other way: roles, ownership, limits, audit and idempotency are the interface's own,
and hold for a page as for any client.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

import httpx
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/api/v1"
INNER_HOST = "pages.internal"
"""In addresses that the interface makes of the call that asked for them."""
LONGEST_WAIT_S = 35.0
_VALIDATOR = re.compile(r"^(?:(?:body|query|path)(?:\.[\w.-]+)?: )?(?:Value error, )?")
"""How a validator begins what it says, which tells people nothing."""


class Problem(Exception):
    """An answer that is an error: the problem document of the interface."""

    def __init__(self, status: int, document: Mapping[str, Any], retry_after_s: int | None = None) -> None:
        super().__init__(f"{status} {document.get('code')}")
        self.status = status
        self.document = document
        self.retry_after_s = retry_after_s

    @property
    def code(self) -> str:
        """The stable word of what went wrong."""
        return str(self.document.get("code", "error"))

    @property
    def detail(self) -> str:
        """One sentence in English for the caller."""
        given = str(self.document.get("detail", ""))
        said = _VALIDATOR.sub("", given)
        return said if said == given else said[:1].upper() + said[1:]

    @property
    def correlation_id(self) -> str:
        """By which ops find the call."""
        return str(self.document.get("request_id", ""))

    @property
    def fields(self) -> dict[str, str]:
        """What is wrong with which field of the body."""
        errors = self.document.get("errors") or ()
        return {str(one["loc"][-1]): _VALIDATOR.sub("", str(one["msg"])) for one in errors if one.get("loc")}


@dataclass(frozen=True)
class Answer:
    """A successful answer."""

    status: int
    body: Any
    """Parsed JSON; None where there is none."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def version(self) -> int | None:
        """The version that the entity tag states."""
        tag = self.headers.get("etag", "").strip('W/"')
        return int(tag) if tag.isdecimal() else None


def path(*parts: str) -> str:
    """A path below the interface's prefix; each part is quoted, so that an id can't lead elsewhere."""
    return "/" + "/".join(_quoted(part) for part in parts)


def _quoted(part: str) -> str:
    # A segment of dots alone would be resolved by whoever reads the path next.
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


class ApiClient:
    """Calls the interface with one person's token. Every method raises `Problem`."""

    def __init__(
        self, api: ASGIApp, token: str | None, correlation_id: str, client: tuple[str, int], language: str = "en"
    ) -> None:
        """`api` is the application; `client` is the address that the page was asked from."""
        self._api = api
        headers = {"X-Request-ID": correlation_id, "Accept-Language": language}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._headers = headers
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(api, raise_app_exceptions=False, client=client),
            base_url=f"http://{INNER_HOST}",
            headers=headers,
            timeout=LONGEST_WAIT_S,
        )

    async def get(self, where: str, **query: Any) -> Answer:
        """Read; parameters that are None are left out."""
        params = {name: value for name, value in query.items() if value is not None}
        return await self._call("GET", where, params=params)

    async def post(
        self,
        where: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        version: int | None = None,
        wait_s: int | None = None,
    ) -> Answer:
        """Act: `key` makes a repetition harmless, `version` refuses to act on what has changed since."""
        headers: dict[str, str] = {}
        if key is not None:
            headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if wait_s is not None:
            headers["Prefer"] = f"wait={wait_s}"
        return await self._call("POST", where, json=body, headers=headers)

    async def put(self, where: str, body: Mapping[str, Any], *, version: int | None = None) -> Answer:
        """Change."""
        headers = {"If-Match": f'"{version}"'} if version is not None else {}
        return await self._call("PUT", where, json=body, headers=headers)

    async def delete(self, where: str, *, version: int | None = None) -> Answer:
        """Remove."""
        headers = {"If-Match": f'"{version}"'} if version is not None else {}
        return await self._call("DELETE", where, headers=headers)

    async def upload(
        self,
        where: str,
        name: str,
        content: bytes,
        content_type: str,
        fields: Mapping[str, str],
        *,
        key: str | None = None,
    ) -> Answer:
        """Send a file as a form."""
        # The same file makes the same body, so that the same key gets the first answer again.
        boundary = hashlib.sha256(content).hexdigest()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        files = {"file": (name, content, content_type)}
        return await self._call("POST", where, files=files, data=dict(fields), headers=headers)

    def forward(self, where: str, request: "Scope", query: str = "") -> Response:
        """The interface's own answer to a GET, passed on as it comes: for streams and files."""
        wanted = Headers(scope=request)
        headers = dict(self._headers)
        headers |= {name: wanted[name] for name in ("last-event-id", "accept", "range") if name in wanted}
        return _Forwarded(self._api, PREFIX + where, headers, query)

    async def _call(self, method: str, where: str, **arguments: Any) -> Answer:
        response = await self._http.request(method, PREFIX + where, **arguments)
        if response.is_success:
            body = response.json() if response.content and "json" in response.headers.get("content-type", "") else None
            return Answer(response.status_code, body, response.headers)
        retry = response.headers.get("retry-after", "")
        raise Problem(response.status_code, _document(response), int(retry) if retry.isdecimal() else None)


class _Forwarded(Response):
    """Answers a page's call by the interface's answer to another path."""

    def __init__(self, api: ASGIApp, where: str, headers: Mapping[str, str], query: str) -> None:
        super().__init__()
        self._api, self._where, self._query = api, where, query
        self._sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # What the interface tells of its own address has to hold for the browser that the answer goes to.
        host = next((value for name, value in scope["headers"] if name == b"host"), INNER_HOST.encode())
        inner: Scope = {
            **{name: scope[name] for name in ("type", "asgi", "http_version", "scheme", "server", "client")},
            "method": "GET",
            "path": self._where,
            "raw_path": self._where.encode(),
            "root_path": "",
            "query_string": self._query.encode(),
            "headers": [(b"host", host), *self._sent],
            "state": {},
        }
        await self._api(inner, receive, send)


def _document(response: httpx.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except json.JSONDecodeError:
        document = None
    return cast(dict[str, Any], document) if isinstance(document, dict) else {"code": "error", "detail": ""}
