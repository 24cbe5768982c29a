"""Mail, to a real SMTP server that misbehaves."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channel_mail import MailChannel, write_mail
from core.errors import ActionRejected, SystemBusy, SystemUnavailable
from core.ports.execution import Envelope
from core.systems import CallPolicy, MailSystem
from tests.outside.mail_server import PASSWORD, USER, MailServer, make_certificate

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
SENDER = "Harbour House <house@example.com>"
ENVELOPE = Envelope(
    address="resident@example.org",
    subject="Su visita: mañana a las 9",
    body="Buenos días.\nEl fontanero viene mañana.\n.\n" + "largo " * 300,
    language="es",
    message_id="notice-1:email",
    unsubscribe_url="https://house.example.com/unsubscribe?token=" + "t" * 200,
)


def connect(server: MailServer, password: str | None = None, **options: Any) -> MailChannel:
    tls = options.pop("tls", None)
    fields = {"host": "127.0.0.1", "port": server.port, "security": "none", "policy": CallPolicy(timeout_s=5.0)}
    return MailChannel(MailSystem(kind="smtp", sender=SENDER, **fields | options), password, tls=tls)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


async def test_a_message_arrives_as_it_was_written(server: MailServer) -> None:
    external_id = await connect(server).deliver(ENVELOPE)

    (message,) = server.arrived
    assert server.recipients == ["resident@example.org"]
    assert message["Subject"] == ENVELOPE.subject
    assert message.get_content().splitlines() == ENVELOPE.body.splitlines()
    assert (message["From"], message["To"]) == (SENDER, "resident@example.org")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "es"
    assert message["List-Unsubscribe"] == f"<{ENVELOPE.unsubscribe_url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Date"].datetime.tzinfo is not None
    assert message["Message-ID"] == external_id


async def test_no_unsubscribing_where_none_is_offered_and_no_click_without_https(server: MailServer) -> None:
    await connect(server).deliver(replace(ENVELOPE, unsubscribe_url=None))
    await connect(server).deliver(replace(ENVELOPE, unsubscribe_url="http://house.example.com/u"))
    assert server.arrived[0]["List-Unsubscribe"] is None
    assert server.arrived[1]["List-Unsubscribe"] == "<http://house.example.com/u>"
    assert [message["List-Unsubscribe-Post"] for message in server.arrived] == [None, None]


def test_the_message_id_is_the_same_at_each_try_and_a_valid_one() -> None:
    ids = [str(write_mail(ENVELOPE, sender=SENDER, at=AT)["Message-ID"]) for _ in range(2)]
    assert ids[0] == ids[1]
    plain = write_mail(replace(ENVELOPE, message_id="notice-1.email"), sender=SENDER, at=AT)
    assert plain["Message-ID"] == "<notice-1.email@example.com>"
    other = write_mail(replace(ENVELOPE, message_id="notice-2:email"), sender=SENDER, at=AT)
    assert other["Message-ID"] != ids[0]


ALLOWED = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Language",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
}


@given(
    subject=st.text(st.sampled_from("a\r\n\0\x0b\x0c\x1c\x85\u2028é:Bcc "), max_size=40),
    message_id=st.text(st.sampled_from("a\r\n>:.@ é"), min_size=1, max_size=20),
    language=st.text(st.sampled_from("e\r\n: "), max_size=8),
    local=st.text(st.sampled_from("a\r\n\0,;<>()é."), max_size=8),
    url=st.text(st.sampled_from("h:/\r\n<>é "), max_size=12),
)
def test_no_field_adds_a_header(subject: str, message_id: str, language: str, local: str, url: str) -> None:
    envelope = Envelope(f"{local}@example.org", subject, "Hello", language, message_id, url)
    try:
        raw = write_mail(envelope, sender=SENDER, at=AT).as_bytes()
    except ActionRejected:
        return
    head = raw.partition(b"\r\n\r\n")[0].decode()
    names = [line.partition(":")[0] for line in head.split("\r\n") if not line.startswith((" ", "\t"))]
    assert set(names) <= ALLOWED
    assert len(names) == len(set(names))
    assert "\n" not in head.replace("\r\n", "")


async def test_line_breaks_in_a_subject_become_spaces(server: MailServer) -> None:
    await connect(server).deliver(replace(ENVELOPE, subject="Visit\r\nBcc: everybody@example.com"))
    assert server.arrived[0]["Subject"] == "Visit Bcc: everybody@example.com"
    assert server.arrived[0]["Bcc"] is None
    assert server.recipients == ["resident@example.org"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b",
        "a@example.org\r\nBcc: c@example.org",
        "a@example.org\nRCPT TO:<c@example.org>",
        "a@example.org,c@example.org",
        "<a@example.org>",
        "a(x)@example.org",
        "a\0@example.org",
        "a@" + "x" * 70 + ".org",
    ],
)
async def test_strange_addresses_are_refused_before_anything_is_sent(server: MailServer, address: str) -> None:
    with pytest.raises(ActionRejected):
        await connect(server).deliver(replace(ENVELOPE, address=address))
    assert server.arrived == []


async def test_addresses_of_other_scripts(server: MailServer) -> None:
    await connect(server).deliver(replace(ENVELOPE, address="resident@münchen.example"))
    assert server.recipients == ["resident@xn--mnchen-3ya.example"]
    with pytest.raises(ActionRejected):
        await connect(server).deliver(replace(ENVELOPE, address="jürgen@example.org"))
    with MailServer(utf8_addresses=True) as modern:
        await connect(modern).deliver(replace(ENVELOPE, address="jürgen@example.org"))
        assert modern.recipients == ["jürgen@example.org"]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ("greylist", SystemUnavailable),
        ("unknown_user", ActionRejected),
        ("bad_content", ActionRejected),
        ("rate", SystemBusy),
        ("closing", SystemBusy),
        ("drop_before", SystemUnavailable),
    ],
)
async def test_each_refusal_becomes_the_right_error(server: MailServer, trouble: Any, error: type[Exception]) -> None:
    channel = connect(server)
    server.trouble = trouble
    with pytest.raises(error) as caught:
        await channel.deliver(ENVELOPE)
    assert type(caught.value) is error
    assert "resident" not in str(caught.value)
    assert server.arrived == []

    server.trouble = None
    await channel.deliver(ENVELOPE)
    assert len(server.arrived) == 1
    assert channel.state().status == "ok"


async def test_a_slow_server_is_given_up_in_time(server: MailServer) -> None:
    server.trouble = "slow"
    channel = connect(server, policy=CallPolicy(timeout_s=0.3))
    with pytest.raises(SystemUnavailable, match="in time"):
        await channel.deliver(ENVELOPE)
    assert channel.state().status == "failing"


async def test_a_connection_lost_after_the_text_may_bring_the_same_message_id_again(server: MailServer) -> None:
    server.trouble = "drop_after"
    channel = connect(server)
    with pytest.raises(SystemUnavailable, match="may have arrived"):
        await channel.deliver(ENVELOPE)
    server.trouble = None
    await channel.deliver(ENVELOPE)
    first, second = server.arrived
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_dead_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        channel = connect(MailServer(port=taken.getsockname()[1]))
        with pytest.raises(SystemUnavailable):
            await channel.deliver(ENVELOPE)
    assert channel.state().failures == 1


async def test_login(tmp_path: Path) -> None:
    shown, trusted = make_certificate(tmp_path)
    secure: dict[str, Any] = {"security": "starttls", "tls": trusted}
    with MailServer(tls=shown, needs_login=True) as closed:
        await connect(closed, PASSWORD, username=USER, **secure).deliver(ENVELOPE)
        assert len(closed.arrived) == 1
        # Not a refusal of the message: it can go out when the account is set right.
        with pytest.raises(SystemUnavailable, match="535"):
            await connect(closed, "wrong", username=USER, **secure).deliver(ENVELOPE)
        with pytest.raises(SystemUnavailable, match="530"):
            await connect(closed, **secure).deliver(ENVELOPE)
        assert len(closed.arrived) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_trusted_certificate_and_none_other(tmp_path: Path, security: Any) -> None:
    shown, trusted = make_certificate(tmp_path)
    with MailServer(tls=shown, implicit_tls=security == "tls") as server:
        await connect(server, security=security, tls=trusted).deliver(ENVELOPE)
        assert server.secured == [True]
        with pytest.raises(SystemUnavailable):
            await connect(server, security=security).deliver(ENVELOPE)
        with pytest.raises(SystemUnavailable):
            # The certificate is trusted, but it is another host's.
            await connect(server, security=security, tls=trusted, host="localhost").deliver(ENVELOPE)
        assert len(server.arrived) == 1


async def test_nothing_goes_out_in_the_clear_where_tls_is_asked_for(server: MailServer) -> None:
    with pytest.raises(SystemUnavailable):
        await connect(server, security="starttls").deliver(ENVELOPE)
    assert server.arrived == []
