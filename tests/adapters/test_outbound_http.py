"""Calls go to checked addresses, and what comes back is bounded, whatever the other side does."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from adapters.outbound_addresses import AddressRules, is_of_a_house, is_public
from adapters.outbound_http import Answer, OutboundHttp, require_success, retry_after_s
from core.errors import ActionRejected, Invalid, SystemBusy, SystemUnavailable
from tests.outside.faults import Fault
from tests.outside.faulty_server import HUGE_BYTES, Call, FaultyServer, Reply


class Echo(FaultyServer):
    """Says what came."""

    def reply(self, call: Call) -> Reply:
        return Reply(200, {"method": call.method, "path": call.raw_path, "body": call.body.decode()})


def calls_to(server: FaultyServer, **options: Any) -> OutboundHttp:
    return OutboundHttp(server.url, allow_loopback=True, **options)


def leads_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """All names lead there; the names that were asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


async def test_a_call_arrives_as_it_was_written() -> None:
    with Echo() as server:
        answer = await calls_to(server).request(
            "PUT", "/a%2Fb/c?d=%26", headers={"X-One": "1"}, content=b'{"e": "\xc3\xa9"}'
        )
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert b'"/a%2Fb/c?d=%26"' in answer.body
        (call,) = server.calls
        assert call.headers["x-one"] == "1"
        assert call.headers["accept-encoding"] == "identity"
        assert call.headers["host"] == server.url.removeprefix("http://")
        assert call.body.decode() == '{"e": "é"}'
        assert "cookie" not in call.headers


async def test_neither_proxies_of_the_machine_nor_cookies_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    class Baker(Echo):
        def reply(self, call: Call) -> Reply:
            return Reply(200, {}, {"Set-Cookie": "a=b; Path=/"})

    with Baker() as server:
        http = calls_to(server)
        for _ in range(2):
            assert (await http.request("GET", "/")).status == 200
        assert all("cookie" not in call.headers for call in server.calls)


async def test_a_redirect_is_refused_and_not_followed() -> None:
    with Echo() as server, Echo() as other:
        server.elsewhere = other.url
        server.faults.plan(Fault.REDIRECT_AWAY, Fault.REDIRECT_METADATA)
        for _ in range(2):
            answer = await calls_to(server).request("POST", "/x", content=b"{}")
            with pytest.raises(ActionRejected, match="redirects are not followed"):
                require_success(answer)
        assert other.calls == []
        assert len(server.calls) == 2


@pytest.mark.parametrize("fault", [Fault.HUGE, Fault.PACKED])
async def test_an_answer_that_is_too_large_or_packed_is_not_read(fault: Fault) -> None:
    with Echo() as server:
        server.faults.plan(fault)
        with pytest.raises(SystemUnavailable, match=r"too large|packed"):
            await calls_to(server, response_limit_bytes=100_000).request("POST", "/x", content=b"{}")


@asynccontextmanager
async def pouring(piece: bytes, pause_s: float) -> AsyncGenerator[tuple[str, list[int]]]:
    """A server whose answer never ends: its url, and the sizes of what it got rid of."""
    sent: list[int] = []
    left = asyncio.Event()

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(piece)
                await writer.drain()
                sent.append(len(piece))
                await asyncio.sleep(pause_s)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", sent
        async with asyncio.timeout(10):
            await left.wait()


async def test_reading_stops_at_the_limit_and_not_at_the_end() -> None:
    async with pouring(b"x" * 65_536, 0.0) as (url, sent):
        http = OutboundHttp(url, allow_loopback=True, response_limit_bytes=200_000)
        with pytest.raises(SystemUnavailable, match="too large"):
            await http.request("GET", "/")
    assert sum(sent) < HUGE_BYTES


async def test_a_failures_long_body_does_not_hide_its_status() -> None:
    class Wordy(Echo):
        def reply(self, call: Call) -> Reply:
            return Reply(404, "x" * 50_000)

    with Wordy() as server:
        answer = await calls_to(server, response_limit_bytes=1024).request("GET", "/")
        assert (answer.status, len(answer.body)) == (404, 1024)


async def test_no_answer_in_time_a_broken_connection_and_nobody_there_are_unavailable() -> None:
    with Echo() as server:
        server.faults.plan(Fault.SLOW, Fault.HALF_OPEN, Fault.DROPPED)
        with pytest.raises(SystemUnavailable, match=r"within 0\.2 seconds"):
            await calls_to(server, timeout_s=0.2).request("GET", "/")
        for _ in range(2):
            with pytest.raises(SystemUnavailable, match="connection"):
                await calls_to(server).request("GET", "/")
        server.die()
        with pytest.raises(SystemUnavailable, match="ConnectError"):
            await calls_to(server).request("GET", "/")
        server.start()
        assert (await calls_to(server).request("GET", "/")).status == 200


async def test_a_drop_at_a_time_does_not_outlast_the_time() -> None:
    async with pouring(b"x", 0.02) as (url, sent):
        started = time.monotonic()
        with pytest.raises(SystemUnavailable, match="did not answer"):
            await OutboundHttp(url, allow_loopback=True, timeout_s=0.3).request("GET", "/")
        assert time.monotonic() - started < 2.0
    assert len(sent) > 1


