"""SMS: against moto's SNS, and against a server of the same protocol that misbehaves."""

import json
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channel_sms import LONGEST_PLAIN, LONGEST_WIDE, SmsChannel, shorten
from core.errors import ActionRejected, SystemBusy, SystemUnavailable
from core.ports.execution import Envelope
from core.systems import CallPolicy, SmsSystem
from tests.dynamo_server import CREDENTIALS, endpoint
from tests.outside.faults import Fault
from tests.outside.sms_server import SmsServer

ENVELOPE = Envelope(
    address="+12125550123", subject="Visit", body="Mañana a las 9 viene el fontanero.", language="es", message_id="n-1"
)


def connect(url: str, **options: Any) -> SmsChannel:
    fields: dict[str, Any] = {"sender_id": "HARBOUR", "policy": CallPolicy(timeout_s=1.5, concurrency=4)} | options
    return SmsChannel(SmsSystem(kind="sns", region="us-east-1", endpoint_url=url, **fields))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def server() -> Iterator[SmsServer]:
    with SmsServer() as server:
        server.slow_s = 2.5
        yield server


@pytest.fixture
async def sms(server: SmsServer) -> AsyncIterator[SmsChannel]:
    channel = connect(server.url)
    yield channel
    await channel.close()


async def test_a_message_reaches_sns() -> None:
    channel = connect(endpoint(), policy=CallPolicy(timeout_s=20.0))
    external_id = await channel.deliver(ENVELOPE)
    with urllib.request.urlopen(f"{endpoint()}/moto-api/data.json", timeout=20) as answer:
        kept = {message["message_id"]: message for message in json.load(answer)["sns"]["SMS"]}
    await channel.close()
    assert (kept[external_id]["phone_number"], kept[external_id]["message"]) == (ENVELOPE.address, ENVELOPE.body)


async def test_what_is_sent(server: SmsServer, sms: SmsChannel) -> None:
    assert await sms.deliver(ENVELOPE) == "sms-1"
    (sent,) = server.sent
    assert (sent["PhoneNumber"], sent["Message"]) == (ENVELOPE.address, ENVELOPE.body)
    assert server.attributes(0) == {"AWS.SNS.SMS.SMSType": "Transactional", "AWS.SNS.SMS.SenderID": "HARBOUR"}


async def test_no_sender_id_where_none_is_configured(server: SmsServer) -> None:
    channel = connect(server.url, sender_id=None)
    await channel.deliver(ENVELOPE)
    await channel.close()
    assert server.attributes(0) == {"AWS.SNS.SMS.SMSType": "Transactional"}


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ((400, "Throttling"), SystemBusy),
        ((429, "TooManyRequestsException"), SystemBusy),
        ((400, "InvalidParameter"), ActionRejected),
        ((400, "OptedOut"), ActionRejected),
        ((403, "AuthorizationError"), SystemUnavailable),
        ((403, "InvalidClientTokenId"), SystemUnavailable),
        ((500, "InternalFailure"), SystemUnavailable),
        ((503, "ServiceUnavailable"), SystemUnavailable),
    ],
)
async def test_each_refusal_becomes_the_right_error(
    server: SmsServer, sms: SmsChannel, refusal: tuple[int, str], error: type[Exception]
) -> None:
    server.refusal = refusal
    with pytest.raises(error) as caught:
        await sms.deliver(ENVELOPE)
    assert type(caught.value) is error
    assert ENVELOPE.address not in str(caught.value)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("fault", "error", "sent"),
    [
        (Fault.SLOW, SystemUnavailable, 1),
        (Fault.HALF_OPEN, SystemUnavailable, 1),
        (Fault.ERROR_AFTER, SystemUnavailable, 1),
        (Fault.GARBAGE, SystemUnavailable, 1),
        (Fault.MISSING_FIELDS, SystemUnavailable, 1),
        (Fault.DROPPED, SystemUnavailable, 0),
        (Fault.ERROR_BEFORE, SystemUnavailable, 0),
        # Without the service's own words, nothing says that it was not sent.
        (Fault.RATE_LIMITED, SystemUnavailable, 0),
    ],
)
async def test_a_fault_is_met_once(
    server: SmsServer, sms: SmsChannel, fault: Fault, error: type[Exception], sent: int
) -> None:
    server.faults.plan(fault)
    with pytest.raises(error) as caught:
        await sms.deliver(ENVELOPE)
    assert type(caught.value) is error
    # The library makes no tries of its own: each may be a message.
    assert (len(server.calls), len(server.sent)) == (1, sent)


async def test_a_dead_service(server: SmsServer, sms: SmsChannel) -> None:
    server.die()
    with pytest.raises(SystemUnavailable):
        await sms.deliver(ENVELOPE)
    assert sms.state().status == "failing"
    server.start()
    await sms.deliver(ENVELOPE)
    assert sms.state().status == "ok"


@pytest.mark.parametrize("address", ["", "12125550123", "+0123456789", "+1 212 555 0123", "+1212555012x", "+١٢٣٤٥٦٧٨٩"])
async def test_strange_numbers_are_refused_before_anything_is_sent(
    server: SmsServer, sms: SmsChannel, address: str
) -> None:
    with pytest.raises(ActionRejected):
        await sms.deliver(Envelope(address, "Visit", "Hello", "en", "n-1"))
    with pytest.raises(ActionRejected):
        await sms.deliver(Envelope(ENVELOPE.address, "Visit", " \n", "en", "n-1"))
    assert server.calls == []


def test_a_long_text_is_cut_between_words() -> None:
    words = " ".join(f"word{number}" for number in range(200))
    cut = shorten(words)
    assert len(cut) <= LONGEST_PLAIN
    assert cut.endswith("...")
    assert words.startswith(cut.removesuffix("...") + " ")
    assert shorten("a" * 700) == "a" * 700
    assert shorten("a" * 701) == "a" * 697 + "..."


def test_letters_outside_the_basic_alphabet_leave_less_room() -> None:
    cut = shorten("mañana será más fácil " * 40)
    assert LONGEST_WIDE - 30 < len(cut) <= LONGEST_WIDE
    assert cut.endswith("…")


@given(st.text(st.sampled_from("ab é😀\n["), min_size=1, max_size=900))
def test_no_text_takes_more_than_five_parts(text: str) -> None:
    try:
        cut = shorten(text)
    except ActionRejected:
        assert not text.strip()
        return
    if cut != text.strip():
        ending = "..." if cut.endswith("...") else "…"
        assert text.strip().startswith(cut.removesuffix(ending))
    is_plain = set(cut) <= set("ab é\n[.")
    assert len(cut) <= LONGEST_PLAIN if is_plain else len(cut.encode("utf-16-le")) // 2 <= LONGEST_WIDE
