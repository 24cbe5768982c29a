"""Signed events to a real server, and to no address inside the house."""

import asyncio
import ipaddress
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from adapters.outbound_addresses import is_public
from adapters.webhook_sender import HttpWebhookSender
from core.errors import Invalid
from core.ports.webhooks import OutgoingEvent
from tests.webhook_receiver import receiving

EVENT = OutgoingEvent(
    message_id="DEL_1",
    event_id="REQ_1:3",
    type="aam.request.decided.v1",
    source="urn:aam:building:A",
    subject="REQ_1",
    time=datetime(2026, 3, 2, 12, tzinfo=UTC),
    data={"kind": "decided", "sequence": 3},
)


@pytest.fixture
def sender() -> HttpWebhookSender:
    return HttpWebhookSender(allow_loopback=True, timeout_s=2.0)


def leads_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """All names lead there."""

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_an_event_comes_as_a_cloud_event_with_signatures_of_all_secrets(sender: HttpWebhookSender) -> None:
    new, old = sender.new_secret(), sender.new_secret()
    assert new.startswith("whsec_")
    assert new != old
    async with receiving() as receiver:
        result = await sender.post(receiver.url, EVENT, [new, old], datetime.now(UTC))
        assert (result.status, result.error, result.is_delivered) == (204, None, True)
        ((headers, body),) = receiver.got
        for secret in (new, old):
            (found,) = receiver.events(secret)
        with pytest.raises(WebhookVerificationError):
            Webhook(sender.new_secret()).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(body.replace(b"decided", b"resolved"), headers)
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["webhook-id"] == "DEL_1"
    assert found["specversion"] == "1.0"
    assert found["time"] == "2026-03-02T12:00:00Z"
    wanted = {"id": "REQ_1:3", "source": "urn:aam:building:A", "type": "aam.request.decided.v1", "subject": "REQ_1"}
    assert found.items() >= wanted.items()
    assert found["data"] == {"kind": "decided", "sequence": 3}


async def test_a_redirect_is_an_answer_like_any_other(sender: HttpWebhookSender) -> None:
    async with receiving() as receiver:
        receiver.answers, receiver.headers = [302, 500], {"Location": receiver.url}
        for status in (302, 500):
            result = await sender.post(receiver.url, EVENT, [sender.new_secret()], datetime.now(UTC))
            assert (result.status, result.is_delivered) == (status, False)
        assert len(receiver.got) == 2


async def test_no_answer_in_time_and_no_server_are_results(sender: HttpWebhookSender) -> None:
    slow = HttpWebhookSender(allow_loopback=True, timeout_s=0.1)
    async with receiving() as receiver:
        receiver.answers = [None]
        result = await slow.post(receiver.url, EVENT, [sender.new_secret()], datetime.now(UTC))
        assert (result.status, result.error) == (None, "No answer within 0.1 seconds.")
    gone = await sender.post(receiver.url, EVENT, [sender.new_secret()], datetime.now(UTC))
    assert gone.status is None
    assert gone.error == "The connection failed: ConnectError."


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "https://user:secret@example.com/",
        "https:///nowhere",
        "https://example.com/#part",
        "https://exa mple.com",
        "nothing",
        "https://no-such-host.invalid/",
        "https://xn--a/",
        "https://127.0.0.1:99999/",
        "https://127.0.0.1:0/",
        "https://" + "a" * 300 + ".com/",
    ],
)
async def test_what_is_no_plain_address_is_refused(sender: HttpWebhookSender, url: str) -> None:
    with pytest.raises(Invalid):
        await sender.require_allowed(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://10.0.0.7/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[2002:0a00:0001::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://224.0.0.1/",
        "https://2130706433/",
        "http://93.184.215.14/",
        "http://127.0.0.1/",
    ],
)
async def test_production_reaches_public_addresses_only_and_by_https(url: str) -> None:
    production = HttpWebhookSender(allow_loopback=False)
    with pytest.raises(Invalid):
        await production.require_allowed(url)
    result = await production.post(url, EVENT, [production.new_secret()], datetime.now(UTC))
    assert result.status is None
    assert "url" in str(result.error)


async def test_development_adds_this_machine_and_nothing_else(sender: HttpWebhookSender) -> None:
    await sender.require_allowed("http://127.0.0.1:9/")
    await sender.require_allowed("https://93.184.215.14/")
    for url in ("http://10.0.0.7/", "https://10.0.0.7/", "http://93.184.215.14/"):
        with pytest.raises(Invalid):
            await sender.require_allowed(url)


async def test_a_name_with_one_address_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = HttpWebhookSender(allow_loopback=True)
    leads_to(monkeypatch, "93.184.215.14", "10.0.0.1")
    with pytest.raises(Invalid):
        await sender.require_allowed("https://example.com/")
    leads_to(monkeypatch, "93.184.215.14", "127.0.0.1")
    with pytest.raises(Invalid):
        await sender.require_allowed("https://example.com/")


async def test_a_name_that_leads_inside_by_the_time_of_the_post_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    production = HttpWebhookSender(allow_loopback=False)
    leads_to(monkeypatch, "93.184.215.14")
    await production.require_allowed("https://example.com/")
    async with receiving() as receiver:
        leads_to(monkeypatch, "127.0.0.1")
        port = receiver.url.split(":")[2].split("/")[0]
        result = await production.post(f"https://example.com:{port}/", EVENT, ["whsec_QUJD"], datetime.now(UTC))
        assert result.error == "The url's host is not an address of the public network."
        assert receiver.got == []


async def test_tls_is_checked_by_the_name_though_the_connection_goes_to_the_checked_address(
    sender: HttpWebhookSender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = certify("hooks.example", tmp_path)
    monkeypatch.setattr(certifi, "where", lambda: str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with receiving(context) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        leads_to(monkeypatch, "127.0.0.1")
        secret = sender.new_secret()
        result = await sender.post(f"https://hooks.example:{port}/x?y=1", EVENT, [secret], datetime.now(UTC))
        assert result.status == 204, result
        assert receiver.got[0][0]["host"] == f"hooks.example:{port}"
        other = await sender.post(f"https://other.example:{port}/", EVENT, [secret], datetime.now(UTC))
        assert other.status is None
        assert len(receiver.got) == 1


def certify(name: str, folder: Path) -> Path:
    """A certificate for this name with its key, which vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_which_addresses_are_public() -> None:
    for text, expected in {
        "8.8.8.8": True,
        "2606:4700::1111": True,
        "::ffff:8.8.8.8": True,
        "::ffff:127.0.0.1": False,
        "2001:0:53aa:64c::1": False,
        "::": False,
        "240.0.0.1": False,
        "255.255.255.255": False,
    }.items():
        assert is_public(ipaddress.ip_address(text)) is expected, text