async def test_headers_that_http_cannot_carry_are_refused_before_anything_is_sent() -> None:
    with Echo() as server:
        for value in ("a\r\nX-Evil: 1", "\u202e"):
            with pytest.raises(ActionRejected):
                await calls_to(server).request("GET", "/", headers={"X-One": value})
        assert server.calls == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, ActionRejected), (303, ActionRejected), (400, ActionRejected), (401, ActionRejected),
        (404, ActionRejected), (409, ActionRejected), (422, ActionRejected), (408, SystemUnavailable),
        (425, SystemUnavailable), (429, SystemBusy), (500, SystemUnavailable), (503, SystemUnavailable),
    ],
)  # fmt: skip
def test_each_status_has_its_meaning_and_no_words_of_the_remote(status: int, error: type[Exception]) -> None:
    answer = Answer(status, {"retry-after": "17"}, b"Mrs Miller owes 300")
    with pytest.raises(error) as caught:
        require_success(answer)
    assert type(caught.value) is error
    assert "Miller" not in str(caught.value)
    if isinstance(caught.value, SystemBusy):
        assert caught.value.wait_s == 17.0


def test_success_is_given_back() -> None:
    for status in (200, 201, 202, 204):
        assert require_success(Answer(status)).status == status


def test_how_long_a_system_asks_to_be_left_alone() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    assert 35 < retry_after_s({"retry-after": soon}) <= 40
    for text, expected in {
        "0": 1.0, "12": 12.0, "99999999": 3600.0, "9" * 400: 3600.0, "-3": 5.0, "soon": 5.0, "": 5.0, "1e9": 5.0,
        "Wed, 21 Oct 2015 07:28:00 GMT": 1.0, "²": 5.0,
    }.items():  # fmt: skip
        assert retry_after_s({"retry-after": text}) == expected, text
    assert retry_after_s({}) == 5.0


ALWAYS_REFUSED = [
    "169.254.169.254",
    "169.254.10.10",
    "100.100.100.200",
    "100.64.0.1",
    "168.63.129.16",
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:ec2::123",
    "fd00:ec2:0:1::5",
    "fd00:c1::a9fe:a9fe",
    "fd20:ce::1",
    "::ffff:169.254.169.254",
    "::ffff:127.0.0.1",
    "::ffff:168.63.129.16",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "192.88.99.1",
    "2002:a9fe:a9fe::1",
    "2001:2::1",
    "2001:db8::1",
    "3fff::1",
    "2001:0:53aa:64c::1",
]
OF_A_HOUSE = [
    "10.0.0.7",
    "172.16.4.4",
    "172.31.255.1",
    "192.168.1.1",
    "fd00::1",
    "fd00:c2::1",
    "fc00::1",
    "::ffff:10.0.0.1",
]
PUBLIC = ["8.8.8.8", "93.184.215.14", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]


def test_which_addresses_are_whose() -> None:
    for text in ALWAYS_REFUSED:
        address = ipaddress.ip_address(text)
        assert (is_public(address), is_of_a_house(address)) == (False, False), text
    for text in OF_A_HOUSE:
        address = ipaddress.ip_address(text)
        assert (is_public(address), is_of_a_house(address)) == (False, True), text
    for text in PUBLIC:
        address = ipaddress.ip_address(text)
        assert (is_public(address), is_of_a_house(address)) == (True, False), text


async def test_a_name_that_leads_to_a_forbidden_address_gets_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    for network in ("public", "private"):
        for address in ALWAYS_REFUSED:
            leads_to(monkeypatch, address)
            http = OutboundHttp("https://metadata.google.internal", network=network)
            with pytest.raises(ActionRejected, match="not an address"):
                await http.request("GET", "/computeMetadata/v1/")


async def test_the_house_is_reached_only_where_it_was_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in OF_A_HOUSE:
        leads_to(monkeypatch, address)
        await AddressRules("private").check("http://cmms.example/api")
        with pytest.raises(Invalid, match="not an address of the public network"):
            await AddressRules("public").check("https://cmms.example/api")


async def test_one_forbidden_address_among_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_to(monkeypatch, "10.0.0.7", "169.254.169.254")
    with pytest.raises(Invalid):
        await AddressRules("private").check("https://cmms.example")
    leads_to(monkeypatch, "10.0.0.7", "127.0.0.1")
    with pytest.raises(Invalid):
        await AddressRules("private", allow_loopback=True).check("https://cmms.example")


async def test_the_public_network_needs_https(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_to(monkeypatch, "93.184.215.14")
    with pytest.raises(ActionRejected, match="https"):
        await OutboundHttp("http://billing.example").request("GET", "/")
    await AddressRules("public").check("https://billing.example")


async def test_a_name_is_looked_up_for_each_call_and_the_checked_address_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Echo() as server:
        port = server.url.rsplit(":", 1)[1]
        http = OutboundHttp(f"http://billing.example:{port}", network="private", allow_loopback=True)
        asked = leads_to(monkeypatch, "127.0.0.1")
        assert (await http.request("GET", "/")).status == 200
        assert server.calls[0].headers["host"] == f"billing.example:{port}"
        leads_to(monkeypatch, "169.254.169.254")
        with pytest.raises(ActionRejected):
            await http.request("GET", "/")
        assert asked == ["billing.example"]
        assert len(server.calls) == 1


async def test_a_name_without_an_address_may_have_one_later(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_to(monkeypatch)
    with pytest.raises(SystemUnavailable, match="has no address"):
        await OutboundHttp("https://billing.example").request("GET", "/")
