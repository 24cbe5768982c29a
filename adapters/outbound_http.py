"""Calls to the HTTP interfaces of others: to checked addresses only, within a time and a size, and nowhere else.

No redirect is followed, no proxy of the machine is used, no cookie is kept, and nothing is unpacked, so that what is
read is no larger than what was sent.
"""

import asyncio
import logging
import math
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx

from adapters.outbound_addresses import Address, AddressRules, NameUnknown, Network
from core import tracing
from core.errors import ActionRejected, Invalid, SystemBusy, SystemUnavailable

log = logging.getLogger(__name__)

USER_AGENT = "agentic-apartment-manager"
SHORTEST_WAIT_S, LONGEST_WAIT_S = 1.0, 3600.0
"""Bounds of what a system may ask for by `Retry-After`."""
_RETRIED_STATUSES = frozenset({408, 425})


class AnswerRefused(Exception):
    """The answer is too large, or packed although nobody asked for that."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names are in lower case."""
    body: bytes = b""


class PinnedExchange:
    """One call over one connection, to an address that was checked; the name still decides about TLS and `Host`."""

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None

    async def send(
        self,
        method: str,
        url: httpx.URL,
        address: Address,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        limit_bytes: int,
        send_trace: bool = False,
    ) -> Answer:
        """Raises httpx's errors, `OSError`, and `AnswerRefused`. With `limit_bytes` 0 no body is read.

        `send_trace` tells the other system, as `traceparent`, for which span it is called.
        """
        # Neither path nor query: they may hold ids of people, or tokens.
        attributes: dict[str, tracing.Value] = {"http.request.method": method, "server.address": url.host}
        with tracing.span(method, kind="client", attributes=attributes) as span:
            trace = tracing.carrier() if send_trace else {}
            answer = await self._exchange(method, url, address, {**headers, **trace}, content, limit_bytes)
            span.set({"http.response.status_code": answer.status})
            if answer.status >= 400:
                span.fail(str(answer.status))
            return answer

    async def _exchange(
        self,
        method: str,
        url: httpx.URL,
        address: Address,
        headers: Mapping[str, str],
        content: bytes | None,
        limit_bytes: int,
    ) -> Answer:
        # One connection for each call: a kept one would be shared by all names that lead to the same address.
        client = httpx.AsyncClient(verify=self._trusted(), timeout=None, trust_env=False, follow_redirects=False)
        own = {"Host": url.netloc.decode("ascii"), "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        async with (
            client,
            client.stream(
                method,
                url.copy_with(host=str(address)),
                content=content,
                headers={**headers, **own},
                extensions={"sni_hostname": url.host},
            ) as response,
        ):
            return Answer(response.status_code, dict(response.headers), await _body(response, limit_bytes))

    def _trusted(self) -> ssl.SSLContext:
        # Reading the authorities' certificates takes longer than most calls, so it is done once.
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls


class OutboundHttp:
    """Calls below one url. It may be used by many tasks at once and holds nothing open between calls."""

    def __init__(
        self,
        base_url: str,
        *,
        network: Network = "public",
        allow_loopback: bool = False,
        timeout_s: float = 10.0,
        response_limit_bytes: int = 1_000_000,
        send_traceparent: bool = False,
    ) -> None:
        """`network` public needs https; `allow_loopback` also allows this machine by plain http, for development."""
        self._send_traceparent = send_traceparent
        self._base_url = base_url.rstrip("/")
        self._rules = AddressRules(network, allow_loopback)
        self._timeout_s, self._limit_bytes = timeout_s, response_limit_bytes
        self._exchange = PinnedExchange()

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Answer:
        """What was answered, whatever its status; see `require_success`. The body of a failure is cut off at the limit.

        `path` begins with a slash and is percent-encoded already. Raises `ActionRejected` where the address is refused
        or the call can't be written, and `SystemUnavailable` for no answer in time, a connection that broke, and a
        success whose body is over the limit or packed.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(method, self._base_url + path, headers or {}, content)
        except NameUnknown:
            raise SystemUnavailable("The system's name has no address.") from None
        except Invalid as refused:
            raise ActionRejected(f"The system was not called. {refused.detail}") from None
        except (TimeoutError, httpx.TimeoutException):
            raise SystemUnavailable(f"The system did not answer within {self._timeout_s:g} seconds.") from None
        except AnswerRefused as refused:
            raise SystemUnavailable(str(refused)) from None
        except (httpx.LocalProtocolError, UnicodeError):
            raise ActionRejected("The call holds what HTTP can't carry.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as problem:
            kind = type(problem).__name__
            raise SystemUnavailable(f"The connection to the system failed ({kind}).") from None

    async def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Answer:
        parsed, address = await self._rules.check(url)
        return await self._exchange.send(
            method,
            parsed,
            address,
            headers=headers,
            content=content,
            limit_bytes=self._limit_bytes,
            send_trace=self._send_traceparent,
        )


def require_success(answer: Answer) -> Answer:
    """The answer, where it says that the call was carried out; else the error that its status stands for.

    429 raises `SystemBusy` (nothing was done); 408, 425 and 5xx `SystemUnavailable` (it may have been done); redirects
    and every other refusal `ActionRejected`. The remote's words are in none of them: they may repeat personal data.
    """
    if 200 <= answer.status < 300:
        return answer
    log.debug("answered %d: %r", answer.status, answer.body[:500])
    if 300 <= answer.status < 400:
        raise ActionRejected(f"The system answered {answer.status}; redirects are not followed.")
    if answer.status == 429:
        raise SystemBusy("The system asks for fewer calls (429).", retry_after_s(answer.headers))
    if answer.status >= 500 or answer.status in _RETRIED_STATUSES:
        raise SystemUnavailable(f"The system answered {answer.status}.")
    raise ActionRejected(f"The system refused the action ({answer.status}).")


def retry_after_s(headers: Mapping[str, str], *, otherwise_s: float = 5.0) -> float:
    """Seconds that `Retry-After` asks for, as a number or as a date (RFC 9110), within an hour."""
    text = headers.get("retry-after", "").strip()
    try:
        wait_s = float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        wait_s = otherwise_s
    return min(max(wait_s, SHORTEST_WAIT_S), LONGEST_WAIT_S) if math.isfinite(wait_s) else LONGEST_WAIT_S


async def _body(response: httpx.Response, limit_bytes: int) -> bytes:
    if limit_bytes == 0:
        return b""
    is_success = response.is_success
    if is_success and response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise AnswerRefused("The system's answer is packed, which was not asked for.")
    parts = bytearray()
    async for part in response.aiter_raw():
        parts += part
        if len(parts) > limit_bytes:
            if is_success:
                raise AnswerRefused("The system's answer is too large.")
            break
    return bytes(parts[:limit_bytes])
